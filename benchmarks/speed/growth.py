"""Fill a harvested database with more data: copies of its rows, under other identifiers of another source."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from typing import Any

import psycopg
from sqlalchemy import make_url

_LABEL = "stored_before"
# In each copy, these columns get other values. {add} is a multiple of the number of rows, so ids stay unique.
_CHANGED = {
    "source_unique_identifier": {
        "id": "id + {add}",
        "ingest_config_id": "{config}",
        "identifier": "identifier || '/{copy}'",
        "raw_id": "raw_id + {add}",
    },
    "raw_datum": {"id": "id + {add}", "suid_id": "suid_id + {add}"},
    "ingest_log": {"id": "id + {add}", "raw_id": "raw_id + {add}", "ingest_config_id": "{config}"},
}
_COLUMNS = {
    "postgresql": "SELECT attname FROM pg_attribute WHERE attrelid = CAST('{table}' AS regclass) AND attnum > 0 "
    "AND NOT attisdropped AND attgenerated = '' ORDER BY attnum",
    "sqlite": "SELECT name FROM pragma_table_xinfo('{table}') WHERE hidden = 0",
}


def fill(url: str, stored: int) -> int:
    """Copy the rows of the harvested source until about this many data are stored. Return their number."""
    if url.startswith("postgresql"):
        with psycopg.connect(url, autocommit=True) as connection:
            count = _fill(connection.execute, "postgresql", stored)
            connection.execute("VACUUM ANALYZE")
            connection.execute("CHECKPOINT")
            return count
    with closing(sqlite3.connect(make_url(url).database or "", isolation_level=None)) as connection:
        return _fill(connection.execute, "sqlite", stored)


def _fill(execute: Callable[..., Any], dialect: str, stored: int) -> int:
    """Insert the copies, each in one transaction."""
    base = max(int(execute(f"SELECT max(id) FROM {table}").fetchone()[0]) for table in _CHANGED)
    count = int(execute("SELECT count(*) FROM raw_datum").fetchone()[0])
    names = "name, harvester, disabled, definition, date_modified"
    execute(
        f"INSERT INTO ingest_config (label, {names}) SELECT '{_LABEL}', {names} FROM ingest_config LIMIT 1"
    )
    config = execute(f"SELECT id FROM ingest_config WHERE label = '{_LABEL}'").fetchone()[0]
    copies = max(0, round(stored / count) - 1)
    for copy in range(1, copies + 1):
        execute("BEGIN")
        for table, changed in _CHANGED.items():
            columns = [row[0] for row in execute(_COLUMNS[dialect].format(table=table)).fetchall()]
            values = [
                changed.get(column, column).format(add=copy * base, copy=copy, config=config)
                for column in columns
            ]
            execute(
                f"INSERT INTO {table} ({', '.join(columns)}) SELECT {', '.join(values)} FROM {table} WHERE id <= {base}"
            )
        execute("COMMIT")
    if dialect == "postgresql":
        for table in _CHANGED:
            execute(f"SELECT setval('{table}_id_seq', (SELECT max(id) FROM {table}))")
    return int(execute("SELECT count(*) FROM raw_datum").fetchone()[0])
