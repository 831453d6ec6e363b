"""The request budget of each host, kept in the harvest database: one for all runs, processes and machines.

It is a sliding window, as exact as the clock. Departures are numbered: whether a limit of n calls leaves room
is told by the one departure n before the next, however large n is. All limits that anybody goes by at the
moment stand in the host's row, and all of them hold for everybody. No connection is held while somebody waits,
and none has a state of its own.

Here: `http.budget.Budget` in the database. Not here: its rows (`request_hosts`), what a limit or a slowdown is
(`limits`), and waiting.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import inf

from sqlalchemy import Connection

from harvest_dagster.limits import Limit
from harvest_dagster.storage import request_hosts
from harvest_dagster.storage.engine import Database
from harvest_dagster.storage.sights import Host, Sight

# A clock that was set back by more than this takes all that is on record with it; below, time stands still.
JUMP = 1.0
# The share of the slack that a request may use up from its grant until it leaves; later, it is dated anew.
OWN_SHARE = 1 / 5
# What was seen when the last request was asked for need not be asked again so soon.
FRESH = 1.0


@dataclass(frozen=True)
class _Grant:
    """A number that a request may leave by. Instants are of the clock of this process.

    Attributes:
        host_id: primary key of the host.
        number: of the departure.
        late: from when on the request must be dated anew: that is later than its slack covers.
        lost: when others may go by its date already, so that a new one comes too late.
        limits: those that it was granted by.
    """

    host_id: int
    number: int
    late: float
    lost: float
    limits: frozenset[Limit]

    @classmethod
    def asked(cls, sight: Sight, since: float) -> _Grant:
        """What the next number of a host is good for, where it is dated by `since` at the earliest."""
        return cls(sight.host.id, sight.newest + 1, since, since, frozenset(sight.host.limits)).dated(since)

    def dated(self, since: float) -> _Grant:
        """The same number, dated anew."""
        late = since + OWN_SHARE * min(limit.slack for limit in self.limits)
        return replace(self, late=late, lost=since + min(limit.spacing for limit in self.limits))


@dataclass
class _Account:
    """A host under its lock.

    Attributes:
        connection: the transaction.
        sight: the host as it stands.
        host: its row; what it is at the end is written.
    """

    connection: Connection
    sight: Sight
    host: Host


class DatabaseBudget:
    """The budget of every host, in this database; see `http.budget.Budget` for what its methods owe.

    Args:
        database: the harvest database.
        shared: limits that are known of others, by host; they hold whoever asks.
        clock: in seconds. None takes the database's on PostgreSQL, where machines may differ, and on SQLite
            the time since the machine started, which nobody sets.
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
        self._seen: dict[str, tuple[float, float]] = {}
        self._granted: dict[str, _Grant] = {}
        self._slowed: dict[str, bool] = {}

    def wait(self, host: str, limit: Limit) -> float:
        """Seconds until a request may leave, 0 for now. Takes nothing, and as a rule only reads.

        Right after `reserve` it goes by what that saw, which has the last word.
        """
        seen, seconds = self._seen.get(host, (-inf, 0.0))
        age = self._own_clock() - seen
        if 0 <= age < FRESH:
            return max(0.0, seconds - age)
        limits = self._limits(host, limit)
        with self._database.read() as connection:
            sight = request_hosts.look(connection, host, self._clock)
        return (sight if _is_valid(sight, limits) else self._bind(host, limits)).wait()

    def reserve(self, host: str, limit: Limit) -> float:
        """Take one request that leaves at once (0), or nothing: seconds until it is worth asking again."""
        limits = self._limits(host, limit)
        while True:
            with self._database.steps() as connection:
                outcome = self._take(connection, host, limits)
            if isinstance(outcome, float):
                self._seen[host] = self._own_clock(), outcome
                return outcome
            if outcome is None:
                self._bind(host, limits)
                continue
            self._note(host, outcome)
            if self._is_in_time(host):
                return 0.0

    def _take(self, connection: Connection, host: str, limits: frozenset[Limit]) -> Sight | float | None:
        """The host once a request has left, else the seconds to wait; None where it must be bound first."""
        while True:
            asked = self._own_clock()
            sight = request_hosts.look(connection, host, self._clock)
            if not _is_valid(sight, limits):
                return None
            if (seconds := sight.wait()) > 0:
                return seconds
            departed = request_hosts.depart(connection, sight, self._clock)
            if departed is not None:
                self._granted[host] = _Grant.asked(sight, asked)
                return sight.after(departed)

    def left(self, host: str) -> None:
        """The request that was granted last is on its way. Costs nothing, unless that took long.

        One that left after its number was lost takes the next, without asking whether there is room: from now on
        all keep their distance from it.
        """
        if host in self._granted and not self._is_in_time(host):
            departed = None
            while departed is None:
                with self._database.steps() as connection:
                    sight = request_hosts.look(connection, host, self._clock)
                    departed = request_hosts.depart(connection, sight, self._clock)
        self._granted.pop(host, None)

    def _is_in_time(self, host: str) -> bool:
        """Whether the request that was granted last keeps its number if it leaves now; it is dated by that if need be.

        By the date of the grant the request that is `calls` later would follow too soon: a commit, a busy
        machine or a lock has held this one up. Before `lost` none could look at the old date and go.
        """
        grant, now = self._granted[host], self._own_clock()
        if grant.late < now < grant.lost:
            with self._database.steps() as connection:
                request_hosts.date(connection, grant.host_id, grant.number, self._clock)
            self._granted[host] = grant.dated(now)
        return self._own_clock() < grant.lost

    def pause(self, host: str, seconds: float) -> None:
        """Nothing leaves for so long, whoever asks."""
        with self._locked(host) as account:
            until = max(account.host.paused_until, account.sight.now + seconds)
            account.host = replace(account.host, paused_until=until)

    def refused(self, host: str) -> None:
        """The host answered 429 or 503: it gets slower for everybody."""
        with self._locked(host) as account:
            account.host = replace(account.host, slowdown=account.host.slowdown.refused(account.sight.now))

    def answered(self, host: str) -> None:
        """The host gave a good answer. Costs nothing while it is not slowed down."""
        if self._slowed.get(host):
            with self._locked(host) as account:
                account.host = replace(account.host, slowdown=account.host.slowdown.answered())

    def observed(self, host: str, limit: Limit) -> None:
        """The host's own headers tell a limit: it holds for everybody, for a while."""
        with self._locked(host) as account:
            now = account.sight.now
            account.host = account.host.bound_until({limit: now + limit.observed_for}, now)

    def _limits(self, host: str, limit: Limit) -> frozenset[Limit]:
        return frozenset((limit, *self._shared.get(host, ())))

    def _note(self, host: str, sight: Sight) -> None:
        """A request was granted: what was seen, and now and then a few departures that are forgotten."""
        self._seen[host] = self._own_clock(), sight.wait()
        self._slowed[host] = sight.host.slowdown.at(sight.now).factor > 1
        if sight.newest % request_hosts.CHUNK == 0:
            with self._locked(host) as account:
                account.host = request_hosts.forget(account.connection, account.sight)

    def _bind(self, host: str, limits: frozenset[Limit]) -> Sight:
        with self._locked(host, limits) as account:
            return account.sight

    @contextmanager
    def _locked(self, host: str, limits: Iterable[Limit] = ()) -> Iterator[_Account]:
        """A host whose row nobody else changes meanwhile, bound by these limits, too."""
        with self._database.begin(durable=False) as connection:
            request_hosts.lock(connection, host)
            sight = request_hosts.look(connection, host, self._clock)
            if sight.ahead >= JUMP:  # a clock that was set back blocks nobody: the distances stay
                moved = request_hosts.move(connection, sight.host, sight.ahead)
                request_hosts.save(connection, moved, sight.now)
                sight = request_hosts.look(connection, host, self._clock)
            if sight.host.lacks(limits, sight.now):
                request_hosts.save(connection, sight.host.bound(limits, sight.now), sight.now)
                sight = request_hosts.look(connection, host, self._clock)
            account = _Account(connection, sight, sight.host)
            yield account
            if account.host != sight.host:
                request_hosts.save(connection, account.host, sight.now)
        self._slowed[host] = account.host.slowdown.at(sight.now).factor > 1
        self._seen.pop(host, None)


def _is_valid(sight: Sight, limits: Iterable[Limit]) -> bool:
    """Whether its times are those of the clock, and these limits bind everybody."""
    return sight.ahead < JUMP and not sight.host.lacks(limits, sight.now)
