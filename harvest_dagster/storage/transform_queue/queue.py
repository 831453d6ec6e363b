"""The transform queue: each ingest log names a datum, a transformer version and the status of the transform.

A log belongs to the partition of one day. PENDING logs wait for the transform asset. A run claims them: they become
STARTED. The run then marks each log SUCCEEDED or FAILED. If the run dies before, its STARTED logs become PENDING again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Date,
    and_,
    bindparam,
    exists,
    func,
    literal,
    select,
    update,
)

from harvest_dagster.storage.key_sets import is_one_of, prefer_indexes
from harvest_dagster.storage.tables import ingest_log, raw_datum, source_unique_identifier
from harvest_dagster.storage.upsert import dialect_insert


@dataclass(frozen=True)
class TransformQueue:
    """The ingest logs of one IngestConfig under one transformer version."""

    ingest_config_id: int
    transformer_version: int

    @property
    def clause(self) -> ColumnElement[bool]:
        """Return the condition that selects these logs."""
        return and_(
            ingest_log.c.ingest_config_id == self.ingest_config_id,
            ingest_log.c.transformer_version == self.transformer_version,
        )


@dataclass(frozen=True, slots=True)
class ClaimedDatum:
    """A datum that a run has claimed."""

    log_id: int
    raw_id: int
    revision: int
    suid_id: int
    identifier: str
    datum: str
    deleted: bool
    day: date


def enqueue_older_versions(
    connection: Connection, queue: TransformQueue, days: tuple[date, date], now: datetime
) -> None:
    """Create PENDING logs for data that only older transformer versions have transformed.

    Args:
        connection: a write transaction.
        queue: the logs of the config under its current transformer version.
        days: first and last partition, both included.
        now: the time.
    """
    values: dict[str, ColumnElement[Any]] = {
        "raw_id": ingest_log.c.raw_id,
        "ingest_config_id": literal(queue.ingest_config_id),
        "transformer_version": literal(queue.transformer_version),
        "status": literal("PENDING"),
        "partition_date": func.max(ingest_log.c.partition_date, type_=Date),
        "revision": func.max(ingest_log.c.revision),
        "date_created": literal(now, type_=ingest_log.c.date_created.type),
        "date_modified": literal(now, type_=ingest_log.c.date_created.type),
    }
    outdated = (
        select(*values.values())
        .where(_is_outdated(queue), ingest_log.c.partition_date.between(*days))
        .group_by(ingest_log.c.raw_id)
    )
    # Another run may insert the same logs at the same time.
    insert = dialect_insert(connection, ingest_log).from_select(list(values), outdated)
    connection.execute(insert.on_conflict_do_nothing())


def _is_outdated(queue: TransformQueue) -> ColumnElement[bool]:
    """Return the condition that a log has an older version, and its datum has no log under the current version."""
    current = ingest_log.alias("current")
    has_current = exists().where(
        current.c.raw_id == ingest_log.c.raw_id,
        current.c.ingest_config_id == queue.ingest_config_id,
        current.c.transformer_version == queue.transformer_version,
    )
    return and_(
        ingest_log.c.ingest_config_id == queue.ingest_config_id,
        ingest_log.c.transformer_version < queue.transformer_version,
        ingest_log.c.status != "CREATED",
        ~has_current,
    )


def requeue_orphans(
    connection: Connection, queue: TransformQueue, run_ids: Sequence[str], now: datetime
) -> None:
    """Mark the STARTED logs of these dead runs PENDING."""
    connection.execute(
        update(ingest_log)
        .where(queue.clause, ingest_log.c.status == "STARTED", ingest_log.c.run_id.in_(run_ids))
        .values(status="PENDING", run_id=None, date_modified=now)
    )


def find_claiming_runs(connection: Connection, queue: TransformQueue) -> list[str]:
    """Return the runs that have STARTED logs of this queue."""
    return list(
        connection.scalars(
            select(ingest_log.c.run_id).where(queue.clause, ingest_log.c.status == "STARTED").distinct()
        )
    )


def requeue_days(
    connection: Connection, queue: TransformQueue, days: tuple[date, date], now: datetime
) -> None:
    """Mark the SUCCEEDED and FAILED logs of these days PENDING. STARTED and CREATED logs stay as they are."""
    connection.execute(
        update(ingest_log)
        .where(
            queue.clause,
            ingest_log.c.status.in_(("SUCCEEDED", "FAILED")),
            ingest_log.c.partition_date.between(*days),
        )
        .values(status="PENDING", error=None, run_id=None, date_modified=now)
    )


def count_transformed(
    connection: Connection, queue: TransformQueue, days: tuple[date, date]
) -> dict[date, int]:
    """Return how many data of each of these days are transformed. A day without any is missing."""
    rows = connection.execute(
        select(ingest_log.c.partition_date, func.count().label("documents"))
        .where(
            queue.clause,
            ingest_log.c.status == "SUCCEEDED",
            ingest_log.c.partition_date.between(*days),
        )
        .group_by(ingest_log.c.partition_date)
    )
    return {row.partition_date: row.documents for row in rows}


def find_days(connection: Connection, ingest_config_id: int, days: tuple[date, date]) -> list[date]:
    """Return the days of these that have ingest logs of any transformer version, in order."""
    day = ingest_log.c.partition_date
    found = (
        select(day)
        .where(ingest_log.c.ingest_config_id == ingest_config_id, day.between(*days))
        .distinct()
        .order_by(day)
    )
    return list(connection.scalars(found))


def requeue_current(
    connection: Connection, queue: TransformQueue, day: date, now: datetime, *, only_failed: bool = False
) -> int:
    """Mark the current content of each identifier of a day PENDING for the present version, whatever its status.

    This includes data that were CREATED, because the source had no transformer or the run was not to transform. Data
    that a run has STARTED stay with that run. Other contents are history, and stay as they are.

    Args:
        connection: a write transaction.
        queue: the logs of the config under its present transformer version.
        day: the partition.
        now: the time.
        only_failed: only data whose transform failed under the present version.

    Returns:
        The number of data that are PENDING now because of this call.
    """
    added = 0 if only_failed else _add_missing(connection, queue, day, now)
    statuses = ("FAILED",) if only_failed else ("SUCCEEDED", "FAILED", "CREATED")
    changed = connection.execute(
        update(ingest_log)
        .where(
            queue.clause,
            ingest_log.c.status.in_(statuses),
            ingest_log.c.partition_date == day,
            _is_current(ingest_log.c.raw_id),
        )
        .values(status="PENDING", error=None, run_id=None, date_modified=now)
    )
    return added + int(changed.rowcount)


def _add_missing(connection: Connection, queue: TransformQueue, day: date, now: datetime) -> int:
    """Create a PENDING log for current data that have logs of other versions only. Return their number."""
    own = ingest_log.alias("own")
    has_own = exists().where(
        own.c.raw_id == ingest_log.c.raw_id,
        own.c.ingest_config_id == queue.ingest_config_id,
        own.c.transformer_version == queue.transformer_version,
    )
    values: dict[str, ColumnElement[Any]] = {
        "raw_id": ingest_log.c.raw_id,
        "ingest_config_id": literal(queue.ingest_config_id),
        "transformer_version": literal(queue.transformer_version),
        "status": literal("PENDING"),
        "partition_date": literal(day, type_=Date),
        "revision": func.max(ingest_log.c.revision),
        "date_created": literal(now, type_=ingest_log.c.date_created.type),
        "date_modified": literal(now, type_=ingest_log.c.date_created.type),
    }
    missing = (
        select(*values.values())
        .where(
            ingest_log.c.ingest_config_id == queue.ingest_config_id,
            ingest_log.c.partition_date == day,
            ~has_own,
            _is_current(ingest_log.c.raw_id),
        )
        .group_by(ingest_log.c.raw_id)
    )
    # The driver of PostgreSQL reports no number of rows for INSERT ... SELECT.
    number = connection.scalar(select(func.count()).select_from(missing.subquery())) or 0
    insert = dialect_insert(connection, ingest_log).from_select(list(values), missing)
    connection.execute(insert.on_conflict_do_nothing())
    return number


def _is_current(raw_id: ColumnElement[int]) -> ColumnElement[bool]:
    """Return the condition that a datum is the current content of its identifier."""
    datum, newer = raw_datum.alias("datum"), raw_datum.alias("newer")
    has_newer = exists().where(newer.c.suid_id == datum.c.suid_id, newer.c.revision > datum.c.revision)
    return exists().where(datum.c.id == raw_id, ~has_newer)


def claim_pending(
    connection: Connection,
    queue: TransformQueue,
    days: tuple[date, date],
    *,
    count: int,
    run_id: str,
    now: datetime,
) -> list[ClaimedDatum]:
    """Claim up to `count` PENDING logs for a run: of the first days that have any. Return their data by log.

    Two runs that claim at the same time get different logs.
    """
    prefer_indexes(connection)
    pending = (
        select(ingest_log.c.id)
        .where(queue.clause, ingest_log.c.status == "PENDING", ingest_log.c.partition_date.between(*days))
        # In the order of the index: each claim would otherwise read and sort all logs that are PENDING.
        .order_by(ingest_log.c.partition_date)
        .limit(count)
        .with_for_update(skip_locked=True)
    )
    ids = list(connection.scalars(pending))
    connection.execute(
        update(ingest_log)
        .where(is_one_of(connection, ingest_log.c.id, ids))
        .values(status="STARTED", run_id=run_id, error=None, date_modified=now)
    )
    return _claimed_data(connection, ids)


def _claimed_data(connection: Connection, log_ids: Sequence[int]) -> list[ClaimedDatum]:
    suid = source_unique_identifier
    rows = connection.execute(
        select(
            ingest_log.c.id,
            raw_datum.c.id,
            raw_datum.c.revision,
            suid.c.id,
            suid.c.identifier,
            raw_datum.c.datum,
            raw_datum.c.deleted,
            ingest_log.c.partition_date,
        )
        .join(raw_datum, raw_datum.c.id == ingest_log.c.raw_id)
        .join(suid, suid.c.id == raw_datum.c.suid_id)
        .where(is_one_of(connection, ingest_log.c.id, log_ids))
        .order_by(ingest_log.c.id)
    )
    return [ClaimedDatum(*row) for row in rows]


def mark_transformed(
    connection: Connection, run_id: str, results: Sequence[tuple[int, str | None]], now: datetime
) -> None:
    """Mark the logs of a run SUCCEEDED, or FAILED if they have an error.

    Args:
        connection: a write transaction.
        run_id: the run that has claimed the logs.
        results: the primary key of each log, and its error; None if it succeeded.
        now: the time.
    """
    prefer_indexes(connection)
    succeeded = [log_id for log_id, error in results if error is None]
    is_own = and_(ingest_log.c.status == "STARTED", ingest_log.c.run_id == run_id)
    connection.execute(
        update(ingest_log)
        .where(is_own, is_one_of(connection, ingest_log.c.id, succeeded))
        .values(status="SUCCEEDED", error=None, date_modified=now)
    )
    failed = [{"log": log_id, "message": error} for log_id, error in results if error is not None]
    if failed:
        connection.execute(
            update(ingest_log)
            .where(is_own, ingest_log.c.id == bindparam("log"))
            .values(status="FAILED", error=bindparam("message"), date_modified=now),
            failed,
        )
