"""The windows in which a sweep lists the identifiers of a source. The functions are pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from itertools import pairwise

from harvest_dagster.harvesters.interface import Client
from harvest_dagster.windows import ALL_TIME, DAY, Window, whole_day

RECORDS_PER_WINDOW = 50_000
# A client whose shortest window is longer cannot be asked for parts (`harvesters.undivided`).
_LONGEST_UNIT = timedelta(days=366)


def sweep_windows(
    records_by_day: Mapping[date, int],
    earliest: date,
    now: datetime,
    *,
    most: int = RECORDS_PER_WINDOW,
) -> list[Window]:
    """Return the windows of a sweep, oldest first. Together they contain all time that the source is harvested for.

    A record that changes during the sweep moves to a newer window. In this order it is listed there, if it was not
    listed before.

    Args:
        records_by_day: the number of stored records of each day.
        earliest: the first day that is harvested. The first window begins earlier if records are older.
        now: the time.
        most: about how many stored records a window has. A day is not divided.
    """
    end = present_end(now)
    days = [day for day in sorted(records_by_day) if whole_day(day).start < end]
    starts = [min([earliest, *days[:1]])]
    count = 0
    for day in days:
        if count >= most:
            starts.append(day)
            count = 0
        count += records_by_day[day]
    bounds = [*(whole_day(day).start for day in starts), end]
    # If the source begins in the future, the only window would be empty.
    bounds[0] = min(bounds[0], end - DAY)
    return [Window(start, following) for start, following in pairwise(bounds)]


def present_end(now: datetime) -> datetime:
    """Return the end of the last window: the end of today. A list that begins now then has all that changed before.

    It is not later, because some repositories refuse an `until` after today with badArgument.
    """
    return whole_day(now.date()).end


def is_divisible(client: Client, *, selective: bool) -> bool:
    """Return whether a source can be asked for parts of its time. If not, a sweep is one list without dates."""
    return selective and not client.has_open_end and client.smallest_window <= _LONGEST_UNIT


def undivided_windows(*, selective: bool, has_open_end: bool, earliest: date, now: datetime) -> list[Window]:
    """Return the window of a source that cannot be asked for parts: all time.

    A source that is asked from an instant on gets that instant. The list reaches to the present in any case.
    """
    if selective and has_open_end:
        return sweep_windows({}, earliest, now)
    return [ALL_TIME]
