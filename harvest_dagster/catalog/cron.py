"""Cron expressions of five fields, checked without Dagster: whatever passes here, Dagster's schedules take.

Not here: when a schedule is due. The grammar is crontab(5)'s; what is left out (`@daily`, `L`, `#`, seconds)
differs from one implementation to the next.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

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


def check_cron(expression: str) -> str:
    """The expression itself, where it is one.

    Raises:
        ValueError: it is none, or names a day that no month has; the message says which and what is allowed.
    """
    fields = expression.split()
    if len(fields) != len(_FIELDS):
        message = f"{expression!r} has {len(fields)} fields; a schedule has {ALLOWED}"
        raise ValueError(message)
    values = [
        {value for part in text.lower().split(",") for value in _values(part, *field)}
        for text, field in zip(fields, _FIELDS, strict=True)
    ]
    _, _, days, months, _ = values
    if all(min(days) > _LONGEST_MONTH.get(month, 31) for month in months):
        message = f"{expression!r} never comes: none of its months has a day {min(days)}"
        raise ValueError(message)
    return expression


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
