"""INSERT with ON CONFLICT, which SQLAlchemy has only in the modules of the dialects."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite


def insert_or_ignore(connection: Connection, table: Table, values: dict[str, Any]) -> None:
    """Insert a row unless one with the same unique key exists. Two processes may do so at the same time."""
    connection.execute(dialect_insert(connection, table).values(values).on_conflict_do_nothing())


def dialect_insert(connection: Connection, table: Table) -> postgresql.Insert | sqlite.Insert:
    """Return an INSERT that supports ON CONFLICT."""
    return sqlite.insert(table) if connection.dialect.name == "sqlite" else postgresql.insert(table)
