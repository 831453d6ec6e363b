"""Insert many rows at once: binary COPY on PostgreSQL, executemany on SQLite.

Both bypass the types of SQLAlchemy, whose conversions take longer than the inserts. So each value must be of the type
that the driver writes. `instant_text` gives an instant as SQLite stores it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timezone
from typing import Any

from sqlalchemy import Connection

from harvest_dagster.storage.copy_rows import copy_rows


def insert_rows(
    connection: Connection, table: str, columns: Mapping[str, str], rows: Iterable[tuple[Any, ...]]
) -> None:
    """Insert rows into a table. There must be at least one.

    Args:
        connection: a transaction that writes.
        table: the name of the table.
        columns: the type of each column in PostgreSQL, by name.
        rows: the values of these columns.
    """
    if connection.dialect.name == "postgresql":
        copy_rows(connection, table, columns, rows)
        return
    marks = ", ".join("?" * len(columns))
    statement = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})"  # noqa: S608 - names of the schema
    connection.exec_driver_sql(statement, list(rows))


def instant_text(instant: datetime) -> str:
    """Return an instant as SQLAlchemy stores it on SQLite."""
    in_utc = instant if instant.tzinfo is timezone.utc else instant.astimezone(timezone.utc)
    return in_utc.isoformat(" ", "microseconds")[:26]


def driver_instant(connection: Connection, instant: datetime) -> datetime | str:
    """Return an instant as the driver writes it."""
    return instant if connection.dialect.name == "postgresql" else instant_text(instant)


def driver_date(connection: Connection, day: date) -> date | str:
    """Return a date as the driver writes it."""
    return day if connection.dialect.name == "postgresql" else day.isoformat()
