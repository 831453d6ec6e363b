"""Half-open stretches of time, `[start, end)`, in aware UTC: what a harvest asks for and what a log covers.

Here: the value, its arithmetic, its text form. Not here: which windows are still to do (`pipeline.plan`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone

DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)


@dataclass(frozen=True, order=True)
class Window:
    """`[start, end)`: the start belongs to it, the end to the next. Both are turned into UTC.

    Raises:
        ValueError: a naive instant, or an end that is not after the start.
    """

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if self.start.tzinfo is None or self.end.tzinfo is None:
            message = f"a window needs aware instants, not {self.start} and {self.end}"
            raise ValueError(message)
        if self.end <= self.start:
            message = f"a window must end after it starts, not {self.start} to {self.end}"
            raise ValueError(message)
        # Its days and its text are those of UTC.
        object.__setattr__(self, "start", self.start.astimezone(timezone.utc))
        object.__setattr__(self, "end", self.end.astimezone(timezone.utc))

    def __str__(self) -> str:
        return f"[{format_instant(self.start)}, {format_instant(self.end)})"

    def __contains__(self, instant: datetime) -> bool:
        return self.start <= instant < self.end

    @property
    def length(self) -> timedelta:
        """How long it is."""
        return self.end - self.start

    @property
    def days(self) -> Iterator[date]:
        """The UTC days it touches, in order."""
        day = self.start.date()
        while datetime.combine(day, time(), timezone.utc) < self.end:
            yield day
            day += DAY

    def encloses(self, other: Window) -> bool:
        """Whether all of `other` lies within."""
        return self.start <= other.start and other.end <= self.end

    def intersection(self, other: Window) -> Window | None:
        """What both share, if anything."""
        start, end = max(self.start, other.start), min(self.end, other.end)
        return Window(start, end) if start < end else None

    def split(self, longest: timedelta) -> Iterator[Window]:
        """Pieces of at most `longest`, in order: nothing of the range is dropped.

        They are cut at midnights of UTC where that is possible, so that each day, a partition, lies in as few
        pieces as its length allows and is done as soon as they are.
        """
        start = self.start
        while start < self.end:
            end = min(start + longest, self.end)
            midnight = datetime.combine(end.date(), time(), timezone.utc)
            if end < self.end and midnight > start:
                end = midnight
            yield Window(start, end)
            start = end


def whole_day(day: date) -> Window:
    """The window of one UTC day."""
    start = datetime.combine(day, time(), timezone.utc)
    return Window(start, start + DAY)


def whole_days(window: Window) -> Window:
    """The window of all UTC days that it touches."""
    *_, last = window.days
    return Window(whole_day(window.start.date()).start, whole_day(last).end)


def subtract(window: Window, covered: Iterable[Window]) -> Iterator[Window]:
    """What of `window` no member of `covered` covers, in order; those may overlap and come in any order."""
    start = window.start
    for other in sorted(covered):
        if other.start >= window.end:
            break
        if other.start > start:
            yield Window(start, other.start)
        start = max(start, other.end)
    if start < window.end:
        yield Window(start, window.end)


def merged(windows: Collection[Window]) -> Iterator[Window]:
    """What they cover together, in order, none touching the next."""
    if windows:
        hull = Window(min(one.start for one in windows), max(one.end for one in windows))
        yield from subtract(hull, list(subtract(hull, windows)))


def format_instant(instant: datetime) -> str:
    """ISO 8601 in UTC with a `Z`; whole days as a date alone."""
    instant = instant.astimezone(timezone.utc)
    if instant.time() == time():
        return instant.date().isoformat()
    return instant.isoformat().replace("+00:00", "Z")


def parse_instant(text: str) -> datetime:
    """An ISO 8601 date or instant; UTC where it names no zone.

    Raises:
        ValueError: anything else; the message says what is allowed.
    """
    try:
        # Python 3.10's fromisoformat knows no Z.
        instant = datetime.fromisoformat(text.strip().replace("Z", "+00:00").replace("z", "+00:00"))
        return instant.replace(tzinfo=instant.tzinfo or timezone.utc).astimezone(timezone.utc)
    except (ValueError, OverflowError):  # the year 1 in a zone east of Greenwich is before it in UTC
        message = f"{text!r} is no ISO 8601 date or instant, such as 2024-01-31 or 2024-01-31T12:00:00Z"
        raise ValueError(message) from None
