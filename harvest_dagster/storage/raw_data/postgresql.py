"""The statements of `store` on PostgreSQL: queries take arrays, or one text of JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, Table, text

from harvest_dagster.storage.raw_data.revisions import Content, Current, Probed

# One JSON text and one byte string: the driver takes 7 µs of each record to write two arrays.
# LATERAL with LIMIT and an aggregate forces the planner to look up each content in the index. With plain joins it reads
# the whole table for each page as long as a new table has no statistics.
_PROBE = text(
    """
    SELECT asked.position, known.id, data.newest, data.raw_id, data.revision, known.current_datestamp
    FROM (
        SELECT identifier, position, substr(CAST(:hashes AS bytea), 32 * CAST(position AS int) - 31, 32) AS hash
        FROM json_array_elements_text(CAST(:identifiers AS json)) WITH ORDINALITY AS listed (identifier, position)
    ) AS asked
    CROSS JOIN LATERAL (
        SELECT id, current_datestamp FROM source_unique_identifier
        WHERE ingest_config_id = :ingest_config_id AND identifier = asked.identifier
        LIMIT 1
    ) AS known
    CROSS JOIN LATERAL (
        SELECT coalesce(max(revision), 0) AS newest,
               max(id) FILTER (WHERE hash = asked.hash) AS raw_id,
               max(revision) FILTER (WHERE hash = asked.hash) AS revision
        FROM raw_datum WHERE suid_id = known.id
    ) AS data
    """
)
# The array is used twice for the same reason: ANY finds the rows in the index of the primary key.
_REVISE = text(
    """
    UPDATE raw_datum SET revision = revised.revision
    FROM unnest(CAST(:raw_ids AS bigint[]), CAST(:revisions AS integer[])) AS revised (raw_id, revision)
    WHERE raw_datum.id = revised.raw_id AND raw_datum.id = ANY(CAST(:raw_ids AS bigint[]))
    """
)
_SET_DATESTAMPS = text(
    """
    UPDATE source_unique_identifier SET current_datestamp = dated.datestamp
    FROM unnest(CAST(:suid_ids AS bigint[]), CAST(:datestamps AS timestamptz[])) AS dated (suid_id, datestamp)
    WHERE source_unique_identifier.id = dated.suid_id
      AND source_unique_identifier.id = ANY(CAST(:suid_ids AS bigint[]))
    """
)
_SET_CURRENT = text(
    """
    UPDATE source_unique_identifier SET raw_id = changed.raw_id, changed_at = changed.instant
    FROM unnest(
        CAST(:suid_ids AS bigint[]), CAST(:raw_ids AS bigint[]), CAST(:instants AS timestamptz[])
    ) AS changed (suid_id, raw_id, instant)
    WHERE source_unique_identifier.id = changed.suid_id
      AND source_unique_identifier.id = ANY(CAST(:suid_ids AS bigint[]))
    """
)
_NEW_IDS = text("SELECT array_agg(nextval(CAST(:sequence AS regclass))) FROM generate_series(1, :count)")


def probe(
    connection: Connection, ingest_config_id: int, contents: Sequence[Content]
) -> dict[Content, Probed]:
    """See `store.Statements`."""
    asked = {
        "ingest_config_id": ingest_config_id,
        "identifiers": json.dumps([identifier for identifier, _ in contents]),
        "hashes": b"".join(content_hash for _, content_hash in contents),
    }
    return {contents[position - 1]: Probed(*found) for position, *found in connection.execute(_PROBE, asked)}


def new_ids(connection: Connection, table: Table, count: int) -> Sequence[int]:
    """See `store.Statements`."""
    # PostgreSQL gives this name to the sequence of a serial column.
    asked = {"sequence": f"{table.name}_id_seq", "count": count}
    ids: list[int] = connection.scalars(_NEW_IDS, asked).one()
    return ids


def revise(connection: Connection, revisions: dict[int, int]) -> None:
    """See `store.Statements`."""
    if revisions:
        asked = {"raw_ids": list(revisions), "revisions": list(revisions.values())}
        connection.execute(_REVISE, asked)


def set_datestamps(connection: Connection, datestamps: dict[int, datetime | None]) -> None:
    """See `store.Statements`."""
    if datestamps:
        asked = {"suid_ids": list(datestamps), "datestamps": list(datestamps.values())}
        connection.execute(_SET_DATESTAMPS, asked)


def set_current(connection: Connection, current: dict[int, Current]) -> None:
    """See `store.Statements`."""
    if current:
        asked = {
            "suid_ids": list(current),
            "raw_ids": [one.raw_id for one in current.values()],
            "instants": [one.changed_at for one in current.values()],
        }
        connection.execute(_SET_CURRENT, asked)
