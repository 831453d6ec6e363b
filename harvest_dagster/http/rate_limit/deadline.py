"""Wait in short sleeps, so that a cancelled run, a lost lease or the deadline ends a wait within a second.

Every wait of a session happens here: the wait for the budget of a host, and the pause between two request attempts.
`sleep_and_retry` of the `ratelimit` package does the sleeping.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from math import inf

from ratelimit import RateLimitException, sleep_and_retry

from harvest_dagster.errors import DeadlineExceeded

SLICE = 1.0
"""Seconds: the longest sleep between two calls of `keep_going`."""
# A sleep below the resolution of the clock would never end the wait.
_SHORTEST_SLEEP = 0.001


def _do_nothing(*_: object) -> None:
    pass


@dataclass(frozen=True)
class Deadline:
    """The instant at which a harvest must end, and the callbacks that a wait calls.

    Attributes:
        ends_at: An instant of `clock`.
        clock: Returns seconds that never decrease.
        keep_going: Called at least once per second of a wait. It raises an error to end the harvest.
        on_wait: Called once per wait, with its expected length in seconds, its reason, and whether it is a turn: a
            wait for the request budget of a host, not a pause after a failed request.
        length: Seconds from the start of the harvest to `ends_at`, for messages; None if unknown.
        before_sleep: Called before each request and before each sleep of a wait, but not while a response arrives. It
            raises an error to end the harvest.
    """

    ends_at: float = inf
    clock: Callable[[], float] = time.monotonic
    keep_going: Callable[[], None] = _do_nothing
    on_wait: Callable[[float, str, bool], None] = _do_nothing
    before_sleep: Callable[[], None] = _do_nothing
    length: float | None = None

    def raise_if_over(self) -> None:
        """Raise an error if the harvest must end now.

        Raises:
            DeadlineExceeded: The deadline has passed.
            Exception: Any error that `keep_going` raises.
        """
        self.keep_going()
        if self.clock() >= self.ends_at:
            length = "" if self.length is None else f" of {self.length:g} s"
            message = (
                f"the time limit{length} of this harvest is over."
                " Raise `timeout: {harvest: …}`, or harvest a shorter range."
            )
            raise DeadlineExceeded(message)

    def wait_until_granted(
        self, seconds_to_wait: Callable[[], float], reason: str, *, is_turn: bool = True
    ) -> float:
        """Call `seconds_to_wait` until it returns 0, and sleep between the calls. Return the seconds waited.

        Args:
            seconds_to_wait: Returns the seconds that remain, 0 if the wait is over. It is called again after each
                sleep of at most `SLICE` seconds.
            reason: Why the harvest waits, for people.
            is_turn: Whether the wait is for the request budget of a host. See `on_wait`.

        Raises:
            DeadlineExceeded: The wait would last beyond the deadline. It is not begun.
        """
        began = self.clock()
        is_reported = False

        @sleep_and_retry  # type: ignore[untyped-decorator]  # the package has no types
        def poll() -> None:
            nonlocal is_reported
            self.raise_if_over()
            self.before_sleep()
            seconds = seconds_to_wait()
            if seconds <= 0:
                return
            self._raise_if_too_long(seconds, reason)
            if not is_reported:
                self.on_wait(seconds, reason, is_turn)
                is_reported = True
            raise RateLimitException(reason, max(_SHORTEST_SLEEP, min(seconds, SLICE)))

        poll()
        return self.clock() - began if is_reported else 0.0

    def sleep(self, seconds: float, reason: str) -> float:
        """Wait for a number of seconds. Return the seconds waited.

        Raises:
            DeadlineExceeded: The wait would last beyond the deadline. It is not begun.
        """
        end = self.clock() + seconds
        return self.wait_until_granted(lambda: end - self.clock(), reason, is_turn=False)

    def _raise_if_too_long(self, seconds: float, reason: str) -> None:
        remaining = self.ends_at - self.clock()
        if seconds >= remaining:
            message = (
                f"{reason.rstrip('.')}; {seconds:.0f} s to wait, and {remaining:.0f} s remain for this harvest."
                " Raise `timeout: {harvest: …}`, or harvest a shorter range."
            )
            raise DeadlineExceeded(message)
