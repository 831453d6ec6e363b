"""Turn the exceptions of `requests`, urllib3 and http.client, and error statuses, into errors of this project.

The messages of these libraries contain whole URLs, and URLs contain API keys. So none of their messages is used, only
the kind of the exception and the text of the operating system (docs/failures.md#secret-in-log).
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
from harvest_dagster.http.html.page_detection import PAGE_NAMES, PAGE_REMEDIES
from harvest_dagster.http.too_many_records import is_list_too_long

E = TypeVar("E", bound=BaseException)

TRANSPORT_ERRORS = (
    requests.RequestException,
    urllib3.exceptions.HTTPError,
    http.client.HTTPException,
    OSError,
    UnicodeError,
)
"""What the transport raises. Any other exception is a defect of this project and is not caught."""

_INVALID_REQUEST = (
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
    requests.exceptions.MissingSchema,
    requests.exceptions.InvalidHeader,
    urllib3.exceptions.LocationValueError,
    UnicodeError,
)
_INCOMPLETE = (
    urllib3.exceptions.IncompleteRead,
    urllib3.exceptions.InvalidChunkLength,
    http.client.IncompleteRead,
)
_TIMED_OUT = (requests.Timeout, urllib3.exceptions.TimeoutError, TimeoutError)
_REASONS: tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], str], ...] = (
    (socket.gaierror, "the name of the host cannot be resolved"),
    (ConnectionRefusedError, "the host refuses connections"),
    (http.client.RemoteDisconnected, "the server closed the connection without a response"),
    (_INCOMPLETE, "the response was cut short"),
    (_TIMED_OUT, "no connection in time"),
    (ConnectionError, "the connection was closed before the response was complete"),
    (ssl.SSLError, "the TLS connection failed"),
)

_MAX_HEADERS = 100  # of http.client
_SERVER_ERROR = 500
_PROXY_AUTHENTICATION_REQUIRED = 407
_TUNNEL_FAILED = "Tunnel connection failed: "  # of http.client
_TOO_MANY_REQUESTS = 429
_CONTENT_TOO_LARGE = 413
_PROXY_CREDENTIALS = (
    "the proxy requires other credentials. Check user and password in HTTPS_PROXY and HTTP_PROXY."
)
_STATUS_NAMES = {status.value: status.phrase for status in http.HTTPStatus}


def to_source_error(error: BaseException, url: str) -> SourceError:
    """Return the error of this project for one of `TRANSPORT_ERRORS`.

    Args:
        error: The exception of the transport.
        url: The requested URL, secrets masked.
    """
    chain = _chain(error)
    certificate = _find(chain, ssl.SSLCertVerificationError)
    if certificate is not None:
        return _permanent(
            f"{url}: its certificate is not valid ({certificate.verify_message}). Inform the operator of the source,"
            " or name your own certificate authorities in REQUESTS_CA_BUNDLE."
        )
    if _find(chain, requests.exceptions.ProxyError) is not None:
        return _proxy_error(chain, url)
    if isinstance(error, _INVALID_REQUEST):
        return _permanent(
            f"{url}: the request cannot be sent ({type(error).__name__}). Correct it in the config."
        )
    http_error = _find(chain, http.client.HTTPException)
    if http_error is not None and _has_too_large_headers(http_error):
        return MalformedResponse(f"{url}: its headers are too large. Inform the operator of the source.")
    if http_error is not None and not isinstance(http_error, (http.client.RemoteDisconnected, *_INCOMPLETE)):
        return MalformedResponse(
            f"{url}: the response is not HTTP. Check whether the URL and its port are right."
        )
    return SourceUnreachable(f"{url}: {_reason(chain)}. Try later, or check whether the URL is right.")


def invalid_url_error(url: str) -> SourceError:
    """Return the error for a URL that is not a valid http or https URL. `url` has its secrets masked."""
    return _permanent(f"{url}: not a valid http or https URL. Correct the URL in the config.")


def invalid_header_error(fault: str) -> SourceError:
    """Return the error for a header that cannot be sent. `fault` is the result of `transport.headers.find_fault`."""
    return _permanent(
        f"no request was sent: {fault}. Correct it in the config, or in the environment variable that the config names."
    )


def forbidden_redirect_error(url: str) -> SourceError:
    """Return the error for a redirect into our own network. `url` is the target, secrets masked."""
    return _permanent(
        f"{url}: a redirect leads to this address, in a network that is less public than that of the source."
        " No request was sent to it. Inform the operator of the source. If the redirect is right, name the network in"
        " `redirect_networks`."
    )


def forbidden_host_error(url: str) -> SourceError:
    """Return the error for a host whose name leads to an address where the source cannot be. Secrets are masked."""
    return _permanent(
        f"{url}: the name of this host now leads into a network that is less public than before, or to a link-local"
        " address. No request was sent to it. Check the name service. If the address is right, name the network in"
        " `redirect_networks`."
    )


def dropped_query_error(url: str, status: int, target: str, dropped: str) -> SourceError:
    """Return the error for a redirect that drops parameters of the request. No other request can avoid it.

    Args:
        url: The requested URL, secrets masked.
        status: The HTTP status code.
        target: The target, secrets masked.
        dropped: The names of the parameters.
    """
    return _permanent(
        f"{url}: HTTP {status} redirects to {target}, without the parameters {dropped} of the request. The answer"
        f" would be another list. No request was sent to it. Put the new URL into `base_url`."
    )


def content_not_sent_error(url: str, status: int, target: str) -> SourceError:
    """Return the error for a redirect of a POST request that is not followed.

    Args:
        url: The requested URL, secrets masked.
        status: The HTTP status code.
        target: The target, secrets masked.
    """
    return _permanent(
        f"{url}: HTTP {status} redirects a POST request to {target}. Only 307 and 308 repeat such a request, and no"
        " other host receives its content. No request was sent to it. Put the new URL into `base_url`."
    )


def error_for_status(
    status: int, excerpt: str, url: str, page: type[WebPage] | None = None
) -> HttpStatusError:
    """Return the error for a response with an error status.

    The message names a bot challenge, a login page or a maintenance page in the body, because such a page
    shows the remedy better than the status. Only the status decides whether the error is transient: a bot challenge
    with a transient status may end, too.

    Args:
        status: The HTTP status code.
        excerpt: An excerpt of the body, secrets masked.
        url: The requested URL, secrets masked.
        page: The kind of the web page in the body, None if there is none.
    """
    known_page = None if page is WebPage else page
    name = _STATUS_NAMES.get(status, "")
    described = f"HTTP {status} {name}".rstrip() + (f" with {PAGE_NAMES[known_page]}" if known_page else "")
    # A proxy may repeat the credentials that it received.
    is_quoted = excerpt and status != _PROXY_AUTHENTICATION_REQUIRED
    body = f"; the body says {excerpt!r}" if is_quoted else ""
    remedy = PAGE_REMEDIES[known_page] if known_page else _remedy(status)
    error = http_status_error(f"{url}: {described}{body}. {remedy}", status, url, page)
    error.needs_shorter_list = known_page is None and is_list_too_long(status, excerpt)
    return error


def http_status_error(
    message: str, status: int, url: str, page: type[WebPage] | None = None
) -> HttpStatusError:
    """Return an HttpStatusError. It is transient for each 5xx status, including Cloudflare's 520 to 526."""
    error = HttpStatusError(message, status=status, url=url, page=page)
    error.transient = error.transient or status >= _SERVER_ERROR
    return error


def _remedy(status: int) -> str:
    if status in (401, 403):
        return (
            "The source requires credentials or blocks harvesters. Check `auth` and `harvester_kwargs`, or ask"
            " the operator of the source."
        )
    if status == _PROXY_AUTHENTICATION_REQUIRED:
        return f"{_PROXY_CREDENTIALS[0].upper()}{_PROXY_CREDENTIALS[1:]}"
    if status == _TOO_MANY_REQUESTS:
        return "Lower `rate_limit`."
    if status == _CONTENT_TOO_LARGE:
        return "The list is too long. Set a shorter `max_window`."
    if status in HttpStatusError.TRANSIENT or status >= _SERVER_ERROR:
        return "Try later."
    return "Check whether the URL and its parameters are right."


def _permanent(message: str) -> SourceUnreachable:
    error = SourceUnreachable(message)
    error.transient = False
    return error


def _proxy_error(chain: list[BaseException], url: str) -> SourceUnreachable:
    """Return the error of a proxy. It quotes nothing: a proxy may repeat the credentials that it received."""
    if any(str(error).startswith(f"{_TUNNEL_FAILED}{_PROXY_AUTHENTICATION_REQUIRED}") for error in chain):
        return _permanent(f"{url}: {_PROXY_CREDENTIALS}")
    return SourceUnreachable(f"{url}: the proxy failed. Check HTTPS_PROXY and HTTP_PROXY.")


def _reason(chain: list[BaseException]) -> str:
    for kinds, text in _REASONS:
        if _find(chain, *(kinds if isinstance(kinds, tuple) else (kinds,))) is not None:
            return text
    system = _find(chain, OSError)
    if system is not None and system.strerror:
        return system.strerror
    # urllib3 raises a bare ProtocolError for a chunked body without its last chunk. It wraps any other cause in one.
    is_incomplete = _find(chain, urllib3.exceptions.ProtocolError) is not None
    return "the response ended too early" if is_incomplete else "the connection failed"


def _has_too_large_headers(error: http.client.HTTPException) -> bool:
    """Return whether http.client refused too many or too long headers. Only the message says so."""
    return str(error).endswith((f"{_MAX_HEADERS} headers", "header line"))


def _find(chain: list[BaseException], *kinds: type[E]) -> E | None:
    return next((error for error in chain if isinstance(error, kinds)), None)


def _chain(error: BaseException) -> list[BaseException]:
    """Return the error and all errors that it wraps: as cause, context, `reason`, or among its arguments."""
    found: list[BaseException] = []
    waiting: list[object] = [error]
    while waiting:
        item = waiting.pop(0)
        if isinstance(item, BaseException) and not any(item is known for known in found):
            found.append(item)
            waiting += [item.__cause__, item.__context__, getattr(item, "reason", None), *item.args]
    return found
