"""Launches: an ingest log for each datum of a page, got or created in one statement.

Which of them a transform takes up then is `ingest_logs`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, TypeVar

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Connection,
    Date,
    Integer,
    Select,
    bindparam,
    column,
    func,
    literal,
    or_,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite

from harvest_dagster.storage.ingest_logs import Queue
from harvest_dagster.storage.statements import dialect_insert
from harvest_dagster.storage.tables import Instant, ingest_log

_Insert = TypeVar("_Insert", postgresql.Insert, sqlite.Insert)

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
    if isinstance(added, postgresql.Insert):
        # Three arrays, in place of a row of parameters for each log.
        rows = added.from_select(_COLUMNS, _unnested(launching, launches))
        connection.execute(_or_again(rows, launching.superfluous))
    else:
        shared = _shared(launching)
        connection.execute(
            _or_again(added, launching.superfluous),
            [{**shared, **_own(launched)} for launched in launches],
        )


def _or_again(added: _Insert, superfluous: bool) -> _Insert:
    return added.on_conflict_do_update(
        index_elements=["raw_id", "ingest_config_id", "transformer_version"],
        set_={name: added.excluded[name] for name in _RENEWED} | {"error": None, "run_id": None},
        where=or_(literal(superfluous), ingest_log.c.revision < added.excluded.revision),
    )


def _own(launched: Launch) -> dict[str, Any]:
    return {"raw_id": launched.raw_id, "partition_date": launched.day, "revision": launched.revision}


def _shared(launching: Launching) -> dict[str, Any]:
    return {
        "ingest_config_id": launching.queue.ingest_config_id,
        "transformer_version": launching.queue.transformer_version,
        "status": launching.status,
        "date_created": launching.now,
        "date_modified": launching.now,
    }


def _unnested(launching: Launching, launches: Sequence[Launch]) -> Select[Any]:
    arrays = (
        bindparam(None, [launched.raw_id for launched in launches], ARRAY(BigInteger)),
        bindparam(None, [launched.day for launched in launches], ARRAY(Date)),
        bindparam(None, [launched.revision for launched in launches], ARRAY(Integer)),
    )
    names = (column("raw_id", BigInteger), column("day", Date), column("revision", Integer))
    launched = func.unnest(*arrays).table_valued(*names).render_derived("launched")
    shared = _shared(launching)
    types = {name: Instant() if name.startswith("date_") else None for name in shared}
    return select(
        launched.c.raw_id,
        launched.c.day,
        launched.c.revision,
        *(literal(value, types[name]) for name, value in shared.items()),
    )
