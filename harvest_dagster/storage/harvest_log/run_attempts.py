"""Run attempts: one row for each run that worked on a harvest log.

The log itself has only the last run (`transitions`). These rows keep the earlier ones.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import (
    CTE,
    ColumnElement,
    Connection,
    Integer,
    Row,
    String,
    and_,
    column,
    exists,
    func,
    literal,
    or_,
    select,
    true,
    update,
    values,
)

from harvest_dagster.storage.harvest_log.queries import HarvestLog, LogScope, log_of
from harvest_dagster.storage.tables import Instant, harvest_log, harvest_log_run
from harvest_dagster.storage.upsert import insert_or_ignore
from harvest_dagster.windows import ALL_TIME, Window

_MOST_LOGS = 10_000  # of a source that have ended since its last success


@dataclass(frozen=True)
class RunAttempt:
    """The work of one run on one log.

    Attributes:
        status: STARTED, SUCCEEDED, FAILED or CANCELLED.
    """

    harvest_log_id: int
    run_id: str
    status: str
    date_started: datetime
    date_completed: datetime | None
    error: str | None


@dataclass(frozen=True)
class WindowAttempt:
    """The work of one run on one window.

    Attributes:
        status: STARTED, SUCCEEDED, FAILED or CANCELLED.
    """

    window: Window
    run_id: str
    status: str


def record_start(connection: Connection, log_id: int, run_id: str, now: datetime) -> None:
    """Record that a run works on a log. It may have done so before."""
    insert_or_ignore(
        connection,
        harvest_log_run,
        {"harvest_log_id": log_id, "run_id": run_id, "status": "STARTED", "date_started": now},
    )
    connection.execute(
        update(harvest_log_run)
        .where(harvest_log_run.c.harvest_log_id == log_id, harvest_log_run.c.run_id == run_id)
        .values(status="STARTED", date_completed=None, error=None, host_unreachable=False)
    )


def record_end(
    connection: Connection,
    log_id: int,
    run_id: str | None,
    status: str,
    *,
    now: datetime,
    error: str | None,
    broken_off: bool = False,
    host_unreachable: bool = False,
) -> None:
    """Record how the work of a run on a log ended.

    Args:
        connection: a write transaction.
        log_id: the log.
        run_id: the run.
        status: SUCCEEDED, FAILED or CANCELLED.
        now: the time.
        error: the reason of a failure.
        broken_off: whether the run was killed, so that another run records this.
        host_unreachable: whether the run could not connect to the host of the source.
    """
    connection.execute(
        update(harvest_log_run)
        .where(
            harvest_log_run.c.harvest_log_id == log_id,
            harvest_log_run.c.run_id == run_id,
            harvest_log_run.c.status == "STARTED",
        )
        .values(
            status=status,
            date_completed=now,
            error=error,
            broken_off=broken_off,
            host_unreachable=host_unreachable,
        )
    )


def find_consecutive_failures(connection: Connection, scope: LogScope, most: int = 1000) -> list[RunAttempt]:
    """Return the failed run attempts since the last success of any window, oldest first, the newest `most` of them.

    Attempts of killed runs are left out: the source has not failed.
    """
    attempts_with_logs = harvest_log_run.join(
        harvest_log, harvest_log.c.id == harvest_log_run.c.harvest_log_id
    )
    last_success = (
        select(func.max(harvest_log_run.c.date_completed))
        .select_from(attempts_with_logs)
        .where(scope.clause, harvest_log_run.c.status == "SUCCEEDED")
        .scalar_subquery()
    )
    rows = connection.execute(
        select(*(harvest_log_run.c[field.name] for field in fields(RunAttempt)))
        .select_from(attempts_with_logs)
        .where(
            scope.clause,
            harvest_log_run.c.status == "FAILED",
            ~harvest_log_run.c.broken_off,
            or_(last_success.is_(None), harvest_log_run.c.date_completed > last_success),
        )
        .order_by(harvest_log_run.c.date_completed.desc())
        .limit(most)
    )
    return [RunAttempt(*row) for row in rows][::-1]


@dataclass(frozen=True)
class FailureStreak:
    """The failures of a source since its last success.

    Attributes:
        since: end of the first of these failed attempts.
        error: the error of the last one.
        host_unreachable: whether the last one could not connect to the host of the source.
    """

    since: datetime
    error: str | None
    host_unreachable: bool


def find_failure_streaks(
    connection: Connection, scopes: Collection[LogScope]
) -> dict[LogScope, FailureStreak]:
    """Return the failures since the last success of these scopes, for those that have any, in two statements.

    Attempts of killed runs are left out: the source has not failed. The statements read the logs that have ended since
    the last success, whatever the number of all logs.

    Args:
        connection: a transaction.
        scopes: the scopes. The arguments of their logs do not count, and the result has none.
    """
    if not scopes:
        return {}
    is_postgresql = connection.dialect.name == "postgresql"
    logs = _logs_since_success(
        {(scope.ingest_config_id, scope.harvester_version) for scope in scopes}, is_postgresql=is_postgresql
    )
    run = harvest_log_run.c
    found = (
        select(run.harvest_log_id, run.run_id, run.status, run.date_completed)
        .where(run.harvest_log_id == logs.c.log_id)
        .where(or_(run.status == "SUCCEEDED", and_(run.status == "FAILED", ~run.broken_off)))
    )
    # Without a limit, PostgreSQL may read all attempts and join them.
    ended = found.limit(_MOST_LOGS).lateral()
    names = (logs.c.config_id, logs.c.version)
    attempts = connection.execute(
        select(*names, ended).join_from(logs, ended, true()).order_by(ended.c.date_completed)
        if is_postgresql
        else found.add_columns(*names).order_by(run.date_completed)
    )
    failures: dict[LogScope, list[Row[Any]]] = {}
    for attempt in attempts:
        scope = LogScope(attempt.config_id, attempt.version)
        if attempt.status == "FAILED":
            failures.setdefault(scope, []).append(attempt)
        else:
            failures.pop(scope, None)
    last = {scope: (found[-1].harvest_log_id, found[-1].run_id) for scope, found in failures.items()}
    errors = _find_errors(connection, last.values())
    return {
        scope: FailureStreak(found[0].date_completed, *errors[last[scope]])
        for scope, found in failures.items()
    }


def _logs_since_success(scopes: Collection[tuple[int, int]], *, is_postgresql: bool) -> CTE:
    """Return the logs of each scope that have ended since its last success, that success, and those that are open.

    An attempt that succeeded may have failed again since. Then its log has ended later, or is open. A log that is only
    restored (`transitions.restore_succeeded`) is no success of a run.
    """
    of = values(column("config_id", Integer), column("version", Integer), name="scopes").data([*scopes]).cte()
    columns, ended = harvest_log.c, harvest_log.c.date_completed
    was_run = exists().where(
        harvest_log_run.c.harvest_log_id == columns.id,
        harvest_log_run.c.status == "SUCCEEDED",
        harvest_log_run.c.date_completed == ended,
    )
    of_scope = and_(columns.ingest_config_id == of.c.config_id, columns.harvester_version == of.c.version)
    success = (
        select(ended)
        .where(of_scope, columns.status == "SUCCEEDED", ended.is_not(None), was_run)
        .order_by(ended.desc())
        .limit(1)
        .correlate(of)
        .scalar_subquery()
    )
    never = literal(ALL_TIME.start, Instant())
    since = select(of, func.coalesce(success, never, type_=Instant()).label("since")).cte("since")
    is_same = and_(
        columns.ingest_config_id == since.c.config_id, columns.harvester_version == since.c.version
    )
    names = (since.c.config_id, since.c.version)
    log_id = columns.id.label("log_id")
    later = and_(is_same, ended >= since.c.since, ended <= ALL_TIME.end)
    if is_postgresql:
        # It assumes that a third of the logs is later, and reads all of them, unless there is a range and a limit.
        few = select(log_id).where(later).order_by(ended.desc()).limit(_MOST_LOGS).correlate(since).lateral()
        ended_since = select(*names, few.c.log_id).join_from(since, few, true())
    else:
        ended_since = select(*names, log_id).join_from(since, harvest_log, later)
    is_open = and_(is_same, columns.status.in_(("STARTED", "RESCHEDULED")), ended.is_(None))
    return ended_since.union_all(select(*names, log_id).join_from(since, harvest_log, is_open)).cte("logs")


def _find_errors(
    connection: Connection, keys: Collection[tuple[int, str]]
) -> dict[tuple[int, str], tuple[str | None, bool]]:
    """Return the error of each of these attempts, and whether it could not connect to the host of the source."""
    if not keys:
        return {}
    run = harvest_log_run.c
    wanted = values(column("log_id", Integer), column("run_id", String), name="wanted").data([*keys]).cte()
    rows = connection.execute(
        select(run.harvest_log_id, run.run_id, run.error, run.host_unreachable).join(
            wanted, and_(run.harvest_log_id == wanted.c.log_id, run.run_id == wanted.c.run_id)
        )
    )
    return {(row[0], row[1]): (row[2], row[3]) for row in rows}


@dataclass(frozen=True)
class WindowEnd:
    """How a window of a run ended.

    Attributes:
        failed: whether it FAILED; otherwise it SUCCEEDED.
        host_unreachable: whether it failed because the run could not connect to the host of the source.
    """

    failed: bool
    host_unreachable: bool


def find_last_ends(connection: Connection, scope: LogScope, run_id: str, most: int) -> list[WindowEnd]:
    """Return how the last windows of a run ended, newest first."""
    rows = connection.execute(
        select(harvest_log_run.c.status, harvest_log_run.c.host_unreachable)
        .join_from(harvest_log_run, harvest_log, harvest_log.c.id == harvest_log_run.c.harvest_log_id)
        .where(
            scope.clause,
            harvest_log_run.c.run_id == run_id,
            harvest_log_run.c.status.in_(("SUCCEEDED", "FAILED")),
        )
        .order_by(harvest_log_run.c.date_completed.desc())
        .limit(most)
    )
    return [WindowEnd(status == "FAILED", unreachable) for status, unreachable in rows]


def began_attempt(connection: Connection, log: HarvestLog, run_ids: Collection[str | None]) -> bool:
    """Return whether one of these runs began the present fetch attempt of a log, rather than continued it."""
    attempts = select(harvest_log_run.c.run_id).where(
        harvest_log_run.c.harvest_log_id == log.id,
        harvest_log_run.c.run_id.in_(list(run_ids)),
        harvest_log_run.c.date_started <= log.attempt_began,
    )
    return connection.scalar(attempts.limit(1)) is not None


def find_windows(
    connection: Connection, scope: LogScope, run_ids: Collection[str], within: Window
) -> list[WindowAttempt]:
    """Return the windows that these runs worked on, of those that overlap with `within`, the newest last."""
    rows = connection.execute(
        select(
            harvest_log.c.start_date,
            harvest_log.c.end_date,
            harvest_log_run.c.run_id,
            harvest_log_run.c.status,
        )
        .join_from(harvest_log_run, harvest_log, harvest_log.c.id == harvest_log_run.c.harvest_log_id)
        .where(
            scope.clause,
            harvest_log_run.c.run_id.in_(list(run_ids)),
            harvest_log.c.start_date < within.end,
            harvest_log.c.end_date > within.start,
        )
        .order_by(harvest_log_run.c.date_started, harvest_log_run.c.harvest_log_id)
    )
    return [WindowAttempt(Window(start, end), run_id, status) for start, end, run_id, status in rows]


@dataclass(frozen=True)
class HistoryEntry:
    """The work of one run on one window, with the present counts of the window.

    Attributes:
        log: the log of the window. Its counts and evidence are those of the last run that worked on it.
        attempt: the work of the run.
    """

    log: HarvestLog
    attempt: RunAttempt

    @property
    def is_last(self) -> bool:
        """Whether no other run has worked on the window since, so that the counts of the log are those of this run."""
        return self.log.run_id == self.attempt.run_id


def find_history(
    connection: Connection, ingest_config_id: int, most: int, within: Window | None = None
) -> list[HistoryEntry]:
    """Return the newest run attempts of a config under all harvester versions, the newest first.

    Args:
        connection: to read with.
        ingest_config_id: the config.
        most: the maximum number of attempts.
        within: only windows that overlap with this one.
    """
    columns = [harvest_log_run.c[field.name].label(f"attempt_{field.name}") for field in fields(RunAttempt)]
    statement = (
        select(harvest_log, *columns)
        .join_from(harvest_log_run, harvest_log, harvest_log.c.id == harvest_log_run.c.harvest_log_id)
        .where(harvest_log.c.ingest_config_id == ingest_config_id)
        .order_by(harvest_log_run.c.date_started.desc(), harvest_log_run.c.harvest_log_id.desc())
        .limit(most)
    )
    if within is not None:
        statement = statement.where(
            harvest_log.c.start_date < within.end, harvest_log.c.end_date > within.start
        )
    return [
        HistoryEntry(
            log_of(row), RunAttempt(*(row._mapping[f"attempt_{field.name}"] for field in fields(RunAttempt)))
        )
        for row in connection.execute(statement)
    ]


def find_by_log(connection: Connection, log_id: int) -> list[RunAttempt]:
    """Return the attempts at a log, in order."""
    return _find(connection, harvest_log_run.c.harvest_log_id == log_id)


def find_by_run(connection: Connection, run_id: str) -> list[RunAttempt]:
    """Return the attempts of a run, in order, even at logs that another run has started since."""
    return _find(connection, harvest_log_run.c.run_id == run_id)


def _find(connection: Connection, condition: ColumnElement[bool]) -> list[RunAttempt]:
    columns = [harvest_log_run.c[field.name] for field in fields(RunAttempt)]
    rows = connection.execute(
        select(*columns)
        .where(condition)
        .order_by(harvest_log_run.c.date_started, harvest_log_run.c.harvest_log_id)
    )
    return [RunAttempt(*row) for row in rows]
