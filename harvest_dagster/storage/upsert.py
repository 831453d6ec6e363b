"""INSERT with ON CONFLICT, which SQLAlchemy has only in the modules of the dialects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Table

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql, sqlite

    DialectInsert = postgresql.Insert | sqlite.Insert


def insert_or_ignore(connection: Connection, table: Table, values: dict[str, Any]) -> None:
    """Insert a row unless one with the same unique key exists. Two processes may do so at the same time."""
    connection.execute(dialect_insert(connection, table).values(values).on_conflict_do_nothing())


def dialect_insert(connection: Connection, table: Table) -> DialectInsert:
    """Return an INSERT that supports ON CONFLICT."""
    # Each module of a dialect imports all its drivers, which takes up to 0.03 s. The connection has imported its own.
    if connection.dialect.name == "sqlite":
        from sqlalchemy.dialects import sqlite  # noqa: PLC0415

        return sqlite.insert(table)
    from sqlalchemy.dialects import postgresql  # noqa: PLC0415

    return postgresql.insert(table)
