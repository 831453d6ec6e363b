"""Decide whether and when a request is retried.

Pure: no clock, no sleep, no random numbers. `http.rate_limit.deadline` waits, `http.session` retries.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class RetryPolicy:
    """Exponential backoff with full jitter, limited in attempts and in time.

    Attributes:
        attempts: The maximum number of attempts, the first one included.
        base: Seconds. The first backoff is drawn from [0, base), each further one from a range twice as long.
        max_backoff: Seconds. The longest backoff.
        min_backoff: Seconds. The shortest backoff. Without it, `Retry-After: 0` would use up all attempts at once.
        max_seconds: No attempt begins later than this many seconds after the first one.
    """

    attempts: int = 5
    base: float = 2.0
    max_backoff: float = 60.0
    min_backoff: float = 0.5
    max_seconds: float = 900.0

    def backoff(self, attempt: int, draw: float) -> float:
        """Return the seconds to wait after an attempt.

        Args:
            attempt: The number of the attempt. The first one is 1.
            draw: A random number from [0, 1).
        """
        return max(self.min_backoff, draw * min(self.max_backoff, self.base * 2.0 ** (attempt - 1)))

    def allows(self, attempt: int, elapsed: float, pause: float) -> bool:
        """Return whether another attempt may follow after a pause.

        Args:
            attempt: The number of the attempt that failed. The first one is 1.
            elapsed: Seconds since the first attempt.
            pause: Seconds to wait before the next attempt.
        """
        return attempt < self.attempts and elapsed + pause <= self.max_seconds
