"""The state of a host's rate limit at one moment, as the database has it. Values only.

Instants are seconds of the clock that the budget uses. Reading and writing the rows is in `rows`, the sliding
window in `rate_limits`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from math import inf

from harvest_dagster.rate_limits import Limit, Throttle

# Seconds that a limit binds other sessions beyond the time for which its last departure counts. Its own sessions
# renew it within that time.
RENEWAL_MARGIN = 30.0
# A source that names another limit with each answer cannot fill the row: limits of sessions that still ask return.
MOST_LIMITS = 32


@dataclass(frozen=True)
class HostRow:
    """The row of a host.

    Attributes:
        id: its primary key.
        oldest: number of the first departure that is kept.
        touched: when the row was written.
        throttle: what holds back its requests.
    """

    id: int
    oldest: int = 1
    touched: float = -inf
    throttle: Throttle = field(default_factory=Throttle)

    def lacks(self, limits: Iterable[Limit], now: float) -> bool:
        """Return whether one of these limits would expire while a departure of now still counts."""
        return any(self.throttle.limits.get(limit, -inf) < now + limit.spacing for limit in limits)

    def bind(self, limits: Iterable[Limit], now: float) -> HostRow:
        """Return a copy that these limits bind while a departure of now counts, and `RENEWAL_MARGIN` longer."""
        until = {limit: now + limit.spacing + RENEWAL_MARGIN for limit in limits}
        return replace(self, throttle=self.throttle.with_limits(until, now, MOST_LIMITS))


@dataclass(frozen=True)
class HostRateState:
    """A host at one moment.

    Attributes:
        host: its row.
        now: the moment.
        newest: number of the last departure, 0 before the first.
        departed: the departures that decide about the next one and the one after it: their instants by number.
    """

    host: HostRow
    now: float
    newest: int
    departed: Mapping[int, float]

    @property
    def clock_setback(self) -> float:
        """Seconds by which the newest instant on record is in the future: the clock was set back by so much."""
        return max(self.host.touched, self.departed.get(self.newest, -inf)) - self.now

    def seconds_to_wait(self) -> float:
        """Return the seconds until a request may leave. While the clock is behind, time stands still."""
        due = self.host.throttle.next_departure(self._departed, self.now)
        return max(0.0, due - max(self.now, self.now + self.clock_setback))

    def after_departure(self, departed: float) -> HostRateState:
        """Return the state after another request has left."""
        number = self.newest + 1
        return replace(self, now=departed, newest=number, departed={**self.departed, number: departed})

    def _departed(self, back: int) -> float:
        return self.departed.get(self.newest + 1 - back, -inf)
