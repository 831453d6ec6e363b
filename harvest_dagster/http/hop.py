"""One request of the chain that a redirect makes: where to, with which headers, as whom.

Pure. Which redirects are followed is decided here; how often, in `http.session`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urljoin, urlsplit, urlunsplit

import requests

from harvest_dagster.http.failures import not_sendable
from harvest_dagster.http.headers import fault
from harvest_dagster.limits import host_of

REDIRECTS = frozenset({301, 302, 303, 307, 308})
_KEPT_ON_ANOTHER_HOST = ("accept", "accept-language")


@dataclass(frozen=True)
class Hop:
    """One request.

    Attributes:
        url: http or https, without user and password.
        headers: the harvester's own.
        auth: user and password, where the URL named them.
    """

    url: str
    headers: dict[str, str] = field(default_factory=dict)
    auth: tuple[str, str] | None = None

    @property
    def host(self) -> str:
        """The key of its budget."""
        return host_of(self.url)

    def request(self) -> requests.Request:
        """What `requests` sends."""
        return requests.Request("GET", self.url, headers=self.headers, auth=self.auth)

    def follow(self, location: str) -> Hop:
        """Where a redirect leads to.

        Another host gets nothing of what the harvester sends to this one: no user, no password, no header but
        what content it takes. An Authorization is not the only one that holds a secret.

        Raises:
            ValueError: it leads out of http and https, from https to http, or nowhere.
        """
        url = _address(urljoin(self.url, location))
        if (urlsplit(self.url).scheme, urlsplit(url).scheme) == ("https", "http"):
            raise ValueError("from https to http")
        if host_of(url) == self.host:
            return Hop(url, self.headers, self.auth)
        kept = {name: value for name, value in self.headers.items() if name.lower() in _KEPT_ON_ANOTHER_HOST}
        return Hop(url, kept)


def first_hop(url: str, params: dict[str, str] | None, headers: dict[str, str] | None) -> Hop:
    """The request as the harvester asks for it.

    Raises:
        SourceUnreachable: a header cannot be sent.
        ValueError: the URL is not one of http or https.
    """
    if (wrong := fault(headers or {})) is not None:
        raise not_sendable(wrong)
    user, password = requests.utils.get_auth_from_url(url)
    prepared = requests.Request("GET", _address(url), params=params).prepare()
    return Hop(str(prepared.url), dict(headers or {}), (user, password) if user or password else None)


def _address(url: str) -> str:
    """The URL without user, password and fragment, if it is one that can be asked."""
    parts = urlsplit(url.strip())
    if parts.scheme not in ("http", "https") or not host_of(url):
        raise ValueError("no http or https address")
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, parts.query, ""))
