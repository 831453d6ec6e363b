"""A host's requests as they stood at one moment, and how long they say that the next one waits.

Values only. Instants are seconds of the clock that the budget goes by. Not here: the rows they are read from
(`request_hosts`), what a limit and a slowdown are (`limits`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from math import inf

from harvest_dagster.limits import Limit, Slowdown

# How much longer than its last departure counts a limit binds the others: its own sessions renew it by then.
RENEWED_BY = 30.0
# A source that tells another limit with each answer fills no row; the limits of those who ask come back.
MOST_LIMITS = 32


@dataclass(frozen=True)
class Host:
    """A host's row.

    Attributes:
        id: its primary key.
        oldest: number of the first departure that is kept.
        touched: when the row was written.
        paused_until: nothing leaves before.
        slowdown: what refusals have made of it.
        limits: until when each of them holds.
    """

    id: int
    oldest: int = 1
    touched: float = -inf
    paused_until: float = -inf
    slowdown: Slowdown = field(default_factory=Slowdown)
    limits: Mapping[Limit, float] = field(default_factory=dict)

    def lacks(self, limits: Iterable[Limit], now: float) -> bool:
        """Whether one of these would not bind the others for as long as a departure of now counts."""
        return any(self.limits.get(limit, -inf) < now + limit.spacing for limit in limits)

    def bound(self, limits: Iterable[Limit], now: float) -> Host:
        """Bound by these for as long as a departure of now counts, and somewhat longer."""
        return self.bound_until({limit: now + limit.spacing + RENEWED_BY for limit in limits}, now)

    def bound_until(self, limits: Mapping[Limit, float], now: float) -> Host:
        """Bound by these, too."""
        own = {limit: max(until, self.limits.get(limit, -inf)) for limit, until in limits.items()}
        others = [(until, limit) for limit, until in self.limits.items() if until > now and limit not in own]
        others.sort(key=lambda each: each[0], reverse=True)
        return replace(self, limits={**own, **{limit: until for until, limit in others[:MOST_LIMITS]}})


@dataclass(frozen=True)
class Sight:
    """A host as it stood at one moment.

    Attributes:
        host: its row.
        now: the moment.
        newest: number of the last departure, 0 before the first.
        departed: when those left that matter for the next departure and the one after it, by their numbers.
    """

    host: Host
    now: float
    newest: int
    departed: Mapping[int, float]

    @property
    def ahead(self) -> float:
        """Seconds that what is on record lies in the future: the clock was set back."""
        return max(self.host.touched, self.departed.get(self.newest, -inf)) - self.now

    def wait(self) -> float:
        """Seconds until a request may leave."""
        limits = [limit for limit, until in self.host.limits.items() if until > self.now]
        due = [self.departed.get(self.newest + 1 - limit.calls, -inf) + limit.spacing for limit in limits]
        even = self.departed.get(self.newest, -inf) + self.host.slowdown.at(self.now).interval(limits)
        return max(0.0, max(self.host.paused_until, even, *due) - max(self.now, self.now + self.ahead))

    def after(self, departed: float) -> Sight:
        """The same, once another request has left."""
        number = self.newest + 1
        return replace(self, now=departed, newest=number, departed={**self.departed, number: departed})
