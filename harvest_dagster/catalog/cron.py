"""Cron expressions of five fields: what is one, and when it was due last. Without Dagster.

Whatever passes here, Dagster's own schedules take, too. Grammar and meaning are crontab(5)'s; what is left out
(`@daily`, `L`, `#`, seconds) differs from one implementation to the next. Not here: what is to be done when a
schedule is due (`pipeline.due`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from functools import lru_cache

ALLOWED = (
    "five fields (minute hour day-of-month month day-of-week), each *, a number, a name (jan, mon), "
    'a range a-b, a step */n or a-b/n, or a list of those with commas, such as "0 3 * * *"'
)

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_FIELDS: tuple[tuple[str, int, int, dict[str, int]], ...] = (
    ("minute", 0, 59, {}),
    ("hour", 0, 23, {}),
    ("day-of-month", 1, 31, {}),
    ("month", 1, 12, {name: number for number, name in enumerate(_MONTHS, start=1)}),
    ("day-of-week", 0, 7, {name: number for number, name in enumerate(_DAYS)}),
)
_LONGEST_MONTH = {2: 29, 4: 30, 6: 30, 9: 30, 11: 30}
_PART = re.compile(r"(?:\*|([0-9a-z]+)(?:-([0-9a-z]+))?)(?:/([0-9]+))?")


# 29 February comes on a given weekday every 28 years, across 2100 after 40.
_LONGEST_PAUSE = timedelta(days=41 * 366)


@dataclass(frozen=True)
class _Fields:
    """What an expression's fields stand for; Sunday is 0."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    # crontab(5): where both day fields are restricted, that is without a *, one of them is enough.
    either_day: bool

    def has_day(self, day: date) -> bool:
        of_month, of_week = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        return day.month in self.months and (of_month or of_week if self.either_day else of_month and of_week)

    def times(self) -> Iterator[time]:
        """Of a day, the latest first."""
        for hour in sorted(self.hours, reverse=True):
            for minute in sorted(self.minutes, reverse=True):
                yield time(hour, minute, tzinfo=timezone.utc)


def check_cron(expression: str) -> str:
    """The expression itself, where it is one.

    Raises:
        ValueError: it is none, or names a day that no month has; the message says which and what is allowed.
    """
    fields = _read(expression)
    if all(min(fields.days) > _LONGEST_MONTH.get(month, 31) for month in fields.months):
        message = f"{expression!r} never comes: none of its months has a day {min(fields.days)}"
        raise ValueError(message)
    return expression


def last_due(expression: str, now: datetime) -> datetime:
    """The last instant, up to `now` and in UTC, at which a schedule was due.

    Raises:
        ValueError: it is no expression, or never comes.
    """
    fields, now = _read(expression), now.astimezone(timezone.utc)
    day = now.date()
    while now.date() - day < _LONGEST_PAUSE:
        if fields.has_day(day):
            for moment in fields.times():
                if (due := datetime.combine(day, moment)) <= now:
                    return due
        day -= timedelta(days=1)
    message = f"{expression!r} never comes"
    raise ValueError(message)


@lru_cache(maxsize=4096)
def _read(expression: str) -> _Fields:
    texts = expression.split()
    if len(texts) != len(_FIELDS):
        message = f"{expression!r} has {len(texts)} fields; a schedule has {ALLOWED}"
        raise ValueError(message)
    minutes, hours, days, months, weekdays = (
        frozenset(value for part in text.lower().split(",") for value in _values(part, *field))
        for text, field in zip(texts, _FIELDS, strict=True)
    )
    either_day = "*" not in texts[2] and "*" not in texts[4]
    return _Fields(minutes, hours, days, months, frozenset(day % 7 for day in weekdays), either_day)


def _values(part: str, name: str, low: int, high: int, names: dict[str, int]) -> Iterator[int]:
    """The numbers that one element of a field's list stands for."""
    match = _PART.fullmatch(part)
    if match is None:
        message = f"{part!r} is no {name}; a schedule has {ALLOWED}"
        raise ValueError(message)
    first, last, step = match.groups()
    start = low if first is None else _number(first, name, low, high, names)
    end = high if first is None else start if last is None else _number(last, name, low, high, names)
    # Dagster warns of a step longer than its range, and of 0-0 in the same words.
    if (last and start >= end) or (step and not 1 <= int(step) <= end - start):
        message = f"{part!r} is no {name}: a range goes upwards, a step is from 1 to the length of the range"
        raise ValueError(message)
    yield from range(start, end + 1, int(step or 1))


def _number(text: str, name: str, low: int, high: int, names: dict[str, int]) -> int:
    value = names.get(text, int(text) if text.isdigit() else None)
    if value is None or not low <= value <= high:
        listed = f" or one of {', '.join(names)}" if names else ""
        message = f"{text!r} is no {name}: it is a number from {low} to {high}{listed}"
        raise ValueError(message)
    return value
