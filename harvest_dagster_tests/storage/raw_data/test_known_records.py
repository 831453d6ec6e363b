"""The stream of all identifiers of a source."""

from __future__ import annotations

from datetime import timedelta
from itertools import islice

import pytest
from sqlalchemy import Connection, text

from harvest_dagster.storage.database import Database
from harvest_dagster.storage.raw_data.known_records import KnownRecord, count_live, stream_known_records
from harvest_dagster_tests.storage.configs import NOW
from harvest_dagster_tests.storage.stored_source import Source, record

_TABLES = ("source_unique_identifier", "raw_datum")
_READ = f"SELECT relname, seq_scan, idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname IN {_TABLES}"


def stream(source: Source) -> list[KnownRecord]:
    with source.database.read() as connection:
        return list(stream_known_records(connection, source.config_id))


def test_each_identifier_has_its_current_content(database: Database) -> None:
    """The comparison needs the newest datestamp, and whether the record is live now."""
    source, other = Source(database), Source(database)
    other.store(record("z", "of another source"))
    later = NOW + timedelta(days=1)
    source.store(record("b", "B"), record("a", "A"), record("c", "C", None))
    source.store(record("a", "gone", later, deleted=True), record("b", "B", later), now=later)

    found = stream(source)

    assert [one.identifier for one in found] == ["a", "b", "c"]
    assert [one.deleted for one in found] == [True, False, False]
    assert [one.datestamp for one in found] == [later, later, None]
    assert [one.changed_at for one in found] == [later, NOW, NOW]
    assert len({one.suid_id for one in found}) == 3
    with database.read() as connection:
        assert count_live(connection, source.config_id, later) == 2
        assert count_live(connection, source.config_id, NOW) == 0


def test_the_order_is_that_of_code_points(database: Database) -> None:
    """A comparison with another order would make records seem gone."""
    names = ["a", "B", "ab", "a-b", "a_b", "é", "z", "\U0001f600", "ﬁ", "10", "9", " ", "ß", "A"]
    source = Source(database)
    source.store(*(record(name, name) for name in names))
    assert [one.identifier for one in stream(source)] == sorted(names)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.parametrize("has_statistics", [False, True])
def test_postgresql_reads_the_first_rows_without_the_others(database: Database, has_statistics: bool) -> None:
    """A sort or a join of all rows would need the memory or the disk of the server."""
    source = Source(database)
    for page in range(10):
        source.store(*(record(f"{page}/{number}", f"{page} {number}") for number in range(300)))
    if has_statistics:
        with database.begin() as connection:
            connection.execute(text("ANALYZE"))
    with database.read() as connection:
        before = _read(connection)
        assert len(list(islice(stream_known_records(connection, source.config_id), 10))) == 10
        after = _read(connection)
    for table in _TABLES:
        assert after[table][0] == before[table][0]
        assert after[table][1] - before[table][1] <= 1200


def _read(connection: Connection) -> dict[str, tuple[int, int]]:
    return {name: (scans, rows) for name, scans, rows in connection.execute(text(_READ))}
