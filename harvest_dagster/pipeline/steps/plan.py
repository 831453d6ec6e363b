"""The step plan: which windows of a range are still to be harvested."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from harvest_dagster.catalog.arguments import describe_changes
from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.pipeline.context import HarvestContext
from harvest_dagster.pipeline.lease_guard import LeaseHandle
from harvest_dagster.pipeline.placeholder_values import end_coverage_of_other_values
from harvest_dagster.pipeline.snapshots import (
    describe_snapshot,
    is_snapshot,
    list_window,
    snapshot_window,
    window_of_lineage,
)
from harvest_dagster.storage.harvest_log import coverage_rule, queries, run_attempts, transitions
from harvest_dagster.storage.harvest_log.coverage_rule import LogCoverage
from harvest_dagster.storage.harvest_log.queries import HarvestLog
from harvest_dagster.storage.harvest_log.run_attempts import WindowAttempt
from harvest_dagster.storage.harvest_log.value_digests import changed_names
from harvest_dagster.windows import ALL_TIME, DAY, Window, merged, subtract, whole_day


@dataclass(frozen=True)
class Plan:
    """The windows to harvest.

    Attributes:
        windows: the windows in order, none longer than `max_window`, unless `no_split` is set or one list serves them.
        parent_id: the SPLIT log of the whole range; None if the range has none.
        covered_by: the logs that cover the rest of the range.
        snapshot: what one snapshot serves, as a sentence; empty if the run takes none.
    """

    windows: list[Window]
    parent_id: int | None
    covered_by: list[HarvestLog]
    snapshot: str = ""


def plan_windows(harvest: HarvestContext, wanted: Window, lease: LeaseHandle) -> Plan:
    """Subtract what is covered, cut the rest into windows, and mark the range's log SPLIT if that changes the range.

    Raises:
        LeaseLost: another run took the lease; the log of the range was not changed.
    """
    values_digest = end_coverage_of_other_values(harvest, lease)
    _report_changed_arguments(harvest, wanted, values_digest)
    covering = find_covering_logs(harvest, wanted)
    covered_by = [one.log for one in covering]
    _clear_spool(harvest, covered_by)
    windows = _remaining_windows(harvest, wanted, coverage_rule.covered_windows(covering))
    snapshot = describe_snapshot(wanted) if windows and is_snapshot(harvest.config) else ""
    if snapshot:
        harvest.logger.info(f"{harvest.config.label}: {snapshot}")
    harvest.run.monitor.plan(windows)
    parent_id = None if windows == [wanted] else _mark_split(harvest, wanted, lease, several=len(windows) > 1)
    return Plan(windows, parent_id, covered_by, snapshot)


def _report_changed_arguments(harvest: HarvestContext, wanted: Window, values_digest: str | None) -> None:
    """Log how much older coverage does not count because the arguments have changed, and what changed."""
    with harvest.run.database.read() as connection:
        logs = coverage_rule.find_other_arguments(connection, harvest.scope, wanted)
    if not logs:
        return
    windows = [window for log in logs if (window := log.window.intersection(wanted)) is not None]
    days = sum((window.length for window in merged(windows)), start=timedelta()) / DAY
    changes = describe_changes(logs[-1].arguments or {}, harvest.source.deciding_arguments)
    values = changed_names(logs[-1].values_digest, values_digest)
    changes = ", ".join([*filter(None, [changes]), *(f"the value of ${{{name}}} changed" for name in values)])
    harvest.logger.warning(
        f"older coverage of {days:g} days was for other arguments: {changes}. It does not count."
    )


def find_unfinished_windows(harvest: HarvestContext, wanted: Window) -> list[Window]:
    """Return the windows of a range that neither this run nor the runs that it executes again have harvested.

    Dagster does not run the op `plan` again in a run that is executed again from a failure. A window is left out if
    this run has tried it and it failed: one run does not try a window twice.
    """
    return _find_remaining_windows(
        harvest,
        wanted,
        lambda attempt: (
            attempt.status == "SUCCEEDED" or (attempt.status == "FAILED" and attempt.run_id == harvest.run.id)
        ),
    )


def find_untried_windows(harvest: HarvestContext, wanted: Window) -> list[Window]:
    """Return the windows of a range that neither this run nor the runs that it executes again have tried."""
    return _find_remaining_windows(harvest, wanted, lambda _: True)


def _find_remaining_windows(
    harvest: HarvestContext, wanted: Window, is_done: Callable[[WindowAttempt], bool]
) -> list[Window]:
    """Return the windows of a range without those that are covered and those whose attempt is done.

    They are windows that `plan_windows` returned, because both functions cut the same gaps in the same way.
    """
    covered = coverage_rule.covered_windows(find_covering_logs(harvest, wanted))
    within = list_window(harvest.config, wanted)
    with harvest.run.database.read() as connection:
        attempts = run_attempts.find_windows(connection, harvest.scope, harvest.run.all_ids, within)
    done = [attempt.window for attempt in attempts if is_done(attempt)]
    if done and is_snapshot(harvest.config):
        return []  # what it does not cover, another snapshot of this run would not cover either
    return _remaining_windows(harvest, wanted, [*covered, *done])


def find_parent(harvest: HarvestContext, wanted: Window) -> int | None:
    """Return the log with the status SPLIT of a range; None if it has none."""
    with harvest.run.database.read() as connection:
        log = queries.find_log(connection, harvest.scope, wanted)
    return log.id if log is not None and log.status == "SPLIT" else None


def _remaining_windows(harvest: HarvestContext, wanted: Window, done: Sequence[Window]) -> list[Window]:
    if is_snapshot(harvest.config) and any(subtract(wanted, done)) and (begun := _begun_snapshot(harvest)):
        return [begun]
    return remaining_windows(
        harvest.config,
        wanted,
        done,
        harvest.run.clock(),
        no_split=harvest.parameters.no_split,
        one_list=harvest.source.has_open_end,
    )


def _begun_snapshot(harvest: HarvestContext) -> Window | None:
    """Return the window of the snapshot that this run, or a run that it executes again, has begun, if there is one."""
    with harvest.run.database.read() as connection:
        return window_of_lineage(
            run_attempts.find_windows(connection, harvest.scope, harvest.run.all_ids, ALL_TIME)
        )


def remaining_windows(
    config: IngestConfig,
    wanted: Window,
    done: Sequence[Window],
    now: datetime,
    *,
    no_split: bool = False,
    one_list: bool = False,
) -> list[Window]:
    """Return the windows that a harvest of a range consists of, in order.

    Args:
        config: the source.
        wanted: the range.
        done: the parts of it that are left out.
        now: the time, aware, in UTC.
        no_split: use one window for each part, regardless of its length.
        one_list: whether each list reaches to the present. One window then contains all parts, and what is between
            them: a list for each part would repeat the lists of all later ones.
    """
    gaps = list(subtract(wanted, done))
    if is_snapshot(config):
        return [snapshot_window(config, wanted, now)] if gaps else []
    if no_split:
        return gaps
    if one_list and gaps:
        return list(_cut_at_settled(config, Window(gaps[0].start, gaps[-1].end), now))
    cut = (part for gap in gaps for part in _cut_at_settled(config, gap, now))
    return [window for part in cut for window in part.split(config.max_window)]


def _cut_at_settled(config: IngestConfig, gap: Window, now: datetime) -> Iterator[Window]:
    """Yield the window, or two if it has days that have not settled yet. A log over both parts would cover neither."""
    settled = whole_day((now - config.settle).date()).start
    if config.settle and gap.start < settled < gap.end:
        yield Window(gap.start, settled)
        yield Window(settled, gap.end)
    else:
        yield gap


def find_covering_logs(harvest: HarvestContext, wanted: Window) -> list[LogCoverage]:
    """Return the logs that cover parts of a range; none if covered parts are harvested again."""
    if harvest.parameters.superfluous or not harvest.parameters.optimize:
        return []
    with harvest.run.database.read() as connection:
        return coverage_rule.find_coverage(connection, harvest.scope, wanted)


def _clear_spool(harvest: HarvestContext, covered_by: list[HarvestLog]) -> None:
    """Clear the spool of windows that succeeded, if the run was killed before it did so."""
    succeeded = [log for log in covered_by if log.status == "SUCCEEDED"]
    folders = set(harvest.run.spool.directories(harvest.config.label)) if succeeded else set()
    for log in succeeded:
        label, folder = harvest.spool_path(log.window)
        if folder in folders:
            harvest.run.spool.clear(label, folder)


def _mark_split(harvest: HarvestContext, wanted: Window, lease: LeaseHandle, *, several: bool) -> int | None:
    """Mark the range's log SPLIT. If only one window is left, do so only if that log is RESCHEDULED."""
    with lease.begin() as connection:
        found = queries.find_log(connection, harvest.scope, wanted)
        digest = harvest.scope.arguments_digest
        is_covered = found is not None and coverage_rule.covers_window(found, digest)
        if is_covered and harvest.parameters.limit is not None:
            return None  # its windows would not cover the range
        if not several and (found is None or found.status != "RESCHEDULED"):
            return None
        if not several and found is not None and is_covered:
            transitions.restore_succeeded(connection, found.id, now=harvest.run.clock())
            return None
        log = transitions.mark_split(
            connection, harvest.scope, wanted, run_id=harvest.run.id, now=harvest.run.clock()
        )
    return log.id
