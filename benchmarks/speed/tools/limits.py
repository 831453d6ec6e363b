"""Write rows that are ready in memory into the three tables of a new database with our schema, and do nothing else.

`python limits.py ARGUMENTS`, a JSON object with from_database, database and server (a process id or null). The rows are
those of a harvested database, with all columns. PostgreSQL: one COPY for each table and 1,000 records. SQLite:
executemany. Each 1,000 records are one transaction. The output is a JSON object with the elapsed seconds and the
seconds of processor time.
"""

from __future__ import annotations

import json
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import psycopg

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from common.measuring import processor_seconds
from sqlalchemy import make_url

from harvest_dagster.storage.database import Database

# Referenced rows come first.
TABLES = ("source_unique_identifier", "raw_datum", "ingest_log")
BATCH = 1_000
Batches = Iterator[dict[str, Sequence[Any]]]


def main() -> None:
    """Read the rows, write them, and print the cost of writing."""
    arguments = json.loads(sys.argv[1])
    Database.open(arguments["database"]).dispose()  # creates the tables
    prepare = postgresql if arguments["database"].startswith("postgresql") else sqlite
    write, count = prepare(arguments["from_database"], arguments["database"])
    server = arguments.get("server")
    before = processor_seconds(server) if server else 0.0
    began, processor = time.perf_counter(), time.process_time()
    write()
    result = {
        "seconds": time.perf_counter() - began,
        "client": time.process_time() - processor,
        "server": processor_seconds(server) - before if server else None,
        "records": count,
    }
    print(json.dumps(result))


def batches(rows: dict[str, list[Any]]) -> Batches:
    """Yield the rows of each table, 1,000 at a time."""
    for first in range(0, max(map(len, rows.values())), BATCH):
        yield {table: found[first : first + BATCH] for table, found in rows.items()}


def postgresql(from_url: str, url: str) -> tuple[Callable[[], None], int]:
    """Return a function that copies all rows, and their number."""
    columns: dict[str, list[tuple[str, str]]] = {}
    rows: dict[str, list[Any]] = {}
    with psycopg.connect(_libpq(from_url)) as source:
        for table in TABLES:
            columns[table] = source.execute(
                "SELECT attname, CAST(atttypid AS regtype)::text FROM pg_attribute "
                "WHERE attrelid = CAST(%s AS regclass) AND attnum > 0 AND NOT attisdropped AND attgenerated = '' "
                "ORDER BY attnum",
                [table],
            ).fetchall()
            names = ", ".join(name for name, _ in columns[table])
            rows[table] = source.execute(f"SELECT {names} FROM {table} ORDER BY id", binary=True).fetchall()
        sources = source.execute("SELECT id, label FROM ingest_config").fetchall()
    target = psycopg.connect(_libpq(url))
    for key, label in sources:
        _add_config(target.execute, key, label, "%s")
    target.commit()

    def write() -> None:
        with target, target.cursor() as cursor:
            for batch in batches(rows):
                for table, found in batch.items():
                    names = ", ".join(name for name, _ in columns[table])
                    with cursor.copy(f"COPY {table} ({names}) FROM STDIN (FORMAT BINARY)") as copy:
                        copy.set_types([kind for _, kind in columns[table]])
                        for row in found:
                            copy.write_row(row)
                target.commit()

    return write, len(rows["raw_datum"])


def sqlite(from_url: str, url: str) -> tuple[Callable[[], None], int]:
    """Return a function that inserts all rows, and their number."""
    statements: dict[str, str] = {}
    rows: dict[str, list[Any]] = {}
    source = sqlite3.connect(make_url(from_url).database or "")
    for table in TABLES:
        # table_xinfo also lists generated columns, whose last value is not 0.
        names = [
            one[1] for one in source.execute(f"SELECT * FROM pragma_table_xinfo('{table}')") if not one[6]
        ]
        rows[table] = source.execute(f"SELECT {', '.join(names)} FROM {table} ORDER BY id").fetchall()
        statements[table] = f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"
    target = sqlite3.connect(make_url(url).database or "", isolation_level=None)
    target.execute("PRAGMA synchronous = NORMAL")
    target.execute("PRAGMA foreign_keys = ON")
    for key, label in source.execute("SELECT id, label FROM ingest_config").fetchall():
        _add_config(target.execute, key, label, "?")

    def write() -> None:
        for batch in batches(rows):
            target.execute("BEGIN IMMEDIATE")
            for table, found in batch.items():
                target.executemany(statements[table], found)
            target.execute("COMMIT")

    return write, len(rows["raw_datum"])


def _add_config(execute: Callable[..., Any], key: int, label: str, mark: str) -> None:
    """Add the row of a source, to which the identifiers refer."""
    names = "id, label, name, harvester, disabled, definition, date_modified"
    values = (key, label, label, "oai", False, "{}", "2024-03-01 00:00:00+00:00")
    marks = ", ".join([mark] * len(values))
    execute(f"INSERT INTO ingest_config ({names}) VALUES ({marks})", values)


def _libpq(url: str) -> str:
    return url.replace("+psycopg", "")


if __name__ == "__main__":
    main()
