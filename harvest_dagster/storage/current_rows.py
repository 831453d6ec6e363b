"""Read the rows of the views current_record and current_document as a stream, in the order of their changes.

The statements select from the tables and not from the views: with the key of the source as a constant, the index gives
the rows in order, and neither database sorts them. A test compares the rows with those of the views.

PostgreSQL keeps the result on the server (a cursor), SQLite computes each row when it is fetched. So a reader needs the
same memory for any number of rows, and sees the state of one instant. It does not block writers.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, Text, case, cast, func, select, type_coerce

from harvest_dagster.storage.column_types import HexBytes
from harvest_dagster.storage.tables import (
    ingest_config,
    normalized_datum,
    raw_datum,
    raw_original,
    source_unique_identifier,
)

_FETCHED_ROWS = 200  # at once; a record of a megabyte is not rare in some sources
# A slow reader holds its transaction for long. It has no locks, so it blocks nobody.
_SLOW_READER = "SET LOCAL idle_in_transaction_session_timeout = 0; SET LOCAL cursor_tuple_fraction = 1"
# Look up each row by its key, whatever PostgreSQL knows about the tables. Right after a large harvest it has no
# statistics. `cursor_tuple_fraction = 0`, which was set before, made it read all of `raw_datum` for each row: that plan
# returns the first row at the lowest cost. 60,000 rows took minutes.
_BY_KEY = "SET LOCAL enable_seqscan = off; SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off"
# Follow the index on `changed_at`, instead of sorting all rows before the first one is returned.
_IN_ORDER = "SET LOCAL enable_sort = off; SET LOCAL enable_bitmapscan = off"

_KNOWN, _DATUM, _MADE = source_unique_identifier.c, raw_datum.c, normalized_datum.c
_DATESTAMP = func.coalesce(_KNOWN.current_datestamp, _DATUM.datestamp, type_=_DATUM.datestamp.type)

_RECORDS = (
    select(
        ingest_config.c.label,
        _KNOWN.identifier,
        _DATESTAMP.label("datestamp"),
        _DATUM.deleted,
        type_coerce(_DATUM.hash, HexBytes).label("hash"),
        _DATUM.datum,
        _KNOWN.first_seen,
        _KNOWN.changed_at,
        _KNOWN.raw_id,
    )
    .select_from(source_unique_identifier)
    .join(ingest_config, ingest_config.c.id == _KNOWN.ingest_config_id)
    .join(raw_datum, _DATUM.id == _KNOWN.raw_id)
    .order_by(_KNOWN.changed_at, _KNOWN.raw_id)
)
_DOCUMENTS = (
    select(
        ingest_config.c.label,
        _KNOWN.identifier,
        case((_KNOWN.raw_id == _MADE.raw_id, _DATESTAMP), else_=_DATUM.datestamp).label("datestamp"),
        _MADE.deleted,
        # As text: the reader decodes it.
        cast(_MADE.document, Text).label("document"),
        _MADE.changed_at,
        _MADE.transformer_version,
    )
    .select_from(normalized_datum)
    .join(ingest_config, ingest_config.c.id == _MADE.ingest_config_id)
    .join(source_unique_identifier, _KNOWN.id == _MADE.suid_id)
    .join(raw_datum, _DATUM.id == _MADE.raw_id)
    .order_by(_MADE.changed_at)
)


def stream_records(
    connection: Connection,
    ingest_config_id: int,
    since: datetime | None,
    identifiers: Collection[str] = (),
    limit: int | None = None,
    *,
    original: bool = False,
) -> Iterator[Row[Any]]:
    """Yield rows of current_record.

    Args:
        connection: a transaction that only reads. It must last as long as the stream.
        ingest_config_id: the source.
        since: only rows that changed at this instant or later.
        identifiers: only these; empty for all.
        limit: at most so many rows.
        original: whether to add the compressed own bytes of the record, None if they were not kept.
    """
    query = _RECORDS.where(_KNOWN.ingest_config_id == ingest_config_id)
    if since is not None:
        query = query.where(_KNOWN.changed_at >= since)
    if original:
        query = query.add_columns(raw_original.c.original).outerjoin(
            raw_original, raw_original.c.raw_id == _KNOWN.raw_id
        )
    return _stream(connection, query, identifiers, limit)


def stream_documents(
    connection: Connection,
    ingest_config_id: int,
    since: datetime | None,
    identifiers: Collection[str] = (),
    limit: int | None = None,
) -> Iterator[Row[Any]]:
    """Yield rows of current_document, each with its document as JSON text. See `stream_records`."""
    query = _DOCUMENTS.where(_MADE.ingest_config_id == ingest_config_id)
    if identifiers:
        # The index on identifiers begins with the source.
        query = query.where(_KNOWN.ingest_config_id == ingest_config_id)
    if since is not None:
        query = query.where(_MADE.changed_at >= since)
    return _stream(connection, query, identifiers, limit)


def _stream(
    connection: Connection, query: Select[Any], identifiers: Collection[str], limit: int | None
) -> Iterator[Row[Any]]:
    if identifiers:
        query = query.where(_KNOWN.identifier.in_(list(identifiers)))
    if connection.dialect.name == "postgresql":
        # A few identifiers are found by their own index, and then sorted.
        options = [_SLOW_READER, _BY_KEY] if identifiers else [_SLOW_READER, _BY_KEY, _IN_ORDER]
        connection.exec_driver_sql("; ".join(options))
    streaming = {"stream_results": True, "yield_per": _FETCHED_ROWS}
    with connection.execute(query.limit(limit), execution_options=streaming) as rows:
        yield from rows
