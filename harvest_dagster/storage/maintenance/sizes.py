"""Measure the database: rows and bytes of each table and of each source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, LargeBinary, Text, cast, func, select, text
from sqlalchemy.exc import OperationalError

from harvest_dagster.storage.tables import (
    harvest_log,
    ingest_config,
    metadata,
    normalized_datum,
    quarantine,
    raw_datum,
    source_unique_identifier,
)


@dataclass(frozen=True)
class TableSize:
    """A table. `bytes` includes its indexes; None if the database cannot tell."""

    table: str
    rows: int
    bytes: int | None


@dataclass(frozen=True)
class LabelSize:
    """The data of a source. Bytes are those of the texts, before the database compresses them."""

    label: str
    identifiers: int
    data: int
    data_bytes: int
    documents: int
    document_bytes: int
    quarantined: int
    harvest_logs: int


def table_sizes(connection: Connection) -> list[TableSize]:
    """Return the size of each table, in the order of the schema. This counts all rows."""
    sizes = (
        _postgresql_bytes(connection)
        if connection.dialect.name == "postgresql"
        else _sqlite_bytes(connection)
    )
    return [
        TableSize(
            table.name, connection.scalar(select(func.count()).select_from(table)) or 0, sizes.get(table.name)
        )
        for table in metadata.sorted_tables
    ]


def _postgresql_bytes(connection: Connection) -> dict[str, int]:
    names = {table.name for table in metadata.sorted_tables}
    rows = connection.execute(
        text(
            "SELECT relname, pg_total_relation_size(relid) FROM pg_stat_user_tables WHERE schemaname = current_schema()"
        )
    )
    return {row[0]: int(row[1]) for row in rows if row[0] in names}


def _sqlite_bytes(connection: Connection) -> dict[str, int]:
    """Return the bytes of the pages of each table and its indexes; nothing if SQLite was built without dbstat."""
    try:
        rows = connection.execute(
            text(
                "SELECT m.tbl_name, sum(s.pgsize) FROM dbstat s JOIN sqlite_master m ON m.name = s.name "
                "WHERE s.aggregate = TRUE GROUP BY m.tbl_name"
            )
        ).all()
    except OperationalError:
        return {}
    return {row[0]: int(row[1]) for row in rows}


def label_sizes(connection: Connection) -> list[LabelSize]:
    """Return the size of each source, ordered by label. This reads all data."""
    suid, of_config = source_unique_identifier, source_unique_identifier.c.ingest_config_id
    count = func.count()
    identifiers = _by_config(connection, of_config, suid, count)
    joined = raw_datum.join(suid, suid.c.id == raw_datum.c.suid_id)
    data = _by_config(connection, of_config, joined, count)
    data_bytes = _by_config(connection, of_config, joined, _bytes(connection, raw_datum.c.datum))
    of_document = normalized_datum.c.ingest_config_id
    documents = _by_config(connection, of_document, normalized_datum, count)
    document_bytes = _by_config(
        connection, of_document, normalized_datum, _bytes(connection, normalized_datum.c.document)
    )
    with_log = quarantine.join(harvest_log, harvest_log.c.id == quarantine.c.harvest_log_id)
    quarantined = _by_config(connection, harvest_log.c.ingest_config_id, with_log, count)
    logs = _by_config(connection, harvest_log.c.ingest_config_id, harvest_log, count)
    found = (identifiers, data, data_bytes, documents, document_bytes, quarantined, logs)
    rows = connection.execute(
        select(ingest_config.c.label, ingest_config.c.id).order_by(ingest_config.c.label)
    )
    return [LabelSize(row.label, *(numbers.get(row.id, 0) for numbers in found)) for row in rows]


def _by_config(
    connection: Connection, config: ColumnElement[int], table: object, value: ColumnElement[int]
) -> Mapping[int, int]:
    rows = connection.execute(select(config, value).select_from(table).group_by(config))  # type: ignore[arg-type]
    return {row[0]: int(row[1] or 0) for row in rows}


def _bytes(connection: Connection, column: ColumnElement[object]) -> ColumnElement[int]:
    if connection.dialect.name == "postgresql":
        return func.sum(func.octet_length(cast(column, Text)))
    return func.sum(func.length(cast(column, LargeBinary)))
