"""Parse dates as people write them into EDTF level 1.

A text with more than one possible meaning is not a date here. `02-03-1992` is either the second of March or the
third of February; a numeric date is therefore a date only if it begins with the year. `2004/05` is either a month or
two years, `2020-21` either a spring or two years, and `-1985` either before Christ or the end of a range.

EDTF is ISO 8601-2:2019, annex A: https://www.loc.gov/standards/datetime/. Level 0 is the part that ISO 8601-1 also has.
It includes the W3C profile that Dublin Core recommends: https://www.w3.org/TR/NOTE-datetime. Level 1 adds

- `1984?` (uncertain), `1984~` (approximate), `1984%` (both),
- `199X`, `2004-XX` (digits that are not known),
- `2004-21` to `2004-24` (spring, summer, autumn, winter),
- `1985/..` (no end), `1985/` (the end is not known),
- `Y170000002` (a year of more than four digits), `-0044` (a year before the year 0).

Catalogers have other forms for the same: `[1899?]`, `ca. 1899` (Anglo-American Cataloguing Rules 2, 1.4F7), `199-` (the
same rule), `199u` (MARC 21, field 008), `1990-` (a serial that continues).

Why no library does this: docs/decisions/0023. How often each form occurs: docs/decisions/0064.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from functools import lru_cache

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
_CATALOGED_YEAR = re.compile(r"[\[(]?(?:c|[©℗] ?)?([12][0-9]{3})[\])]?\.?", re.IGNORECASE)
_YEAR_RANGE = re.compile(
    r"[\[(]?([12][0-9]{3}) ?(?:-{1,2}|[\N{EN DASH}\N{EM DASH}]) ?([12][0-9]{3})[\])]?\.?"
)

_OPEN_BRACKET, _CLOSE_BRACKET = r"[\[(]?", r"[\])]?\.?"
_CATALOGED = re.compile(
    rf"{_OPEN_BRACKET}(?P<circa>(?:circa|ca\.?|c\.|approximately|approx\.|about) ?)?"
    r"(?P<date>[^\[\](){}?]+)(?P<uncertain>\?)?" + _CLOSE_BRACKET,
    re.ASCII | re.IGNORECASE,
)
# 199-, 199u and 1990s; 19-- and 19uu. The 1900s are ten years or a hundred.
_DECADE = re.compile(r"([12][0-9]{2})[-_ux]|(?:the )?([12][0-9][1-9])0'?s", re.ASCII | re.IGNORECASE)
_CENTURY = re.compile(r"([12][0-9])(?:--|__|uu|xx)", re.ASCII | re.IGNORECASE)
_DASH = r"(?:-{1,2}|[\N{EN DASH}\N{EM DASH}])"
_ONGOING = re.compile(
    rf"{_OPEN_BRACKET}([12][0-9]{{3}})\]? ?(?:{_DASH}|(?:{_DASH}|to) ?(?:the )?present){_CLOSE_BRACKET}",
    re.IGNORECASE,
)
_SEASON_NUMBERS = {"spring": 21, "summer": 22, "autumn": 23, "fall": 23, "winter": 24}
_SEASON_NAMED = re.compile(
    r"(?P<before>[12][0-9]{3},? )?(?P<season>spring|summer|autumn|fall|winter)(?P<after>,? [12][0-9]{3})?",
    re.ASCII | re.IGNORECASE,
)

# The parts of EDTF level 1. X is a digit that is not known.
_UNSPECIFIED = re.compile(
    r"-?[0-9]{2}(?:[0-9]X|XX)|[0-9]{4}-XX(?:-XX)?|[0-9]{4}-(?:0[1-9]|1[0-2])-XX", re.ASCII
)
_SIGNED = re.compile(r"-([0-9]{4})(?:-([0-9]{2})(?:-([0-9]{2}))?)?", re.ASCII)
_SEASON = re.compile(r"([0-9]{4})-2[1-4]", re.ASCII)
_LONG_YEAR = re.compile(r"Y-?[1-9][0-9]{4,}", re.ASCII)
_QUALIFIERS = ("?", "~", "%")
_OPEN_ENDS = ("", "..")
# No form below is longer, or has a year of one digit. Most texts that are not dates end here.
_LONGEST = 50
_TWO_DIGITS = re.compile(r"[0-9]{2}", re.ASCII)

# The names of nested elements that make a date, or a range.
_DATE_PARTS = ({"year"}, {"year", "month"}, {"year", "month", "day"})
_RANGE_PARTS = (("start", "end"), ("begin", "end"), ("from", "to"))


def parse_date(text: str, *, declared: bool = False) -> str | None:
    """Return the date in EDTF level 1; None if the text is not a date, or has two possible meanings.

    Args:
        text: the date as the source writes it.
        declared: the source says that the text is EDTF (`encoding="edtf"` in MODS). Then `2020-21` and `-1985` have
            one meaning each.

    >>> parse_date("October 2, 2004"), parse_date("1990-1995"), parse_date("02-03-1992")
    ('2004-10-02', '1990/1995', None)
    >>> parse_date("ca. 1899"), parse_date("199-"), parse_date("1990-"), parse_date("Spring 2004")
    ('1899~', '199X', '1990/..', '2004-21')
    >>> parse_date("2020-21"), parse_date("2020-21", declared=True)
    (None, '2020-21')
    """
    return _parse_cached(text, declared) if len(text) <= _LONGEST else _parse(text, declared)


def _parse(text: str, declared: bool) -> str | None:
    if date_text := _parse_point(text) or _parse_range(text):
        return date_text
    if len(text) > _LONGEST or _TWO_DIGITS.search(text) is None:
        return None
    return _parse_edtf(text, declared) or _parse_cataloged(text)


# Many records have the same date.
_parse_cached = lru_cache(maxsize=4096)(_parse)


def parse_parts(parts: Sequence[tuple[str, str]]) -> str | None:
    """Return the date whose parts have names, in EDTF level 1; None if the names or the texts do not make one.

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


def _parse_edtf(text: str, declared: bool) -> str | None:
    """Return the text if it is EDTF level 1. An interval has at least one end, and does not end before it starts."""
    if text[0] not in "0123456789-Y./":
        return None
    if _is_level_1(text, declared) or _LONG_YEAR.fullmatch(text):
        return text
    start, slash, end = text.partition("/")
    if not slash or (start in _OPEN_ENDS and end in _OPEN_ENDS):
        return None
    if start not in _OPEN_ENDS and end not in _OPEN_ENDS and not _in_order(start, end):
        return None
    ends = (bound for bound in (start, end) if bound not in _OPEN_ENDS)
    return text if all("X" not in bound and _is_level_1(bound, declared) for bound in ends) else None


def _is_level_1(text: str, declared: bool) -> bool:
    """Return whether a text is one date of EDTF level 1, a season, or a date of level 0 without a time."""
    if match := _SEASON.fullmatch(text):
        is_next_year = int(text[5:]) == (int(text[2:4]) + 1) % 100
        return match[1] != "0000" and (declared or not is_next_year)
    date_text = text[:-1] if text.endswith(_QUALIFIERS) else text
    if date_text.startswith("-") and not declared and not date_text.startswith("-0"):
        return False
    if _UNSPECIFIED.fullmatch(date_text):
        return not date_text.startswith(("0000", "-00X", "-00XX"))
    if match := _SIGNED.fullmatch(date_text):
        year, month, day = match.groups()
        # Python has no years before the year 1. The calendar repeats itself after 400 years.
        return year != "0000" and _calendar_date(str(2000 - int(year) % 400), month, day) is not None
    match = _CALENDAR.fullmatch(date_text)
    return match is not None and _calendar_date(*match.groups()) is not None


def _in_order(start: str, end: str) -> bool:
    """Return whether a date is not after another one; by the year if one of them is negative or a season."""
    if start[:1] == "-" or end[:1] == "-" or _SEASON.fullmatch(start) or _SEASON.fullmatch(end):
        years = (re.match(r"-?[0-9]{4}", bound, re.ASCII) for bound in (start, end))
        first, second = (int(year[0]) if year else 0 for year in years)
        return first <= second
    return start.rstrip("?~%") <= end.rstrip("?~%")


def _parse_cataloged(text: str) -> str | None:
    """Return the date that a catalog gives as approximate, uncertain, incomplete, ongoing, or a season."""
    if match := _ONGOING.fullmatch(text):
        return f"{match[1]}/.."
    if match := _SEASON_NAMED.fullmatch(text):
        years = [year.strip(" ,") for year in match.group("before", "after") if year]
        return f"{years[0]}-{_SEASON_NUMBERS[match['season'].lower()]}" if len(years) == 1 else None
    match = _CATALOGED.fullmatch(text)
    if match is None:
        return None
    written = match["date"].rstrip(" .")
    date_text = _parse_incomplete(written) or _parse_point(written)
    if date_text is None or "T" in date_text:
        return None
    circa, uncertain = bool(match["circa"]), bool(match["uncertain"])
    return date_text + {(True, True): "%", (True, False): "~", (False, True): "?"}.get((circa, uncertain), "")


def _parse_incomplete(text: str) -> str | None:
    if match := _DECADE.fullmatch(text):
        return f"{match[1] or match[2]}X"
    match = _CENTURY.fullmatch(text)
    return f"{match[1]}XX" if match else None


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


# RFC 822, section 5, with the years of four digits of RFC 1123.
_MAIL_DATE = re.compile(
    r"(?:[a-z]{3,9}, ?)?[0-9]{1,2} [a-z]{3,9} (?:[0-9]{4}|[0-9]{2}) [0-9]{1,2}:[0-9]{2}(?::[0-9]{2})? ?"
    r"(?:UTC?|GMT|Z|[ECMP][SD]T|[+-][0-9]{4})",
    re.IGNORECASE | re.ASCII,
)


def parse_mail_date(text: str) -> str | None:
    """Return an instant of RFC 822 in EDTF, in UTC; None if the text is none.

    >>> parse_mail_date("Mon, 06 Sep 2010 00:01:00 -0400"), parse_mail_date("6 September 2010")
    ('2010-09-06T04:01:00Z', None)
    """
    if not _MAIL_DATE.fullmatch(text):
        return None
    try:
        written = parsedate_to_datetime(text)
        offset = written.utcoffset()
        instant = written.replace(tzinfo=None) - offset if offset else written.replace(tzinfo=None)
    except (ValueError, OverflowError):
        return None
    return f"{instant.isoformat()}Z"
