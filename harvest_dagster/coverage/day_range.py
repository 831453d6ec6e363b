"""Ranges of whole UTC days, which are partitions. `windows` has the same arithmetic for instants."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone

from harvest_dagster.windows import DAY, Window, subtract, whole_day


@dataclass(frozen=True, order=True)
class DayRange:
    """Consecutive days, both ends included.

    Raises:
        ValueError: the last day is before the first.
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
        """The window from the start of the first day to the end of the last."""
        return Window(whole_day(self.first).start, whole_day(self.last).end)

    def __contains__(self, day: date) -> bool:
        return self.first <= day <= self.last

    def overlaps(self, other: DayRange) -> bool:
        """Return whether both share a day."""
        return self.first <= other.last and other.first <= self.last

    def clip(self, first: date, last: date) -> DayRange | None:
        """Return the days from `first` to `last`, or None if there are none."""
        first, last = max(self.first, first), min(self.last, last)
        return DayRange(first, last) if first <= last else None

    def subtract(self, others: Iterable[DayRange]) -> list[DayRange]:
        """Return the days that are in none of the others."""
        return missing_days(self, (other.window for other in others))


def days_of(window: Window) -> DayRange:
    """Return the days that a window touches."""
    return DayRange(window.start.date(), (window.end - datetime.resolution).date())


def missing_days(days: DayRange, covered: Iterable[Window]) -> list[DayRange]:
    """Return the days that `covered` does not cover completely."""
    return merge(days_of(gap) for gap in subtract(days.window, covered))


def merge(ranges: Iterable[DayRange]) -> list[DayRange]:
    """Return the same days with overlapping and adjacent ranges joined, in order."""
    merged: list[DayRange] = []
    for days in sorted(ranges):
        if merged and days.first <= merged[-1].last + DAY:
            merged[-1] = DayRange(merged[-1].first, max(merged[-1].last, days.last))
        else:
            merged.append(days)
    return merged


def newest_settled_day(now: datetime, settle: timedelta) -> date:
    """Return the last day that ended at least `settle` before `now`."""
    return (now - settle).astimezone(timezone.utc).date() - DAY
