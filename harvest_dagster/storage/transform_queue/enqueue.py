"""Add the data of a page to the transform queue: get or create an ingest log for each datum in one statement.

`queue` reads the queue.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NamedTuple

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Connection,
    Date,
    FromClause,
    Integer,
    String,
    and_,
    bindparam,
    column,
    func,
    literal,
    or_,
    select,
)

from harvest_dagster.storage.bulk_insert import driver_date, driver_instant, insert_rows
from harvest_dagster.storage.tables import Instant, ingest_log
from harvest_dagster.storage.transform_queue.queue import TransformQueue
from harvest_dagster.storage.upsert import dialect_insert

_COLUMNS = {
    "raw_id": "int8",
    "partition_date": "date",
    "revision": "int4",
    "status": "varchar",
    "ingest_config_id": "int4",
    "transformer_version": "int4",
    "date_created": "timestamptz",
    "date_modified": "timestamptz",
}
_RENEWED = ("status", "revision", "partition_date", "date_modified")


class QueueEntry(NamedTuple):
    """A datum to add to the queue.

    Attributes:
        raw_id: its primary key.
        revision: its revision.
        day: the day of its partition.
        is_current: whether it is the current content of its identifier. Other contents are not transformed.
    """

    raw_id: int
    revision: int
    day: date
    is_current: bool = True


@dataclass(frozen=True)
class EnqueueOptions:
    """Options that all entries of a window share.

    Attributes:
        queue: the queue of the config.
        status: PENDING, or CREATED if the data must not be transformed.
        superfluous: transform data again that were transformed before.
        now: the time.
    """

    queue: TransformQueue
    status: str
    superfluous: bool
    now: datetime


def enqueue_new_data(connection: Connection, options: EnqueueOptions, entries: Sequence[QueueEntry]) -> None:
    """Create the ingest logs of data that this transaction has inserted, so that no log of them can exist."""
    if not entries:
        return
    now = driver_instant(connection, options.now)
    shared = (options.queue.ingest_config_id, options.queue.transformer_version, now, now)
    days = {day: driver_date(connection, day) for day in {entry.day for entry in entries}}
    rows = (
        (entry.raw_id, days[entry.day], entry.revision, _status(options, entry), *shared) for entry in entries
    )
    insert_rows(connection, "ingest_log", _COLUMNS, rows)


def enqueue_data(connection: Connection, options: EnqueueOptions, entries: Sequence[QueueEntry]) -> None:
    """Get or create an ingest log for each datum. The log of content that is not the current one is CREATED.

    An existing log changes only if `superfluous` is set, or if the record has returned to this older content
    (docs/failures.md#content-returns). It then becomes PENDING again. Nothing is written to other rows, not even a
    lock.
    """
    if not entries:
        return
    added = dialect_insert(connection, ingest_log)
    # Arrays or a JSON text instead of a row of parameters for each log.
    of_dialect = _unnested if connection.dialect.name == "postgresql" else _from_json
    rows = of_dialect(entries, [_status(options, entry) for entry in entries])
    needed = select(rows).where(_is_needed(rows, options))
    logs = added.from_select(list(_COLUMNS), needed.add_columns(*_shared_values(options)))
    connection.execute(
        logs.on_conflict_do_update(
            index_elements=["raw_id", "ingest_config_id", "transformer_version"],
            set_={name: added.excluded[name] for name in _RENEWED} | {"error": None, "run_id": None},
        )
    )


def _status(options: EnqueueOptions, entry: QueueEntry) -> str:
    return options.status if entry.is_current else "CREATED"


def _is_needed(rows: FromClause, options: EnqueueOptions) -> ColumnElement[bool]:
    """Return the condition that a datum has no log, or that its log becomes PENDING again.

    CREATED changes no existing log: a log that is PENDING or transformed stays so.
    """
    # A subquery for each row, and a condition that only one index has: without statistics of a new table, PostgreSQL
    # would read all logs of the source for each row.
    queued = (
        select(func.max(ingest_log.c.revision).filter(options.queue.clause))
        .where(ingest_log.c.raw_id == rows.c.raw_id)
        .scalar_subquery()
    )
    is_renewed = literal(True) if options.superfluous else queued < rows.c.revision
    return or_(queued.is_(None), and_(rows.c.status != "CREATED", is_renewed))


def _shared_values(options: EnqueueOptions) -> Iterator[ColumnElement[Any]]:
    yield literal(options.queue.ingest_config_id)
    yield literal(options.queue.transformer_version)
    yield from (literal(options.now, Instant()),) * 2


def _unnested(entries: Sequence[QueueEntry], statuses: Sequence[str]) -> FromClause:
    arrays = (
        bindparam(None, [entry.raw_id for entry in entries], ARRAY(BigInteger)),
        bindparam(None, [entry.day for entry in entries], ARRAY(Date)),
        bindparam(None, [entry.revision for entry in entries], ARRAY(Integer)),
        bindparam(None, statuses, ARRAY(String)),
    )
    names = (
        column("raw_id", BigInteger),
        column("day", Date),
        column("revision", Integer),
        column("status", String),
    )
    return func.unnest(*arrays).table_valued(*names).render_derived("entries")


def _from_json(entries: Sequence[QueueEntry], statuses: Sequence[str]) -> FromClause:
    listed = [
        (entry.raw_id, entry.day.isoformat(), entry.revision, status)
        for entry, status in zip(entries, statuses, strict=True)
    ]
    rows = func.json_each(json.dumps(listed)).table_valued("value")
    names = ("raw_id", "day", "revision", "status")
    fields = (func.json_extract(rows.c.value, f"$[{place}]").label(name) for place, name in enumerate(names))
    return select(*fields).subquery("entries")
