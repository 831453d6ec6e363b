"""Read the state of all sources in one statement each: failed windows, data that wait for a transform.

Sensors use it, which evaluate a thousand sources every minute. `source_coverage` reads the coverage of all sources;
`queries` and `transform_queue.queue` read the state of one source.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import groupby
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    and_,
    exists,
    func,
    literal_column,
    or_,
    select,
    true,
    union_all,
)

from harvest_dagster.storage.counts import Counts
from harvest_dagster.storage.harvest_log.queries import (
    COVERAGE_COLUMNS,
    HarvestLog,
    LogScope,
    is_own_window,
    is_unlaunched,
    log_of,
)
from harvest_dagster.storage.tables import harvest_log, harvest_log_run, ingest_config, ingest_log, quarantine
from harvest_dagster.texts import first_line
from harvest_dagster.windows import Window

_FAILED = ("FAILED", "CANCELLED")
# A literal: with a parameter, neither database uses the partial index.
_PENDING: ColumnElement[str] = literal_column("'PENDING'")


@dataclass(frozen=True)
class FailedWindow:
    """A window that is not covered because runs failed or were cancelled, or because there is a doubt about its list.

    Attributes:
        window: the window.
        failed_runs: number of runs that failed or were cancelled at it; all its runs if there is a doubt.
        last_failure: end of the last of these runs.
        log_id: its harvest log.
    """

    window: Window
    failed_runs: int
    last_failure: datetime
    log_id: int = field(default=0, compare=False)


@dataclass(frozen=True)
class PendingDay:
    """A day with data that are PENDING for a transformer version.

    Attributes:
        first_pending: when the first of these data became PENDING.
        last_pending: when the last of them did.
    """

    ingest_config_id: int
    transformer_version: int
    day: date
    first_pending: datetime
    last_pending: datetime


def find_config_ids(connection: Connection) -> dict[str, int]:
    """Return the primary keys of all sources that were ever harvested, by label."""
    rows = connection.execute(select(ingest_config.c.label, ingest_config.c.id))
    return {row.label: row.id for row in rows}


def find_failed_windows(
    connection: Connection, ids: Collection[int] | None = None
) -> dict[LogScope, list[FailedWindow]]:
    """Return the windows that are not covered because runs failed or were cancelled, or because of a doubt.

    A covered window is not covered any more if a later run stored data and failed before it launched them. Runs with
    a `limit` are left out, except if they left such data in a covered window.
    """
    rows = connection.execute(
        union_all(
            *(
                _windows(condition, counted).where(_among(harvest_log.c.ingest_config_id, ids))
                for condition, counted in (
                    (_has_failed(), harvest_log_run.c.status.in_(_FAILED)),
                    (_is_split(), harvest_log_run.c.status.in_(_FAILED)),
                    (_is_doubtful(), true()),
                )
            )
        )
    )
    found: dict[LogScope, list[FailedWindow]] = {}
    for row in sorted(rows, key=lambda row: row.start_date):
        if row.failed_runs:
            found.setdefault(_scope(row), []).append(
                FailedWindow(Window(row.start_date, row.end_date), row.failed_runs, row.last_failure, row.id)
            )
    return found


def _windows(condition: ColumnElement[bool], counted: ColumnElement[bool]) -> Select[Any]:
    """Select the logs that meet a condition, with the number and the last end of the run attempts that count.

    Each log has its own look-up of attempts. A join would read all attempts if PostgreSQL has no statistics.
    """
    number, last = (
        select(value)
        .where(harvest_log_run.c.harvest_log_id == harvest_log.c.id, counted)
        .correlate(harvest_log)
        .scalar_subquery()
        for value in (func.count(harvest_log_run.c.run_id), func.max(harvest_log_run.c.date_completed))
    )
    return select(
        harvest_log.c.id,
        harvest_log.c.ingest_config_id,
        harvest_log.c.harvester_version,
        harvest_log.c.start_date,
        harvest_log.c.end_date,
        number.label("failed_runs"),
        last.label("last_failure"),
    ).where(condition)


def find_errors(connection: Connection, log_ids: Collection[int]) -> dict[int, str]:
    """Return the first line of the error of each of these logs that has one, or the doubt about its list."""
    reason = func.coalesce(harvest_log.c.error, harvest_log.c.doubt).label("error")
    rows = connection.execute(
        select(harvest_log.c.id, reason).where(harvest_log.c.id.in_(list(log_ids)), reason.is_not(None))
    )
    return {row.id: first_line(row.error) for row in rows}


def _is_doubtful() -> ColumnElement[bool]:
    return and_(
        harvest_log.c.status == "SUCCEEDED",
        harvest_log.c.doubt.is_not(None),
        harvest_log.c.covered_since.is_(None),
        harvest_log.c.record_limit.is_(None),
    )


def _has_failed() -> ColumnElement[bool]:
    never_covered = harvest_log.c.covered_since.is_(None)
    return and_(
        harvest_log.c.status.in_(_FAILED),
        or_(
            and_(never_covered, harvest_log.c.record_limit.is_(None)),
            and_(is_unlaunched(), or_(harvest_log.c.record_limit.is_(None), ~never_covered)),
        ),
    )


def _is_split() -> ColumnElement[bool]:
    """Return the condition that a range was split into windows later, and perhaps none of them has begun."""
    is_whole = or_(harvest_log.c.record_limit.is_(None), harvest_log.c.covered_since.is_not(None))
    return and_(harvest_log.c.status == "SPLIT", is_unlaunched(), is_whole)


def find_pending_days(connection: Connection, ids: Collection[int] | None = None) -> list[PendingDay]:
    """Return the days with PENDING data, of these configs or of all.

    Data that are PENDING for an older transformer version count, unless a newer version has a log for them.
    """
    newer = ingest_log.alias("newer")
    has_newer = exists().where(
        newer.c.raw_id == ingest_log.c.raw_id,
        newer.c.ingest_config_id == ingest_log.c.ingest_config_id,
        newer.c.transformer_version > ingest_log.c.transformer_version,
    )
    by = (ingest_log.c.ingest_config_id, ingest_log.c.transformer_version, ingest_log.c.partition_date)
    changed = ingest_log.c.date_modified
    rows = connection.execute(
        select(*by, func.min(changed), func.max(changed))
        .where(
            ingest_log.c.status == _PENDING,
            _among(ingest_log.c.ingest_config_id, ids),
            ~has_newer,
        )
        .group_by(*by)
        .order_by(*by)
    )
    return [PendingDay(*row) for row in rows]


def _scope(row: Row[Any]) -> LogScope:
    return LogScope(row.ingest_config_id, row.harvester_version)


def _among(column: ColumnElement[int], ids: Collection[int] | None) -> ColumnElement[bool]:
    return true() if ids is None else column.in_(list(ids))


_ROWS_AT_A_TIME = 2000


def find_logs_of_sources(
    connection: Connection, since: datetime, ids: Collection[int] | None = None
) -> Iterator[tuple[LogScope, list[HarvestLog]]]:
    """Yield the logs of each source and harvester version whose windows end after `since`, ordered by their start.

    Only the attributes that decide about coverage are set. One statement reads all sources, and the logs of one source
    at a time are in memory. The scopes have no digest of arguments.
    """
    rows = connection.execute(
        select(*COVERAGE_COLUMNS)
        .execution_options(yield_per=_ROWS_AT_A_TIME)
        .where(harvest_log.c.end_date > since, is_own_window(), _among(harvest_log.c.ingest_config_id, ids))
        .order_by(*COVERAGE_COLUMNS[1:5])
    )
    for scope, found in groupby(rows, key=_scope):
        yield scope, [log_of(row) for row in found]


def count_quarantined(connection: Connection, ids: Collection[int] | None = None) -> dict[int, int]:
    """Return the number of quarantined records of each config that has any."""
    rows = connection.execute(
        select(harvest_log.c.ingest_config_id, func.count())
        .join_from(quarantine, harvest_log)
        .where(_among(harvest_log.c.ingest_config_id, ids))
        .group_by(harvest_log.c.ingest_config_id)
    )
    return {row[0]: row[1] for row in rows}


def count_transforms(
    connection: Connection, ids: Collection[int] | None = None
) -> dict[tuple[int, int], dict[str, int]]:
    """Return by config and transformer version how many data are PENDING, STARTED and FAILED."""
    by = (ingest_log.c.ingest_config_id, ingest_log.c.transformer_version, ingest_log.c.status)
    rows = connection.execute(
        select(*by, func.count())
        .where(ingest_log.c.status.in_(("PENDING", "STARTED", "FAILED")), _among(by[0], ids))
        .group_by(*by)
    )
    found: dict[tuple[int, int], dict[str, int]] = {}
    for config_id, version, status, number in rows:
        found.setdefault((config_id, version), {})[status] = number
    return found


def sum_counts(connection: Connection, since: datetime) -> dict[int, Counts]:
    """Return the sums of requests, waits and recovery steps of the windows that began since then, by config.

    The other counts are zero.
    """
    names = ("requests", "seconds_waited", "recoveries")
    rows = connection.execute(
        select(harvest_log.c.ingest_config_id, *(func.sum(harvest_log.c[name]).label(name) for name in names))
        .where(harvest_log.c.date_started >= since)
        .group_by(harvest_log.c.ingest_config_id)
    )
    return {
        row.ingest_config_id: Counts(
            requests=int(row.requests),
            seconds_waited=float(row.seconds_waited),
            recoveries=int(row.recoveries),
        )
        for row in rows
    }
