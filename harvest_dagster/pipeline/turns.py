"""The turn of a window: the windows of a run are harvested one after the other, in the order of time.

Not every executor keeps this order. Celery ignores the priority of ops and starts all windows at once. Each of them
then counted a `limit` of its own: a run with `limit: 100` collected 200 records.

The harvest logs show whose turn it is, because each window may be the work of another machine. A window does not wait
for one that can no longer end: the caller excludes windows whose ops have failed, and `is_worth_waiting` gives up if no
op has worked for the run until its lease expired.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from harvest_dagster.pipeline import early_stop
from harvest_dagster.pipeline.context import HarvestContext
from harvest_dagster.pipeline.snapshots import list_window
from harvest_dagster.pipeline.steps import fetch
from harvest_dagster.pipeline.steps.plan import find_unfinished_windows
from harvest_dagster.storage.harvest_log import run_attempts
from harvest_dagster.storage.lease import leases
from harvest_dagster.windows import Window

_FIRST_PAUSE = 2.0  # seconds
_TYPICAL_WINDOW = 10.0  # seconds, as long as the run has no window that has begun
# Seconds for each window that is ahead: half a minute for the next one, so that the source is not idle for long. Each
# retry costs four events of Dagster, so windows far behind look at the logs less often.
_PAUSE_OF_A_WINDOW = 30.0
_LONGEST_PAUSE = 1800.0
# A lease lasts longer than this only if an op has extended it for a wait that the source demands.
_LONGEST_GAP_BETWEEN_OPS = timedelta(minutes=20)
_MOST_RETRIES_WITHOUT_LEASE = 10


def find_windows_ahead(
    harvest: HarvestContext, wanted: Window, window: Window, has_ops: Callable[[Window], bool]
) -> list[Window]:
    """Return the windows that must end before a window may be fetched; none if it is the window's turn.

    Args:
        harvest: the harvest.
        wanted: the range of the run.
        window: the window.
        has_ops: whether the run has ops for a window. In a run that is executed again from a failure, the last op
            harvests the windows without ops.
    """
    if early_stop.find_stop_reason(harvest) is not None:
        return []  # this window is not tried either
    with harvest.run.database.read() as connection:
        attempts = run_attempts.find_windows(
            connection, harvest.scope, (harvest.run.id,), list_window(harvest.config, wanted)
        )
    active = {attempt.window for attempt in attempts if attempt.status == "STARTED"}
    if window in active:
        # It was deferred. It does not wait for later windows, which may wait for it.
        return sorted(other for other in active if other < window)
    if not active and fetch.remaining_limit(harvest, window) == 0:
        return []  # nor is any window ahead of it
    planned = find_unfinished_windows(harvest, wanted)
    return sorted(active.union(other for other in planned if other.end <= window.start and has_ops(other)))


def is_worth_waiting(harvest: HarvestContext, retries: int) -> bool:
    """Return whether an op of the run may work on the windows ahead.

    Args:
        harvest: the harvest.
        retries: how many times this op has waited before.
    """
    with harvest.run.database.read() as connection:
        lease = leases.find_lease(connection, harvest.config_id)
    if lease is None or lease.holder.run_id != harvest.run.id:
        # A run that is executed again from a failure acquires the lease only in its first op.
        return retries < _MOST_RETRIES_WITHOUT_LEASE
    return not lease.is_expired


def pause_before_next_look(harvest: HarvestContext, windows_ahead: int) -> float:
    """Return after how many seconds a window looks again whether it is its turn."""
    now = harvest.run.clock()
    with harvest.run.database.read() as connection:
        attempts = run_attempts.find_by_run(connection, harvest.run.id)
        lease = leases.find_lease(connection, harvest.config_id)
    durations = [((one.date_completed or now) - one.date_started).total_seconds() for one in attempts]
    typical = sum(durations) / len(durations) if durations else _TYPICAL_WINDOW
    longest = min(windows_ahead * _PAUSE_OF_A_WINDOW, _LONGEST_PAUSE)
    seconds = min(max(_FIRST_PAUSE, windows_ahead * typical / 2), longest)
    rest = lease.expires - lease.read if lease is not None else timedelta()
    return max(seconds, rest.total_seconds() / 2) if rest > _LONGEST_GAP_BETWEEN_OPS else seconds
