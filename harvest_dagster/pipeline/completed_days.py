"""Which days are covered, and their counts. One day may need several windows, or a part of one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date

from harvest_dagster.pipeline.context import HarvestContext
from harvest_dagster.pipeline.samples import Sample
from harvest_dagster.storage.database import Database
from harvest_dagster.storage.harvest_log import coverage_rule
from harvest_dagster.storage.harvest_log.coverage_rule import LogCoverage
from harvest_dagster.storage.harvest_log.queries import HarvestLog, LogScope
from harvest_dagster.windows import DAY, Window, subtract, whole_day, whole_days


@dataclass(frozen=True)
class DayCounts:
    """How many records a day has, how many of them are deleted, and a few of them if they are known."""

    records: int = 0
    deleted: int = 0
    samples: tuple[Sample, ...] = field(default=(), compare=False)


def is_covered(harvest: HarvestContext, window: Window) -> bool:
    """Return whether the logs of the source cover the whole window. They may be logs of other windows."""
    with harvest.run.database.read() as connection:
        found = coverage_rule.find_coverage(connection, harvest.scope, window)
    return not any(subtract(window, coverage_rule.covered_windows(found)))


def completed_days(
    harvest: HarvestContext, log: HarvestLog, counts: Mapping[date, DayCounts]
) -> dict[date, DayCounts | None]:
    """Return the days of a window that are covered from their start to their end.

    Args:
        harvest: the harvest.
        log: the log of a window that SUCCEEDED.
        counts: the counts of the window's records by day.

    Returns:
        the counts of each day over all its windows; None if those windows reach beyond the day, or overlap.
    """
    days = whole_days(log.window)
    with harvest.run.database.read() as connection:
        found = coverage_rule.find_coverage(connection, harvest.scope, days)
    gaps = list(subtract(days, coverage_rule.covered_windows(found)))
    covered = [day for day in log.window.days if not any(gap.intersection(whole_day(day)) for gap in gaps)]
    return {
        day: counts.get(day, DayCounts()) if log.window.encloses(whole_day(day)) else _sum_of_logs(found, day)
        for day in covered
    }


def covered_days(harvest: HarvestContext, window: Window) -> dict[date, DayCounts | None]:
    """Return the whole days of a window that are covered, with their counts as in `completed_days`."""
    return find_covered_days(harvest.run.database, harvest.scope, window)


def find_covered_days(database: Database, scope: LogScope, window: Window) -> dict[date, DayCounts | None]:
    """Return the whole days of a window that the logs of a scope cover, with their counts as in `completed_days`."""
    with database.read() as connection:
        found = coverage_rule.find_coverage(connection, scope, window)
    gaps = subtract(window, coverage_rule.covered_windows(found))
    open_days = {day for gap in gaps for day in gap.days}
    by_day: dict[date, list[LogCoverage]] = {}
    for one in found:
        by_day.setdefault(one.log.window.start.date(), []).append(one)
    return {
        day: _sum_of_logs(by_day.get(day, ()), day)
        for day in window.days
        if day not in open_days and window.encloses(whole_day(day))
    }


def _sum_of_logs(found: Iterable[LogCoverage], day: date) -> DayCounts | None:
    """Return the sum of the logs within a day, or None if they do not cover it exactly, or a `limit` truncated one."""
    logs = [one.log for one in found if one.covers_whole_window and whole_day(day).encloses(one.log.window)]
    is_whole = sum((log.window.length for log in logs), start=DAY * 0) == DAY
    if not is_whole or any(log.record_limit is not None for log in logs):
        return None
    return DayCounts(sum(log.counts.records for log in logs), sum(log.counts.deleted for log in logs))
