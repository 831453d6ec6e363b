"""The statements of `raw_data` on SQLite: one JSON array to ask with, executemany to write.

Keys follow the highest there is: the transaction is IMMEDIATE, so that nobody else takes them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, Table, bindparam, func, insert, select, text, update

from harvest_dagster.storage.revisions import Content, NewDatum, Probed
from harvest_dagster.storage.tables import raw_datum, source_unique_identifier

# CROSS JOIN keeps SQLite from turning the order round: https://www.sqlite.org/optoverview.html#crossjoin
_PROBE = text(
    """
    SELECT asked.key, known.id,
           (SELECT coalesce(max(revision), 0) FROM raw_datum WHERE suid_id = known.id),
           datum.id, datum.revision
    FROM json_each(:contents) AS asked
    CROSS JOIN source_unique_identifier AS known
        ON known.ingest_config_id = :ingest_config_id AND known.identifier = json_extract(asked.value, '$[0]')
    LEFT JOIN raw_datum AS datum
        ON datum.suid_id = known.id AND datum.hash = json_extract(asked.value, '$[1]')
    """
)
_REVISE = update(raw_datum).where(raw_datum.c.id == bindparam("raw_id")).values(revision=bindparam("newest"))


def probe(
    connection: Connection, ingest_config_id: int, contents: Sequence[Content]
) -> dict[Content, Probed]:
    """See `raw_data.Statements`."""
    asked = {"ingest_config_id": ingest_config_id, "contents": json.dumps(contents)}
    return {contents[key]: Probed(*found) for key, *found in connection.execute(_PROBE, asked)}


def insert_identifiers(
    connection: Connection, ingest_config_id: int, identifiers: Sequence[str]
) -> dict[str, int]:
    """See `raw_data.Statements`."""
    if not identifiers:
        return {}
    first = _next_id(connection, source_unique_identifier)
    created = {identifier: suid_id for suid_id, identifier in enumerate(identifiers, first)}
    connection.execute(
        insert(source_unique_identifier),
        [
            {"id": suid_id, "ingest_config_id": ingest_config_id, "identifier": identifier}
            for identifier, suid_id in created.items()
        ],
    )
    return created


def insert_data(connection: Connection, data: Sequence[tuple[int, NewDatum]], now: datetime) -> None:
    """See `raw_data.Statements`."""
    if not data:
        return
    first = _next_id(connection, raw_datum)
    connection.execute(
        insert(raw_datum),
        [
            {
                "id": raw_id,
                "suid_id": suid_id,
                "hash": content_hash,
                "datum": record.blob,
                "datestamp": record.datestamp,
                "deleted": record.deleted,
                "date_created": now,
                "revision": revision,
            }
            for raw_id, (suid_id, (record, content_hash, revision)) in enumerate(data, first)
        ],
    )


def revise(connection: Connection, revisions: dict[int, int]) -> None:
    """See `raw_data.Statements`."""
    if revisions:
        rows = [{"raw_id": raw_id, "newest": newest} for raw_id, newest in revisions.items()]
        connection.execute(_REVISE, rows)


def _next_id(connection: Connection, table: Table) -> int:
    highest: int | None = connection.scalar(select(func.max(table.c.id)))
    return (highest or 0) + 1
