"""One request and its answer over `requests`: no second attempt, no redirect, no verdict.

Here: what is sent (User-Agent, encodings, proxies, certificate authorities), and how much of the answer is
read, and that it comes without our secrets.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace

import requests

from harvest_dagster import __version__
from harvest_dagster.errors import SourceError, SourceUnreachable
from harvest_dagster.http.body import ACCEPTED, PIECE, bounded, decoded
from harvest_dagster.http.echoes import Echoes
from harvest_dagster.http.failures import TRANSPORT_ERRORS
from harvest_dagster.http.hop import REDIRECTS, Hop
from harvest_dagster.http.values import Sizes, Timeouts
from harvest_dagster.http.wire import Exchange, WatchedAdapter

# So much is read of a body that only an error message will quote.
QUOTED = 64 * 1024
_NO_CONTENT = 204
_PARTIAL_CONTENT = 206


@dataclass(frozen=True)
class Answer:
    """What came for one request.

    Attributes:
        status: the HTTP status code.
        good: whether the body is what was asked for, and whole; else it is its beginning.
        body: content-encoding undone, secrets masked (`http.echoes`).
        content_type: the header's value, empty where there was none.
        location: where it redirects to, None where it does not.
        headers: of any case.
    """

    status: int
    good: bool
    body: bytes
    content_type: str = ""
    location: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Failure:
    """An attempt that gave no good answer.

    Attributes:
        error: what the harvester gets if it was the last one.
        departed: whether the request may have reached the server.
        asked: seconds that the source asks to wait (Retry-After, RateLimit).
    """

    error: SourceError
    departed: bool
    asked: float | None = None


class _Client(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> str | None:  # noqa: ARG002  # requests' signature
        """None: the session follows redirects itself. requests would read their bodies whole, of any size."""
        return None


class Transport:
    """The connections, the cookies and the headers of one session."""

    def __init__(self, timeouts: Timeouts, sizes: Sizes, contact: str, echoes: Echoes) -> None:
        self._timeouts = timeouts
        self._sizes = sizes
        self._echoes = echoes
        self._adapter = WatchedAdapter()
        self._client = _Client()
        self._client.trust_env = False  # else it reads ~/.netrc
        self._client.headers.update({"User-Agent": user_agent(contact), "Accept-Encoding": ACCEPTED})
        self._client.mount("http://", self._adapter)
        self._client.mount("https://", self._adapter)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def send(self, hop: Hop, exchange: Exchange, allowed: frozenset[int]) -> Answer:
        """One request, within the exchange's bounds.

        Raises:
            HungUp: the connection fell while the request waited for its turn; nothing was sent.
            SourceError: the answer is too large, too slow, cut short or wrongly encoded.
            requests.RequestException, urllib3.exceptions.HTTPError: see `failures.TRANSPORT_ERRORS`.
        """
        self._adapter.exchange = exchange
        request = self._client.prepare_request(self._echoes.completed(hop).request())
        response = self._client.send(
            request,
            stream=True,
            timeout=(self._timeouts.connect, self._timeouts.read),
            allow_redirects=False,
            proxies=requests.utils.get_environ_proxies(hop.url, no_proxy=None),
            verify=os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or True,
        )
        with response:
            return self._masked(hop, self._read(response, exchange.place, allowed))

    def _masked(self, hop: Hop, answer: Answer) -> Answer:
        kind = self._echoes.masked(hop.host, answer.content_type.encode()).decode()
        return replace(answer, body=self._echoes.masked(hop.host, answer.body), content_type=kind)

    def _read(self, response: requests.Response, place: str, allowed: frozenset[int]) -> Answer:
        status, headers = response.status_code, response.headers
        good = status in allowed or (response.ok and status < 300 and status != _PARTIAL_CONTENT)  # noqa: PLR2004
        pieces = decoded(_pieces(response, place), headers.get("Content-Encoding", ""), place)
        return Answer(
            status=status,
            good=good,
            body=bounded(pieces, self._sizes.decoded, place) if good else _beginning(pieces),
            content_type=headers.get("Content-Type", ""),
            location=headers.get("Location") if status in REDIRECTS and not good else None,
            headers=headers,
        )


def user_agent(contact: str) -> str:
    """Who we are, and where the operator of a source finds the one who harvests."""
    return f"harvest_dagster/{__version__}" + (f" (+{contact})" if contact else "")


def _pieces(response: requests.Response, place: str) -> Iterator[bytes]:
    """The body as it came, as long as the header says it is.

    Raises:
        SourceUnreachable: fewer bytes came.
    """
    response.raw.enforce_content_length = False  # urllib3 would say that it is short, and not by how much
    count = 0
    for piece in response.raw.stream(PIECE, decode_content=False):
        count += len(piece)
        yield piece
    said = response.headers.get("Content-Length", "")
    if "Transfer-Encoding" in response.headers or response.status_code == _NO_CONTENT or not said.isdecimal():
        return
    if count != int(said):
        message = f"{place}: the answer was cut short, {count} of {said} bytes came. Try later."
        raise SourceUnreachable(message)


def _beginning(pieces: Iterable[bytes]) -> bytes:
    """What an error message quotes; that it cannot be read is no error of its own."""
    body = bytearray()
    with suppress(SourceError, *TRANSPORT_ERRORS):
        for piece in pieces:
            body += piece
            if len(body) >= QUOTED:
                break
    return bytes(body[:QUOTED])
