"""Statements that SQLite and PostgreSQL share in meaning, but SQLAlchemy only by dialect."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite


def insert_or_ignore(connection: Connection, table: Table, values: dict[str, Any]) -> None:
    """Insert a row unless one with the same unique key is there; two processes may do so at once."""
    connection.execute(dialect_insert(connection, table).values(values).on_conflict_do_nothing())


def dialect_insert(connection: Connection, table: Table) -> postgresql.Insert | sqlite.Insert:
    """An INSERT that knows ON CONFLICT."""
    return sqlite.insert(table) if connection.dialect.name == "sqlite" else postgresql.insert(table)
