"""The requests to a website: which URLs are allowed, with which headers and at which pace."""

from __future__ import annotations

from urllib.parse import urlsplit

from harvest_dagster.harvesters.interface import Response, Session
from harvest_dagster.harvesters.sitemap.arguments import SitemapArguments
from harvest_dagster.harvesters.sitemap.robots import PRODUCT_TOKEN, RobotsRules
from harvest_dagster.rate_limits import host_of

_NO_STATUS: frozenset[int] = frozenset()


class Requester:
    """Requests sitemaps and pages of a website.

    A sitemap may only list URLs of its own host (https://www.sitemaps.org/protocol.html#location): the headers may
    contain a key, and otherwise anybody could list the pages of another site.

    Attributes:
        robots: the rules of robots.txt.

    Args:
        arguments: the arguments of the source.
        session: sends the requests.
    """

    def __init__(self, arguments: SitemapArguments, session: Session) -> None:
        self._arguments, self._session = arguments, session
        self._base = urlsplit(arguments.base_url)
        self._host = host_of(arguments.base_url)
        self._hosts = {self._host, *arguments.hosts}
        self.robots = RobotsRules(session)

    def problem(self, url: str) -> str:
        """Return why a URL must not be requested, as a sentence with a remedy; empty if it may be requested.

        Raises:
            SourceError: its robots.txt cannot be read now.
        """
        if not url:
            return "the entry of the sitemap has no <loc>. Tell the operator of the source."
        try:
            is_http = urlsplit(url).scheme.lower() in {"http", "https"} and bool(urlsplit(url).hostname)
            host = host_of(url)
        except ValueError:  # such as a port that is not a number
            is_http, host = False, ""
        if not is_http:
            return "its URL is not a whole http or https URL. Tell the operator of the source."
        if host not in self._hosts:
            return f"it is not on {self._host}. If it belongs to the source, set `hosts: [{host}]`."
        if not self.robots.allows(self._request_url(url)):
            return f"robots.txt of {host} forbids it to the User-Agent {PRODUCT_TOKEN}. Ask the operator of the source."
        return ""

    def get(self, url: str, *, allow_status: frozenset[int] = _NO_STATUS) -> Response:
        """Request a URL for which there is no problem.

        Raises:
            SourceError: there is no usable response.
        """
        target = self._request_url(url)
        self.robots.keep_crawl_delay(target)
        headers = self._arguments.headers if host_of(target) == self._host else None
        return self._session.get(target, headers=headers or None, allow_status=allow_status)

    def _request_url(self, url: str) -> str:
        """Return a URL with the user, the password and the scheme of base_url if it is on the same host.

        A source behind a proxy that terminates TLS writes http into its sitemaps.
        """
        parts = urlsplit(url)._replace(fragment="")
        if host_of(url) == self._host:
            user, at, _ = self._base.netloc.rpartition("@")
            netloc = f"{user}{at}{parts.netloc.rpartition('@')[2]}"
            parts = parts._replace(scheme=self._base.scheme, netloc=netloc)
        return parts.geturl()
