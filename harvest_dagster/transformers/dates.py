"""Parse dates as people write them into EDTF level 0.

A text with more than one possible meaning is not a date here. `02-03-1992` is either the second of March or the
third of February; a numeric date is therefore a date only if it begins with the year. `2004/05` is either a month or
two years. A text that calls itself uncertain, such as `circa 1899`, is not a date either.

EDTF is ISO 8601-2:2019, annex A. Level 0 is the part that ISO 8601-1 also has:
https://www.loc.gov/standards/datetime/. It includes the W3C profile that Dublin Core recommends:
https://www.w3.org/TR/NOTE-datetime.

Why no library does this: docs/decisions/0023.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, datetime, timedelta, timezone

_MONTHS = "january february march april may june july august september october november december"
_MONTH_NUMBERS = {
    name: number for number, month in enumerate(_MONTHS.split(), 1) for name in (month, month[:3])
} | {"sept": 9}

_MONTH = rf"(?P<month>{'|'.join(sorted(_MONTH_NUMBERS, key=len, reverse=True))})\.?"
_YEAR = r"(?P<year>[12][0-9]{3})"
_DAY = r"(?P<day>[0-9]{1,2})(?:st|nd|rd|th)?"

_CALENDAR = re.compile(r"([0-9]{4})(?:-([0-9]{2})(?:-([0-9]{2}))?)?", re.ASCII)
_SLASHED = re.compile(r"([12][0-9]{3})/([0-9]{1,2})/([0-9]{1,2})", re.ASCII)
_COMPACT = re.compile(r"([12][0-9]{3})([0-9]{2})([0-9]{2})", re.ASCII)
_INSTANT = re.compile(
    r"(?P<date>[0-9]{4}-[0-9]{2}-[0-9]{2})[T ](?P<clock>[0-9]{2}:[0-9]{2})"
    r"(?:(?P<second>:[0-9]{2})(?P<fraction>\.[0-9]{1,9})?)?[ ]?(?P<zone>Z|[+-][0-9]{2}:?[0-9]{2})?",
    re.ASCII | re.IGNORECASE,
)
_NAMED = tuple(
    re.compile(pattern, re.ASCII | re.IGNORECASE)
    for pattern in (
        rf"{_MONTH},? {_YEAR}",  # October 2004
        rf"{_YEAR},? {_MONTH}(?: {_DAY})?",  # 2004 Oct 2
        rf"{_DAY}[ -]{_MONTH}[ ,-] ?{_YEAR}",  # 2 October 2004, 02-Oct-2004
        rf"{_MONTH} {_DAY},? {_YEAR}",  # October 2, 2004
    )
)
# Catalogers write [1999] if the year is not on the title page, and c1999 or ©1999 for the year of copyright.
_CATALOGED_YEAR = re.compile(r"[\[(]?[c©℗]?[ ]?([12][0-9]{3})[\])]?\.?", re.IGNORECASE)
_YEAR_RANGE = re.compile(
    r"[\[(]?([12][0-9]{3}) ?(?:-{1,2}|[\N{EN DASH}\N{EM DASH}]) ?([12][0-9]{3})[\])]?\.?"
)

# The names of nested elements that make a date, or a range.
_DATE_PARTS = ({"year"}, {"year", "month"}, {"year", "month", "day"})
_RANGE_PARTS = (("start", "end"), ("begin", "end"), ("from", "to"))


def parse_date(text: str) -> str | None:
    """Return the date in EDTF level 0; None if the text is not a date, or has two possible meanings.

    >>> parse_date("October 2, 2004"), parse_date("1990-1995"), parse_date("02-03-1992")
    ('2004-10-02', '1990/1995', None)
    """
    return _parse_point(text) or _parse_range(text)


def parse_parts(parts: Sequence[tuple[str, str]]) -> str | None:
    """Return the date whose parts have names, in EDTF level 0; None if the names or the texts do not make one.

    Janeway writes a date as three elements (docs/failures.md#dublin-core-in-practice). Their names tell the day from
    the month.

    >>> parse_parts([("day", "06"), ("month", "9"), ("year", "2019")])
    '2019-09-06'
    >>> parse_parts([("start", "2001"), ("end", "2003")])
    '2001/2003'
    """
    named = dict(parts)
    if len(named) != len(parts) or not all(named.values()):
        return None
    if named.keys() in _DATE_PARTS:
        year, month, day = (named.get(name, "") for name in ("year", "month", "day"))
        numbers = "-".join(part.zfill(2) for part in (year, month, day) if part)
        return _parse_point(numbers) or _parse_point(f"{day} {month} {year}".strip())
    for first, last in _RANGE_PARTS:
        if named.keys() == {first, last}:
            return _parse_range(f"{named[first]}/{named[last]}")
    return None


def _parse_point(text: str) -> str | None:
    if match := _CALENDAR.fullmatch(text) or _SLASHED.fullmatch(text) or _COMPACT.fullmatch(text):
        return _calendar_date(*match.groups())
    if match := _INSTANT.fullmatch(text):
        return _instant(match)
    if match := _CATALOGED_YEAR.fullmatch(text):
        return match[1]
    for pattern in _NAMED:
        if match := pattern.fullmatch(text):
            parts = match.groupdict()
            return _calendar_date(
                parts["year"], str(_MONTH_NUMBERS[parts["month"].lower()]), parts.get("day")
            )
    return None


def _parse_range(text: str) -> str | None:
    """Return the range of two years with a dash, or of two dates with a slash; None if it ends before it starts."""
    if match := _YEAR_RANGE.fullmatch(text):
        start, end = match.groups()
        return f"{start}/{end}" if start <= end else None
    first, slash, second = text.partition("/")
    if not slash or "/" in second:
        return None
    start, end = _parse_point(first.strip()), _parse_point(second.strip())
    return f"{start}/{end}" if start and end and start <= end else None


def _calendar_date(year: str, month: str | None, day: str | None) -> str | None:
    """Return the date with the given precision; None if the calendar has no such day."""
    try:
        date(int(year), int(month or 1), int(day or 1))
    except ValueError:
        return None
    return "-".join([year, *(f"{int(part):02}" for part in (month, day) if part)])


def _instant(match: re.Match[str]) -> str | None:
    """Return the instant with seconds; in UTC if the text has a time zone. None if there is no such instant."""
    day, clock, second, fraction, zone = match.group("date", "clock", "second", "fraction", "zone")
    try:
        instant = datetime.fromisoformat(f"{day}T{clock}{second or ':00'}")
        if zone:
            instant = (instant - _offset(zone)).replace(tzinfo=timezone.utc)
    except (ValueError, OverflowError):
        return None
    return instant.replace(tzinfo=None).isoformat() + (fraction or "") + ("Z" if zone else "")


def _offset(zone: str) -> timedelta:
    if zone in "Zz":
        return timedelta()
    hours, minutes = int(zone[1:3]), int(zone[-2:])
    return timedelta(hours=hours, minutes=minutes) * (-1 if zone[0] == "-" else 1)
