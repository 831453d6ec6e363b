"""The condition that a column has one of many keys, with one parameter however many keys there are."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

from sqlalchemy import ARRAY, BigInteger, ColumnElement, Connection, any_, bindparam, func, select


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
