"""What goes into a session and what comes out of it: limits, an answer, what it has done."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

MIB = 2**20


@dataclass(frozen=True)
class Timeouts:
    """Seconds.

    Attributes:
        connect: for the connection, TLS included.
        read: the longest silence within an answer.
        response: for a whole answer, from the request's departure; a slow drip never breaks `read`. Unless it
            is given, five times `read`, or a minute, whichever is longer.
    """

    connect: float = 10.0
    read: float = 60.0
    response: float = 0.0

    def __post_init__(self) -> None:
        if not self.response:
            object.__setattr__(self, "response", max(60.0, 5 * self.read))


@dataclass(frozen=True)
class Sizes:
    """Bytes.

    Attributes:
        received: of an answer as it comes, headers included.
        decoded: of its body, content-encoding undone.
    """

    received: int = 64 * MIB
    decoded: int = 256 * MIB


@dataclass(frozen=True)
class Statistics:
    """What a session has done so far.

    Attributes:
        requests: attempts, retries and redirects included, and those that found no connection.
        bytes: received over the wire, headers included.
        seconds_waited: for the rate limit, and because a source asked for it (Retry-After).
        retries: requests that were sent again.
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
    """A whole answer.

    Attributes:
        status: 2xx, or one that the harvester allowed.
        body: the bytes, content-encoding undone; their length was checked.
        content_type: the header's value, empty where there was none.
        url: the one asked for, redacted, whatever redirects there were.
        received: when it was whole, by our clock, in UTC.
    """

    status: int
    body: bytes
    content_type: str
    url: str
    received: datetime
