"""The hours in which a source may be asked, as people write them: `21:00-05:00 America/New_York`.

The module has the value, its text form and its arithmetic, and no clock of its own. The rate limiter of a session
(`http.rate_limit.limiter`) keeps the hours. Hours are in the local time of the zone: if daylight saving time repeats an
hour, both count, and an hour that it leaves out does not exist.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from functools import lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo

from harvest_dagster.windows import DAY, SECOND, format_instant

ALLOWED = (
    "[DAYS] HH:MM-HH:MM [ZONE], such as 21:00-05:00 America/New_York, Mon-Fri 22:00-06:00 Europe/Vienna or Sat,Sun "
    "America/New_York; DAYS are Mon, Tue, Wed, Thu, Fri, Sat, Sun, ranges or lists of them; ZONE is an IANA time zone, "
    "by default UTC"
)
DAY_NAMES = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MINUTES_OF_DAY = 24 * 60
PATTERN = r"^\s*\S+(\s+\S+){0,2}\s*$"

_ALL_DAYS = frozenset(range(7))
_WEEK = 7 * DAY
_TIMES = re.compile(r"([0-9]{2}):([0-9]{2})-([0-9]{2}):([0-9]{2})")
_DAYS = re.compile(r"[a-z]{3}(-[a-z]{3})?(,[a-z]{3}(-[a-z]{3})?)*")
# The clocks of a zone change at most once in a few weeks, so a step of a day finds each change.
_STEP = DAY
# A range opens within a week, unless its only hour of the week is the one that daylight saving time leaves out.
_LONGEST_CLOSED = 15 * DAY


@dataclass(frozen=True)
class HourRange:
    """One range of hours on some days of the week, in one time zone.

    Attributes:
        days: the days of the week on which the range begins; 0 is Monday.
        start: the first minute of the day that belongs to it.
        end: the first minute that does not. If it is before `start`, it is a minute of the next day.
        zone: the name of the time zone.
    """

    days: frozenset[int]
    start: int
    end: int
    zone: str

    def contains(self, instant: datetime) -> bool:
        """Return whether an instant is within the range."""
        local = instant.astimezone(_zone(self.zone))
        minute, weekday = local.hour * 60 + local.minute, local.weekday()
        if self.start < self.end:
            return self.start <= minute < self.end and weekday in self.days
        if minute >= self.start:
            return weekday in self.days
        return minute < self.end and (weekday - 1) % 7 in self.days

    def edges(self, day: date) -> Iterator[datetime]:
        """Yield the instants of a local day at which the range may begin or end, and at which the clocks change."""
        zone = _zone(self.zone)
        for minute in {0, self.start % MINUTES_OF_DAY, self.end % MINUTES_OF_DAY}:
            for fold in (0, 1):
                local = datetime.combine(day, time(minute // 60, minute % 60), zone).replace(fold=fold)
                yield local.astimezone(timezone.utc)
        noon = datetime.combine(day, time(12), timezone.utc)
        yield from _clock_changes(zone, noon - _STEP, noon + _STEP)


@dataclass(frozen=True)
class RequestHours:
    """The hours in which a source may be asked: one or more ranges. An instant belongs to them if one range has it.

    Attributes:
        ranges: the ranges.
        texts: how the config writes them.
    """

    ranges: tuple[HourRange, ...]
    texts: tuple[str, ...]

    def __str__(self) -> str:
        return " and ".join(self.texts)

    def is_open(self, instant: datetime) -> bool:
        """Return whether the source may be asked at an instant."""
        return any(one.contains(instant) for one in self.ranges)

    def next_opening(self, now: datetime) -> datetime:
        """Return the first instant from `now` on at which the source may be asked, in UTC."""
        return self._next(now, is_open=True)

    def next_closing(self, now: datetime) -> datetime | None:
        """Return the first instant from `now` on at which the source may not be asked; None if there is none."""
        closing = self._next(now, is_open=False)
        return None if self.is_open(closing) else closing

    def open_time(self, start: datetime, end: datetime) -> timedelta:
        """Return how much of the time between two instants belongs to the hours."""
        total, before, was_open = timedelta(), start, self.is_open(start)
        for edge in (*self._edges(start, end), end):
            if was_open:
                total += edge - before
            before, was_open = edge, self.is_open(edge)
        return total

    def end_of_work(self, start: datetime, work: timedelta) -> datetime:
        """Return when work of this length ends, if it continues only during the hours.

        Whole weeks are counted as weeks of equal length.
        """
        weeks, rest = divmod(work, self.open_time(start, start + _WEEK))
        now = start
        while rest > timedelta():
            opening = self.next_opening(now)
            closing = self.next_closing(opening)
            length = rest if closing is None else min(rest, closing - opening)
            now, rest = opening + length, rest - length
        return now + weeks * _WEEK

    def start_of_work(self, end: datetime, work: timedelta) -> datetime:
        """Return when work of this length began, if it ended at this instant and continued only during the hours.

        Whole weeks are counted as weeks of equal length.
        """
        weeks, rest = divmod(work, self.open_time(end - _WEEK, end))
        first = end - _LONGEST_CLOSED
        for later, earlier in pairwise((end, *reversed(self._edges(first, end)), first)):
            if not self.is_open(earlier):
                continue
            if later - earlier >= rest:
                return later - rest - weeks * _WEEK
            rest -= later - earlier
        return first - weeks * _WEEK

    def describe_closed(self, now: datetime) -> str:
        """Return the text that says when the hours begin, without a full stop."""
        opening = format_instant(self.next_opening(now))
        return f"the source is asked only in its hours ({self}), and they begin at {opening}"

    def _next(self, now: datetime, *, is_open: bool) -> datetime:
        """Return the first instant from `now` on that is open, or not open; an instant far ahead if there is none."""
        now = now.astimezone(timezone.utc)
        last = now + _LONGEST_CLOSED
        candidates = (now, *self._edges(now, last), last)
        return next((one for one in candidates if self.is_open(one) == is_open), last)

    def _edges(self, start: datetime, end: datetime) -> list[datetime]:
        """Return the instants between two instants at which the source may begin or cease to be open, in order."""
        day, last = start.astimezone(timezone.utc).date() - DAY, end.astimezone(timezone.utc).date() + DAY
        found: set[datetime] = set()
        while day <= last:
            found.update(edge for one in self.ranges for edge in one.edges(day) if start < edge < end)
            day += DAY
        return sorted(found)


def parse_hours(value: object) -> RequestHours:
    """Return the hours of one range or of a list of ranges.

    Raises:
        ValueError: a range is not valid. The message says what is allowed.
    """
    if isinstance(value, RequestHours):
        return value
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, (list, tuple)) or not texts or not all(isinstance(text, str) for text in texts):
        message = f"{value!r} is not a range of hours, or a list of them; write {ALLOWED}"
        raise ValueError(message)
    return RequestHours(tuple(map(_parse_range, texts)), tuple(" ".join(text.split()) for text in texts))


def format_hours(hours: RequestHours) -> str | list[str]:
    """Return the hours as YAML writes them."""
    return hours.texts[0] if len(hours.texts) == 1 else list(hours.texts)


def _parse_range(text: str) -> HourRange:
    days, times, zone = _words(text)
    if days is None and times is None:
        message = f"{text!r} is not a range of hours; write {ALLOWED}"
        raise ValueError(message)
    start, end = (0, MINUTES_OF_DAY) if times is None else _parse_times(times, text)
    _require_zone(zone)
    return HourRange(_ALL_DAYS if days is None else _parse_days(days), start, end, zone)


def _words(text: str) -> tuple[str | None, str | None, str]:
    """Return the days, the times and the zone of a range. What is not the days or the times is the zone."""
    words = text.split()
    days = words.pop(0) if words and _DAYS.fullmatch(words[0].lower()) and _is_days(words, text) else None
    times = words.pop(0) if words and words[0][0].isdigit() else None
    if len(words) > 1:
        message = f"{text!r} is not a range of hours; write {ALLOWED}"
        raise ValueError(message)
    return days, times, words[0] if words else "UTC"


def _is_days(words: list[str], text: str) -> bool:
    """Return whether the first word names days. The only word may also be a zone of three letters, such as GMT."""
    return len(words) > 1 or any(name in text.lower() for name in DAY_NAMES)


def _parse_times(text: str, whole: str) -> tuple[int, int]:
    match = _TIMES.fullmatch(text)
    if match is None:
        message = f"{text!r} of {whole!r} is not a range of times; write HH:MM-HH:MM, such as 21:00-05:00"
        raise ValueError(message)
    hour, minute, last_hour, last_minute = map(int, match.groups())
    start, end = hour * 60 + minute, last_hour * 60 + last_minute
    if minute > 59 or last_minute > 59 or start >= MINUTES_OF_DAY or end > MINUTES_OF_DAY:  # noqa: PLR2004
        message = (
            f"{text!r} of {whole!r} is not a range of times; a time is from 00:00 to 23:59, and an end may also be "
            "24:00"
        )
        raise ValueError(message)
    if start == end % MINUTES_OF_DAY and end != MINUTES_OF_DAY:
        message = (
            f"{text!r} of {whole!r} begins and ends at the same time; write 00:00-24:00 for a whole day, or leave out "
            "hours if the source may always be asked"
        )
        raise ValueError(message)
    return start, end


def _parse_days(text: str) -> frozenset[int]:
    found: set[int] = set()
    for part in text.lower().split(","):
        first, _, last = part.partition("-")
        start, end = _weekday(first, text), _weekday(last or first, text)
        found.update((start + number) % 7 for number in range((end - start) % 7 + 1))
    return frozenset(found)


def _weekday(name: str, whole: str) -> int:
    if name not in DAY_NAMES:
        message = (
            f"{name!r} of {whole!r} is not a day of the week; allowed: Mon, Tue, Wed, Thu, Fri, Sat, Sun"
        )
        raise ValueError(message)
    return DAY_NAMES.index(name)


def _require_zone(name: str) -> None:
    try:
        _zone(name)
    except (KeyError, ValueError, OSError):
        message = (
            f"{name!r} is not a time zone; write a name of the IANA time zone database, such as America/New_York, "
            "Europe/Vienna or UTC"
        )
        raise ValueError(message) from None


@lru_cache(maxsize=256)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


@lru_cache(maxsize=4096)
def _clock_changes(zone: tzinfo, start: datetime, end: datetime) -> tuple[datetime, ...]:
    """Return the instant between two instants at which a zone's offset from UTC changes, if there is one."""
    offset = start.astimezone(zone).utcoffset()
    if end.astimezone(zone).utcoffset() == offset:
        return ()
    low, high = start, end
    while high - low > SECOND:
        middle = (low + (high - low) / 2).replace(microsecond=0)
        low, high = (middle, high) if middle.astimezone(zone).utcoffset() == offset else (low, middle)
    return (high,)
