"""The HarvestLog: one row for each window of an IngestConfig under one harvester version.

The module reads logs. `transitions` changes their status, `counters` their counts. `run_attempts` has the runs that
worked on a log. `coverage_rule` decides which time logs cover.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, bindparam, case, exists, func, or_, select

from harvest_dagster.storage.counts import COUNT_NAMES, Counts
from harvest_dagster.storage.tables import harvest_log, harvest_log_run
from harvest_dagster.windows import ALL_TIME, Window


@dataclass(frozen=True)
class HarvestLog:
    """One row of the table harvest_log.

    Attributes:
        evidence: why the window is complete, one of `tables.EVIDENCE`; None until a harvest succeeded.
        counts: the counts of the present fetch attempt.
        expected: the source's own total; None if it gives none.
        identifiers: number of different identifiers in the list; None if the harvester gives none.
        covered_since: start of the list by which this log covers its window; None if it never did. A later failure
            does not change this.
        covered_until: the end of what it covers, if that is before the end of its window; otherwise None.
        unlaunched_since: start of the list whose stored data are not all launched yet; None if all are.
        record_limit: the `limit` of the last harvest.
        attempt: number of the present fetch attempt.
        attempt_began: start of the list of the present fetch attempt, by our clock.
        pages_stored: number of pages that are stored, where store continues after a crash.
        doubt: why an empty answer, or the end of a list, may be wrong; None if there is no doubt.
        doubted_since: start of the first of the lists in a row that were doubtful.
        records_before: number of records of the last harvest of this window that had some.
        arguments_digest: SHA-256 of the arguments that were asked with; None in rows from before the upgrade.
        arguments: these arguments, for people.
        values_digest: digest of the values behind their `${NAME}` (`value_digests`); None if there are none, and in
            rows from before the upgrade.
        has_other_values: whether the last run of the source found other values. The log then covers nothing.
    """

    id: int
    ingest_config_id: int
    harvester_version: int
    window: Window
    status: str
    date_started: datetime | None
    date_completed: datetime | None
    error: str | None
    completions: int
    completeness: str | None
    evidence: str | None
    run_id: str | None
    parent_id: int | None
    counts: Counts
    expected: int | None
    identifiers: int | None
    covered_since: datetime | None
    covered_until: datetime | None
    unlaunched_since: datetime | None
    record_limit: int | None
    attempt: int
    attempt_began: datetime | None
    pages_stored: int
    doubt: str | None
    doubted_since: datetime | None
    records_before: int | None
    arguments_digest: str | None
    arguments: dict[str, Any] | None
    values_digest: str | None
    has_other_values: bool


@dataclass(frozen=True)
class LogScope:
    """All logs of one IngestConfig under one harvester version.

    Attributes:
        arguments_digest: of the arguments that decide what the source is asked. Logs of other arguments cover nothing.
            None: logs of any arguments count.
    """

    ingest_config_id: int
    harvester_version: int
    arguments_digest: str | None = None

    @property
    def clause(self) -> ColumnElement[bool]:
        """Return the condition that selects these logs."""
        return and_(
            harvest_log.c.ingest_config_id == self.ingest_config_id,
            harvest_log.c.harvester_version == self.harvester_version,
        )


_JOINED = ("window", "counts")  # attributes that combine several columns
_FINISHED = ("SUCCEEDED", "FAILED")
_BY_ID = select(harvest_log).where(harvest_log.c.id == bindparam("log_id"))  # the most frequent query
# The columns that decide about coverage (`coverage_rule`, `coverage.intervals`). Errors and arguments are long.
COVERAGE_COLUMNS = tuple(
    harvest_log.c[name]
    for name in (
        "id",
        "ingest_config_id",
        "harvester_version",
        "start_date",
        "end_date",
        "status",
        "date_started",
        "completeness",
        "covered_since",
        "covered_until",
        "unlaunched_since",
        "record_limit",
        "attempt_began",
        "arguments_digest",
        "has_other_values",
    )
)


def get_log(connection: Connection, log_id: int) -> HarvestLog:
    """Return the log with this primary key."""
    return log_of(connection.execute(_BY_ID, {"log_id": log_id}).one())


def find_log(connection: Connection, scope: LogScope, window: Window) -> HarvestLog | None:
    """Return the log of exactly this window, if there is one."""
    row = connection.execute(select(harvest_log).where(scope.clause, is_exactly(window))).first()
    return None if row is None else log_of(row)


def find_overlapping(
    connection: Connection, scope: LogScope, window: Window, *conditions: ColumnElement[bool]
) -> list[HarvestLog]:
    """Return the logs whose windows overlap with `window` and that meet the conditions, ordered by their start.

    A SPLIT log is included only if its whole range was once harvested as one window.
    """
    rows = connection.execute(
        select(harvest_log)
        .where(
            scope.clause,
            is_own_window(),
            harvest_log.c.start_date < window.end,
            harvest_log.c.end_date > window.start,
            *conditions,
        )
        .order_by(harvest_log.c.start_date, harvest_log.c.end_date)
    )
    return [log_of(row) for row in rows]


def find_succeeded_windows(connection: Connection, ingest_config_id: int, within: Window) -> list[Window]:
    """Return the windows of a source that were ever harvested, whether they still count as covered or not.

    Args:
        connection: a transaction.
        ingest_config_id: the source. All versions of its harvester and all arguments count.
        within: only windows that overlap this one.
    """
    bounds = (harvest_log.c.start_date, harvest_log.c.end_date)
    found = connection.execute(
        select(*bounds).where(
            harvest_log.c.ingest_config_id == ingest_config_id,
            harvest_log.c.completions > 0,
            harvest_log.c.start_date < within.end,
            harvest_log.c.end_date > within.start,
        )
    )
    return [Window(start, end) for start, end in found]


def find_unverified(connection: Connection, scope: LogScope, window: Window) -> list[HarvestLog]:
    """Return the logs that a sweep may prove complete, of those whose windows overlap with `window`.

    They have SUCCEEDED without a proof, asked with the arguments of today, had no `limit` (or kept the result of an
    earlier harvest without one), and all their data are launched.
    """
    columns, digest = harvest_log.c, scope.arguments_digest
    return find_overlapping(
        connection,
        scope,
        window,
        columns.status == "SUCCEEDED",
        columns.completeness == "unverified",
        columns.unlaunched_since.is_(None),
        ~columns.has_other_values,
        or_(columns.record_limit.is_(None), columns.covered_since.is_not(None)),
        or_(columns.covered_since.is_not(None), columns.doubt.is_not(None)),
        *(
            []
            if digest is None
            else [or_(columns.arguments_digest.is_(None), columns.arguments_digest == digest)]
        ),
    )


def is_own_window() -> ColumnElement[bool]:
    """Return the condition that a log is not only the range of other windows, SPLIT and never harvested."""
    return or_(
        harvest_log.c.status != "SPLIT",
        harvest_log.c.covered_since.is_not(None),
        harvest_log.c.unlaunched_since.is_not(None),
    )


def is_unlaunched() -> ColumnElement[bool]:
    """Return the condition that a log has data that are stored and not all launched.

    The range is there for PostgreSQL. Without statistics it assumes that hardly any value is null, and reads the whole
    table. It assumes that few values are in a range, and reads the index of such logs.
    """
    since = harvest_log.c.unlaunched_since
    return and_(since >= ALL_TIME.start, since <= ALL_TIME.end)


def find_last_finished(connection: Connection, scope: LogScope, count: int) -> list[HarvestLog]:
    """Return the newest logs that SUCCEEDED or FAILED, newest first.

    Logs that FAILED because their run was killed are left out: the source has not failed.
    """
    was_killed = exists().where(
        harvest_log_run.c.harvest_log_id == harvest_log.c.id,
        harvest_log_run.c.run_id == harvest_log.c.run_id,
        harvest_log_run.c.broken_off,
    )
    rows = connection.execute(
        select(harvest_log)
        .where(scope.clause, harvest_log.c.status.in_(_FINISHED), ~was_killed)
        .order_by(harvest_log.c.date_completed.desc(), harvest_log.c.id.desc())
        .limit(count)
    )
    return [log_of(row) for row in rows]


def is_superseded(
    connection: Connection,
    log: HarvestLog,
    own_runs: Collection[str | None] = (),
    settle: timedelta = timedelta(),
) -> bool:
    """Return whether another window has stored pages of a list that began later than the list of this log.

    The pages of this log may then have an older version of a record than the database. Storing them would bring the
    older version back.

    Args:
        connection: to read with.
        log: a log with a fetch attempt that has begun and is not stored yet.
        own_runs: a window of these runs counts only if it ends after this log's list began, less `settle`: earlier
            windows cannot contain records that changed since.
        settle: how long after the end of a window the source may still add changes to it.
    """
    assert log.attempt_began is not None  # noqa: S101  # the caller checks it
    later = select(harvest_log.c.id).where(
        harvest_log.c.ingest_config_id == log.ingest_config_id,
        harvest_log.c.id != log.id,
        harvest_log.c.attempt_began > log.attempt_began,
        harvest_log.c.pages_stored > 0,
        or_(harvest_log.c.run_id.not_in(list(own_runs)), harvest_log.c.end_date > log.attempt_began - settle),
    )
    return connection.scalar(later.limit(1)) is not None


def find_open(connection: Connection, ingest_config_id: int | None = None) -> list[HarvestLog]:
    """Return the logs that are STARTED or RESCHEDULED, of one config or of all."""
    statement = select(harvest_log).where(harvest_log.c.status.in_(("STARTED", "RESCHEDULED")))
    if ingest_config_id is not None:
        statement = statement.where(harvest_log.c.ingest_config_id == ingest_config_id)
    return [log_of(row) for row in connection.execute(statement)]


def find_by_run(connection: Connection, config_id: int, *run_ids: str) -> list[HarvestLog]:
    """Return the logs of a source that these runs were the last to write. Windows come before their range.

    A run may harvest several sources.
    """
    rows = connection.execute(
        select(harvest_log)
        .where(harvest_log.c.run_id.in_(run_ids), harvest_log.c.ingest_config_id == config_id)
        .order_by(case((harvest_log.c.status == "SPLIT", 1), else_=0), harvest_log.c.start_date)
    )
    return [log_of(row) for row in rows]


def count_failed_windows(connection: Connection, config_id: int, run_id: str) -> int:
    """Return the number of FAILED windows of a source that this run was the last to write."""
    failed = select(func.count()).where(
        harvest_log.c.run_id == run_id,
        harvest_log.c.ingest_config_id == config_id,
        harvest_log.c.status == "FAILED",
    )
    return connection.execute(failed).scalar_one()


def is_exactly(window: Window) -> ColumnElement[bool]:
    """Return the condition that a row has exactly this window."""
    return and_(harvest_log.c.start_date == window.start, harvest_log.c.end_date == window.end)


def log_of(row: Row[Any]) -> HarvestLog:
    """Return the log of a row. An attribute whose column was not selected is None, and a count is 0."""
    values = row._mapping  # SQLAlchemy's public name for it
    plain: dict[str, Any] = {f.name: values.get(f.name) for f in fields(HarvestLog) if f.name not in _JOINED}
    return HarvestLog(
        **plain,
        window=Window(values["start_date"], values["end_date"]),
        counts=Counts(**{name: values.get(name, 0) for name in COUNT_NAMES}),
    )
