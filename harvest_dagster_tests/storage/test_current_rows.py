"""The streams of current records and documents: which rows PostgreSQL reads for them."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from typing import Any

import pytest
from sqlalchemy import Connection, text

from harvest_dagster.storage.current_rows import stream_documents, stream_records
from harvest_dagster.storage.database import Database
from harvest_dagster_tests.storage.stored_source import Source, record

PAGES, PAGE = 4, 200
_TABLES = ("source_unique_identifier", "raw_datum", "normalized_datum")
_READ = f"SELECT relname, seq_scan, idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname IN {_TABLES}"

postgresql = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
streams = pytest.mark.parametrize("stream", [stream_records, stream_documents])


@pytest.fixture(params=["without statistics", "with statistics"])
def source(request: pytest.FixtureRequest, database: Database) -> Source:
    """Return a source with some pages of records and documents."""
    source = Source(database)
    for page in range(PAGES):
        records = [record(f"{page}/{number}", f"{page} {number}") for number in range(PAGE)]
        source.store(*records)
        source.transform(*records)
    if request.param == "with statistics":
        with database.begin() as connection:
            connection.execute(text("ANALYZE"))
    return source


@postgresql
@streams
def test_each_row_is_found_by_its_key(source: Source, stream: Any) -> None:
    """PostgreSQL read all of raw_datum for each row: an export of 60,000 records took minutes."""
    with source.database.read() as connection:
        before = _read(connection)
        assert len(list(stream(connection, source.config_id, None))) == PAGES * PAGE
        assert _scanned(connection, before) == set()


@postgresql
@streams
def test_the_first_rows_are_read_without_the_others(source: Source, stream: Any) -> None:
    """A sort of all rows would write them to the disk of the server before the first one is returned."""
    with source.database.read() as connection:
        before = _read(connection)
        assert len(list(islice(stream(connection, source.config_id, None), 10))) == 10
        assert _scanned(connection, before) == set()
        assert max((_read(connection) - before)[table, "rows"] for table in _TABLES) <= 2 * PAGE


@postgresql
@streams
@pytest.mark.parametrize("source", ["with statistics"], indirect=True)
def test_some_identifiers_are_found_without_the_others(source: Source, stream: Any) -> None:
    """The index of the changes would lead through all rows of the source."""
    with source.database.read() as connection:
        before = _read(connection)
        found = list(stream(connection, source.config_id, None, ["1/1", "2/7"]))
        assert [row.identifier for row in found] == ["1/1", "2/7"]
        assert _scanned(connection, before) == set()
        assert max((_read(connection) - before)[table, "rows"] for table in _TABLES) <= PAGE


def _read(connection: Connection) -> Counter[tuple[str, str]]:
    """Return how often a table was read as a whole, and how many rows an index found in it, in this session.

    The server sets the numbers to zero now and then, but not during a transaction.
    """
    counted: Counter[tuple[str, str]] = Counter()
    for name, scans, rows in connection.execute(text(_READ)):
        counted[name, "scans"], counted[name, "rows"] = scans or 0, rows or 0
    return counted


def _scanned(connection: Connection, before: Counter[tuple[str, str]]) -> set[str]:
    """Return the tables that were read as a whole since then."""
    return {table for (table, what), _ in (_read(connection) - before).items() if what == "scans"}
