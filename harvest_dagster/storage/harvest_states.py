"""How the status of a harvest log changes: got or created, STARTED, SPLIT, and ended.

Only the holder of the lease writes a row that is STARTED: every caller but `end` and `reschedule` checks the
fencing token in the same transaction. Not here: what is read of the logs (`harvest_logs`), what is counted
meanwhile (`harvest_progress`).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, update

from harvest_dagster.storage import harvest_tries
from harvest_dagster.storage.harvest_logs import HarvestLog, Series, find, get
from harvest_dagster.storage.statements import insert_or_ignore
from harvest_dagster.storage.tables import COUNTS, harvest_log
from harvest_dagster.windows import Window

# What belongs to the present attempt, and begins from zero with the next.
_OF_ATTEMPT = (
    *COUNTS,
    *("outside_window", "undated", "pages_stored", "requests", "bytes", "seconds_waited", "recoveries"),
)


def start(
    connection: Connection,
    series: Series,
    window: Window,
    *,
    run_id: str,
    now: datetime,
    parent_id: int | None = None,
    record_limit: int | None = None,
) -> HarvestLog:
    """Get or create the log of a window and mark it STARTED by this run. The caller holds the lease.

    What an unfinished harvest of the window had stored keeps its counts: the next one goes on from there.
    """
    log = _get_or_create(connection, series, window, "STARTED")
    values: dict[str, Any] = {
        "status": "STARTED",
        "run_id": run_id,
        "date_started": now,
        "date_completed": None,
        "error": None,
        "completeness": None,
        "record_limit": record_limit,
        # A window that is repaired by itself stays a part of the range it was cut from.
        "parent_id": log.parent_id if parent_id is None else parent_id,
    }
    connection.execute(update(harvest_log).where(harvest_log.c.id == log.id).values(**values))
    harvest_tries.note(connection, log.id, run_id, now)
    return get(connection, log.id)


def go_on(connection: Connection, log_id: int, *, run_id: str, now: datetime) -> HarvestLog:
    """Mark a log STARTED that a run goes on with in the middle: re-executed from the op that failed."""
    values = {"status": "STARTED", "run_id": run_id, "date_completed": None, "error": None}
    connection.execute(update(harvest_log).where(harvest_log.c.id == log_id).values(**values))
    harvest_tries.note(connection, log_id, run_id, now)
    return get(connection, log_id)


def restart(connection: Connection, log_id: int, now: datetime) -> HarvestLog:
    """Begin anew: what the spool holds of earlier attempts is not used, counting starts from zero.

    What they set aside stays until the new list is stored (`quarantine.drop_outdated`): it may break at once.
    """
    connection.execute(
        update(harvest_log)
        .where(harvest_log.c.id == log_id)
        .values(
            attempt=harvest_log.c.attempt + 1,
            attempt_began=now,
            expected=None,
            identifiers=None,
            **dict.fromkeys(_OF_ATTEMPT, 0),
        )
    )
    return get(connection, log_id)


def split(
    connection: Connection, series: Series, window: Window, *, run_id: str, now: datetime
) -> HarvestLog:
    """Get or create the log of a range that is cut into several windows: status SPLIT, its windows follow."""
    log = _get_or_create(connection, series, window, "SPLIT")
    connection.execute(
        update(harvest_log)
        .where(harvest_log.c.id == log.id)
        .values(
            status="SPLIT",
            run_id=run_id,
            date_started=now,
            date_completed=now,
            error=None,
            completeness=None,
            expected=None,
            identifiers=None,
            # Its windows have the counts now: whoever adds them up counts none twice.
            **dict.fromkeys(_OF_ATTEMPT, 0),
        )
    )
    return get(connection, log.id)


def succeed(
    connection: Connection,
    log_id: int,
    *,
    now: datetime,
    completeness: str,
    settle: timedelta = timedelta(),
) -> HarvestLog:
    """End a window well. It covers its window if its list was begun after the window's end, and no limit cut it.

    Args:
        connection: a transaction under the lease.
        log_id: the window's log.
        now: when it ended.
        completeness: `complete` or `unverified`.
        settle: so long after the window's end its list must have been begun.
    """
    log = get(connection, log_id)
    began = log.attempt_began
    covers_now = began is not None and began >= log.window.end + settle and log.record_limit is None
    # What an earlier list left is launched by one that is whole.
    leaves_some = log.record_limit is not None and log.unlaunched_since != began
    connection.execute(
        update(harvest_log)
        .where(harvest_log.c.id == log_id)
        .values(
            status="SUCCEEDED",
            date_completed=now,
            error=None,
            completions=log.completions + 1,
            completeness=completeness,
            covered_since=began if covers_now else log.covered_since,
            unlaunched_since=log.unlaunched_since if leaves_some else None,
        )
    )
    harvest_tries.end(connection, log_id, log.run_id, "SUCCEEDED", now=now, error=None)
    return get(connection, log_id)


def covered_again(connection: Connection, log_id: int, *, now: datetime) -> int:
    """Give a log that waited its SUCCEEDED back: what it covered before, it covers still."""
    connection.execute(
        update(harvest_log)
        .where(harvest_log.c.id == log_id)
        .values(status="SUCCEEDED", date_completed=now, error=None)
    )
    return log_id


def end(
    connection: Connection,
    log: HarvestLog,
    status: str,
    *,
    now: datetime,
    error: str,
    broken_off: bool = False,
) -> None:
    """End a log as FAILED or CANCELLED that says STARTED by its run, unless another run has taken it up since.

    What it covered before, it covers still. `broken_off` says that its run could not do this itself.
    """
    connection.execute(
        update(harvest_log)
        .where(
            harvest_log.c.id == log.id, harvest_log.c.status == "STARTED", harvest_log.c.run_id == log.run_id
        )
        .values(status=status, date_completed=now, error=error)
    )
    harvest_tries.end(connection, log.id, log.run_id, status, now=now, error=error, broken_off=broken_off)


def stop_waiting(connection: Connection, log: HarvestLog, *, now: datetime, error: str) -> None:
    """End a log that says RESCHEDULED by a run that is over: what it covered before, it covers still."""
    covered = log.covered_since is not None and log.unlaunched_since is None
    connection.execute(
        update(harvest_log)
        .where(
            harvest_log.c.id == log.id,
            harvest_log.c.status == "RESCHEDULED",
            harvest_log.c.run_id == log.run_id,
        )
        .values(
            status="SUCCEEDED" if covered else "CANCELLED",
            date_completed=now,
            error=None if covered else error,
        )
    )


def reschedule(
    connection: Connection, series: Series, window: Window, *, run_id: str, holder: str | None, error: str
) -> None:
    """Note that a run waits for its turn, unless the row is that of the run it waits for (Lesson 12)."""
    log = _get_or_create(connection, series, window, "RESCHEDULED")
    connection.execute(
        update(harvest_log)
        .where(
            harvest_log.c.id == log.id,
            harvest_log.c.status != "STARTED",
            harvest_log.c.run_id.is_distinct_from(holder),
        )
        .values(status="RESCHEDULED", run_id=run_id, error=error)
    )


def _get_or_create(connection: Connection, series: Series, window: Window, status: str) -> HarvestLog:
    insert_or_ignore(
        connection,
        harvest_log,
        {
            "ingest_config_id": series.ingest_config_id,
            "harvester_version": series.harvester_version,
            "start_date": window.start,
            "end_date": window.end,
            "status": status,
        },
    )
    log = find(connection, series, window)
    assert log is not None  # noqa: S101  # it was just got or created
    return log
