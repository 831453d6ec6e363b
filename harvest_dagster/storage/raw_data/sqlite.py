"""The statements of `store` on SQLite: queries take one JSON array. JSON has no bytes, so hashes are one BLOB.

New keys follow the highest existing key. The transaction is IMMEDIATE, so no other process can take them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, Integer, Table, bindparam, column, func, select, text, update

from harvest_dagster.storage.raw_data.revisions import Content, Current, Probed
from harvest_dagster.storage.tables import Instant, raw_datum, source_unique_identifier

# CROSS JOIN prevents SQLite from reversing the order of the join: https://www.sqlite.org/optoverview.html#crossjoin
_PROBE = text(
    """
    SELECT asked.key, known.id,
           (SELECT coalesce(max(revision), 0) FROM raw_datum WHERE suid_id = known.id),
           datum.id, datum.revision, known.current_datestamp
    FROM json_each(:identifiers) AS asked
    CROSS JOIN source_unique_identifier AS known
        ON known.ingest_config_id = :ingest_config_id AND known.identifier = asked.value
    LEFT JOIN raw_datum AS datum
        ON datum.suid_id = known.id AND datum.hash = substr(:hashes, 1 + 32 * asked.key, 32)
    """
).columns(
    *(column(name, Integer) for name in ("position", "suid_id", "newest", "raw_id", "revision")),
    column("datestamp", Instant),
)
_REVISE = update(raw_datum).where(raw_datum.c.id == bindparam("raw_id")).values(revision=bindparam("newest"))
_SET_DATESTAMP = (
    update(source_unique_identifier)
    .where(source_unique_identifier.c.id == bindparam("suid_id"))
    .values(current_datestamp=bindparam("datestamp"))
)
_SET_CURRENT = (
    update(source_unique_identifier)
    .where(source_unique_identifier.c.id == bindparam("suid_id"))
    .values(raw_id=bindparam("current_raw_id"), changed_at=bindparam("instant"))
)


def probe(
    connection: Connection, ingest_config_id: int, contents: Sequence[Content]
) -> dict[Content, Probed]:
    """See `store.Statements`."""
    asked = {
        "ingest_config_id": ingest_config_id,
        "identifiers": json.dumps([identifier for identifier, _ in contents]),
        "hashes": b"".join(content_hash for _, content_hash in contents),
    }
    return {contents[key]: Probed(*found) for key, *found in connection.execute(_PROBE, asked)}


def new_ids(connection: Connection, table: Table, count: int) -> Sequence[int]:
    """See `store.Statements`."""
    highest: int | None = connection.scalar(select(func.max(table.c.id)))
    first = (highest or 0) + 1
    return range(first, first + count)


def revise(connection: Connection, revisions: dict[int, int]) -> None:
    """See `store.Statements`."""
    if revisions:
        rows = [{"raw_id": raw_id, "newest": newest} for raw_id, newest in revisions.items()]
        connection.execute(_REVISE, rows)


def set_datestamps(connection: Connection, datestamps: dict[int, datetime | None]) -> None:
    """See `store.Statements`."""
    if datestamps:
        rows = [{"suid_id": suid_id, "datestamp": datestamp} for suid_id, datestamp in datestamps.items()]
        connection.execute(_SET_DATESTAMP, rows)


def set_current(connection: Connection, current: dict[int, Current]) -> None:
    """See `store.Statements`."""
    if current:
        rows = [
            {"suid_id": suid_id, "current_raw_id": one.raw_id, "instant": one.changed_at}
            for suid_id, one in current.items()
        ]
        connection.execute(_SET_CURRENT, rows)
