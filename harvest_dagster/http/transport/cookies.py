"""The cookies of a session: bounded in number and size, and sent only to the port that set them.

RFC 6265, section 8.5, leaves the port out: a cookie of a source would be sent to any other service on its host. A
source may also set a new cookie with each page of a list of 100,000 pages.
"""

from __future__ import annotations

from http.cookiejar import Cookie
from typing import Any
from urllib.parse import urlsplit

from requests.cookies import RequestsCookieJar

from harvest_dagster.response_limits import ResponseLimits

_DEFAULT_PORTS = {"80", "443"}  # http and https of one name are one host


class BoundedCookieJar(RequestsCookieJar):
    """A cookie jar that drops its oldest cookies, and cookies that are too large.

    Attributes:
        dropped: how many cookies it has dropped.

    Args:
        limits: `cookies`, `cookie_bytes` and `cookie_header_bytes` count.
    """

    def __init__(self, limits: ResponseLimits) -> None:
        super().__init__()
        self._limits = limits
        self.dropped = 0

    def make_cookies(self, response: Any, request: Any) -> list[Cookie]:
        """Return the acceptable cookies of a response. Each is bound to the port of the request."""
        port = str(urlsplit(request.get_full_url()).port or 80)
        ports = ",".join(sorted(_DEFAULT_PORTS | {port})) if port in _DEFAULT_PORTS else port
        cookies = super().make_cookies(response, request)
        kept = [
            each for each in cookies if len(each.name) + len(each.value or "") <= self._limits.cookie_bytes
        ]
        self.dropped += len(cookies) - len(kept[-self._limits.cookies :])
        for cookie in kept:
            cookie.port, cookie.port_specified = ports, True
        return kept[-self._limits.cookies :]

    def set_cookie(self, cookie: Cookie, *args: Any, **options: Any) -> Any:
        """Add a cookie. Remove the oldest ones if there are too many, or too many bytes."""
        result = super().set_cookie(cookie, *args, **options)
        while len(self) > self._limits.cookies or self._header_bytes > self._limits.cookie_header_bytes:
            self.dropped += 1
            oldest = next(iter(self))
            self.clear(oldest.domain, oldest.path, oldest.name)
        return result

    @property
    def _header_bytes(self) -> int:
        """The bytes of the header Cookie with all cookies."""
        return sum(len(each.name) + len("=; ") + len(each.value or "") for each in self)
