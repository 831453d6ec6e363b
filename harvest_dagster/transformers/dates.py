"""Dates as people write them, in the form of EDTF level 0.

Only what can be read in one way is recognised. `02-03-1992` is the second of March or the third of February,
and a source that writes `03-25-2008` writes that too; so no numeric date is recognised that does not begin
with its year. `2004/05` is a month or two years. What says itself that it is unsure is none: `circa 1899`.

EDTF is ISO 8601-2:2019, annex A; level 0 is what plain ISO 8601 knows: https://www.loc.gov/standards/datetime/.
The W3C's profile, which Dublin Core names, is within it: https://www.w3.org/TR/NOTE-datetime.
"""

from __future__ import annotations

import re
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
# What cataloguers put around a year: [1999] is not on the title page, c1999 and ©1999 is the copyright's.
_ADORNED = re.compile(r"[\[(]?[c©℗]?[ ]?([12][0-9]{3})[\])]?\.?", re.IGNORECASE)
_YEARS = re.compile(r"[\[(]?([12][0-9]{3}) ?(?:-{1,2}|[\N{EN DASH}\N{EM DASH}]) ?([12][0-9]{3})[\])]?\.?")


def recognise(text: str) -> str | None:
    """The date that a text is, in EDTF level 0; None where it is none, or can be read in two ways.

    >>> recognise("October 2, 2004"), recognise("1990-1995"), recognise("02-03-1992")
    ('2004-10-02', '1990/1995', None)
    """
    return _point(text) or _range(text)


def _point(text: str) -> str | None:
    if match := _CALENDAR.fullmatch(text) or _SLASHED.fullmatch(text) or _COMPACT.fullmatch(text):
        return _calendar_date(*match.groups())
    if match := _INSTANT.fullmatch(text):
        return _instant(match)
    if match := _ADORNED.fullmatch(text):
        return match[1]
    for pattern in _NAMED:
        if match := pattern.fullmatch(text):
            parts = match.groupdict()
            return _calendar_date(
                parts["year"], str(_MONTH_NUMBERS[parts["month"].lower()]), parts.get("day")
            )
    return None


def _range(text: str) -> str | None:
    """Two years with a dash, or two dates with a slash; the second is not before the first."""
    if match := _YEARS.fullmatch(text):
        start, end = match.groups()
        return f"{start}/{end}" if start <= end else None
    first, slash, second = text.partition("/")
    if not slash or "/" in second:
        return None
    from_, until = _point(first.strip()), _point(second.strip())
    return f"{from_}/{until}" if from_ and until and from_ <= until else None


def _calendar_date(year: str, month: str | None, day: str | None) -> str | None:
    """The date at the precision given; None where the calendar has no such day."""
    try:
        date(int(year), int(month or 1), int(day or 1))
    except ValueError:
        return None
    return "-".join([year, *(f"{int(part):02}" for part in (month, day) if part)])


def _instant(match: re.Match[str]) -> str | None:
    """To the second or finer; in UTC where a zone is named."""
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
