"""Harvests the days that have a missing or changed record again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.errors import DatabaseUnreachable, LeaseHeld, LeaseLost, RetryLater, SpoolUnreachable
from harvest_dagster.pipeline import early_stop
from harvest_dagster.pipeline.context import HarvestContext
from harvest_dagster.pipeline.run_window import WindowRun, run_window
from harvest_dagster.pipeline.snapshots import is_snapshot, snapshot_window
from harvest_dagster.storage.harvest_log import queries
from harvest_dagster.storage.tables import harvest_log
from harvest_dagster.windows import ALL_TIME, Window, merged, whole_day

# These errors are not about a window. The op is tried again, or another run continues.
_NOT_THE_WINDOW = (LeaseHeld, LeaseLost, DatabaseUnreachable, RetryLater, SpoolUnreachable)


@dataclass(frozen=True)
class Repair:
    """What was harvested again.

    Attributes:
        harvested: the windows that were harvested.
        failure: what failed, and which windows were not tried; None if all were harvested.
    """

    harvested: tuple[Window, ...] = ()
    failure: str | None = None


def repair_windows(
    config: IngestConfig, days: Iterable[date], now: datetime, *, one_list: bool = False
) -> list[Window]:
    """Return the windows to harvest for some days: consecutive days together, cut by `max_window`.

    A snapshot repairs all days. Days in the future are left out: no harvest asks for them yet.

    Args:
        config: the source.
        days: the days.
        now: the time.
        one_list: whether each list reaches to the present.
    """
    present = now.replace(microsecond=0)
    bounds = [(whole_day(day).start, min(whole_day(day).end, present)) for day in days]
    windows = list(merged([Window(start, end) for start, end in bounds if start < end]))
    if not windows:
        return []
    if is_snapshot(config):
        return [snapshot_window(config, windows[-1], now)]
    if one_list:
        return [Window(windows[0].start, windows[-1].end)]
    return [part for window in windows for part in window.split(config.max_window)]


def harvest_windows(run: WindowRun, windows: Sequence[Window]) -> Repair:
    """Harvest windows one after the other, whether they are covered or not. A failed one does not stop the others.

    A window that an earlier attempt of this op began comes first, so that its log ends.
    """
    harvest = run.harvest
    harvested: list[Window] = []
    failures: list[str] = []
    begun = _begun_windows(harvest)
    pending = [*begun, *(window for window in windows if window not in begun)]
    for number, window in enumerate(pending):
        if (reason := early_stop.find_stop_reason(harvest)) is not None:
            failures.append(early_stop.describe_stop(reason, pending[number:]))
            break
        try:
            run_window(run, window)
        except _NOT_THE_WINDOW:
            raise
        except Exception as error:
            failures.append(f"{window}: {type(error).__name__}: {error}")
        else:
            harvested.append(window)
    return Repair(tuple(harvested), " ".join(failures) or None)


def half_stored_windows(harvest: HarvestContext, since: datetime) -> list[Window]:
    """Return the windows whose data were stored since an instant, and not all launched: a run was killed.

    Their records are no longer missing, so the comparison does not find them.
    """
    with harvest.run.database.read() as connection:
        logs = queries.find_overlapping(
            connection, harvest.scope, ALL_TIME, harvest_log.c.unlaunched_since >= since
        )
    return [log.window for log in logs]


def _begun_windows(harvest: HarvestContext) -> list[Window]:
    """Return the windows that this run has begun and not ended, because it had to wait."""
    with harvest.run.database.read() as connection:
        logs = queries.find_by_run(connection, harvest.config_id, harvest.run.id)
    return [log.window for log in logs if log.status == "STARTED"]
