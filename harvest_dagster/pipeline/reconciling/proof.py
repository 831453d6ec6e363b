"""The evidence `reconciled`: a later sweep found the same identifiers on all days of a window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from harvest_dagster.pipeline.context import HarvestContext
from harvest_dagster.pipeline.fetching.completeness import NONE
from harvest_dagster.pipeline.lease_guard import LeaseHandle
from harvest_dagster.pipeline.reconciling.listed_headers import Comparison, ListedHeaders
from harvest_dagster.spool import FetchSummary
from harvest_dagster.storage.harvest_log import queries, transitions
from harvest_dagster.storage.harvest_log.queries import HarvestLog
from harvest_dagster.storage.sweeps import Sweep
from harvest_dagster.windows import ALL_TIME, Window, whole_day, whole_days


@dataclass(frozen=True)
class AgreeingDays:
    """The days for which a sweep proves that the harvest has all records.

    Such a day has ended, with `settle`, before the sweep began. On both sides it has the same live records. All headers
    of its list can be read. Its list is proven; or its list ended without a doubt, and the day has at least one record
    and is not the day with which the list ends: an empty answer proves nothing, and a list may be cut at its end.

    Attributes:
        harvest: the harvest.
        sweep: the sweep.
        summaries: what the list of each of its windows proves.
        listed: its headers.
        comparison: the comparison after the repair.
    """

    harvest: HarvestContext
    sweep: Sweep
    summaries: Sequence[FetchSummary]
    listed: ListedHeaders
    comparison: Comparison

    def __contains__(self, day: date) -> bool:
        window = whole_day(day)
        found = self.comparison
        if found.has_undated_difference or day in found.differing_days or day in found.counts.other_days:
            return False
        if window.end + self.harvest.config.settle > self.sweep.date_started:
            return False
        return any(
            listed.encloses(window)
            and number not in self.listed.invalid_windows
            and self._is_listed(day, summary)
            for number, (listed, summary) in enumerate(zip(self.sweep.windows, self.summaries, strict=True))
        )

    def _is_listed(self, day: date, summary: FetchSummary) -> bool:
        if summary.doubt is not None:
            return False
        is_inside = day in self.comparison.listed_days and day not in self.listed.end_days
        return summary.evidence != NONE or is_inside

    def count(self) -> int:
        """Return the number of these days that have records."""
        return sum(day in self for day in self.comparison.listed_days)

    def enclose(self, window: Window) -> bool:
        """Return whether all days of a window are such days."""
        return all(day in self for day in window.days)


def mark_reconciled_logs(
    harvest: HarvestContext, lease: LeaseHandle, agreeing: AgreeingDays
) -> list[HarvestLog]:
    """Mark the harvest logs whose days all agree `complete`, with the evidence `reconciled`. Return them.

    Only logs that are unverified, asked with the present arguments, and have no limit, can get this evidence. A log of
    another run that began after the sweep cannot: the lists of the sweep are older than its list.

    Raises:
        LeaseLost: another run took the lease; nothing was written.
    """
    with harvest.run.database.read() as connection:
        logs = queries.find_unverified(connection, harvest.scope, ALL_TIME)
    proven = [
        log
        for log in logs
        if _is_earlier(harvest, log, agreeing) and agreeing.enclose(whole_days(log.window))
    ]
    if not proven:
        return []
    settle = harvest.config.settle
    with lease.begin() as connection:
        return [transitions.mark_reconciled(connection, log.id, settle=settle) for log in proven]


def _is_earlier(harvest: HarvestContext, log: HarvestLog, agreeing: AgreeingDays) -> bool:
    """Return whether the list of a log began before the sweep, or repaired a day in this run."""
    began = log.attempt_began
    return log.run_id == harvest.run.id or began is None or began <= agreeing.sweep.date_started
