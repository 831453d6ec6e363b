"""Parse datestamps as sources write them: ISO 8601, digits alone, and numbers since 1970."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from decimal import Decimal

from harvest_dagster.windows import parse_instant

_1970 = datetime(1970, 1, 1, tzinfo=timezone.utc)
_EPOCH = re.compile(r"[0-9]{1,16}(\.[0-9]{1,20})?([eE]\+?[0-9]{1,2})?")
_FIRST = 100_000_000
# Below these numbers: seconds until the year 5138, milliseconds until 2286, no number since 1970, and microseconds
# until 5138, with the microseconds of one. 14 digits are a date and a time: as milliseconds, 20240131120000 is of the
# year 2611.
_UNITS = ((10**11, 1_000_000), (10**13, 1_000), (10**14, None), (10**17, 1))
# As in MARC 21, field 005 (20240131120000.0), and in the index of the Wayback Machine.
_DIGITS = re.compile(r"((?:19|20)[0-9]{2}(?:[0-9]{2}){4})([0-9]{2})?(?:\.[0-9]{1,20})?")


def lenient_instant(text: str | None) -> datetime | None:
    """Return a datestamp in UTC, or None if the text is not a date. A date without a time is midnight in UTC."""
    try:
        return parse_instant(text) if text else None
    except ValueError:
        return None


def digits_instant(text: str) -> datetime | None:
    """Return the instant of a date and a time in 14 digits, or in 12 without seconds; None if the text is none.

    A fraction of a second is ignored. The time zone is UTC.
    """
    found = _DIGITS.fullmatch(text)
    if found is None:
        return None
    try:
        return datetime.strptime(f"{found[1]}{found[2] or '00'}+0000", "%Y%m%d%H%M%S%z")
    except ValueError:
        return None


def epoch_instant(text: str) -> datetime | None:
    """Return the instant of a number of seconds, milliseconds or microseconds since 1970; None if it is no such number.

    A number needs nine digits, which are seconds from 1973 on: 20240131 is a date. The unit follows from its size.
    """
    if not _EPOCH.fullmatch(text):
        return None
    number = Decimal(text)
    unit = next((unit for limit, unit in _UNITS if number < limit), None)
    return None if unit is None or number < _FIRST else _1970 + timedelta(microseconds=int(number * unit))
