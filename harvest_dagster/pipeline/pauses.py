"""Waits that are too long for an op to sleep through: the window is put off, its lease and its log are kept.

The op ends as a retry that frees the worker; nothing has failed. The log stays STARTED by this run, so that
nobody settles it, and the retry goes on after the last whole page. What bounds it is progress: without a page
for a day, the window fails.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta

from harvest_dagster.errors import SourceUnreachable, SpoolError, WaitTooLong
from harvest_dagster.pipeline.harvest import Harvest
from harvest_dagster.pipeline.lock import Grip
from harvest_dagster.storage import harvest_tries
from harvest_dagster.storage.harvest_logs import HarvestLog

# The retry comes a little later, at random, and its worker may have to be started first.
_DELAY = 1.25
_SHARE = 4


def put_off(harvest: Harvest, log: HarvestLog, grip: Grip, error: WaitTooLong) -> None:
    """Keep the lease until the retry.

    Args:
        harvest: what is harvested.
        log: the window's log.
        grip: the lease.
        error: says how long the wait is.

    Raises:
        SourceUnreachable: no page has come for so long that the window fails.
        LeaseLost: another run took over.
    """
    now = harvest.clock()
    silence = now - last_progress(harvest, log)
    if silence >= harvest.patience.longest_silence:
        message = (
            f"for {_hours(silence)} no page came, only the word to wait: {error} See whether the source is well,"
            " lower `rate_limit` if it finds us too fast, and run again: it goes on."
        )
        raise SourceUnreachable(message) from None
    grip.outlive(timedelta(seconds=error.seconds * _DELAY), now)


def longest_turn(harvest: Harvest, log: HarvestLog) -> float:
    """Seconds that an op sleeps for its turn within the host's budget.

    No less than what lies between two requests by the config itself: that is the harvest's own pace. And the
    longer, the longer no page came: a harvester may need several requests before its first page, in each try
    anew, and a host that is slowed down to one request in an hour would never give it.
    """
    silence = (harvest.clock() - last_progress(harvest, log)).total_seconds()
    return max(harvest.patience.longest_wait, 2 * harvest.config.rate_limit.period, silence / _SHARE)


def last_progress(harvest: Harvest, log: HarvestLog) -> datetime:
    """When the last page came, or when this run took the window up, whichever is later."""
    with harvest.database.read() as connection:
        tries = harvest_tries.of_log(connection, log.id)
    instants = [one.date_started for one in tries if one.run_id == harvest.runner.run_id]
    with suppress(SpoolError):
        spool = harvest.attempt(log)
        if pages := spool.page_count():
            instants.append(spool.entry(pages - 1).page.received)
    return max(instants, default=harvest.clock())


def _hours(duration: timedelta) -> str:
    seconds = duration.total_seconds()
    return f"{seconds / 3600:.0f} h" if seconds >= 3600 else f"{seconds:.0f} s"  # noqa: PLR2004  # an hour
