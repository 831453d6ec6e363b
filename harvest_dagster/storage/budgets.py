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
OWN_SHARE = 1 / 3
# What was seen when the last request left need not be asked again so soon.
FRESH = 1.0


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
        self._granted: dict[str, tuple[int, float]] = {}  # number, and when it should have left
        self._slowed: dict[str, bool] = {}

    def wait(self, host: str, limit: Limit) -> float:
        """Seconds until a request may leave, 0 for now. Takes nothing, and as a rule only reads.

        Right after a request of its own it goes by what it saw then: `reserve` has the last word.
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
                return outcome
            if outcome is not None:
                self._note(host, outcome)
                return 0.0
            self._bind(host, limits)

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
                slack = min(limit.slack for limit in sight.host.limits)
                self._granted[host] = sight.newest + 1, asked + slack * OWN_SHARE
                return sight.after(departed)

    def left(self, host: str) -> None:
        """The request that was granted last is on its way. Costs nothing, unless that took long.

        By the date of the grant the request that is `calls` later would follow too soon: a commit, a busy
        machine or a lock had held this one up.
        """
        number, latest = self._granted.pop(host, (0, inf))
        if self._own_clock() > latest:
            with self._locked(host) as account:
                request_hosts.date(account.connection, account.host, number, account.sight.now)

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
