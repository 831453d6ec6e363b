"""Durations as people write them, `30d` or `500ms`, to timedelta and back.

Not here: instants and windows (`harvest_dagster.windows`).
"""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal

UNITS = {
    "w": timedelta(weeks=1),
    "d": timedelta(days=1),
    "h": timedelta(hours=1),
    "m": timedelta(minutes=1),
    "s": timedelta(seconds=1),
    "ms": timedelta(milliseconds=1),
}
PATTERN = r"^[0-9]+(\.[0-9]+)?(ms|s|m|h|d|w)$"
ALLOWED = (
    "a number and one of the units ms, s, m, h, d, w, such as 500ms, 10s, 15m, 3h, 30d or 2w; "
    "or a number alone, of seconds"
)

# A socket's timeout ends at 2**63 ns and a datetime in the year 9999: a century stays clear of both.
LONGEST = timedelta(days=36525)

_MICROSECOND = timedelta(microseconds=1)


def parse_duration(value: object) -> timedelta:
    """The timedelta of `30d`, `1.5h`, `500ms`; of a number, as seconds; of a timedelta, itself.

    Raises:
        ValueError: anything else, nothing or less, or more than `LONGEST`; the message says what is allowed.
    """
    duration = _read(value)
    if duration <= timedelta():
        message = f"a duration must be longer than nothing (1 microsecond at least), not {value!r}"
        raise ValueError(message)
    return duration


def parse_duration_or_none(value: object) -> timedelta:
    """The same, where no time at all, `0s`, means something, too.

    Raises:
        ValueError: as for `parse_duration`, but for nothing.
    """
    duration = _read(value)
    if duration < timedelta():
        message = f"a duration cannot be less than nothing (0s), as {value!r} is"
        raise ValueError(message)
    return duration


def format_duration(duration: timedelta) -> str:
    """The shortest exact text of it, in the largest unit that divides it: `30d`, `90m`, `0.000001s`."""
    if not duration:
        return "0s"
    for unit, length in UNITS.items():
        if not duration % length:
            return f"{duration // length}{unit}"
    return f"{Decimal(duration // _MICROSECOND).scaleb(-6):f}s"


def _read(value: object) -> timedelta:
    duration = value if isinstance(value, timedelta) else _parse(value)
    if duration > LONGEST:
        raise ValueError(_too_long(value))
    return duration


def _parse(value: object) -> timedelta:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        number, unit = str(value), "s"
    elif isinstance(value, str) and (match := re.fullmatch(PATTERN, value)):
        unit = match.group(2)
        number = value.removesuffix(unit)
    else:
        message = f"{value!r} is no duration; write {ALLOWED}"
        raise ValueError(message)
    try:
        # Decimal, since 0.1 s times 10**6 must give whole microseconds.
        return timedelta(microseconds=int(Decimal(number) * (UNITS[unit] // _MICROSECOND)))
    except (OverflowError, ValueError, ArithmeticError):  # infinity, not a number, beyond timedelta's range
        raise ValueError(_too_long(value)) from None


def _too_long(value: object) -> str:
    return f"a duration can be {LONGEST.days}d (a century) at most, not {value!r}"
