"""Copy a whole database, between SQLite and PostgreSQL or within one of them.

The source is read in one transaction, so the copy is the state of one instant. The target is written in one
transaction, so a copy that fails leaves it empty. Memory is bounded by one batch.

Not copied: the request budgets, because their times are those of another clock; and the holders of leases and sweeps,
because their runs write to the source. The tokens of the leases are copied, so that they only increase. The covered
windows are computed from the copied logs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Column, Connection, Table, bindparam, func, insert, literal, select, text, update

from harvest_dagster.errors import BadInput, DatabaseError
from harvest_dagster.storage.database import Database
from harvest_dagster.storage.harvest_log import coverage_changes
from harvest_dagster.storage.migrations import HEAD
from harvest_dagster.storage.tables import (
    coverage_change,
    coverage_scope,
    covered_window,
    harvest_log,
    lease,
    metadata,
    request_departure,
    request_host,
    sweep,
)

_DERIVED = (coverage_scope, covered_window, coverage_change)
NOT_COPIED = (request_host, request_departure, *_DERIVED)
BATCH_ROWS = 1000
BATCH_BYTES = 8_000_000
_NO_PROCESS = {"host": None, "process_id": None, "process_started": None, "expires": None}


def copy_database(
    source: Database, target: Database, report: Callable[[str, int], None] = lambda _table, _rows: None
) -> dict[str, int]:
    """Copy all rows. Return their number by table.

    Args:
        source: a database with the present schema. What runs write to it meanwhile is not copied.
        target: a database with the present schema and no rows.
        report: called with the name of each table and its number of rows, when it is copied.

    Raises:
        BadInput: the source has another schema, or the target has rows.
        DatabaseError: the target has other numbers of rows than the source. Nothing was written.
    """
    if source.revision() != HEAD:
        raise BadInput(
            f"{source.place} does not have the schema of this version. Run `harvest db upgrade` on it first."
        )
    with _snapshot(source) as reader, target.begin() as writer:
        if occupied := [table.name for table in _tables() if _has_rows(writer, table)]:
            raise BadInput(f"{target.place} is not empty: {', '.join(occupied)}. Name an empty database.")
        copied = {}
        for table in _tables():
            copied[table.name] = _copy_table(reader, writer, table)
            report(table.name, copied[table.name])
        _copy_parents(reader, writer)
        coverage_changes.compute_all(writer)
        _set_sequences(writer)
        _compare(reader, writer, target.place)
    return copied


@contextmanager
def _snapshot(source: Database) -> Iterator[Connection]:
    """Yield a transaction that sees one state of the database until its end."""
    if source.dialect == "sqlite":
        with source.read() as connection:
            yield connection
        return
    repeatable = source.engine.execution_options(isolation_level="REPEATABLE READ")
    with repeatable.connect() as connection:
        # The transaction may wait for the target for as long as it needs.
        connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
        yield connection


def _tables() -> list[Table]:
    return [table for table in metadata.sorted_tables if table not in NOT_COPIED]


def _has_rows(connection: Connection, table: Table) -> bool:
    return connection.execute(select(literal(1)).select_from(table).limit(1)).first() is not None


def _columns(table: Table) -> list[Column[Any]]:
    return [column for column in table.columns if column.computed is None]


def _copy_table(reader: Connection, writer: Connection, table: Table) -> int:
    columns, rows = _columns(table), 0
    ordered = select(*columns).order_by(*table.primary_key.columns)
    found = reader.execute(ordered.execution_options(yield_per=100))
    for batch in _batches(_changed(table, row._mapping) for row in found):  # SQLAlchemy's public name for it
        writer.execute(insert(table), batch)
        rows += len(batch)
    return rows


def _changed(table: Table, row: Mapping[Any, Any]) -> dict[str, Any]:
    values = {str(name): value for name, value in row.items()}
    if table is lease:
        return {**values, **_NO_PROCESS, "owner": None}
    if table is sweep:
        return {**values, **_NO_PROCESS}
    # A log may refer to one with a higher key, which does not exist yet. `_copy_parents` sets it.
    return {**values, "parent_id": None} if table is harvest_log else values


def _batches(rows: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Yield batches with a limited number of rows and of bytes."""
    batch: list[dict[str, Any]] = []
    size = 0
    for row in rows:
        batch.append(row)
        size += sum(len(value) if isinstance(value, str | bytes) else 50 for value in row.values())
        if len(batch) >= BATCH_ROWS or size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _copy_parents(reader: Connection, writer: Connection) -> None:
    found = reader.execute(
        select(harvest_log.c.id, harvest_log.c.parent_id)
        .where(harvest_log.c.parent_id.is_not(None))
        .execution_options(yield_per=BATCH_ROWS)
    )
    change = (
        update(harvest_log).where(harvest_log.c.id == bindparam("log")).values(parent_id=bindparam("parent"))
    )
    for batch in _batches({"log": row.id, "parent": row.parent_id} for row in found):
        writer.execute(change, batch)


def _set_sequences(writer: Connection) -> None:
    """Let PostgreSQL continue after the copied keys. SQLite needs no statement for it."""
    if writer.dialect.name != "postgresql":
        return
    for table in _tables():
        keys: Sequence[Column[Any]] = list(table.primary_key.columns)
        name = (
            writer.scalar(select(func.pg_get_serial_sequence(table.name, keys[0].name)))
            if len(keys) == 1
            else None
        )
        if name is not None and (newest := writer.scalar(select(func.max(keys[0])))) is not None:
            writer.execute(select(func.setval(name, newest)))


def _compare(reader: Connection, writer: Connection, place: str) -> None:
    different = []
    for table in _tables():
        count = select(func.count()).select_from(table)
        expected, found = reader.scalar(count), writer.scalar(count)
        if expected != found:
            different.append(f"{table.name} has {found} of {expected} rows")
    if different:
        raise DatabaseError(f"{place} would not be complete: {', '.join(different)}. Nothing was copied.")
