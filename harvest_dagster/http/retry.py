"""Which failures may pass by themselves, how often to try again, and how long to wait before.

Pure: no clock, no sleeping, no chance of its own. Waiting is `http.waiting`, doing is `http.session`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

LONGEST_PAUSE = 3600.0
"""Seconds: what a source may ask for; it writes the header, not we."""

OBEYED_ON = frozenset({429, 503})


@dataclass(frozen=True)
class RetryPolicy:
    """Exponential backoff with full jitter, bounded in number and in time.

    Attributes:
        attempts: how often a request is sent at most, the first time included.
        base: seconds; the first backoff is drawn from [0, base), each further one from twice that.
        ceiling: seconds; no backoff is longer.
        shortest: seconds; no backoff is shorter, so that `Retry-After: 0` does not burn all attempts at once.
        total: seconds from the first attempt after which no other one begins.
    """

    attempts: int = 5
    base: float = 2.0
    ceiling: float = 60.0
    shortest: float = 0.5
    total: float = 900.0

    def backoff(self, attempt: int, draw: float) -> float:
        """Seconds to wait after the attempt of this number (the first is 1); `draw` is from [0, 1)."""
        return max(self.shortest, draw * min(self.ceiling, self.base * 2.0 ** (attempt - 1)))

    def allows(self, attempt: int, elapsed: float, pause: float) -> bool:
        """Whether another attempt may follow this one, after a pause."""
        return attempt < self.attempts and elapsed + pause <= self.total


def retry_after(status: int, value: str | None, now: datetime) -> float | None:
    """Seconds that the source asks to wait, None where it does not ask or cannot be understood.

    Obeyed on 429 and 503 only: Zenodo sends the header with every response, 200 included. In seconds or as an
    HTTP date (RFC 9110, section 10.2.3); what lies in the past is 0, more than an hour is an hour.
    """
    if status not in OBEYED_ON or value is None:
        return None
    text = value.strip()
    if re.fullmatch(r"[+-]?\d+(\.\d*)?", text, re.ASCII):
        return _bounded(float(text))
    instant = http_date(text)
    return None if instant is None else _bounded((instant - now).total_seconds())


def http_date(text: str) -> datetime | None:
    """The instant of an HTTP date in any of its forms (RFC 9110, section 5.6.7); None for what is none."""
    try:
        instant = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    # "-0000", or no zone at all: an HTTP date is always in UTC.
    return instant if instant.tzinfo is not None else instant.replace(tzinfo=timezone.utc)


def _bounded(seconds: float) -> float:
    return max(0.0, min(seconds, LONGEST_PAUSE))
