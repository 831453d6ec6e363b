"""Launches: an ingest log for each datum of a page, got or created in one statement.

Which of them a transform takes up then is `ingest_logs`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Connection,
    Date,
    Integer,
    Select,
    and_,
    bindparam,
    column,
    func,
    literal,
    or_,
    select,
    true,
)
from sqlalchemy.dialects import postgresql, sqlite

from harvest_dagster.storage.ingest_logs import Queue
from harvest_dagster.storage.statements import dialect_insert
from harvest_dagster.storage.tables import Instant, ingest_log

_COLUMNS = (
    "raw_id",
    "partition_date",
    "revision",
    "ingest_config_id",
    "transformer_version",
    "status",
    "date_created",
    "date_modified",
)
_RENEWED = ("status", "revision", "partition_date", "date_modified")


@dataclass(frozen=True)
class Launch:
    """A datum to be transformed, with the day of its partition."""

    raw_id: int
    revision: int
    day: date


@dataclass(frozen=True)
class Launching:
    """What the launches of a window share.

    Attributes:
        queue: whose logs they are.
        status: PENDING, or CREATED where nothing is to be launched.
        superfluous: do again what has been launched before.
        now: the time.
    """

    queue: Queue
    status: str
    superfluous: bool
    now: datetime


def launch(connection: Connection, launching: Launching, launches: Sequence[Launch]) -> None:
    """Get or create a log for each datum.

    One that exists is left alone, unless `superfluous`, or unless its record has come back to this older
    content since (Lesson 3): then it is launched again.
    """
    if not launches:
        return
    added = dialect_insert(connection, ingest_log)
    # Arrays or a JSON text, in place of a row of parameters for each log.
    rows = _unnested(launches) if isinstance(added, postgresql.Insert) else _from_json(launches)
    logs = added.from_select(_COLUMNS, rows.add_columns(*_shared(launching)))
    connection.execute(_or_again(logs, launching.superfluous))


def _or_again(
    added: postgresql.Insert | sqlite.Insert, superfluous: bool
) -> postgresql.Insert | sqlite.Insert:
    return added.on_conflict_do_update(
        index_elements=["raw_id", "ingest_config_id", "transformer_version"],
        set_={name: added.excluded[name] for name in _RENEWED} | {"error": None, "run_id": None},
        # CREATED takes nothing back: what is promised or done stays so, and is launched again by whoever may.
        where=and_(
            added.excluded.status != "CREATED",
            or_(literal(superfluous), ingest_log.c.revision < added.excluded.revision),
        ),
    )


def _shared(launching: Launching) -> Iterator[ColumnElement[Any]]:
    yield literal(launching.queue.ingest_config_id)
    yield literal(launching.queue.transformer_version)
    yield literal(launching.status)
    yield from (literal(launching.now, Instant()),) * 2


def _unnested(launches: Sequence[Launch]) -> Select[Any]:
    arrays = (
        bindparam(None, [launched.raw_id for launched in launches], ARRAY(BigInteger)),
        bindparam(None, [launched.day for launched in launches], ARRAY(Date)),
        bindparam(None, [launched.revision for launched in launches], ARRAY(Integer)),
    )
    names = (column("raw_id", BigInteger), column("day", Date), column("revision", Integer))
    launched = func.unnest(*arrays).table_valued(*names).render_derived("launched")
    return select(launched.c.raw_id, launched.c.day, launched.c.revision)


def _from_json(launches: Sequence[Launch]) -> Select[Any]:
    listed = [(launched.raw_id, launched.day.isoformat(), launched.revision) for launched in launches]
    launched = func.json_each(json.dumps(listed)).table_valued("value")
    fields = (func.json_extract(launched.c.value, f"$[{place}]") for place in range(3))
    # Without a WHERE, SQLite takes ON CONFLICT for a join's ON: https://www.sqlite.org/lang_upsert.html
    return select(*fields).where(true())
