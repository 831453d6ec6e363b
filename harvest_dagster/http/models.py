"""The values that a session takes and returns: timeouts, statistics, responses and downloads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True)
class Timeouts:
    """The timeouts of a request, in seconds.

    Attributes:
        connect: For the connection, TLS handshake included.
        read: The longest time without a byte of the response.
        response: For the whole response, counted from the moment at which the request is sent. It ends a response that
            arrives byte by byte, which never exceeds `read`. Default: five times `read`, at least 60 seconds.
    """

    connect: float = 10.0
    read: float = 60.0
    response: float = 0.0

    def __post_init__(self) -> None:
        if not self.response:
            object.__setattr__(self, "response", max(60.0, 5 * self.read))


@dataclass(frozen=True)
class Statistics:
    """What a session has done so far.

    Attributes:
        requests: Request attempts. Retries, redirects and failed connections count.
        bytes: Bytes received, headers included.
        seconds_waited: Seconds waited for the rate limit, and because a source asked for it (Retry-After).
        retries: Requests that were sent again.
    """

    requests: int = 0
    bytes: int = 0
    seconds_waited: float = 0.0
    retries: int = 0

    def __add__(self, other: Statistics) -> Statistics:
        return Statistics(
            self.requests + other.requests,
            self.bytes + other.bytes,
            self.seconds_waited + other.seconds_waited,
            self.retries + other.retries,
        )


@dataclass(frozen=True)
class Response:
    """A complete response, as a harvester receives it.

    Attributes:
        status: 2xx except 206, or a status that the harvester allowed with `allow_status`.
        body: The whole body, its Content-Encoding decoded and the secrets of the config masked.
        content_type: The value of the header Content-Type, empty if there is none.
        url: The requested URL, secrets masked. A redirect does not change it.
        received: When the response was complete, by our clock, in UTC.
        date: The header Date, in UTC: when the source created the response. None if there is no such header. A cache
            keeps it.
        next_link: The URL with rel="next" in the header Link (RFC 8288), secrets masked. None if there is none.
        request_body: The content of a POST request as text, secrets masked; of a long one, the beginning and the end.
            None for a request without content.
    """

    status: int
    body: bytes
    content_type: str
    url: str
    received: datetime
    date: datetime | None = None
    next_link: str | None = None
    request_body: str | None = None


@dataclass(frozen=True)
class Download:
    """A file that was downloaded. Its content is in the file that the caller passed.

    Attributes:
        url: The requested URL, secrets masked. A redirect does not change it.
        received: When the file was complete, by our clock, in UTC.
        size: Bytes of the content, its Content-Encoding decoded.
        date: The header Date, in UTC. None if there is no such header.
        last_modified: The header Last-Modified, in UTC. None if there is no such header.
        etag: The header ETag, empty if there is none.
        mask: Masks the secrets of the config in a part of the content. The file contains them as received, because it
            may be compressed.
    """

    url: str
    received: datetime
    size: int
    date: datetime | None
    last_modified: datetime | None
    etag: str
    mask: Callable[[bytes], bytes] = field(repr=False)
