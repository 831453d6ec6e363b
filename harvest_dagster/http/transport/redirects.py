"""One request of a chain of redirects: its URL, headers and credentials. Decides which redirects are followed.

Pure. `http.session` decides how many redirects are followed.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import IO
from urllib.parse import parse_qsl, urljoin, urlsplit, urlunsplit

import requests

from harvest_dagster.http.error_mapping import invalid_header_error
from harvest_dagster.http.transport.headers import find_fault
from harvest_dagster.rate_limits import host_of

REDIRECT_STATUSES = frozenset({301, 302, 303, 307, 308})
_HEADERS_KEPT_ON_ANOTHER_HOST = ("accept", "accept-language")


_CONTENT_KEPT = frozenset({307, 308})


class QueryDropped(ValueError):
    """Raised for a redirect to a URL without parameters of the request. Its argument names them."""


class ContentNotSent(ValueError):
    """Raised for a redirect that does not repeat the method and the content of a POST request at the same host."""


@dataclass(frozen=True)
class RedirectStep:
    """One request of a chain of redirects. The first one is the request of the harvester.

    Attributes:
        url: An http or https URL without user and password.
        headers: The headers of the harvester.
        auth: User and password, if the URL of the harvester named them.
        method: The HTTP method.
        body: The content of the request, None for a request without content.
        is_trusted: Whether the request may have credentials: no redirect has led away from the host of the first one.
        is_token_request: Whether the request asks for a token. The response is not masked: it contains the token.
        target: The file that receives the content of a successful response. None if it is returned.
    """

    url: str
    headers: dict[str, str] = field(default_factory=dict)
    auth: tuple[str, str] | None = None
    method: str = "GET"
    body: bytes | None = field(default=None, repr=False)
    is_trusted: bool = True
    is_token_request: bool = False
    target: IO[bytes] | None = field(default=None, repr=False)

    @property
    def host(self) -> str:
        """The key of the host's budget."""
        return host_of(self.url)

    def request(self) -> requests.Request:
        """Return the request for `requests`."""
        return requests.Request(self.method, self.url, headers=self.headers, auth=self.auth, data=self.body)

    def follow(self, location: str, status: int) -> RedirectStep:
        """Return the request to which a redirect leads.

        Another host receives no user, no password and only the headers that negotiate content. Any other header of
        the harvester may hold a secret, not only Authorization. The user and the password in `location` are ignored.

        A redirect must keep the query. RFC 9110, section 10.2.2, does not add the old query to a new URL, and without
        `from`, `until` or the token, the answer is another list (docs/failures.md#redirect-drops-query).

        A POST request keeps its method and its content only with 307 and 308 (RFC 9110, section 15.4). After another
        status, the answer is another list. The content may hold a secret, so no other host receives it.

        Raises:
            ContentNotSent: The request is a POST request, which this redirect would change or send to another host.
            QueryDropped: The new URL lacks a parameter of this request, or has another value for it.
            ValueError: The redirect does not lead to an http or https URL, or leads from https to http.
        """
        url = _validated_url(urljoin(self.url, _decode(location)))
        if (urlsplit(self.url).scheme, urlsplit(url).scheme) == ("https", "http"):
            raise ValueError("from https to http")
        if self.method != "GET" and (status not in _CONTENT_KEPT or host_of(url) != self.host):
            raise ContentNotSent
        if dropped := _dropped_parameters(self.url, url):
            raise QueryDropped(", ".join(dropped))
        if host_of(url) == self.host:
            return replace(self, url=url)
        kept = {
            name: value
            for name, value in self.headers.items()
            if name.lower() in _HEADERS_KEPT_ON_ANOTHER_HOST
        }
        return replace(self, url=url, headers=kept, auth=None, is_trusted=False)


def first_step(
    url: str,
    params: dict[str, str] | None,
    headers: dict[str, str] | None,
    *,
    method: str = "GET",
    body: bytes | None = None,
) -> RedirectStep:
    """Return the request of a harvester.

    Raises:
        SourceUnreachable: A header cannot be sent.
        ValueError: The URL is not a valid http or https URL.
    """
    if (fault := find_fault(headers or {})) is not None:
        raise invalid_header_error(fault)
    user, password = requests.utils.get_auth_from_url(url)
    prepared = requests.Request("GET", _validated_url(url), params=params).prepare()
    auth = (user, password) if user or password else None
    return RedirectStep(str(prepared.url), dict(headers or {}), auth, method, body)


def token_step(url: str, body: str, headers: dict[str, str]) -> RedirectStep:
    """Return the request for a token of OAuth 2.0, with a form as its body.

    Raises:
        ValueError: The URL is not a valid http or https URL.
    """
    form = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
    prepared = requests.Request("POST", _validated_url(url)).prepare()
    return RedirectStep(
        str(prepared.url), {**form, **headers}, method="POST", body=body.encode(), is_token_request=True
    )


def _decode(location: str) -> str:
    """Return a Location that some servers send as raw UTF-8. http.client decodes each header as Latin-1."""
    try:
        return location.encode("latin-1").decode()
    except UnicodeError:
        return location


def _dropped_parameters(old: str, new: str) -> list[str]:
    """Return the names of the parameters that a URL lacks, or that have another value there."""
    kept = set(parse_qsl(urlsplit(new).query, keep_blank_values=True))
    sent = parse_qsl(urlsplit(old).query, keep_blank_values=True)
    return list(dict.fromkeys(name for name, value in sent if (name, value) not in kept))


def _validated_url(url: str) -> str:
    """Return the URL without user, password and fragment. Raise ValueError unless it is an http or https URL."""
    parts = urlsplit(url.strip())
    if parts.scheme not in ("http", "https") or not host_of(url):
        raise ValueError("no http or https URL")
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, parts.query, ""))
