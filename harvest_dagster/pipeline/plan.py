"""plan: which windows of a range are still to be harvested."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from harvest_dagster.pipeline.harvest import Harvest
from harvest_dagster.pipeline.lock import Grip
from harvest_dagster.storage import coverings, harvest_logs, harvest_states
from harvest_dagster.storage.coverings import Covering
from harvest_dagster.storage.harvest_logs import HarvestLog
from harvest_dagster.windows import Window, subtract, whole_day


@dataclass(frozen=True)
class Plan:
    """What is to be done.

    Attributes:
        windows: in order, none longer than `max_window` unless `no_split`.
        parent_id: the log of the whole range, where it is cut; else None.
        covered_by: the logs of what is left out.
    """

    windows: list[Window]
    parent_id: int | None
    covered_by: list[HarvestLog]

    def left_out(self, wanted: Window) -> list[date]:
        """The days that lie in the range as a whole, and in no window."""
        touched = {day for window in self.windows for day in window.days}
        return [day for day in wanted.days if day not in touched and wanted.encloses(whole_day(day))]


def plan(harvest: Harvest, wanted: Window, grip: Grip) -> Plan:
    """Leave out what is covered, cut the rest into windows, and log the range as SPLIT where that cuts it."""
    covering = covering_of(harvest, wanted)
    covered_by = [one.log for one in covering]
    _tidy(harvest, covered_by)
    windows = [
        window
        for gap in subtract(wanted, coverings.windows_of(covering))
        for window in ([gap] if harvest.parameters.no_split else _cut(harvest, gap))
    ]
    parent_id = None if windows == [wanted] else _split(harvest, wanted, grip, several=len(windows) > 1)
    return Plan(windows, parent_id, covered_by)


def _cut(harvest: Harvest, gap: Window) -> Iterator[Window]:
    """Windows of at most `max_window`; the days that have not settled yet apart, or they would keep the others open."""
    settled = whole_day((harvest.clock() - harvest.config.settle).date()).start
    cuts = harvest.config.settle and gap.start < settled < gap.end
    for part in (Window(gap.start, settled), Window(settled, gap.end)) if cuts else (gap,):
        yield from part.split(harvest.config.max_window)


def covering_of(harvest: Harvest, wanted: Window) -> list[Covering]:
    """The logs of what may be left out of a range."""
    if harvest.parameters.superfluous or not harvest.parameters.optimize:
        return []
    with harvest.database.read() as connection:
        return coverings.find(connection, harvest.series, wanted)


def _tidy(harvest: Harvest, covered_by: list[HarvestLog]) -> None:
    """Clear the spool of windows whose run was killed after they had succeeded."""
    left = set(harvest.spool.folders(harvest.config.label))
    for log in covered_by:
        label, folder = harvest.spool_of(log.window)
        if log.status == "SUCCEEDED" and folder in left:
            harvest.spool.clear(label, folder)


def _split(harvest: Harvest, wanted: Window, grip: Grip, *, several: bool) -> int | None:
    """Log the range as SPLIT; where no more than a window is left of it, only if a log of the range waits to hear."""
    with grip.begin() as connection:
        found = harvest_logs.find(connection, harvest.series, wanted)
        if not several and (found is None or found.status != "RESCHEDULED"):
            return None
        if not several and found is not None and found.covered_since is not None:
            harvest_states.covered_again(connection, found.id, now=harvest.clock())
            return None
        log = harvest_states.split(
            connection, harvest.series, wanted, run_id=harvest.runner.run_id, now=harvest.clock()
        )
    return log.id
