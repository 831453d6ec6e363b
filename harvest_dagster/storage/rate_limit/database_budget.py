"""The request budget of each host in the harvest database. All runs, processes and machines share it.

The class implements `http.rate_limit.budget.Budget` with the sliding window of `rate_limits.Throttle`. Departures are
numbered. Whether a limit of n calls has room depends only on the departure n before the next one, however large n is.
The row of a host contains all limits that any session uses at the moment. All of them bind all sessions. A waiting
session holds no connection, and no connection has a state of its own.

The rows are in `rows`. Waiting is in `http.rate_limit.deadline`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import inf

from sqlalchemy import Connection

from harvest_dagster.rate_limits import Limit, Throttle
from harvest_dagster.storage.database import Database
from harvest_dagster.storage.rate_limit import rows
from harvest_dagster.storage.rate_limit.host_state import MOST_LIMITS, HostRateState, HostRow

# If the clock was set back by more seconds than this, all recorded instants are moved back with it. If it was set back
# by less, time stands still meanwhile.
LARGEST_SETBACK = 1.0
# The share of a limit's slack that a request may use between its reservation and its departure. A later departure is
# recorded again with its own time.
OWN_SHARE = 1 / 5
# Seconds for which the state that the last reservation read is used again.
STATE_MAX_AGE = 1.0


@dataclass(frozen=True)
class _Reservation:
    """A departure number that belongs to a request. Instants are seconds of the clock of this process.

    Attributes:
        host_id: primary key of the host.
        number: number of the departure.
        late_from: a request that leaves later than this must record its departure again.
        lost_from: from this instant on, other requests may have left by the recorded time. It is too late to record
            another one.
        limits: the limits that were in force.
    """

    host_id: int
    number: int
    late_from: float
    lost_from: float
    limits: frozenset[Limit]

    @classmethod
    def of_next(cls, state: HostRateState, now: float) -> _Reservation:
        """Return the reservation of the host's next number, with a departure that is recorded at `now` or later."""
        limits = frozenset(state.host.throttle.limits)
        return cls(state.host.id, state.newest + 1, now, now, limits).recorded_at(now)

    def recorded_at(self, now: float) -> _Reservation:
        """Return a copy whose departure is recorded at `now`."""
        late_from = now + OWN_SHARE * min(limit.slack for limit in self.limits)
        return replace(self, late_from=late_from, lost_from=now + min(limit.spacing for limit in self.limits))


@dataclass
class _LockedHost:
    """A host whose row is locked.

    Attributes:
        connection: the transaction.
        state: the host as it was read.
        row: the row, which is written at the end of the transaction.
    """

    connection: Connection
    state: HostRateState
    row: HostRow


class DatabaseBudget:
    """The budget of every host in one database. `http.rate_limit.budget.Budget` describes the methods.

    Args:
        database: the harvest database.
        shared: known limits of other configs, by host. They bind every request to the host.
        clock: returns seconds. None means the clock of the server on PostgreSQL, because clocks of machines differ,
            and on SQLite the time since the machine started, because nobody can set it.
    """

    def __init__(
        self,
        database: Database,
        shared: Mapping[str, Iterable[Limit]] | None = None,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._database = database
        self._shared = shared or {}
        self._clock = time.monotonic if clock is None and database.dialect == "sqlite" else clock
        self._own_clock = clock or time.monotonic
        self._last_waits: dict[str, tuple[float, float]] = {}  # by host: when it was read, seconds to wait
        self._reservations: dict[str, _Reservation] = {}
        self._slowed: dict[str, bool] = {}

    def seconds_to_wait(self, host: str, limit: Limit) -> float:
        """Return the seconds until a request may leave, 0 if it may leave now. Reserve nothing.

        This usually only reads. Shortly after `reserve` it returns what that call found. `reserve` decides.
        """
        read_at, seconds = self._last_waits.get(host, (-inf, 0.0))
        age = self._own_clock() - read_at
        if 0 <= age < STATE_MAX_AGE:
            return max(0.0, seconds - age)
        limits = self._limits(host, limit)
        with self._database.read() as connection:
            state = rows.read_host(connection, host, self._clock)
        return (state if _is_valid(state, limits) else self._bind(host, limits)).seconds_to_wait()

    def reserve(self, host: str, limit: Limit) -> float:
        """Reserve a request that leaves at once and return 0, or return the seconds until the next attempt."""
        limits = self._limits(host, limit)
        while True:
            with self._database.statements() as connection:
                outcome = self._try_to_reserve(connection, host, limits)
            if isinstance(outcome, float):
                self._last_waits[host] = self._own_clock(), outcome
                return outcome
            if outcome is None:
                self._bind(host, limits)
                continue
            self._after_reservation(host, outcome)
            if self._is_in_time(host):
                return 0.0

    def _try_to_reserve(
        self, connection: Connection, host: str, limits: frozenset[Limit]
    ) -> HostRateState | float | None:
        """Return the state after the departure, or the seconds to wait, or None if the limits must be bound first."""
        while True:
            now = self._own_clock()
            state = rows.read_host(connection, host, self._clock)
            if not _is_valid(state, limits):
                return None
            if (seconds := state.seconds_to_wait()) > 0:
                return seconds
            departed = rows.add_departure(connection, state, self._clock)
            if departed is not None:
                self._reservations[host] = _Reservation.of_next(state, now)
                return state.after_departure(departed)

    def record_departure(self, host: str) -> None:
        """Report that the last reserved request was sent just now. This costs nothing if it left in time.

        A request that left after its number was lost takes the next number without asking for room. From then on, all
        requests keep their distance from it.
        """
        if host in self._reservations and not self._is_in_time(host):
            departed = None
            while departed is None:
                with self._database.statements() as connection:
                    state = rows.read_host(connection, host, self._clock)
                    departed = rows.add_departure(connection, state, self._clock)
        self._reservations.pop(host, None)

    def _is_in_time(self, host: str) -> bool:
        """Return whether the last reserved request keeps its number if it leaves now. Record a late departure again.

        A commit, a busy machine or a lock may have delayed the request. If the time of the reservation stayed on
        record, the request that is `calls` later would follow too soon. Before `lost_from`, no other request can have
        left because of the old time.
        """
        reservation, now = self._reservations[host], self._own_clock()
        if reservation.late_from < now < reservation.lost_from:
            with self._database.statements() as connection:
                rows.redate_departure(connection, reservation.host_id, reservation.number, self._clock)
            self._reservations[host] = reservation.recorded_at(now)
        return self._own_clock() < reservation.lost_from

    def pause(self, host: str, seconds: float) -> None:
        """Let no request of any session leave for this time."""
        self._change_throttle(host, lambda throttle, now: throttle.paused(now + seconds))

    def record_refusal(self, host: str) -> None:
        """Report a response with status 429 or 503. The host becomes slower for all sessions."""
        self._change_throttle(host, Throttle.refused)

    def record_success(self, host: str) -> None:
        """Report a successful response. This costs nothing while the host is not slowed down."""
        if self._slowed.get(host):
            self._change_throttle(host, lambda throttle, _: throttle.answered())

    def record_limit(self, host: str, limit: Limit) -> None:
        """Report a limit that the host states in its headers. It binds all sessions for a while."""
        self._change_throttle(
            host,
            lambda throttle, now: throttle.with_limits({limit: now + limit.observed_for}, now, MOST_LIMITS),
        )

    def _change_throttle(self, host: str, change: Callable[[Throttle, float], Throttle]) -> None:
        """Replace the throttle of a host by the result of `change` for it and the present time."""
        with self._locked(host) as locked:
            locked.row = replace(locked.row, throttle=change(locked.row.throttle, locked.state.now))

    def _limits(self, host: str, limit: Limit) -> frozenset[Limit]:
        return frozenset((limit, *self._shared.get(host, ())))

    def _after_reservation(self, host: str, state: HostRateState) -> None:
        """Remember the state for the next request, and delete a few old departures now and then."""
        self._last_waits[host] = self._own_clock(), state.seconds_to_wait()
        self._slowed[host] = state.host.throttle.slowdown.at(state.now).factor > 1
        if state.newest % rows.CHUNK == 0:
            with self._locked(host) as locked:
                locked.row = rows.forget_departures(locked.connection, locked.state)

    def _bind(self, host: str, limits: frozenset[Limit]) -> HostRateState:
        with self._locked(host, limits) as locked:
            return locked.state

    @contextmanager
    def _locked(self, host: str, limits: Iterable[Limit] = ()) -> Iterator[_LockedHost]:
        """Lock the row of a host until the end, add these limits to it, and write it if it has changed."""
        with self._database.begin(durable=False) as connection:
            rows.lock_host(connection, host)
            state = rows.read_host(connection, host, self._clock)
            if (
                state.clock_setback >= LARGEST_SETBACK
            ):  # distances stay, so that no request waits for the old time
                moved = rows.move_clock(connection, state.host, state.clock_setback)
                rows.save_host(connection, moved, state.now)
                state = rows.read_host(connection, host, self._clock)
            if state.host.lacks(limits, state.now):
                rows.save_host(connection, state.host.bind(limits, state.now), state.now)
                state = rows.read_host(connection, host, self._clock)
            locked = _LockedHost(connection, state, state.host)
            yield locked
            if locked.row != state.host:
                rows.save_host(connection, locked.row, state.now)
        self._slowed[host] = locked.row.throttle.slowdown.at(state.now).factor > 1
        self._last_waits.pop(host, None)


def _is_valid(state: HostRateState, limits: Iterable[Limit]) -> bool:
    """Return whether the recorded instants fit the clock and these limits bind all sessions."""
    return state.clock_setback < LARGEST_SETBACK and not state.host.lacks(limits, state.now)
