"""What a host may be asked: the key of a host, a limit on requests, and how far refusals slow it down.

Values, and no clock of their own. Not here: the departures that are held to them, in a process (`http.budget`)
or in the database (`storage.budgets`), and waiting (`http.waiting`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import inf
from urllib.parse import urlsplit

# 95 % of a budget are to be used: waking up and reserving take the rest of a second's twentieth.
SLACK = 0.04
LONGEST_SLACK = 0.25

SLOWEST = 64
# One refusal of the host reaches every worker that had a request under way.
SAME_REFUSAL = 2.0
GOOD_ANSWERS = 10
# A refusal of yesterday says nothing about today.
FORGOTTEN = 86_400.0
# However often it refuses: a host that is not asked at all cannot say that it is well again.
LONGEST_INTERVAL = 3600.0

# A limit that the source's headers told holds for so many seconds, or twice its period: they tell it anew.
OBSERVED_FOR = 600.0


@dataclass(frozen=True)
class Limit:
    """At most `calls` requests in any stretch of `period` seconds.

    Raises:
        ValueError: `calls` below one, or a `period` that is not above zero.
    """

    calls: int
    period: float

    def __post_init__(self) -> None:
        if self.calls < 1 or not 0 < self.period < inf:
            message = f"a rate limit needs calls >= 1 and period > 0, not {self.calls} and {self.period}"
            raise ValueError(message)

    def __str__(self) -> str:
        return f"{self.calls} request{'s' * (self.calls > 1)} in {self.period:g} s"

    @property
    def slack(self) -> float:
        """Seconds that requests may be late on their way.

        The source counts arrivals, we departures. Without the slack a request that the network or a busy
        machine delays, and a punctual one after it, are one too many on the source's clock. 96 % of the
        budget remain.
        """
        return min(self.period * SLACK, LONGEST_SLACK)

    @property
    def spacing(self) -> float:
        """Seconds from one request to the one `calls` later: the period, and the slack."""
        return self.period + self.slack

    @property
    def observed_for(self) -> float:
        """Seconds that it holds after a source's headers told it."""
        return max(OBSERVED_FOR, 2 * self.period)


@dataclass(frozen=True)
class Slowdown:
    """How far refusals (429, 503) slow a host down: fast down, slowly up.

    While it is slowed down requests leave evenly, one by one, and `factor` times slower than its limits allow.

    Attributes:
        factor: 1 for not at all; every refusal doubles it, up to 64.
        since: when the host refused last.
        good: good answers since the last change; every ten of them halve the factor.
    """

    factor: int = 1
    since: float = -inf
    good: int = 0

    def refused(self, now: float) -> Slowdown:
        """After a refusal; those of requests that were under way together count once."""
        current = self.at(now)
        if current.factor > 1 and now - current.since < SAME_REFUSAL:
            return current
        return Slowdown(min(2 * current.factor, SLOWEST), now)

    def answered(self) -> Slowdown:
        """After a good answer."""
        if self.factor == 1:
            return self
        if self.good + 1 < GOOD_ANSWERS:
            return replace(self, good=self.good + 1)
        return Slowdown(self.factor // 2, self.since)

    def at(self, now: float) -> Slowdown:
        """What is left of it: nothing, a day after the last refusal."""
        return Slowdown() if now - self.since >= FORGOTTEN else self

    def interval(self, limits: Iterable[Limit]) -> float:
        """Seconds between two requests; 0 while the host is not slowed down, for then the limits tell."""
        if self.factor == 1:
            return 0.0
        own = max((limit.spacing / limit.calls for limit in limits), default=0.0)
        return max(own, min(self.factor * own, LONGEST_INTERVAL))


def host_of(url: str) -> str:
    """The key of a URL's host: its name in lower case, and its port where that is not the scheme's own.

    http and https of one name are one host.
    """
    parts = urlsplit(url.strip())
    name = (parts.hostname or "").rstrip(".")
    default = {"http": 80, "https": 443}.get(parts.scheme)
    return name if parts.port in (None, default) else f"{name}:{parts.port}"
