"""Change the status of a harvest log: create it, mark it STARTED or SPLIT, and end it.

Each function that may change what a log covers also changes the covered windows of its source (`coverage_changes`).

Only the owner of the lease writes a row that is STARTED. Every caller except those of `mark_ended` and
`mark_rescheduled` therefore verifies the fencing token in the same transaction. Reading logs is in `queries`,
counting during the harvest in `counters`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, case, update

from harvest_dagster.storage.counts import COUNT_NAMES
from harvest_dagster.storage.harvest_log import coverage_changes, run_attempts
from harvest_dagster.storage.harvest_log.queries import HarvestLog, LogScope, find_log, get_log
from harvest_dagster.storage.tables import harvest_log
from harvest_dagster.storage.upsert import insert_or_ignore
from harvest_dagster.windows import Window, whole_day, whole_days

# Two doubtful lists with this time between them are believed. A transient error of the source is over by then.
_CONFIRMED_AFTER = timedelta(hours=1)

# The columns that are cleared if a window was harvested with other arguments.
_RESULT_OF_OTHERS = ("covered_since", "covered_until", "records_before", "doubted_since")

# The columns that start from zero with each fetch attempt.
_RESET = dict.fromkeys((*COUNT_NAMES, "pages_stored"), 0)


def mark_started(
    connection: Connection,
    scope: LogScope,
    window: Window,
    *,
    run_id: str,
    now: datetime,
    parent_id: int | None = None,
    record_limit: int | None = None,
    arguments: Mapping[str, Any] | None = None,
    values_digest: str | None = None,
) -> HarvestLog:
    """Get or create the log of a window and mark it STARTED by this run. The caller holds the lease.

    The log keeps the counts of an unfinished fetch attempt: this run continues that attempt. It loses its coverage if
    it was harvested with other arguments (`scope.arguments_digest`) or values: this run asks for something else. A
    harvest with a `limit` proves nothing, so it leaves the result of a log that covers its window.

    Args:
        connection: a transaction under the lease.
        scope: whose log it is, with the digest of the arguments.
        window: the window.
        run_id: this run.
        now: the time.
        parent_id: the log of the range that the window is a part of.
        record_limit: the `limit` for this window.
        arguments: the arguments that decide what the source is asked.
        values_digest: digest of the values behind their `${NAME}`.
    """
    log = _get_or_create(connection, scope, window, "STARTED")
    digest = scope.arguments_digest
    is_other = log.has_other_values or (digest is not None and log.arguments_digest not in (None, digest))
    keeps_result = record_limit is not None and log.covered_since is not None and not is_other
    values: dict[str, Any] = {
        "status": "STARTED",
        "run_id": run_id,
        "date_started": now,
        "date_completed": None,
        "error": None,
        **({} if keeps_result else dict.fromkeys(("completeness", "evidence", "doubt"))),
        **(dict.fromkeys(_RESULT_OF_OTHERS) if is_other else {}),
        "arguments_digest": digest,
        "arguments": None if arguments is None else dict(arguments),
        "values_digest": values_digest,
        "has_other_values": False,
        "record_limit": record_limit,
        # A window that is repaired alone still belongs to the range it was split from.
        "parent_id": log.parent_id if parent_id is None else parent_id,
    }
    _update(connection, log.id, **values)
    run_attempts.record_start(connection, log.id, run_id, now)
    return _applied(connection, log.id)


def mark_resumed(connection: Connection, log_id: int, *, run_id: str, now: datetime) -> HarvestLog:
    """Mark a log STARTED by a run that continues it: a run that is re-executed from the op that failed."""
    values = {"status": "STARTED", "run_id": run_id, "date_completed": None, "error": None}
    _update(connection, log_id, **values)
    run_attempts.record_start(connection, log_id, run_id, now)
    return _applied(connection, log_id)


def begin_attempt(connection: Connection, log_id: int, now: datetime) -> HarvestLog:
    """Begin a new fetch attempt: pages of earlier attempts in the spool are not used, all counts start from zero.

    Quarantined records of earlier attempts stay until the new list is stored (`quarantine.remove_outdated`), because
    the new attempt may fail at once.
    """
    _update(
        connection,
        log_id,
        attempt=harvest_log.c.attempt + 1,
        attempt_began=now,
        records_before=case(
            (harvest_log.c.records > 0, harvest_log.c.records), else_=harvest_log.c.records_before
        ),
        expected=None,
        identifiers=None,
        **_RESET,
    )
    return _applied(connection, log_id)


def mark_split(
    connection: Connection, scope: LogScope, window: Window, *, run_id: str, now: datetime
) -> HarvestLog:
    """Get or create the log of a range that has several windows, and mark it SPLIT."""
    log = _get_or_create(connection, scope, window, "SPLIT")
    _update(
        connection,
        log.id,
        status="SPLIT",
        run_id=run_id,
        date_started=now,
        date_completed=now,
        error=None,
        completeness=None,
        evidence=None,
        expected=None,
        identifiers=None,
        # Its windows have the counts now. A sum over all logs must not contain a record twice.
        **_RESET,
    )
    return _applied(connection, log.id)


def mark_succeeded(
    connection: Connection,
    log_id: int,
    *,
    now: datetime,
    completeness: str,
    evidence: str | None = None,
    doubt: str | None = None,
    asked_until: datetime | None = None,
    source_time: datetime | None = None,
    settle: timedelta = timedelta(),
    is_snapshot: bool = False,
) -> HarvestLog:
    """Mark a window SUCCEEDED.

    The log covers its window from now on if its list began at least `settle` after the end of what was asked and no
    `limit` truncated it (docs/failures.md#coverage-too-early). After a repetition with a `limit`, a log that covers its
    window keeps the result of the earlier harvest.

    Args:
        connection: a transaction under the lease.
        log_id: the log of the window.
        now: the time.
        completeness: `complete` or `unverified`.
        evidence: why it is complete, one of `tables.EVIDENCE`.
        doubt: why an empty answer, or the end of a list, may be wrong. The log then covers its window only
            if an earlier harvest had the same doubt (`is_confirmed`).
        asked_until: end of what the source was asked for, if that is later than the end of the window: a source with
            day granularity is asked for whole days.
        source_time: the earliest time of a list page by the clock of the source, if it gives one. The list began
            then, if that is earlier than by our clock: the source is behind, or a cache repeated an old answer.
        settle: see above.
        is_snapshot: whether the list is one of the whole source. If it began before the end of the window by the clock
            of the source, it still covers the days that had ended.
    """
    log = get_log(connection, log_id)
    began = log.attempt_began
    is_late_enough = began_late_enough(log, settle, asked_until=asked_until, source_time=source_time)
    covered_until = None if is_late_enough or not is_snapshot else covered_days_end(log, source_time)
    may_cover = log.record_limit is None and (doubt is None or is_confirmed(log))
    covers_now = may_cover and (is_late_enough or _covers_more(log, covered_until))
    if log.record_limit is not None and log.covered_since is not None:
        completeness, evidence, doubt = log.completeness or completeness, log.evidence, log.doubt
    # A complete list launches everything that an earlier list left unlaunched. A list with a `limit` may not.
    leaves_unlaunched = log.record_limit is not None and log.unlaunched_since != began
    _update(
        connection,
        log_id,
        status="SUCCEEDED",
        date_completed=now,
        error=None,
        completions=log.completions + 1,
        completeness=completeness,
        evidence=evidence,
        doubt=doubt,
        doubted_since=None if doubt is None else log.doubted_since or began,
        covered_since=began if covers_now else log.covered_since,
        covered_until=covered_until if covers_now else log.covered_until,
        unlaunched_since=log.unlaunched_since if leaves_unlaunched else None,
    )
    run_attempts.record_end(connection, log_id, log.run_id, "SUCCEEDED", now=now, error=None)
    return _applied(connection, log_id)


def mark_doubtful(connection: Connection, log_id: int, doubt: str) -> HarvestLog:
    """Doubt a window that has SUCCEEDED. It no longer covers its time, until another harvest finds the same.

    Args:
        connection: a transaction under the lease.
        log_id: the log of the window.
        doubt: why its list may be wrong.
    """
    log = get_log(connection, log_id)
    values = {
        "doubt": doubt,
        "doubted_since": log.attempt_began,
        "covered_since": None,
        "covered_until": None,
    }
    _update(connection, log_id, **values)
    return _applied(connection, log_id)


def mark_reconciled(connection: Connection, log_id: int, *, settle: timedelta = timedelta()) -> HarvestLog:
    """Mark a window that has SUCCEEDED `complete`: a later sweep found the same identifiers on all its days.

    This also settles a doubt about its list. The log then covers its window, if its list began late enough.

    Args:
        connection: a transaction under the lease.
        log_id: the log of the window.
        settle: of the config.
    """
    log = get_log(connection, log_id)
    # A source with day granularity was asked for whole days.
    is_late_enough = began_late_enough(log, settle, asked_until=whole_days(log.window).end)
    covers_now = log.record_limit is None and is_late_enough
    values = {
        "completeness": "complete",
        "evidence": "reconciled",
        "doubt": None,
        "doubted_since": None,
        "covered_since": log.attempt_began if covers_now and log.doubt else log.covered_since,
    }
    _update(connection, log_id, **values)
    return _applied(connection, log_id)


def is_confirmed(log: HarvestLog) -> bool:
    """Return whether a doubtful list is confirmed: an earlier one, begun an hour before or more, was doubtful, too."""
    if log.doubted_since is None or log.attempt_began is None:
        return False
    return log.attempt_began - log.doubted_since >= _CONFIRMED_AFTER


def began_late_enough(
    log: HarvestLog,
    settle: timedelta,
    *,
    asked_until: datetime | None = None,
    source_time: datetime | None = None,
) -> bool:
    """Return whether the list of a log began at least `settle` after the end of what was asked.

    The arguments are those of `mark_succeeded`.
    """
    if log.attempt_began is None:
        return False
    began = min(filter(None, (log.attempt_began, source_time)))
    return began >= max(filter(None, (log.window.end, asked_until))) + settle


def covered_days_end(log: HarvestLog, source_time: datetime | None) -> datetime | None:
    """Return the end of the days of a snapshot's window that had ended when its list began; None if there are none.

    Args:
        log: the log of the snapshot.
        source_time: the time of the list by the clock of the source, if it gives one.
    """
    known = [instant for instant in (log.attempt_began, source_time) if instant is not None]
    if log.attempt_began is None:
        return None
    until = whole_day(min(known).date()).start
    return until if log.window.start < until < log.window.end else None


def _covers_more(log: HarvestLog, covered_until: datetime | None) -> bool:
    """Return whether a snapshot covers a part of its window, and not less than the log has covered so far."""
    if covered_until is None:
        return False
    return log.covered_since is None or (log.covered_until is not None and log.covered_until <= covered_until)


def restore_succeeded(connection: Connection, log_id: int, *, now: datetime) -> int:
    """Mark a RESCHEDULED log SUCCEEDED again, because it still covers its window. Return its key."""
    _update(connection, log_id, status="SUCCEEDED", date_completed=now, error=None)
    return _applied(connection, log_id).id


def mark_ended(
    connection: Connection,
    log: HarvestLog,
    status: str,
    *,
    now: datetime,
    error: str,
    broken_off: bool = False,
    host_unreachable: bool = False,
) -> None:
    """Mark a STARTED log FAILED or CANCELLED, unless another run has started it since. It keeps its coverage.

    Args:
        connection: a write transaction.
        log: the log as it was read.
        status: FAILED or CANCELLED.
        now: the time.
        error: the reason.
        broken_off: whether the run was killed, so that another run calls this for it.
        host_unreachable: whether the run could not connect to the host of the source.
    """
    connection.execute(
        update(harvest_log)
        .where(
            harvest_log.c.id == log.id, harvest_log.c.status == "STARTED", harvest_log.c.run_id == log.run_id
        )
        .values(status=status, date_completed=now, error=error)
    )
    run_attempts.record_end(
        connection,
        log.id,
        log.run_id,
        status,
        now=now,
        error=error,
        broken_off=broken_off,
        host_unreachable=host_unreachable,
    )


def close_rescheduled(connection: Connection, log: HarvestLog, *, now: datetime, error: str) -> None:
    """End a RESCHEDULED log whose run is over: SUCCEEDED if it still covers its window, otherwise CANCELLED."""
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
    coverage_changes.apply_changes(connection, log.ingest_config_id)


def mark_rescheduled(
    connection: Connection, scope: LogScope, window: Window, *, run_id: str, holder: str | None, error: str
) -> None:
    """Mark a window RESCHEDULED, unless its row belongs to the run that holds the lease.

    That row must stay as it is (docs/failures.md#foreign-row-overwritten).
    """
    log = _get_or_create(connection, scope, window, "RESCHEDULED")
    connection.execute(
        update(harvest_log)
        .where(
            harvest_log.c.id == log.id,
            harvest_log.c.status != "STARTED",
            harvest_log.c.run_id.is_distinct_from(holder),
        )
        .values(status="RESCHEDULED", run_id=run_id, error=error)
    )
    coverage_changes.apply_changes(connection, log.ingest_config_id)


def _update(connection: Connection, log_id: int, **values: Any) -> None:
    connection.execute(update(harvest_log).where(harvest_log.c.id == log_id).values(**values))


def _applied(connection: Connection, log_id: int) -> HarvestLog:
    """Apply the change of a log to the covered windows of its source, and return the log."""
    log = get_log(connection, log_id)
    coverage_changes.apply_changes(connection, log.ingest_config_id)
    return log


def _get_or_create(connection: Connection, scope: LogScope, window: Window, status: str) -> HarvestLog:
    insert_or_ignore(
        connection,
        harvest_log,
        {
            "ingest_config_id": scope.ingest_config_id,
            "harvester_version": scope.harvester_version,
            "start_date": window.start,
            "end_date": window.end,
            "status": status,
        },
    )
    log = find_log(connection, scope, window)
    assert log is not None  # noqa: S101  # the row was inserted above, or existed
    return log
