"""Deferral of a window whose source, host budget or `hours` require a longer wait than an op sleeps.

The op ends with a retry, which frees the worker; nothing has failed. The log stays STARTED and the run keeps its lease,
so no other run closes the log. The retry continues after the last complete page. A window without a new page for a day
fails (docs/decisions/0012).
"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta

from harvest_dagster.errors import OutsideHours, RetryLater, SourceUnreachable, SpoolError
from harvest_dagster.pipeline.context import HarvestContext
from harvest_dagster.pipeline.lease_guard import LeaseHandle
from harvest_dagster.pipeline.write_guard import WriteGuard
from harvest_dagster.spool import AttemptSpool
from harvest_dagster.storage.harvest_log import run_attempts
from harvest_dagster.storage.harvest_log.queries import HarvestLog
from harvest_dagster.windows import Window

# The retry starts a little later, at random, and may have to wait for its worker to start.
_MARGIN = 1.25
# The hours of a source may begin a day later. A quarter of that would keep the lease of a lost machine for too long.
_LONGEST_MARGIN_OF_HOURS = timedelta(minutes=15)
_SHARE_OF_IDLE_TIME = 4


def defer_window(harvest: HarvestContext, log: HarvestLog, lease: LeaseHandle, error: RetryLater) -> None:
    """Extend the lease until the retry.

    Args:
        harvest: the harvest.
        log: the window's log.
        lease: the lease.
        error: contains the length of the wait.

    Raises:
        SourceUnreachable: no page has arrived for `longest_silence`, so the window fails.
        LeaseLost: another run took the lease.
    """
    defer(harvest, last_progress(harvest, log), lease, error)


def defer(harvest: HarvestContext, progress: datetime, guard: WriteGuard, error: RetryLater) -> None:
    """Extend the right of a run to write until the retry.

    Args:
        harvest: the harvest.
        progress: when the last page arrived, or when the run began.
        guard: the lease, or the sweep.
        error: contains the length of the wait.

    Raises:
        SourceUnreachable: no page has arrived for `longest_silence`.
        LeaseLost: another run has the right.
    """
    idle = _idle_time(harvest, progress)
    if idle >= harvest.source.wait_limits.longest_silence:
        message = (
            f"no page arrived for {_format_duration(idle)}, only requests to wait: {error} Check whether the source "
            "works, lower `rate_limit` if it receives too many requests, and run again: the run continues here."
        )
        raise SourceUnreachable(message) from None
    _extend(guard, error)


def raise_outside_hours(harvest: HarvestContext, window: Window, lease: LeaseHandle) -> None:
    """Raise an error if the source must not be asked now, before a window begins. Extend the lease until the retry.

    The log of the window stays as it is. Otherwise a run of a hundred windows would show all of them as active.

    Raises:
        OutsideHours: the hours of the source begin later than an op sleeps.
        LeaseLost: another run took the lease.
    """
    hours, now = harvest.config.hours, harvest.run.clock()
    if hours is None or hours.is_open(now):
        return
    seconds = (hours.next_opening(now) - now).total_seconds()
    if seconds > harvest.source.wait_limits.longest_closed:
        error = OutsideHours(f"{window} is not begun now: {hours.describe_closed(now)}.", seconds=seconds)
        _extend(lease, error)
        raise error


def _extend(guard: WriteGuard, error: RetryLater) -> None:
    pause = timedelta(seconds=error.seconds * _MARGIN)
    if isinstance(error, OutsideHours):
        pause = min(pause, timedelta(seconds=error.seconds) + _LONGEST_MARGIN_OF_HOURS)
    guard.extend(pause)


def max_budget_wait(harvest: HarvestContext, progress: datetime) -> float:
    """Return how many seconds an op may sleep for its turn within the host's budget.

    Args:
        harvest: the harvest.
        progress: when the last page arrived, or when the run began.

    It is at least twice the config's own period, so that a slow rate limit defers nothing. It grows with the time
    without a page. A harvester may need several requests before its first page, and each retry starts with the first
    of them. If the host allows one request in an hour, no retry would ever get to that page.
    """
    idle = _idle_time(harvest, progress).total_seconds()
    return max(
        harvest.source.wait_limits.longest_wait,
        2 * harvest.config.rate_limit.period,
        idle / _SHARE_OF_IDLE_TIME,
    )


def _idle_time(harvest: HarvestContext, progress: datetime) -> timedelta:
    """Return for how long no page has arrived. Only the time in which the source may be asked counts."""
    hours, now = harvest.config.hours, harvest.run.clock()
    return now - progress if hours is None else hours.open_time(progress, now)


def last_progress(harvest: HarvestContext, log: HarvestLog) -> datetime:
    """Return when the last page arrived, or when this run started the window, whichever is later."""
    with harvest.run.database.read() as connection:
        attempts = run_attempts.find_by_log(connection, log.id)
    instants = [attempt.date_started for attempt in attempts if attempt.run_id == harvest.run.id]
    instants.extend(last_arrival(harvest.attempt(log)))
    return max(instants, default=harvest.run.clock())


def last_arrival(spool: AttemptSpool) -> list[datetime]:
    """Return when the last page of a spool arrived; nothing if it has none, or if that cannot be read."""
    with suppress(SpoolError):
        if pages := spool.page_count():
            return [spool.read_manifest(pages - 1).page.received]
    return []


def _format_duration(duration: timedelta) -> str:
    seconds = duration.total_seconds()
    return f"{seconds / 3600:.0f} h" if seconds >= 3600 else f"{seconds:.0f} s"  # noqa: PLR2004  # an hour
