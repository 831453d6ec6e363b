"""Send one request with `requests` and read its response: no retry, no redirect.

Defines what is sent (User-Agent, accepted encodings, proxies, certificate authorities), and how much of the response
is read. Masks our secrets in the response.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

import requests

from harvest_dagster import __version__
from harvest_dagster.errors import SourceError, SourceUnreachable
from harvest_dagster.http.error_mapping import TRANSPORT_ERRORS
from harvest_dagster.http.models import Timeouts
from harvest_dagster.http.transport.body import (
    ACCEPTED,
    CHUNK_SIZE,
    decode_chunks,
    join_bounded,
    write_bounded,
)
from harvest_dagster.http.transport.cookies import BoundedCookieJar
from harvest_dagster.http.transport.redirects import REDIRECT_STATUSES, RedirectStep
from harvest_dagster.http.transport.secret_echoes import SecretMasker
from harvest_dagster.http.transport.watched_adapter import Exchange, WatchedAdapter
from harvest_dagster.rate_limits import host_of
from harvest_dagster.response_limits import ResponseLimits

# Bytes. No more is read of the body of an error response, because only an error message quotes it.
_MAX_QUOTED = 64 * 1024
# A cache must ask the source again (RFC 9111, section 5.2.1.4). Caches of HTTP/1.0 know only Pragma. A cache that
# repeated an old list made days count as done: docs/failures.md#coverage-too-early
_NO_CACHE = {"Cache-Control": "no-cache", "Pragma": "no-cache"}
_NO_CONTENT = 204
_PARTIAL_CONTENT = 206


@dataclass(frozen=True)
class RawResponse:
    """The response to one request.

    Attributes:
        status: The HTTP status code.
        is_success: Whether the status is a success or one of the allowed statuses. If not, `body` has only the
            beginning of the body.
        body: The body, its Content-Encoding decoded, secrets masked (`http.transport.secret_echoes`).
        content_type: The value of the header Content-Type, empty if there is none.
        location: The target of a redirect. None if the response is no redirect.
        headers: All headers, with case-insensitive names.
        next_link: The URL with rel="next" in the header Link, secrets masked. None if there is none.
    """

    status: int
    is_success: bool
    body: bytes
    content_type: str = ""
    location: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    next_link: str | None = None


@dataclass(frozen=True)
class FailedAttempt:
    """A request attempt that failed.

    Attributes:
        error: The error for the harvester, if no further attempt follows.
        was_sent: Whether the request may have reached the server.
        retry_after: Seconds that the source asks to wait (Retry-After, RateLimit). None if it names no time.
    """

    error: SourceError
    was_sent: bool
    retry_after: float | None = None


class _RequestsSession(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> str | None:  # noqa: ARG002  # requests' signature
        """Return None: HttpSession follows redirects. `requests` would read their bodies without a size limit."""
        return None


class Transport:
    """The connections, the cookies and the headers of one session."""

    def __init__(
        self, timeouts: Timeouts, limits: ResponseLimits, contact: str, secrets: SecretMasker
    ) -> None:
        self._timeouts = timeouts
        self._limits = limits
        self._secrets = secrets
        self._adapter = WatchedAdapter()
        self._client = _RequestsSession()
        self._cookies = BoundedCookieJar(limits)
        self._client.cookies = self._cookies
        self._client.trust_env = False  # requests would read ~/.netrc
        self._client.headers.update(
            {"User-Agent": _user_agent(contact), "Accept-Encoding": ACCEPTED, **_NO_CACHE}
        )
        self._client.mount("http://", self._adapter)
        self._client.mount("https://", self._adapter)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    @property
    def dropped_cookies(self) -> int:
        """The number of cookies that exceeded the limits."""
        return self._cookies.dropped

    def add_issued_secret(self, secret: str) -> None:
        """Mask a token that was issued during the session."""
        self._secrets.add_issued(secret)

    def send(self, step: RedirectStep, exchange: Exchange, allowed: frozenset[int]) -> RawResponse:
        """Send one request within the limits of the exchange, and return its response.

        Args:
            step: The request.
            exchange: Reserves the request, and limits the time and the size of the response.
            allowed: Error statuses that count as success.

        Raises:
            ConnectionClosed: The server closed the connection while the request waited for the rate limiter. Nothing
                was sent.
            SourceError: The response is too large, too slow, incomplete or wrongly encoded.
            requests.RequestException, urllib3.exceptions.HTTPError, OSError: See `error_mapping.TRANSPORT_ERRORS`.
        """
        self._adapter.exchange = exchange
        proxies = requests.utils.get_environ_proxies(step.url, no_proxy=None)
        if exchange.is_redirected and requests.utils.select_proxy(step.url, proxies):
            # The proxy resolves the name. So the adapter does not see the address, and cannot validate it.
            exchange.validate_redirect(urlsplit(step.url).hostname or "")
        request = self._client.prepare_request(self._secrets.restore(step).request())
        response = self._client.send(
            request,
            stream=True,
            timeout=(self._timeouts.connect, self._timeouts.read),
            allow_redirects=False,
            proxies=proxies,
            verify=os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or True,
        )
        with response:
            raw = self._read(response, step, exchange.url, allowed)
        if step.is_token_request:
            return raw
        return replace(
            raw,
            body=self._secrets.mask(step.host, raw.body),
            content_type=self._mask(step, raw.content_type),
            next_link=None if raw.next_link is None else self._mask(step, raw.next_link),
        )

    def mask(self, url: str, content: bytes) -> bytes:
        """Mask our secrets in a part of the content of a URL."""
        return self._secrets.mask(host_of(url), content)

    def _mask(self, step: RedirectStep, header: str) -> str:
        return self._secrets.mask(step.host, header.encode()).decode()

    def _read(
        self, response: requests.Response, step: RedirectStep, url: str, allowed: frozenset[int]
    ) -> RawResponse:
        status, headers = response.status_code, response.headers
        is_success = status in allowed or (response.ok and status < 300 and status != _PARTIAL_CONTENT)  # noqa: PLR2004
        chunks = decode_chunks(_received_chunks(response, url), headers.get("Content-Encoding", ""), url)
        return RawResponse(
            status=status,
            is_success=is_success,
            body=self._content(chunks, step, url) if is_success else _read_beginning(chunks),
            content_type=headers.get("Content-Type", ""),
            location=headers.get("Location") if status in REDIRECT_STATUSES and not is_success else None,
            headers=headers,
            next_link=_next_link(headers.get("Link", "")),
        )

    def _content(self, chunks: Iterator[bytes], step: RedirectStep, url: str) -> bytes:
        """Return the content of a response, or write it to the file of the request."""
        if step.target is None:
            return join_bounded(chunks, self._limits, url)
        write_bounded(chunks, step.target, self._limits, url)
        return b""


def _next_link(header: str) -> str | None:
    """Return the URL of the first link with rel="next" in a header Link (RFC 8288, section 3.3)."""
    for link in requests.utils.parse_header_links(header):
        if "next" in link.get("rel", "").lower().split():
            return link["url"] or None
    return None


def _user_agent(contact: str) -> str:
    """Return the User-Agent. It tells the operator of a source how to contact the people who harvest."""
    return f"harvest_dagster/{__version__}" + (f" (+{contact})" if contact else "")


def _received_chunks(response: requests.Response, url: str) -> Iterator[bytes]:
    """Yield the body as received. Raise SourceUnreachable if it is shorter or longer than Content-Length says."""
    # The error of urllib3 does not say how many bytes are missing.
    response.raw.enforce_content_length = False
    received = 0
    for chunk in response.raw.stream(CHUNK_SIZE, decode_content=False):
        received += len(chunk)
        yield chunk
    expected = response.headers.get("Content-Length", "")
    has_length = "Transfer-Encoding" not in response.headers and response.status_code != _NO_CONTENT
    if has_length and expected.isdecimal() and received != int(expected):
        message = f"{url}: the response was cut short, {received} of {expected} bytes arrived. Try later."
        raise SourceUnreachable(message)


def _read_beginning(chunks: Iterable[bytes]) -> bytes:
    """Return the beginning of a body for an error message. If reading fails, return what arrived until then."""
    body = bytearray()
    with suppress(SourceError, *TRANSPORT_ERRORS):
        for chunk in chunks:
            body += chunk
            if len(body) >= _MAX_QUOTED:
                break
    return bytes(body[:_MAX_QUOTED])
