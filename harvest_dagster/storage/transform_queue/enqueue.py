"""Add the data of a page to the transform queue: get or create an ingest log for each datum in one statement.

`queue` reads the queue.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Connection,
    Date,
    Integer,
    Select,
    String,
    and_,
    bindparam,
    column,
    func,
    literal,
    or_,
    select,
    true,
)

from harvest_dagster.storage.tables import Instant, ingest_log
from harvest_dagster.storage.transform_queue.queue import TransformQueue
from harvest_dagster.storage.upsert import dialect_insert

if TYPE_CHECKING:
    from harvest_dagster.storage.upsert import DialectInsert

_COLUMNS = (
    "raw_id",
    "partition_date",
    "revision",
    "status",
    "ingest_config_id",
    "transformer_version",
    "date_created",
    "date_modified",
)
_RENEWED = ("status", "revision", "partition_date", "date_modified")


@dataclass(frozen=True)
class QueueEntry:
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


def enqueue_data(connection: Connection, options: EnqueueOptions, entries: Sequence[QueueEntry]) -> None:
    """Get or create an ingest log for each datum. The log of content that is not the current one is CREATED.

    An existing log changes only if `superfluous` is set, or if the record has returned to this older content
    (docs/failures.md#content-returns). It then becomes PENDING again.
    """
    if not entries:
        return
    added = dialect_insert(connection, ingest_log)
    # Arrays or a JSON text instead of a row of parameters for each log.
    of_dialect = _unnested if connection.dialect.name == "postgresql" else _from_json
    rows = of_dialect(entries, [options.status if entry.is_current else "CREATED" for entry in entries])
    logs = added.from_select(_COLUMNS, rows.add_columns(*_shared_values(options)))
    connection.execute(_on_conflict(logs, options.superfluous))


def _on_conflict(added: DialectInsert, superfluous: bool) -> DialectInsert:
    return added.on_conflict_do_update(
        index_elements=["raw_id", "ingest_config_id", "transformer_version"],
        set_={name: added.excluded[name] for name in _RENEWED} | {"error": None, "run_id": None},
        # CREATED changes no existing log: a log that is PENDING or transformed stays so.
        where=and_(
            added.excluded.status != "CREATED",
            or_(literal(superfluous), ingest_log.c.revision < added.excluded.revision),
        ),
    )


def _shared_values(options: EnqueueOptions) -> Iterator[ColumnElement[Any]]:
    yield literal(options.queue.ingest_config_id)
    yield literal(options.queue.transformer_version)
    yield from (literal(options.now, Instant()),) * 2


def _unnested(entries: Sequence[QueueEntry], statuses: Sequence[str]) -> Select[Any]:
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
    rows = func.unnest(*arrays).table_valued(*names).render_derived("entries")
    return select(rows.c.raw_id, rows.c.day, rows.c.revision, rows.c.status)


def _from_json(entries: Sequence[QueueEntry], statuses: Sequence[str]) -> Select[Any]:
    listed = [
        (entry.raw_id, entry.day.isoformat(), entry.revision, status)
        for entry, status in zip(entries, statuses, strict=True)
    ]
    rows = func.json_each(json.dumps(listed)).table_valued("value")
    fields = (func.json_extract(rows.c.value, f"$[{place}]") for place in range(4))
    # Without a WHERE, SQLite parses ON CONFLICT as the ON of a join: https://www.sqlite.org/lang_upsert.html
    return select(*fields).where(true())
