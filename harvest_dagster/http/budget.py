"""How many requests may leave for a host, over everything that shares it.

Here: the limit, what a budget owes (`Budget`), and the one that is kept within a process. Not here: waiting
(`http.waiting`), and any storage: a budget that is kept in a database is handed in from above.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf
from typing import Protocol
from urllib.parse import urlsplit

SLACK = 0.03
LONGEST_SLACK = 0.25


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
    def spacing(self) -> float:
        """Seconds from one request to the one `calls` later, a little more than the period.

        The source counts arrivals, we departures. Without the slack a request that the network or a busy
        machine delays, and a punctual one after it, are one too many on the source's clock. 97 % of the
        budget remain.
        """
        return self.period + min(self.period * SLACK, LONGEST_SLACK)


class Budget(Protocol):
    """The requests of all sessions that share it. Every method is one atomic step, and none sleeps."""

    def wait(self, host: str, limit: Limit) -> float:
        """Seconds until a request may leave, 0 for now. Takes nothing."""

    def reserve(self, host: str, limit: Limit) -> float:
        """Take one request that leaves at once (0), or nothing: seconds until it is worth asking again."""

    def pause(self, host: str, seconds: float) -> None:
        """The host asked for quiet (Retry-After): nothing leaves for so long, whoever asks."""


@dataclass
class _Host:
    limits: set[Limit] = field(default_factory=set)
    departures: deque[float] = field(default_factory=deque)
    paused_until: float = -inf

    def wait(self, now: float) -> float:
        return max(0.0, self.paused_until - now, *(self._wait_for(limit, now) for limit in self.limits))

    def _wait_for(self, limit: Limit, now: float) -> float:
        if len(self.departures) < limit.calls:
            return 0.0
        return self.departures[-limit.calls] + limit.spacing - now

    def depart(self, now: float) -> None:
        self.departures.append(now)
        horizon = now - max(limit.spacing for limit in self.limits)
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
            return self._state(host, limit).wait(self._clock())

    def reserve(self, host: str, limit: Limit) -> float:
        """See Budget."""
        with self._lock:
            state, now = self._state(host, limit), self._clock()
            seconds = state.wait(now)
            if seconds == 0:
                state.depart(now)
            return seconds

    def pause(self, host: str, seconds: float) -> None:
        """See Budget."""
        with self._lock:
            state = self._hosts.setdefault(host, _Host())
            state.paused_until = max(state.paused_until, self._clock() + seconds)

    def _state(self, host: str, limit: Limit) -> _Host:
        state = self._hosts.setdefault(host, _Host())
        state.limits.add(limit)
        return state


PROCESS_BUDGET = ProcessBudget()


def host_of(url: str) -> str:
    """The key of a URL's host: its name in lower case, and its port where that is not the scheme's own.

    http and https of one name are one host.
    """
    parts = urlsplit(url.strip())
    name = (parts.hostname or "").rstrip(".")
    default = {"http": 80, "https": 443}.get(parts.scheme)
    return name if parts.port in (None, default) else f"{name}:{parts.port}"
