"""How many requests may leave for a host, over everything that shares it.

Here: what a budget owes (`Budget`), and the one that is kept within a process. Not here: waiting
(`http.waiting`), and any storage: the budget that is kept in the database is handed in from above.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf
from typing import Protocol

from harvest_dagster.limits import Limit, Slowdown


class Budget(Protocol):
    """The requests of all sessions that share it. Every method is one atomic step, and none sleeps."""

    def wait(self, host: str, limit: Limit) -> float:
        """Seconds until a request may leave, 0 for now. Takes nothing."""

    def reserve(self, host: str, limit: Limit) -> float:
        """Take one request that leaves at once (0), or nothing: seconds until it is worth asking again."""

    def left(self, host: str) -> None:
        """The request that `reserve` granted is on its way: if only now, the next ones keep their distance from now.

        Costs nothing where that was at once. A budget within the process need not mind.
        """

    def pause(self, host: str, seconds: float) -> None:
        """The host asked for quiet (Retry-After): nothing leaves for so long, whoever asks."""

    def refused(self, host: str) -> None:
        """The host answered 429 or 503: it gets slower for everybody. See Slowdown."""

    def answered(self, host: str) -> None:
        """The host gave a good answer: it recovers step by step. Costs nothing while it is not slowed down."""

    def observed(self, host: str, limit: Limit) -> None:
        """The host's own headers tell a limit: it holds for everybody, until it was not told for a while.

        That is ten minutes, or twice its period. All limits hold, so that a laxer one changes nothing. Which
        ones are absurd is for the caller to know.
        """


@dataclass
class _Host:
    limits: set[Limit] = field(default_factory=set)
    observed: dict[Limit, float] = field(default_factory=dict)
    departures: deque[float] = field(default_factory=deque)
    paused_until: float = -inf
    slowdown: Slowdown = field(default_factory=Slowdown)

    def limits_at(self, now: float) -> set[Limit]:
        self.observed = {limit: until for limit, until in self.observed.items() if until > now}
        return self.limits | self.observed.keys()

    def wait(self, now: float) -> float:
        limits = self.limits_at(now)
        due = [self.paused_until, *(self._free_at(limit) for limit in limits)]
        if self.departures:
            due.append(self.departures[-1] + self.slowdown.at(now).interval(limits))
        return max(0.0, max(due) - now)

    def _free_at(self, limit: Limit) -> float:
        if len(self.departures) < limit.calls:
            return -inf
        return self.departures[-limit.calls] + limit.spacing

    def depart(self, now: float) -> None:
        self.departures.append(now)
        horizon = now - max(limit.spacing for limit in self.limits_at(now))
        while self.departures[0] < horizon:
            self.departures.popleft()


class ProcessBudget:
    """A budget for all sessions and threads of one process: the log of the last departures of each host.

    A sliding window, so that the limit holds for every stretch of time. The `ratelimit` package's own window
    is fixed, and twice the allowance fits across its edge. Sessions of one host with different limits: all of
    them hold for all, so the strictest does.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._hosts: dict[str, _Host] = {}

    def wait(self, host: str, limit: Limit) -> float:
        """See Budget."""
        with self._lock:
            return self._of(host, limit).wait(self._clock())

    def reserve(self, host: str, limit: Limit) -> float:
        """See Budget."""
        with self._lock:
            state, now = self._of(host, limit), self._clock()
            seconds = state.wait(now)
            if seconds == 0:
                state.depart(now)
            return seconds

    def left(self, host: str) -> None:
        """See Budget."""
        with self._lock:
            state = self._of(host)
            if state.departures:
                state.departures[-1] = self._clock()

    def pause(self, host: str, seconds: float) -> None:
        """See Budget."""
        with self._lock:
            state = self._of(host)
            state.paused_until = max(state.paused_until, self._clock() + seconds)

    def refused(self, host: str) -> None:
        """See Budget."""
        with self._lock:
            state = self._of(host)
            state.slowdown = state.slowdown.refused(self._clock())

    def answered(self, host: str) -> None:
        """See Budget."""
        with self._lock:
            state = self._of(host)
            state.slowdown = state.slowdown.answered()

    def observed(self, host: str, limit: Limit) -> None:
        """See Budget."""
        with self._lock:
            self._of(host).observed[limit] = self._clock() + limit.observed_for

    def _of(self, host: str, *limits: Limit) -> _Host:
        state = self._hosts.setdefault(host, _Host())
        state.limits.update(limits)
        return state
