"""A session's share of its hosts' budgets: when a request may leave, and what the budget is told of the answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from math import inf
from typing import NoReturn

from harvest_dagster.errors import WaitTooLong
from harvest_dagster.http import rate_headers
from harvest_dagster.http.budget import Budget
from harvest_dagster.http.retry import OBEYED_ON, retry_after
from harvest_dagster.http.waiting import Watch
from harvest_dagster.limits import Limit


@dataclass
class Allowance:
    """What one session may ask of its hosts.

    Attributes:
        budget: shared by all sessions that ask the same hosts.
        limit: of the config; it holds for each host.
        watch: what waits.
        redact: takes secrets out of a text; the name of a host may be one.
        longest_turn: seconds; a longer wait is not slept through.
    """

    budget: Budget
    limit: Limit
    watch: Watch
    redact: Callable[[str], str]
    longest_turn: float = inf
    _told: dict[tuple[str, Limit], float] = field(default_factory=dict)

    def wait(self, host: str) -> float:
        """Wait until a request may leave, and take none: seconds waited.

        Raises:
            WaitTooLong: that is longer than `longest_turn`.
            DeadlineExceeded: there is not so much time left.
        """
        return self._until(self.budget.wait, host)

    def take(self, host: str, stands: Callable[[], bool]) -> float:
        """Wait until a request may leave, which it does at once; otherwise as `wait`.

        Args:
            host: its key.
            stands: asked before the budget each time; False ends the wait, and nothing is taken.
        """
        return self._until(lambda *which: self.budget.reserve(*which) if stands() else 0.0, host)

    def left(self, host: str) -> None:
        """The request that was taken is on its way."""
        self.budget.left(host)

    def count(self, host: str) -> None:
        """Take a request that found no connection: a source that is down must not be hammered either."""
        self.budget.reserve(host, self.limit)

    def heed(
        self, host: str, status: int, headers: Mapping[str, str], now: datetime, *, good: bool
    ) -> float | None:
        """Tell the budget what an answer means for the host.

        Returns:
            The seconds that a refusal asks to wait; None where it is none, or does not ask.
        """
        notice = rate_headers.read(headers, now)
        asked = retry_after(status, headers.get("Retry-After"), now)
        if status in OBEYED_ON:
            self.budget.refused(host)
            asked = asked if asked is not None else notice.pause or None
        elif good:
            self.budget.answered(host)
        if quiet := max(notice.pause, asked or 0.0):
            self.budget.pause(host, quiet)
        for limit in notice.stricter_than(self.limit):
            self._observe(host, limit)
        return asked

    def _until(self, ask: Callable[[str, Limit], float], host: str) -> float:
        shared = f"{self.limit}, shared by all runs and configs that ask it"
        reason = self.redact(f"{host} takes no request now: {shared}, or what it asked for itself")

        def seconds() -> float:
            due = ask(host, self.limit)
            if due > self.longest_turn:
                refuse_to_sleep(due, f"{reason}.")
            return due

        return self.watch.until_granted(seconds, reason)

    def _observe(self, host: str, limit: Limit) -> None:
        """The limit that a source tells with each of its answers is passed on now and then: it costs a transaction."""
        now = self.watch.clock()
        if now >= self._told.get((host, limit), -inf) + limit.observed_for / 2:
            self.budget.observed(host, limit)
            self._told[host, limit] = now


def refuse_to_sleep(seconds: float, reason: str) -> NoReturn:
    """End a request in whose place a worker would sleep too long.

    Raises:
        WaitTooLong: always.
    """
    message = f"{reason} That is {seconds:.0f} s to wait, longer than a worker sleeps. Ask again then."
    raise WaitTooLong(message, seconds=seconds)
