"""What broke, in words of our own.

The messages of requests, urllib3 and http.client carry whole URLs, and with them API keys. None of them is
let through: only the kind of failure and the operating system's own text are.
"""

from __future__ import annotations

import http
import http.client
import socket
import ssl
from typing import TypeVar

import requests
import urllib3.exceptions

from harvest_dagster.errors import HttpStatusError, MalformedResponse, SourceError, SourceUnreachable, WebPage
from harvest_dagster.http.webpages import NAMES, REMEDIES

E = TypeVar("E", bound=BaseException)

# What the transport raises; everything else is a mistake of ours and passes.
TRANSPORT_ERRORS = (
    requests.RequestException,
    urllib3.exceptions.HTTPError,
    http.client.HTTPException,
    OSError,
    UnicodeError,
)
_REQUEST_ERRORS = (
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
    requests.exceptions.MissingSchema,
    requests.exceptions.InvalidHeader,
    urllib3.exceptions.LocationValueError,
    UnicodeError,
)
_CUT = (urllib3.exceptions.IncompleteRead, urllib3.exceptions.InvalidChunkLength, http.client.IncompleteRead)
_TIMED_OUT = (requests.Timeout, urllib3.exceptions.TimeoutError, TimeoutError)
_KINDS: tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], str], ...] = (
    (socket.gaierror, "its name cannot be resolved"),
    (ConnectionRefusedError, "it refuses connections"),
    (http.client.RemoteDisconnected, "it hung up without an answer"),
    (_CUT, "the answer was cut short"),
    (_TIMED_OUT, "no connection in time"),
    (ConnectionError, "the connection broke off"),
)


def translate(error: BaseException, place: str) -> SourceError:
    """The error of ours for one of `TRANSPORT_ERRORS`; `place` is the URL, redacted."""
    chain = _chain(error)
    certificate = _first(chain, ssl.SSLCertVerificationError)
    if certificate is not None:
        return _permanent(
            f"{place}: its certificate is not valid ({certificate.verify_message}). {_CERTIFICATE}"
        )
    if _first(chain, requests.exceptions.ProxyError) is not None:
        return SourceUnreachable(
            f"{place}: the proxy does not answer as it should. See HTTPS_PROXY and HTTP_PROXY."
        )
    if isinstance(error, _REQUEST_ERRORS):
        return _permanent(
            f"{place}: not a request that can be sent ({type(error).__name__}). Mend it in the config."
        )
    broken = _first(chain, http.client.HTTPException)
    if broken is not None and _is_head_too_large(broken):
        return MalformedResponse(f"{place}: its headers are too large. Tell the operator of the source.")
    if broken is not None and not isinstance(broken, (http.client.RemoteDisconnected, *_CUT)):
        return MalformedResponse(
            f"{place}: the answer is not HTTP. See whether the URL and its port are right."
        )
    return SourceUnreachable(f"{place}: {_what(chain)}. Try later, or see whether the URL is right.")


def not_an_address(place: str) -> SourceError:
    """The error for a URL that cannot be asked."""
    return _permanent(f"{place}: not an address of http or https. Mend the URL.")


def not_sendable(fault: str) -> SourceError:
    """The error for a header that cannot be sent; `fault` says which, and why."""
    return _permanent(
        f"nothing was asked: {fault}. Mend it in the config, or in the environment variable it names."
    )


def refused_status(
    status: int, excerpt: str, place: str, page: type[WebPage] | None = None
) -> HttpStatusError:
    """The error for an answer with a status that says no.

    A bot wall, a login or a maintenance page that comes with it is named: it tells better than the status what to
    do. The verdict is the status's all the same: where it is transient, walls come and go as well.

    Args:
        status: the HTTP status code.
        excerpt: of the body, redacted.
        place: the URL, redacted.
        page: what kind of web page the body is; None for none.
    """
    known = None if page is WebPage else page
    name = f"{_STATUS_NAMES.get(status, '')}{f' with {NAMES[known]}' if known else ''}".strip()
    said = f"; it says: {excerpt!r}" if excerpt else ""
    remedy = REMEDIES[known] if known else _remedy(status)
    return status_error(f"{place}: HTTP {status} {name}".rstrip() + f"{said}. {remedy}", status, place, page)


def status_error(message: str, status: int, place: str, page: type[WebPage] | None = None) -> HttpStatusError:
    """An HttpStatusError; all of 5xx are transient, Cloudflare's 520 to 526 too."""
    error = HttpStatusError(message, status=status, url=place, page=page)
    error.transient = error.transient or status >= _SERVER_ERROR
    return error


def _remedy(status: int) -> str:
    if status in (401, 403):
        return "It wants credentials, or lets no harvesters in: see `harvester_kwargs`, or ask its operator."
    if status == _TOO_MANY_REQUESTS:
        return "Lower `rate_limit`."
    if status in HttpStatusError.TRANSIENT or status >= _SERVER_ERROR:
        return "Try later."
    return "See whether the URL and its parameters are right."


_SERVER_ERROR = 500
_MOST_HEADERS = 100  # of http.client
_TOO_MANY_REQUESTS = 429
_STATUS_NAMES = {status.value: status.phrase for status in http.HTTPStatus}
_CERTIFICATE = "Tell the source's operator, or name your own authorities in REQUESTS_CA_BUNDLE."


def _permanent(message: str) -> SourceUnreachable:
    error = SourceUnreachable(message)
    error.transient = False
    return error


def _what(chain: list[BaseException]) -> str:
    for kinds, words in _KINDS:
        if _first(chain, *(kinds if isinstance(kinds, tuple) else (kinds,))) is not None:
            return words
    system = _first(chain, OSError)
    if system is not None and system.strerror:
        return system.strerror
    # urllib3 tells a chunked body without its last chunk so, and wraps in it whatever else it knows.
    is_broken_off = _first(chain, urllib3.exceptions.ProtocolError) is not None
    return "the answer broke off" if is_broken_off else "the connection failed"


def _is_head_too_large(error: http.client.HTTPException) -> bool:
    """By its words: http.client has one class for each line that is too long, and none for too many headers."""
    return str(error).endswith((f"{_MOST_HEADERS} headers", "header line"))


def _first(chain: list[BaseException], *kinds: type[E]) -> E | None:
    return next((error for error in chain if isinstance(error, kinds)), None)


def _chain(error: BaseException) -> list[BaseException]:
    """The error and all that it wraps: as cause, as context, as `reason`, or among its arguments."""
    found: list[BaseException] = []
    waiting: list[object] = [error]
    while waiting:
        item = waiting.pop(0)
        if isinstance(item, BaseException) and not any(item is known for known in found):
            found.append(item)
            waiting += [item.__cause__, item.__context__, getattr(item, "reason", None), *item.args]
    return found
