"""The request budget of each host: the interface, and the budget of one process.

Not here: waiting (`http.rate_limit.deadline`), the arithmetic of the sliding window (`rate_limits.Throttle`), and the
budget that all processes share (`storage.rate_limit.database_budget`), which the caller passes.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf
from typing import Protocol

from harvest_dagster.rate_limits import Limit, Throttle


class Budget(Protocol):
    """The request budgets of all hosts, for all sessions that share them.

    Each method is atomic. None of them sleeps. `host` is the key of `limits.host_of`.
    """

    def seconds_to_wait(self, host: str, limit: Limit) -> float:
        """Return the seconds until a request may leave, 0 if it may leave now. Reserve nothing."""

    def reserve(self, host: str, limit: Limit) -> float:
        """Reserve a request that leaves at once, and return 0.

        If no request may leave now, reserve nothing and return the seconds after which another attempt makes sense.
        """

    def record_departure(self, host: str) -> None:
        """Report that the last reserved request was sent just now.

        If it left later than at its reservation, the next requests keep their distance from its departure. An
        immediate departure costs nothing.
        """

    def pause(self, host: str, seconds: float) -> None:
        """Let no request of any session leave for this time, because the host asked for it (Retry-After)."""

    def record_refusal(self, host: str) -> None:
        """Report a response with status 429 or 503. The host becomes slower for all sessions, see Slowdown."""

    def record_success(self, host: str) -> None:
        """Report a successful response. A slowed host recovers step by step. For any other host it costs nothing."""

    def record_limit(self, host: str, limit: Limit) -> None:
        """Report a limit that the host states in its headers. It binds all sessions.

        It holds until the host has not repeated it for ten minutes, or for twice its period if that is longer. All
        limits of a host hold together, so a laxer one changes nothing. The caller leaves absurd limits out.
        """


@dataclass
class _Host:
    throttle: Throttle = field(default_factory=Throttle)
    departures: deque[float] = field(default_factory=deque)

    def seconds_to_wait(self, now: float) -> float:
        return max(0.0, self.throttle.next_departure(self._departed, now) - now)

    def depart(self, now: float) -> None:
        self.departures.append(now)
        horizon = now - max(limit.spacing for limit in self.throttle.in_force(now))
        while self.departures[0] < horizon:
            self.departures.popleft()

    def _departed(self, back: int) -> float:
        return self.departures[-back] if len(self.departures) >= back else -inf


class ProcessBudget:
    """A budget for all sessions and threads of one process. It records the recent departures of each host.

    The limit holds in every interval of its period (sliding window). The window of the `ratelimit` package is fixed:
    twice the allowed requests fit across its edge (docs/failures.md#limiter-miscounts). If sessions of one host have
    different limits, all of them hold for all sessions, so the strictest one decides.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._hosts: dict[str, _Host] = {}

    def seconds_to_wait(self, host: str, limit: Limit) -> float:
        """See Budget."""
        with self._lock:
            return self._host(host, limit).seconds_to_wait(self._clock())

    def reserve(self, host: str, limit: Limit) -> float:
        """See Budget."""
        with self._lock:
            state, now = self._host(host, limit), self._clock()
            seconds = state.seconds_to_wait(now)
            if seconds == 0:
                state.depart(now)
            return seconds

    def record_departure(self, host: str) -> None:
        """See Budget."""
        with self._lock:
            state = self._host(host)
            if state.departures:
                state.departures[-1] = self._clock()

    def pause(self, host: str, seconds: float) -> None:
        """See Budget."""
        self._change(host, lambda throttle, now: throttle.paused(now + seconds))

    def record_refusal(self, host: str) -> None:
        """See Budget."""
        self._change(host, lambda throttle, now: throttle.refused(now))

    def record_success(self, host: str) -> None:
        """See Budget."""
        self._change(host, lambda throttle, _: throttle.answered())

    def record_limit(self, host: str, limit: Limit) -> None:
        """See Budget."""
        self._change(host, lambda throttle, now: throttle.with_limits({limit: now + limit.observed_for}, now))

    def _host(self, host: str, *limits: Limit) -> _Host:
        state = self._hosts.setdefault(host, _Host())
        if limits:
            state.throttle = state.throttle.with_limits(dict.fromkeys(limits, inf), self._clock())
        return state

    def _change(self, host: str, change: Callable[[Throttle, float], Throttle]) -> None:
        with self._lock:
            state = self._host(host)
            state.throttle = change(state.throttle, self._clock())
