"""Waiting, in slices, so that a cancelled run or a lost lease never sleeps on.

Every wait of a session goes through here: for an allowance of the budget, and between two attempts. It is the
`ratelimit` package's `sleep_and_retry` that sleeps.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from math import inf

from ratelimit import RateLimitException, sleep_and_retry

from harvest_dagster.errors import DeadlineExceeded

SLICE = 1.0
# Below the resolution of a clock a wait would never end.
_SHORTEST = 0.001


def _nothing() -> None:
    pass


def _untold(_seconds: float, _reason: str) -> None:
    pass


@dataclass(frozen=True)
class Watch:
    """The harvest's clock, its deadline, and who is told of waits.

    Attributes:
        deadline: the instant of `clock` at which the harvest's time is over.
        clock: seconds, only ever growing.
        check: called at least once in every second of a wait; it raises what shall end the harvest.
        on_wait: called once for each wait, with its seconds as foreseen and the reason.
    """

    deadline: float = inf
    clock: Callable[[], float] = time.monotonic
    check: Callable[[], None] = _nothing
    on_wait: Callable[[float, str], None] = _untold

    def look(self) -> None:
        """Go on only while there is time, and nobody objects.

        Raises:
            DeadlineExceeded: the harvest's time is over.
        """
        self.check()
        if self.clock() >= self.deadline:
            message = (
                "the time for this harvest is over. Raise `timeout: {harvest: …}`, or harvest less at once."
            )
            raise DeadlineExceeded(message)

    def until_granted(self, ask: Callable[[], float], reason: str) -> float:
        """Ask again and again, until the answer is that there is nothing to wait for.

        Args:
            ask: gives the seconds that are to be waited, 0 for none.
            reason: what the wait is for, as people read it.

        Returns:
            The seconds waited.

        Raises:
            DeadlineExceeded: there is not so much time left.
        """
        began = self.clock()
        told = False

        @sleep_and_retry  # type: ignore[untyped-decorator]  # the package has no types
        def attempt() -> None:
            nonlocal told
            self.look()
            seconds = ask()
            if seconds <= 0:
                return
            self._afford(seconds, reason)
            if not told:
                self.on_wait(seconds, reason)
                told = True
            raise RateLimitException(reason, max(_SHORTEST, min(seconds, SLICE)))

        attempt()
        return self.clock() - began if told else 0.0

    def pause(self, seconds: float, reason: str) -> float:
        """Wait so long; otherwise as `until_granted`."""
        end = self.clock() + seconds
        return self.until_granted(lambda: end - self.clock(), reason)

    def _afford(self, seconds: float, reason: str) -> None:
        remaining = self.deadline - self.clock()
        if seconds >= remaining:
            message = (
                f"{reason.rstrip('.')}; {seconds:.0f} s to wait, and {remaining:.0f} s remain for this harvest."
                " Raise `timeout: {harvest: …}`, or harvest less at once."
            )
            raise DeadlineExceeded(message)
