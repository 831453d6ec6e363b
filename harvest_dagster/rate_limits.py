"""Rate limits of a host: the limit, the slowdown after refusals, and the sliding window that combines them.

The module has values and arithmetic, and no clock of its own. A budget keeps the departures of the requests: in
a process `http.rate_limit.budget`, for all processes `storage.rate_limit.database_budget`. Waiting is in
`http.rate_limit.deadline`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from math import inf
from urllib.parse import urlsplit

# At least 95 % of a budget must be usable. Waking up and reserving take the remaining 1 %.
SLACK = 0.04
LONGEST_SLACK = 0.25

SLOWEST = 64
# Seconds. One overload of the host refuses all requests that are under way, of every worker.
SAME_REFUSAL = 2.0
GOOD_ANSWERS = 10
# Seconds. A refusal of yesterday says nothing about today.
SLOWDOWN_LASTS = 86_400.0
# Seconds, however often the host refuses: without requests, its recovery would go unnoticed.
LONGEST_INTERVAL = 3600.0

# Seconds for which a limit from the source's headers holds, or twice its period if that is longer. Each response
# repeats it.
OBSERVED_FOR = 600.0


@dataclass(frozen=True)
class Limit:
    """At most `calls` requests in any interval of `period` seconds.

    Raises:
        ValueError: `calls` is below one, or `period` is not above zero.
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
    def rate(self) -> float:
        """The requests in a second, on average."""
        return self.calls / self.period

    @property
    def slack(self) -> float:
        """The seconds by which the network or a busy machine may delay a request.

        The source counts arrivals, this package counts departures. Without the slack, a delayed request and a punctual
        request after it could exceed the limit by the source's clock. 96 % of the budget remain.
        """
        return min(self.period * SLACK, LONGEST_SLACK)

    @property
    def spacing(self) -> float:
        """The seconds from one request to the request `calls` later: the period and the slack."""
        return self.period + self.slack

    @property
    def observed_for(self) -> float:
        """The seconds for which the limit holds after the headers of a source stated it."""
        return max(OBSERVED_FOR, 2 * self.period)


@dataclass(frozen=True)
class Slowdown:
    """The slowdown of a host after refusals (429, 503). It increases fast and decreases slowly.

    Requests to a slowed host leave at even intervals, `factor` times as long as its limits require.

    Attributes:
        factor: 1 if the host is not slowed down. Every refusal doubles it, up to 64.
        since: when the host last refused a request.
        good: number of good answers since the last change. Every ten of them halve the factor.
    """

    factor: int = 1
    since: float = -inf
    good: int = 0

    def refused(self, now: float) -> Slowdown:
        """Return the slowdown after a refusal. Refusals within `SAME_REFUSAL` seconds count once."""
        current = self.at(now)
        if current.factor > 1 and now - current.since < SAME_REFUSAL:
            return current
        return Slowdown(min(2 * current.factor, SLOWEST), now)

    def answered(self) -> Slowdown:
        """Return the slowdown after a good answer."""
        if self.factor == 1:
            return self
        if self.good + 1 < GOOD_ANSWERS:
            return replace(self, good=self.good + 1)
        return Slowdown(self.factor // 2, self.since)

    def at(self, now: float) -> Slowdown:
        """Return the slowdown that is in effect now. A day after the last refusal there is none."""
        return Slowdown() if now - self.since >= SLOWDOWN_LASTS else self

    def interval(self, limits: Iterable[Limit]) -> float:
        """Return the seconds between two requests, 0 if the host is not slowed down: then only the limits hold."""
        if self.factor == 1:
            return 0.0
        usual = max((limit.spacing / limit.calls for limit in limits), default=0.0)
        return max(usual, min(self.factor * usual, LONGEST_INTERVAL))


@dataclass(frozen=True)
class Throttle:
    """Everything that holds back the requests to one host. Instants are seconds of the budget's clock.

    Attributes:
        limits: each limit with the instant until which it holds.
        paused_until: no request may leave before this instant.
        slowdown: the effect of the host's refusals.
    """

    limits: Mapping[Limit, float] = field(default_factory=dict)
    paused_until: float = -inf
    slowdown: Slowdown = field(default_factory=Slowdown)

    def in_force(self, now: float) -> list[Limit]:
        """Return the limits that hold now."""
        return [limit for limit, until in self.limits.items() if until > now]

    def with_limits(
        self, limits: Mapping[Limit, float], now: float, most_others: int | None = None
    ) -> Throttle:
        """Return a copy that these limits bind, too. A limit never expires earlier than before.

        Args:
            limits: each with the instant until which it holds.
            now: limits that have expired by now are left out.
            most_others: keep at most so many of the other limits, those that hold longest; None for all.
        """
        added = {limit: max(until, self.limits.get(limit, -inf)) for limit, until in limits.items()}
        others = [(limit, self.limits[limit]) for limit in self.in_force(now) if limit not in added]
        others.sort(key=lambda other: other[1], reverse=True)
        return replace(self, limits={**added, **dict(others[:most_others])})

    def paused(self, until: float) -> Throttle:
        """Return a copy in which no request leaves before `until`; a shorter pause does not end a longer one."""
        return replace(self, paused_until=max(self.paused_until, until))

    def refused(self, now: float) -> Throttle:
        """Return a copy after a refusal (429, 503)."""
        return replace(self, slowdown=self.slowdown.refused(now))

    def answered(self) -> Throttle:
        """Return a copy after a good answer."""
        return replace(self, slowdown=self.slowdown.answered())

    def next_departure(self, departed: Callable[[int], float], now: float) -> float:
        """Return the instant from which the next request may leave; `-inf` if nothing holds it back.

        This is a sliding window: a limit of n calls has room again one `spacing` after the n-th last departure.
        It therefore holds for every interval of its period, whereas a fixed window lets twice the allowance
        through across its edge. All limits hold for all requests.

        Args:
            departed: returns the instant of the n-th last departure, counted from 1; `-inf` if there is none.
            now: the current instant.
        """
        limits = self.in_force(now)
        evenly = departed(1) + self.slowdown.at(now).interval(limits)
        return max(self.paused_until, evenly, *(departed(limit.calls) + limit.spacing for limit in limits))


def host_of(url: str) -> str:
    """Return the key of a URL's host: its name in lower case, with the port if it is not the default.

    The http and https URLs of one name have the same key.
    """
    parts = urlsplit(url.strip())
    name = (parts.hostname or "").rstrip(".")
    default = {"http": 80, "https": 443}.get(parts.scheme)
    return name if parts.port in (None, default) else f"{name}:{parts.port}"
