"""Half-open intervals of time, `[start, end)`, in aware UTC. Harvests ask for them and logs cover them.

The module has the value, its arithmetic and its text form. `pipeline.steps.plan` decides which windows to harvest.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone

DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)


@dataclass(frozen=True, order=True)
class Window:
    """The interval `[start, end)`. It includes its start and excludes its end. Both are converted to UTC.

    Raises:
        ValueError: an instant is naive, or the end is not after the start.
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
        # `days` and `str` use UTC.
        object.__setattr__(self, "start", self.start.astimezone(timezone.utc))
        object.__setattr__(self, "end", self.end.astimezone(timezone.utc))

    def __str__(self) -> str:
        if self == ALL_TIME:
            return "the whole source"
        return f"[{format_instant(self.start)}, {format_instant(self.end)})"

    def __contains__(self, instant: datetime) -> bool:
        return self.start <= instant < self.end

    @property
    def length(self) -> timedelta:
        """The duration of the window."""
        return self.end - self.start

    @property
    def days(self) -> Iterator[date]:
        """The UTC days that the window touches, in order."""
        day = self.start.date()
        while datetime.combine(day, time(), timezone.utc) < self.end:
            yield day
            day += DAY

    def encloses(self, other: Window) -> bool:
        """Return whether the window contains the whole of `other`."""
        return self.start <= other.start and other.end <= self.end

    def intersection(self, other: Window) -> Window | None:
        """Return the interval that both windows share, or None."""
        start, end = max(self.start, other.start), min(self.end, other.end)
        return Window(start, end) if start < end else None

    def split(self, longest: timedelta) -> Iterator[Window]:
        """Yield consecutive windows of at most `longest` that together are the whole window.

        They end at UTC midnights where possible. Each day, which is a partition, is then in as few windows as its
        length allows, and is complete as soon as these are.
        """
        start = self.start
        while start < self.end:
            end = min(start + longest, self.end)
            midnight = datetime.combine(end.date(), time(), timezone.utc)
            if end < self.end and midnight > start:
                end = midnight
            yield Window(start, end)
            start = end


ALL_TIME = Window(datetime(1, 1, 1, tzinfo=timezone.utc), datetime(9999, 12, 31, tzinfo=timezone.utc))
"""The window of a list of the whole source. A client requests it without dates."""


def whole_day(day: date) -> Window:
    """Return the window of one UTC day."""
    start = datetime.combine(day, time(), timezone.utc)
    return Window(start, start + DAY)


def whole_days(window: Window) -> Window:
    """Return the window of all UTC days that this window touches."""
    last = (window.end - timedelta.resolution).date()
    return Window(whole_day(window.start.date()).start, whole_day(last).end)


def subtract(window: Window, covered: Iterable[Window]) -> Iterator[Window]:
    """Yield the parts of `window` that no member of `covered` covers, in order.

    The members of `covered` may overlap and may have any order.
    """
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
    """Yield the union of the windows, in order. No window touches the next one."""
    if windows:
        span = Window(min(window.start for window in windows), max(window.end for window in windows))
        yield from subtract(span, list(subtract(span, windows)))


def utc_now() -> datetime:
    """Return the current time."""
    return datetime.now(timezone.utc)


def format_instant(instant: datetime) -> str:
    """Return the instant in ISO 8601, in UTC with a `Z`. A midnight is only a date."""
    instant = instant.astimezone(timezone.utc)
    if instant.time() == time():
        return instant.date().isoformat()
    return instant.isoformat().replace("+00:00", "Z")


def format_bounds(window: Window) -> list[str]:
    """Return the start and the end of a window, each as `format_instant` does."""
    return [format_instant(window.start), format_instant(window.end)]


def parse_instant(text: str) -> datetime:
    """Return the instant of an ISO 8601 date or instant, in UTC if it names no time zone.

    Raises:
        ValueError: it is neither. The message names what is allowed.
    """
    try:
        # fromisoformat of Python 3.10 does not accept Z.
        instant = datetime.fromisoformat(text.strip().replace("Z", "+00:00").replace("z", "+00:00"))
        if instant.tzinfo is timezone.utc:
            return instant
        return instant.replace(tzinfo=instant.tzinfo or timezone.utc).astimezone(timezone.utc)
    except (ValueError, OverflowError):  # the year 1 in a zone east of Greenwich is before it in UTC
        message = f"{text!r} is not an ISO 8601 date or instant, such as 2024-01-31 or 2024-01-31T12:00:00Z"
        raise ValueError(message) from None
