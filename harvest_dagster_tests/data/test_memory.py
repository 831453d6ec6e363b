"""An export needs the same memory for any number of rows (docs/failures.md#memory-grows)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Column, ColumnElement, func, select

from harvest_dagster.storage.database import Database
from harvest_dagster.storage.tables import normalized_datum, raw_datum, source_unique_identifier
from harvest_dagster.transformers.document import Description, Document
from harvest_dagster_tests.storage.stored_source import Source, record

FEW = 20_000
MANY = 200_000
PAGE = 1_000
WORDS = "harvested metadata records of a repository with two kilobytes of text "
EXPORTS = (("documents", "parquet"), ("documents", "csv"), ("records", "parquet"), ("records", "jsonl"))

_MEASURED = """
import resource, sys
from harvest_dagster.cli.app import harvest
try:
    harvest(sys.argv[1:])
except SystemExit as end:
    assert not end.code, end.code
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.slow
def test_many_rows_take_the_same_memory_as_few(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An aggregator with ten million records could not export them."""
    monkeypatch.setenv("HARVEST_DATABASE_URL", database_url)
    with Database.open(database_url) as database:
        source = Source(database)
        _store(source, FEW)
        few = {export: _peak(source, *export, tmp_path) for export in EXPORTS}
        _copy(database, FEW, MANY)
        many = {export: _peak(source, *export, tmp_path) for export in EXPORTS}
    print(few, many)
    for export in EXPORTS:
        assert many[export] < 1.15 * few[export], (few, many)


def _store(source: Source, number: int) -> None:
    """Store records and their documents."""
    for start in range(0, number, PAGE):
        page = [record(f"{number:07}", f"{number} {WORDS * 28}") for number in range(start, start + PAGE)]
        documents = {
            one.identifier: Document(id=one.identifier, descriptions=(Description(one.blob),)).as_dict()
            for one in page
        }
        source.store(*page)
        source.transform(*page, documents=documents)


def _copy(database: Database, stored: int, wanted: int) -> None:
    """Copy all rows under new keys and identifiers. To store so many records takes minutes."""
    tables = (source_unique_identifier, raw_datum, normalized_datum)
    with database.begin() as connection:
        highest = max(connection.execute(select(func.max(table.c.id))).scalar_one() for table in tables)
        for number in range(1, wanted // stored):
            for table in tables:
                values = [_copied(column, number * highest) for column in table.c]
                rows = select(*values).where(table.c.id <= highest)
                connection.execute(table.insert().from_select(list(table.c.keys()), rows))


def _copied(column: Column[Any], more: int) -> ColumnElement[Any]:
    """Return the value of a column in a copy: keys are larger by a number, and the identifier ends with it."""
    if column.name in {"id", "suid_id", "raw_id"}:
        return column + more
    return column + f"/{more}" if column.name == "identifier" else column


def _peak(source: Source, kind: str, file_format: str, folder: Path) -> int:
    """Return the peak memory of an export in its own process, in kilobytes on Linux."""
    target = str(folder / f"export.{file_format}")
    arguments = ["export", str(source.label), f"--{kind}", "--format", file_format, target]
    done = subprocess.run(
        [sys.executable, "-c", _MEASURED, *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout.splitlines()[-1])
