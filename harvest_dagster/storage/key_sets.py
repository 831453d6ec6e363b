"""The condition that a column has one of many keys, with one parameter however many keys there are."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

from sqlalchemy import ARRAY, BigInteger, ColumnElement, Connection, any_, bindparam, func, select, text

_NO_SCAN = text("SET LOCAL enable_seqscan = off")


def is_one_of(
    connection: Connection, column: ColumnElement[Any], keys: Collection[int]
) -> ColumnElement[bool]:
    """Return the condition that a column has one of these keys.

    A list of a thousand parameters takes longer to compile than the database takes to read the rows.
    """
    if connection.dialect.name == "postgresql":
        return column == any_(bindparam(None, list(keys), ARRAY(BigInteger)))
    listed = func.json_each(json.dumps(list(keys))).table_valued("value")
    return column.in_(select(listed.c.value))


def prefer_indexes(connection: Connection) -> None:
    """Let the statements of this transaction read by index.

    The planner of PostgreSQL reads all of a table that it takes for small: a new one that is not analyzed yet, and one
    with twenty thousand rows if it looks for a thousand keys. Each batch would then cost more than the one before it.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(_NO_SCAN)
