"""Whole UTC days, as partitions are: stretches of them, what is missing of one, which is the newest.

Instants are `windows`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone

from harvest_dagster.windows import DAY, Window, subtract, whole_day


@dataclass(frozen=True, order=True)
class Days:
    """Consecutive days, both ends included.

    Raises:
        ValueError: the last is before the first.
    """

    first: date
    last: date

    def __post_init__(self) -> None:
        if self.last < self.first:
            message = f"{self.last} is before {self.first}"
            raise ValueError(message)

    def __len__(self) -> int:
        return (self.last - self.first).days + 1

    def __str__(self) -> str:
        return f"{self.first}" if self.first == self.last else f"{self.first}...{self.last}"

    @property
    def window(self) -> Window:
        """From the start of the first to the end of the last."""
        return Window(whole_day(self.first).start, whole_day(self.last).end)

    def __contains__(self, day: date) -> bool:
        return self.first <= day <= self.last

    def overlaps(self, other: Days) -> bool:
        """Whether they share a day."""
        return self.first <= other.last and other.first <= self.last

    def within(self, first: date, last: date) -> Days | None:
        """What of them is from `first` to `last`, if anything."""
        first, last = max(self.first, first), min(self.last, last)
        return Days(first, last) if first <= last else None

    def without(self, others: Iterable[Days]) -> list[Days]:
        """What of them is in none of the others."""
        return missing(self, (other.window for other in others))


def touched(window: Window) -> Days:
    """The days that a window touches."""
    return Days(window.start.date(), (window.end - datetime.resolution).date())


def missing(days: Days, covered: Iterable[Window]) -> list[Days]:
    """The days that are not wholly covered."""
    return merged(touched(gap) for gap in subtract(days.window, covered))


def merged(stretches: Iterable[Days]) -> list[Days]:
    """The same days, those that overlap or follow each other together."""
    together: list[Days] = []
    for stretch in sorted(stretches):
        if together and stretch.first <= together[-1].last + DAY:
            together[-1] = Days(together[-1].first, max(together[-1].last, stretch.last))
        else:
            together.append(stretch)
    return together


def newest_day(now: datetime, settle: timedelta) -> date:
    """The last day that has ended, and has had the time to settle since."""
    return (now - settle).astimezone(timezone.utc).date() - DAY
