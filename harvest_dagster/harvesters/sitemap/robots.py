"""What robots.txt allows (https://www.rfc-editor.org/rfc/rfc9309), read with the library Protego.

`urllib.robotparser` takes the first rule that matches. RFC 9309 requires the longest one, and `*` and `$` in paths.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from protego import Protego

from harvest_dagster.errors import HttpStatusError
from harvest_dagster.harvesters.interface import Session
from harvest_dagster.rate_limits import Limit

PRODUCT_TOKEN = "harvest_dagster"  # noqa: S105  # the name in our User-Agent (RFC 9309, section 2.2.1)
# A 4xx answer means that there are no rules (section 2.3.1.3), except those that ask to come back later.
_UNAVAILABLE = frozenset(range(400, 500)) - HttpStatusError.TRANSIENT


class RobotsRules:
    """The rules of each host that was asked for. robots.txt is requested once for each of them.

    Args:
        session: sends the requests.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._rules: dict[str, Protego] = {}

    def allows(self, url: str) -> bool:
        """Return whether we may request a URL.

        Raises:
            SourceError: robots.txt cannot be read now. RFC 9309, section 2.3.1.4, then forbids every request.
        """
        return self._rules_of(url).can_fetch(url, PRODUCT_TOKEN)

    def sitemaps(self, url: str) -> list[str]:
        """Return the sitemaps that the robots.txt of a site names, without repetitions."""
        return list(dict.fromkeys(self._rules_of(url).sitemaps))

    def keep_crawl_delay(self, url: str) -> None:
        """Let at least the time of `Crawl-delay` pass between two requests to the host of a URL."""
        delay = self._rules_of(url).crawl_delay(PRODUCT_TOKEN)
        keep_limit = getattr(self._session, "keep_limit", None)  # sessions of tests and tools may not have it
        if delay and keep_limit is not None:
            keep_limit(url, Limit(1, delay))

    def _rules_of(self, url: str) -> Protego:
        parts = urlsplit(url)
        root = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
        if root not in self._rules:
            response = self._session.get(f"{root}/robots.txt", allow_status=_UNAVAILABLE)
            text = response.body.decode("utf-8-sig", "replace") if response.status not in _UNAVAILABLE else ""
            self._rules[root] = Protego.parse(text)
        return self._rules[root]
