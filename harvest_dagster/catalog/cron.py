"""Cron expressions of five fields: validate one, and find its last scheduled time. Without Dagster.

Dagster's own schedules accept every expression that passes here, except a day that no month has beside a day of the
week (`0 0 31 2 1`: each Monday of February). Dagster does not see the expressions. Grammar and meaning are those of
crontab(5). `@daily`, `L`, `#` and seconds are not accepted, because implementations differ in what they mean. cronsim
finds the scheduled times; it does not say which field is wrong (docs/decisions/0023). Not here: what to harvest at a
scheduled time (`coverage.due_days`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from itertools import takewhile

from cronsim import CronSim

ALLOWED = (
    "five fields (minute hour day-of-month month day-of-week), each *, a number, a name (jan, mon), "
    'a range a-b, a step */n or a-b/n, or a comma-separated list of these; for example "0 3 * * *"'
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


@lru_cache(maxsize=4096)
def validate_cron(expression: str) -> str:
    """Return the expression.

    Raises:
        ValueError: it is not valid, or names only days that its months do not have. The message says which field
            is wrong and what is allowed.
    """
    texts = expression.split()
    if len(texts) != len(_FIELDS):
        message = f"{expression!r} is not a schedule (number of fields: {len(texts)}); write {ALLOWED}"
        raise ValueError(message)
    _, _, days, months, _ = (
        {value for part in text.lower().split(",") for value in _values(part, *field)}
        for text, field in zip(texts, _FIELDS, strict=True)
    )
    # If both day fields are restricted, a day matches if one of them does (crontab(5)).
    is_any_weekday = texts[4].startswith("*")
    if is_any_weekday and all(min(days) > _LONGEST_MONTH.get(month, 31) for month in months):
        message = f"{expression!r} never occurs: none of its months has a day {min(days)}; correct the day or the month"
        raise ValueError(message)
    return expression


def last_scheduled_time(expression: str, now: datetime) -> datetime:
    """Return the last scheduled time at or before `now`, in UTC.

    Raises:
        ValueError: the expression is not valid, or never occurs.
    """
    # CronSim leaves out the minute at which it starts.
    next_minute = now.astimezone(timezone.utc).replace(second=0, microsecond=0) + timedelta(minutes=1)
    return next(CronSim(validate_cron(expression), next_minute, reverse=True))


def next_scheduled_time(expression: str, now: datetime) -> datetime:
    """Return the first scheduled time after the minute of `now`, in UTC.

    Raises:
        ValueError: the expression is not valid, or never occurs.
    """
    return next(CronSim(validate_cron(expression), now.astimezone(timezone.utc)))


def scheduled_times(expression: str, start: datetime, end: datetime) -> Iterator[datetime]:
    """Yield the scheduled times between two instants, in UTC.

    Raises:
        ValueError: the expression is not valid, or never occurs.
    """
    times = CronSim(validate_cron(expression), start.astimezone(timezone.utc))
    return takewhile(lambda time: time < end, times)


def _values(part: str, name: str, low: int, high: int, names: dict[str, int]) -> Iterator[int]:
    """Yield the numbers that one element of a field's list matches."""
    match = _PART.fullmatch(part)
    if match is None:
        message = f"{part!r} is not a valid {name}; a schedule has {ALLOWED}"
        raise ValueError(message)
    first, last, step = match.groups()
    start = low if first is None else _number(first, name, low, high, names)
    end = high if first is None else start if last is None else _number(last, name, low, high, names)
    # Dagster warns about a step that is longer than its range, and about 0-0 in the same words.
    if (last and start >= end) or (step and not 1 <= int(step) <= end - start):
        message = (
            f"{part!r} is not a valid {name}; a range goes from a lower to a higher number, and a step is at least 1 "
            "and at most the length of its range"
        )
        raise ValueError(message)
    yield from range(start, end + 1, int(step or 1))


def _number(text: str, name: str, low: int, high: int, names: dict[str, int]) -> int:
    value = names.get(text, int(text) if text.isdigit() else None)
    if value is None or not low <= value <= high:
        listed = f" or one of {', '.join(names)}" if names else ""
        message = f"{text!r} is not a valid {name}; allowed: a number from {low} to {high}{listed}"
        raise ValueError(message)
    return value
