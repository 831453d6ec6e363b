"""The request budget of each host, kept in the harvest database: one for all runs, processes and machines.

It is a sliding window, as exact as the clock. A host has a row, which is locked for each step, and its
departures are numbered: whether a limit of n calls leaves room is told by the one departure n before the
next, however large n is. All limits that anybody goes by at the moment stand in the host's row, and all of
them hold for everybody. No connection is held while somebody waits, and none has a state of its own.

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
from harvest_dagster.storage.request_hosts import Host

# A clock that was set back by more than this takes all that is on record with it; below, time stands still.
JUMP = 1.0
# A grant that takes longer than this to reach the one who asked is dated anew.
LATE = 0.01
# What was seen when the last request left need not be asked again so soon.
FRESH = 1.0


@dataclass
class _Account:
    """A host under its lock.

    Attributes:
        host: its row; what it is at the end is written back.
        now: the time by the budget's clock.
        asked: no later, by this process's own clock.
    """

    connection: Connection
    host: Host
    now: float
    asked: float

    def wait(self) -> float:
        return self.host.wait(self.now, request_hosts.departures(self.connection, self.host))


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
        self._slowed: dict[str, bool] = {}

    def wait(self, host: str, limit: Limit) -> float:
        """Seconds until a request may leave, 0 for now. Takes nothing, and as a rule only reads.

        Right after a request of its own it goes by what it saw then: `reserve` has the last word.
        """
        seen, seconds = self._seen.get(host, (-inf, 0.0))
        age = self._own_clock() - seen
        if 0 <= age < FRESH:
            return max(0.0, seconds - age)
        return self._look(host, self._limits(host, limit))

    def _look(self, host: str, limits: frozenset[Limit]) -> float:
        with self._database.read() as connection:
            if found := request_hosts.find(connection, host):
                known, now = found[0], self._now(found[1])
                if known.touched - now < JUMP and not known.lacks(limits, now):
                    return known.wait(now, request_hosts.departures(connection, known))
        with self._locked(host, limits) as account:
            return account.wait()

    def reserve(self, host: str, limit: Limit) -> float:
        """Take one request that leaves at once (0), or nothing: seconds until it is worth asking again."""
        with self._locked(host, self._limits(host, limit)) as account:
            departed = request_hosts.departures(account.connection, account.host)
            seconds = account.host.wait(account.now, departed)
            if seconds > 0:
                return seconds
            account.host = request_hosts.depart(account.connection, account.host, account.now)
        departed[account.host.newest] = account.now
        self._seen[host] = self._own_clock(), account.host.wait(account.now, departed)
        if self._own_clock() - account.asked > LATE:
            self._date(host, account.host.newest)
        return 0.0

    def pause(self, host: str, seconds: float) -> None:
        """Nothing leaves for so long, whoever asks."""
        with self._locked(host) as account:
            until = max(account.host.paused_until, account.now + seconds)
            account.host = replace(account.host, paused_until=until)

    def refused(self, host: str) -> None:
        """The host answered 429 or 503: it gets slower for everybody."""
        with self._locked(host) as account:
            account.host = replace(account.host, slowdown=account.host.slowdown.refused(account.now))

    def answered(self, host: str) -> None:
        """The host gave a good answer. Costs nothing while it is not slowed down."""
        if self._slowed.get(host):
            with self._locked(host) as account:
                account.host = replace(account.host, slowdown=account.host.slowdown.answered())

    def observed(self, host: str, limit: Limit) -> None:
        """The host's own headers tell a limit: it holds for everybody, for a while."""
        with self._locked(host) as account:
            until = account.now + limit.observed_for
            account.host = account.host.bound_until({limit: until}, account.now)

    def _limits(self, host: str, limit: Limit) -> frozenset[Limit]:
        return frozenset((limit, *self._shared.get(host, ())))

    def _now(self, told: float) -> float:
        return told if self._clock is None else self._clock()

    def _date(self, host: str, number: int) -> None:
        """A lock, a commit or a checkpoint took its time: the request leaves only now.

        By the older date the request that is `calls` later would leave too soon after it.
        """
        with self._locked(host) as account:
            request_hosts.date(account.connection, account.host, number, account.now)
            account.host = replace(account.host, touched=account.now)

    @contextmanager
    def _locked(self, host: str, limits: Iterable[Limit] = ()) -> Iterator[_Account]:
        """A host that nobody else changes meanwhile, bound by these limits, too."""
        # Else each request waits for the disk: docs/decisions/0011 says what that risks.
        with self._database.begin(durable=False) as connection:
            asked = self._own_clock()
            found, told = request_hosts.lock(connection, host)
            account = _Account(connection, found, self._now(told), asked)
            _follow_clock(account)
            if account.host.lacks(limits, account.now):
                account.host = account.host.bound(limits, account.now)
            yield account
            if account.host != found:
                request_hosts.save(connection, account.host, account.now)
        self._slowed[host] = account.host.slowdown.at(account.now).factor > 1
        self._seen.pop(host, None)


def _follow_clock(account: _Account) -> None:
    """A clock that was set back blocks nobody: what is on record keeps its distances, and ends at now."""
    ahead = account.host.touched - account.now
    if ahead >= JUMP:
        account.host = request_hosts.move(account.connection, account.host, ahead)
    account.now = max(account.now, account.host.touched)
