"""Durations as people write them, `30d` or `500ms`: text to timedelta and back.

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
    "or a number of seconds"
)

# A socket timeout overflows at 2**63 ns, and a datetime after the year 9999. A century stays below both.
LONGEST = timedelta(days=36525)

_MICROSECOND = timedelta(microseconds=1)


def parse_duration(value: object) -> timedelta:
    """Return the timedelta of `30d`, `1.5h` or `500ms`, of a number of seconds, or of a timedelta.

    Raises:
        ValueError: it is none of these, zero, negative, or longer than `LONGEST`. The message says what is
            allowed.
    """
    duration = _parse(value)
    if duration <= timedelta():
        message = f"a duration must be longer than zero (at least 1 microsecond), not {value!r}"
        raise ValueError(message)
    return duration


def parse_duration_or_zero(value: object) -> timedelta:
    """Return what `parse_duration` returns, and accept zero (`0s`) too.

    Raises:
        ValueError: as for `parse_duration`, except for zero.
    """
    duration = _parse(value)
    if duration < timedelta():
        message = f"a duration cannot be negative, not {value!r}; the shortest is 0s"
        raise ValueError(message)
    return duration


def format_duration(duration: timedelta) -> str:
    """Return the shortest exact text, in the largest unit that divides it: `30d`, `90m`, `0.000001s`."""
    if not duration:
        return "0s"
    for unit, length in UNITS.items():
        if not duration % length:
            return f"{duration // length}{unit}"
    return f"{Decimal(duration // _MICROSECOND).scaleb(-6):f}s"


def _parse(value: object) -> timedelta:
    too_long = f"a duration can be at most {LONGEST.days}d (a century), not {value!r}"
    if isinstance(value, timedelta):
        duration = value
    else:
        number, unit = _number_and_unit(value)
        try:
            # Decimal, because 0.1 s times 10**6 must give whole microseconds.
            duration = timedelta(microseconds=int(Decimal(number) * (UNITS[unit] // _MICROSECOND)))
        except (
            OverflowError,
            ValueError,
            ArithmeticError,
        ):  # infinity, nan, or beyond the range of timedelta
            raise ValueError(too_long) from None
    if duration > LONGEST:
        raise ValueError(too_long)
    return duration


def _number_and_unit(value: object) -> tuple[str, str]:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value), "s"
    if isinstance(value, str) and (match := re.fullmatch(PATTERN, value)):
        unit = match.group(2)
        return value.removesuffix(unit), unit
    message = f"{value!r} is not a duration; write {ALLOWED}"
    raise ValueError(message)
