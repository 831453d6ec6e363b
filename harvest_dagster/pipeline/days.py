"""Which days are done, and what came of each: a partition may take several windows, or a part of one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date

from harvest_dagster.pipeline.harvest import Harvest
from harvest_dagster.pipeline.launch import DayCounts
from harvest_dagster.storage import coverings
from harvest_dagster.storage.coverings import Covering
from harvest_dagster.storage.harvest_logs import HarvestLog
from harvest_dagster.windows import DAY, Window, subtract, whole_day, whole_days


def is_covered(harvest: Harvest, window: Window) -> bool:
    """Whether all of a window is done, by whichever harvests; what a `limit` cut short is not."""
    with harvest.database.read() as connection:
        found = coverings.find(connection, harvest.series, window)
    return not any(subtract(window, coverings.windows_of(found)))


def done_days(
    harvest: Harvest, log: HarvestLog, counts: Mapping[date, DayCounts]
) -> dict[date, DayCounts | None]:
    """The days of a window that are done as a whole.

    Args:
        harvest: what is harvested.
        log: a window's, SUCCEEDED.
        counts: what the window brought of each day.

    Returns:
        what each day brought over all its windows; None where they do not add up to the day.
    """
    days = list(log.window.days)
    hull = whole_days(log.window)
    with harvest.database.read() as connection:
        found = coverings.find(connection, harvest.series, hull)
    gaps = list(subtract(hull, coverings.windows_of(found)))
    done = [day for day in days if not any(gap.intersection(whole_day(day)) for gap in gaps)]
    return {
        day: counts.get(day, DayCounts()) if log.window.encloses(whole_day(day)) else _together(found, day)
        for day in done
    }


def _together(found: Iterable[Covering], day: date) -> DayCounts | None:
    """The logs that lie within a day, where they tile it."""
    within = [one.log for one in found if one.is_whole and whole_day(day).encloses(one.log.window)]
    if sum((log.window.length for log in within), start=DAY * 0) != DAY:
        return None
    return DayCounts(sum(log.counts.records for log in within), sum(log.counts.deleted for log in within))
