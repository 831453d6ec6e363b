"""Ingest logs: which datum is to be transformed, by which transformer version, and how that went.

A log belongs to the partition of its day. PENDING ones wait for the transform asset; a run claims them as its
own, STARTED, and marks each. What a run left STARTED and is over goes back to PENDING.
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

from harvest_dagster.storage.statements import dialect_insert
from harvest_dagster.storage.tables import ingest_log, raw_datum, source_unique_identifier


@dataclass(frozen=True)
class Queue:
    """The ingest logs of one IngestConfig under one transformer version."""

    ingest_config_id: int
    transformer_version: int

    @property
    def clause(self) -> ColumnElement[bool]:
        """As a condition."""
        return and_(
            ingest_log.c.ingest_config_id == self.ingest_config_id,
            ingest_log.c.transformer_version == self.transformer_version,
        )


@dataclass(frozen=True)
class Claimed:
    """A datum that this run is to transform."""

    log_id: int
    raw_id: int
    revision: int
    suid_id: int
    identifier: str
    datum: str
    deleted: bool
    day: date


def _on(days: tuple[date, date]) -> ColumnElement[bool]:
    first, last = days
    return ingest_log.c.partition_date.between(first, last)


def renew_for_version(connection: Connection, queue: Queue, days: tuple[date, date], now: datetime) -> None:
    """Make PENDING logs for what only older transformer versions have transformed.

    Args:
        connection: a write transaction.
        queue: the config and its present transformer version.
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
    outdated = select(*values.values()).where(_is_outdated(queue), _on(days)).group_by(ingest_log.c.raw_id)
    # Another run may do the same at this moment.
    added = dialect_insert(connection, ingest_log).from_select(list(values), outdated)
    connection.execute(added.on_conflict_do_nothing())


def _is_outdated(queue: Queue) -> ColumnElement[bool]:
    """A log of an older version of which the present one has none, as a condition."""
    newer = ingest_log.alias("newer")
    has_newer = exists().where(
        newer.c.raw_id == ingest_log.c.raw_id,
        newer.c.ingest_config_id == queue.ingest_config_id,
        newer.c.transformer_version == queue.transformer_version,
    )
    return and_(
        ingest_log.c.ingest_config_id == queue.ingest_config_id,
        ingest_log.c.transformer_version < queue.transformer_version,
        ingest_log.c.status != "CREATED",
        ~has_newer,
    )


def return_orphans(connection: Connection, queue: Queue, run_ids: Sequence[str], now: datetime) -> None:
    """Put back to PENDING what runs that are over left STARTED."""
    connection.execute(
        update(ingest_log)
        .where(queue.clause, ingest_log.c.status == "STARTED", ingest_log.c.run_id.in_(run_ids))
        .values(status="PENDING", run_id=None, date_modified=now)
    )


def runs_at_work(connection: Connection, queue: Queue) -> list[str]:
    """The runs that logs of this queue are STARTED by."""
    return list(
        connection.scalars(
            select(ingest_log.c.run_id).where(queue.clause, ingest_log.c.status == "STARTED").distinct()
        )
    )


def relaunch(connection: Connection, queue: Queue, days: tuple[date, date], now: datetime) -> None:
    """Make everything of these days PENDING again but what is STARTED or was never to be launched."""
    connection.execute(
        update(ingest_log)
        .where(queue.clause, ingest_log.c.status.in_(("SUCCEEDED", "FAILED")), _on(days))
        .values(status="PENDING", error=None, run_id=None, date_modified=now)
    )


def claim(
    connection: Connection, queue: Queue, days: tuple[date, date], *, count: int, run_id: str, now: datetime
) -> list[Claimed]:
    """Make up to `count` PENDING logs this run's own, STARTED, and give their data, oldest first.

    Two runs that claim at once get different ones.
    """
    waiting = (
        select(ingest_log.c.id)
        .where(queue.clause, ingest_log.c.status == "PENDING", _on(days))
        .order_by(ingest_log.c.id)
        .limit(count)
        .with_for_update(skip_locked=True)
    )
    ids = list(connection.scalars(waiting))
    connection.execute(
        update(ingest_log)
        .where(ingest_log.c.id.in_(ids))
        .values(status="STARTED", run_id=run_id, error=None, date_modified=now)
    )
    return _data(connection, ids)


def _data(connection: Connection, log_ids: Sequence[int]) -> list[Claimed]:
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
        .where(ingest_log.c.id.in_(log_ids))
        .order_by(ingest_log.c.id)
    )
    return [Claimed(*row) for row in rows]


def mark(
    connection: Connection, run_id: str, errors: Sequence[tuple[int, str | None]], now: datetime
) -> None:
    """Mark what this run has transformed: SUCCEEDED, or FAILED with its error."""
    succeeded = [log_id for log_id, error in errors if error is None]
    mine = and_(ingest_log.c.status == "STARTED", ingest_log.c.run_id == run_id)
    connection.execute(
        update(ingest_log)
        .where(mine, ingest_log.c.id.in_(succeeded))
        .values(status="SUCCEEDED", error=None, date_modified=now)
    )
    failed = [{"log": log_id, "why": error} for log_id, error in errors if error is not None]
    if failed:
        connection.execute(
            update(ingest_log)
            .where(mine, ingest_log.c.id == bindparam("log"))
            .values(status="FAILED", error=bindparam("why"), date_modified=now),
            failed,
        )
