"""Keep the requests of one session within the budgets of their hosts, and report responses to these budgets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from math import inf
from typing import NoReturn

from harvest_dagster.errors import OutsideHours, RetryLater
from harvest_dagster.http.rate_limit.budget import Budget
from harvest_dagster.http.rate_limit.deadline import Deadline
from harvest_dagster.http.rate_limit.response_headers import (
    RETRY_AFTER_STATUSES,
    RateLimitHeaders,
    parse_rate_limit_headers,
    retry_after,
)
from harvest_dagster.rate_limits import Limit
from harvest_dagster.request_hours import RequestHours
from harvest_dagster.windows import utc_now


@dataclass
class RateLimiter:
    """The rate limiter of one session.

    Attributes:
        budget: Shared by all sessions that send requests to the same hosts.
        limit: The limit of the config. It applies to each host.
        deadline: Waits, and ends the wait if the harvest must end.
        redact: Masks secrets in a text. The name of a host may be a secret.
        max_wait: Seconds. A longer wait raises RetryLater.
        hours: The hours in which the source may be asked; None if it may always be asked. They belong to the session,
            not to the host: other sources of the host have their own. They hold for every host that the session asks.
        max_closed_wait: Seconds. If the hours begin later than that, no wait begins, and OutsideHours is raised.
        now: Returns the current time in UTC, for `hours`.
        seconds_waited: Seconds waited for budgets so far.
    """

    budget: Budget
    limit: Limit
    deadline: Deadline
    redact: Callable[[str], str]
    max_wait: float = inf
    hours: RequestHours | None = None
    max_closed_wait: float = 0.0
    now: Callable[[], datetime] = utc_now
    seconds_waited: float = field(default=0.0, init=False)
    _recorded: dict[tuple[str, Limit], float] = field(default_factory=dict, init=False)

    def wait(self, host: str) -> None:
        """Wait until a request may leave, without reserving it.

        Raises:
            OutsideHours: The hours of the source begin later than `max_closed_wait`.
            RetryLater: The wait is longer than `max_wait`.
            DeadlineExceeded: The wait would last beyond the deadline.
        """
        self._wait_until(
            lambda: self._seconds_until_open(host) or self.budget.seconds_to_wait(host, self.limit), host
        )

    def reserve(self, host: str, is_open: Callable[[], bool]) -> bool:
        """Wait until a request may leave, and reserve it. Return False if the connection closed during the wait.

        The caller sends the request at once.

        Args:
            host: Key of the host.
            is_open: Returns whether the connection is still open. It is called before every reservation except the
                first, which no wait precedes. If it returns False, nothing is reserved.

        Raises:
            OutsideHours: The hours of the source begin later than `max_closed_wait`.
            RetryLater: The wait is longer than `max_wait`.
            DeadlineExceeded: The wait would last beyond the deadline.
        """
        has_waited, closed = False, False

        def seconds_to_wait() -> float:
            nonlocal has_waited, closed
            closed = has_waited and not is_open()
            has_waited = True
            if closed:
                return 0.0
            return self._seconds_until_open(host) or self.budget.reserve(host, self.limit)

        self._wait_until(seconds_to_wait, host)
        return not closed

    def record_departure(self, host: str) -> None:
        """Report that the reserved request was sent."""
        self.budget.record_departure(host)

    def record_failed_connection(self, host: str) -> None:
        """Count a request that found no connection, so that a source that is down is not overloaded."""
        self.budget.reserve(host, self.limit)

    def record_response(
        self, host: str, status: int, headers: Mapping[str, str], now: datetime, *, is_success: bool
    ) -> float | None:
        """Report to the budget what a response means for the host.

        Returns:
            The seconds that a response with status 429 or 503 asks to wait. None for any other status, and if it
            names no time.
        """
        parsed = parse_rate_limit_headers(headers, now)
        seconds = retry_after(status, headers.get("Retry-After"), now)
        if status in RETRY_AFTER_STATUSES:
            self.budget.record_refusal(host)
            seconds = seconds if seconds is not None else parsed.pause or None
        elif is_success:
            self.budget.record_success(host)
        if pause := max(parsed.pause, seconds or 0.0):
            self.budget.pause(host, pause)
        for limit in parsed.stricter_than(self.limit):
            self._record_limit(host, limit)
        return seconds

    def keep_limit(self, host: str, limit: Limit) -> None:
        """Keep a limit that the source asks for outside of its headers, such as the Crawl-delay of robots.txt."""
        for stricter in RateLimitHeaders(frozenset({limit})).stricter_than(self.limit):
            self._record_limit(host, stricter)

    def _seconds_until_open(self, host: str) -> float:
        """Return the seconds until the hours of the source begin, 0 if the source may be asked now.

        Raises:
            OutsideHours: They are more than `max_closed_wait`, or the harvest must end before. That is no failure.
        """
        now = self.now()
        if self.hours is None or self.hours.is_open(now):
            return 0.0
        seconds = (self.hours.next_opening(now) - now).total_seconds()
        remaining = self.deadline.ends_at - self.deadline.clock()
        if seconds > self.max_closed_wait or seconds >= remaining:
            message = f"no request is sent to {self.redact(host)} now: {self.hours.describe_closed(now)}."
            raise OutsideHours(message, seconds=seconds)
        return seconds

    def _wait_until(self, seconds_to_wait: Callable[[], float], host: str) -> None:
        now = self.now()
        if self.hours is None or self.hours.is_open(now):
            reason = self.redact(
                f"{host} takes no request now, because of {self.limit}, shared by all runs and configs that use this "
                "host, or because it asked for a pause"
            )
        else:
            reason = self.hours.describe_closed(now)

        def checked_seconds() -> float:
            seconds = seconds_to_wait()
            if seconds > self.max_wait:
                raise_retry_later(seconds, f"{reason}.")
            return seconds

        self.seconds_waited += self.deadline.wait_until_granted(checked_seconds, reason)

    def _record_limit(self, host: str, limit: Limit) -> None:
        """Record a limit of the source, at most twice in the time that it holds: each record costs a transaction."""
        now = self.deadline.clock()
        if now >= self._recorded.get((host, limit), -inf) + limit.observed_for / 2:
            self.budget.record_limit(host, limit)
            self._recorded[host, limit] = now


def raise_retry_later(seconds: float, reason: str) -> NoReturn:
    """Raise RetryLater in place of a wait that is too long for a worker.

    Raises:
        RetryLater: Always.
    """
    message = (
        f"{reason} That is {seconds:.0f} s to wait, longer than a worker sleeps. Try again after that time."
    )
    raise RetryLater(message, seconds=seconds)
