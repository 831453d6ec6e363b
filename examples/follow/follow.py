"""Keep a DuckDB table equal to the current documents of a source.

    pip install 'harvest_dagster[parquet]' duckdb
    python follow.py LABEL documents.duckdb

Run it after each harvest. It exports what changed since its last run, applies the changes and remembers the newest one,
in one transaction. If it is killed, the next run repeats the same changes, which changes nothing.
"""

from __future__ import annotations

import sys
import tempfile
from datetime import datetime, timezone
from pathlib import Path

import duckdb

from harvest_dagster.data.export import export

_TABLES = """
    CREATE TABLE IF NOT EXISTS documents AS SELECT * FROM read_parquet('{changes}') LIMIT 0;
    CREATE TABLE IF NOT EXISTS followed (label TEXT PRIMARY KEY, changed_at TIMESTAMPTZ NOT NULL);
"""
_APPLY = """
    DELETE FROM documents USING read_parquet('{changes}') AS changed
        WHERE documents.label = changed.label AND documents.identifier = changed.identifier;
    INSERT INTO documents SELECT * FROM read_parquet('{changes}') WHERE NOT deleted;
    INSERT OR REPLACE INTO followed
        SELECT label, max(changed_at) FROM read_parquet('{changes}') GROUP BY label;
"""


def follow(index: duckdb.DuckDBPyConnection, label: str) -> int:
    """Apply what changed since the last call. Return the number of changes, deletions included."""
    with tempfile.TemporaryDirectory() as folder:
        changes = str(Path(folder) / "changes.parquet")
        summary = export([label], "documents", "parquet", changes, since=_newest(index, label))
        index.execute("BEGIN")
        index.execute(_TABLES.format(changes=changes))
        index.execute(_APPLY.format(changes=changes))
        index.execute("COMMIT")
    return summary.rows


def _newest(index: duckdb.DuckDBPyConnection, label: str) -> datetime | None:
    """Return the newest change that was applied, None before the first run."""
    index.execute("SET TimeZone = 'UTC'")
    if not index.execute("SELECT 1 FROM duckdb_tables() WHERE table_name = 'followed'").fetchall():
        return None
    # As text: DuckDB needs another package to return an instant with its zone.
    query = "SELECT strftime(changed_at, '%Y-%m-%dT%H:%M:%S.%f') FROM followed WHERE label = ?"
    found = index.execute(query, [label]).fetchone()
    return None if found is None else datetime.fromisoformat(found[0]).replace(tzinfo=timezone.utc)


if __name__ == "__main__":
    if len(sys.argv) != 3:  # noqa: PLR2004
        sys.exit("Usage: python follow.py LABEL DATABASE.duckdb")
    with duckdb.connect(sys.argv[2]) as connection:
        print(f"{follow(connection, sys.argv[1])} changes applied")
