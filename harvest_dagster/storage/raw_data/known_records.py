"""Read all identifiers of a source with their current contents as a stream, ordered by identifier.

A sweep or a snapshot compares them with the list of the source. The index on the identifiers gives the order: code
points, as Python compares texts. PostgreSQL keeps the result on the server (a cursor), SQLite computes each row when it
is fetched. So ten million rows need no more memory than a few.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, func, or_, select

from harvest_dagster.storage.tables import raw_datum, source_unique_identifier

_FETCHED_ROWS = 1000  # at once; a row has about 150 bytes
# As in `storage.current_rows`: the reader may be slow, each row is looked up by its key, and the index gives the order.
_OPTIONS = "; ".join(
    (
        "SET LOCAL idle_in_transaction_session_timeout = 0",
        "SET LOCAL cursor_tuple_fraction = 1",
        *(
            f"SET LOCAL enable_{way} = off"
            for way in ("seqscan", "hashjoin", "mergejoin", "sort", "bitmapscan")
        ),
    )
)
_KNOWN, _DATUM = source_unique_identifier.c, raw_datum.c


class KnownRecord(NamedTuple):
    """An identifier of the source, with its current content.

    Attributes:
        suid_id: the key of the identifier.
        identifier: the identifier.
        datestamp: the newest datestamp of the current content, None if it has none.
        deleted: whether the current content is that of a deleted record.
        changed_at: when the current content became that; None in rows from before the upgrade.
        sets_digest: `records.sets_digest` of the sets that the source names for it; None if they are unknown.
    """

    suid_id: int
    identifier: str
    datestamp: datetime | None
    deleted: bool
    changed_at: datetime | None
    sets_digest: int | None


def stream_known_records(connection: Connection, ingest_config_id: int) -> Iterator[KnownRecord]:
    """Yield all records of a source, live and deleted, ordered by identifier in the order of code points.

    Args:
        connection: a transaction that only reads. It must last as long as the stream, and it sees one instant.
        ingest_config_id: the source.
    """
    query = (
        select(
            _KNOWN.id,
            _KNOWN.identifier,
            func.coalesce(_KNOWN.current_datestamp, _DATUM.datestamp, type_=_DATUM.datestamp.type),
            _DATUM.deleted,
            _KNOWN.changed_at,
            _DATUM.sets_digest,
        )
        .select_from(source_unique_identifier)
        .join(raw_datum, _DATUM.id == _KNOWN.raw_id)
        .where(_KNOWN.ingest_config_id == ingest_config_id)
        .order_by(_KNOWN.identifier)
    )
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(_OPTIONS)
    streaming = {"stream_results": True, "yield_per": _FETCHED_ROWS}
    with connection.execute(query, execution_options=streaming) as rows:
        for row in rows:
            yield KnownRecord(*row)


def count_live(connection: Connection, ingest_config_id: int, before: datetime) -> int:
    """Return the number of records of a source that are not deleted and were first stored before an instant."""
    query = (
        select(func.count())
        .select_from(source_unique_identifier)
        .join(raw_datum, _DATUM.id == _KNOWN.raw_id)
        .where(
            _KNOWN.ingest_config_id == ingest_config_id,
            _DATUM.deleted.is_(False),
            # Null in rows from before the upgrade.
            or_(_KNOWN.first_seen.is_(None), _KNOWN.first_seen < before),
        )
    )
    return connection.execute(query).scalar_one()
