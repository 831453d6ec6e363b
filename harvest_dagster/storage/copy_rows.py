"""Write many rows into a table of PostgreSQL with COPY in binary form, the fastest way of the driver."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, exc


def copy_rows(
    connection: Connection, table: str, columns: Mapping[str, str], rows: Iterable[Sequence[Any]]
) -> None:
    """Write rows into a table, in the transaction of the connection.

    Args:
        connection: a write transaction on PostgreSQL.
        table: its name.
        columns: the type of each column that the rows have. Other columns get their defaults.
        rows: the values, in the order of the columns.

    Raises:
        DBAPIError: the database refuses a row. COPY has no ON CONFLICT.
    """
    statement = f"COPY {table} ({', '.join(columns)}) FROM STDIN (FORMAT BINARY)"
    errors = connection.dialect.loaded_dbapi.Error
    driver: Any = connection.connection.driver_connection
    try:
        with driver.cursor() as cursor, cursor.copy(statement) as copy:
            copy.set_types(list(columns.values()))
            for row in rows:
                copy.write_row(row)
    except errors as error:
        # COPY bypasses SQLAlchemy. Its errors are turned into the errors that all other statements raise.
        raise exc.DBAPIError.instance(
            statement, None, error, errors, connection_invalidated=driver.closed
        ) from None
