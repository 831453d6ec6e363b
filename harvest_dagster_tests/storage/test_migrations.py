"""Opening a database migrates its schema to the tables of `storage.tables`, once."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Column, Engine, Integer, Table, inspect, select, text

from harvest_dagster.errors import DatabaseNewerThanCode
from harvest_dagster.records import Record
from harvest_dagster.storage import connections, migrations, tables
from harvest_dagster.storage.counts import COUNT_NAMES_IN_JSON
from harvest_dagster.storage.database import Database, parse
from harvest_dagster.storage.harvest_log import coverage_changes
from harvest_dagster.storage.migrations.__main__ import main, write
from harvest_dagster.storage.raw_data.store import store_records
from harvest_dagster_tests.conftest import DIALECTS
from harvest_dagster_tests.storage.stored_source import Source, record


@pytest.mark.parametrize(
    ("database_url", "empty_database_url"), [(dialect, dialect) for dialect in DIALECTS], indirect=True
)
def test_the_migrated_schema_has_the_tables(database: Database, empty_database_url: str) -> None:
    """Otherwise a column, index or constraint that only one of them has appears in production."""
    with _opened_without_migration(empty_database_url) as engine:
        tables.metadata.create_all(engine)
        assert _schema(database.engine) == _schema(engine)


# PostgreSQL rewrites the expression. The test above compares the rewritten ones.
@pytest.mark.filterwarnings("ignore:Computed default on harvest_log.counts cannot be modified")
def test_alembic_finds_nothing_to_migrate(database: Database) -> None:
    """Otherwise `make migration` would write old changes into every new revision."""
    with database.read() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True}
        )
        assert compare_metadata(context, tables.metadata) == []


def test_head_is_the_newest_revision() -> None:
    """Otherwise a database would be migrated on every start, or never."""
    assert ScriptDirectory.from_config(migrations.configuration()).get_heads() == [migrations.HEAD]


def test_an_empty_database_is_migrated_once(empty_database_url: str) -> None:
    """Otherwise somebody must remember a manual step."""
    for _ in range(2):
        with Database.open(empty_database_url) as database, database.read() as connection:
            assert connection.execute(text("SELECT version_num FROM alembic_version")).all() == [
                (migrations.HEAD,)
            ]


def test_several_processes_may_open_an_empty_database_at_once(empty_database_url: str) -> None:
    """The first runs of a schedule start together with an empty database."""
    processes = [_start_opening(empty_database_url) for _ in range(4)]
    assert [process.communicate() for process in processes] == [("ready\n", "")] * 4


def test_a_migrated_database_opens_without_alembic(database_url: str) -> None:
    """Otherwise each op imports Alembic."""
    code = "import sys; assert 'alembic' not in sys.modules, 'imported'"
    process = _start_opening(database_url, then=code)
    assert process.communicate() == ("ready\n", "")


def test_a_newer_database_is_rejected_and_not_changed(database_url: str) -> None:
    """Otherwise old code writes rows that newer code cannot read."""
    with Database.open(database_url) as database, database.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(DatabaseNewerThanCode, match=r"9999.*Install the newer version"):
        Database.open(database_url)
    with _opened_without_migration(database_url) as engine, engine.connect() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).all() == [("9999",)]


def test_a_migration_that_fails_leaves_nothing_behind(empty_database_url: str) -> None:
    """Otherwise the next start finds a part of the schema and fails."""
    with _opened_without_migration(empty_database_url) as engine, engine.begin() as connection:
        connection.execute(text("CREATE TABLE quarantine (id INTEGER)"))
    with pytest.raises(Exception, match="quarantine"):
        Database.open(empty_database_url)
    with _opened_without_migration(empty_database_url) as engine:
        assert inspect(engine).get_table_names() == ["quarantine"]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_blobs_of_some_kilobytes_stay_in_their_row(database: Database) -> None:
    """Otherwise PostgreSQL moves each of them, or compresses it with pglz, which takes longer than the insert."""
    source = Source(database)
    source.store(*(record(str(size), "<title>words</title>" * size) for size in (20, 150, 1000)))
    with database.read() as connection:
        options = connection.scalar(text("SELECT reloptions FROM pg_class WHERE relname = 'raw_datum'"))
        compressed = connection.scalars(
            text("SELECT pg_column_compression(datum) FROM raw_datum ORDER BY id")
        ).all()
        moved = connection.scalar(
            text(
                "SELECT pg_relation_size(reltoastrelid) FROM pg_class "
                "WHERE oid = CAST('raw_datum' AS regclass)"
            )
        )
        has_lz4 = connection.scalar(
            text("SELECT 'lz4' = ANY(enumvals) FROM pg_settings WHERE name = 'default_toast_compression'")
        )
    assert options == (None if has_lz4 else ["toast_tuple_target=8160"])
    assert compressed[:2] == [None, "lz4" if has_lz4 else None]
    assert moved == 0


def test_a_new_migration_runs_on_both_databases(
    tmp_path: Path, empty_database_url: str, added_table: Table
) -> None:
    """Otherwise a new migration names our own types, or those of one dialect."""
    folder = Path(shutil.copytree(migrations.FOLDER, tmp_path / "migrations"))
    path = write("another_table", folder)
    assert path is not None
    assert path.name == f"{int(migrations.HEAD) + 1:04}_another_table.py"
    assert "harvest_dagster" not in path.read_text()
    with _opened_without_migration(empty_database_url) as engine, engine.begin() as connection:
        config = migrations.configuration(folder)
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        assert inspect(connection).has_table("added")


def test_0004_assigns_quarantined_records_to_their_list(empty_database_url: str) -> None:
    """Otherwise they would count as records of earlier lists, and the next stored list would delete them."""
    with _opened_without_migration(empty_database_url) as engine, engine.begin() as connection:
        config = migrations.configuration()
        config.attributes["connection"] = connection
        command.upgrade(config, "0003")
        for statement in _QUARANTINE_BEFORE_0004:
            connection.execute(text(statement))
    with Database.open(empty_database_url) as database, database.read() as connection:
        found = connection.execute(text("SELECT identifier, attempt FROM quarantine ORDER BY id")).all()
    assert [tuple(row) for row in found] == [("before", 0), ("now", 3)]


def test_0005_marks_windows_with_unlaunched_data(empty_database_url: str) -> None:
    """Otherwise windows that failed before the migration stay hidden behind an earlier success."""
    with _opened_without_migration(empty_database_url) as engine, engine.begin() as connection:
        config = migrations.configuration()
        config.attributes["connection"] = connection
        command.upgrade(config, "0004")
        connection.execute(text(_CONFIG))
        for day, (status, pages) in enumerate([("FAILED", 1), ("FAILED", 0), ("SUCCEEDED", 1)], start=1):
            connection.execute(text(_LOG_BEFORE_0005), {"day": day, "status": status, "pages": pages})
    with Database.open(empty_database_url) as database, database.read() as connection:
        found = connection.execute(text("SELECT id FROM harvest_log WHERE unlaunched_since IS NOT NULL"))
        assert found.scalars().all() == [1]


def test_0019_merges_the_windows_of_existing_logs(empty_database_url: str) -> None:
    """Otherwise all sources would have no coverage after the upgrade, and all days would be missing."""
    with _opened_without_migration(empty_database_url) as engine, engine.begin() as connection:
        config = migrations.configuration()
        config.attributes["connection"] = connection
        command.upgrade(config, "0018")
        connection.execute(text(_CONFIG))
        for row in _logs_before_0019():
            connection.execute(text(_LOG_BEFORE_0019), row)
    with Database.open(empty_database_url) as database:
        with database.read() as connection:
            found = connection.execute(
                select(
                    tables.coverage_scope.c.arguments_digest,
                    tables.coverage_scope.c.last_began,
                    tables.covered_window.c.start_date,
                    tables.covered_window.c.end_date,
                )
                .join(tables.covered_window)
                .order_by(tables.coverage_scope.c.id, tables.covered_window.c.start_date)
            ).all()
            assert list(coverage_changes.find_differences(connection)) == []
            assert coverage_changes.find_missing_triggers(connection) == []
        assert [(row[0], row[1].day, row[2].day, row[3].day) for row in found] == [
            ("", 20, 1, 5),
            ("", 20, 6, 7),
            ("a", 21, 2, 3),
        ]
        with database.begin() as connection:
            connection.execute(text("UPDATE harvest_log SET has_other_values = true WHERE id = 2"))
            assert coverage_changes.find_changed_sources(connection) == {1}


def test_0020_keeps_the_hashes_of_existing_data(empty_database_url: str) -> None:
    """Otherwise each record is stored again at its next harvest, or readers of the view see other hashes."""
    records = [Record(name, datetime(2026, 1, 3, tzinfo=timezone.utc), False, name * 2000) for name in "xyz"]
    with _opened_without_migration(empty_database_url) as engine, engine.begin() as connection:
        config = migrations.configuration()
        config.attributes["connection"] = connection
        command.upgrade(config, "0019")
        connection.execute(text(_CONFIG))
        for key, one in enumerate(records, start=1):
            row = {"key": key, "identifier": one.identifier, "hash": one.hash, "datum": one.blob}
            for statement in _DATUM_BEFORE_0020:
                connection.execute(text(statement), row)
        connection.execute(text("UPDATE raw_datum SET hash = 'unknown' WHERE id = 3"))
    with Database.open(empty_database_url) as database:
        with database.read() as connection:
            rows = connection.execute(
                text("SELECT identifier, hash, raw_id FROM current_record ORDER BY raw_id")
            )
            assert [tuple(row) for row in rows] == [
                ("x", records[0].hash, 1),
                ("y", records[1].hash, 2),
                ("z", b"unknown".hex(), 3),
            ]
            assert connection.execute(select(tables.raw_datum.c.hash)).scalars().first() == records[0].digest
            assert connection.execute(select(tables.ingest_log.c.raw_id)).scalars().all() == [1, 2, 3]
        with database.begin() as connection:
            counts = store_records(connection, 1, records[:2], datetime(2026, 2, 1, tzinfo=timezone.utc))
            assert (counts.new_identifiers, counts.new_data) == (0, 0)


_DATUM_BEFORE_0020 = (
    (
        "INSERT INTO source_unique_identifier (id, ingest_config_id, identifier, current_datestamp, raw_id,"
        " changed_at, first_seen) VALUES (:key, 1, :identifier, '2026-01-03 00:00:00.000000', :key,"
        " '2026-01-05 00:00:00.000000', '2026-01-05 00:00:00.000000')"
    ),
    (
        "INSERT INTO raw_datum (id, suid_id, hash, datum, datestamp, deleted, date_created) VALUES"
        " (:key, :key, :hash, :datum, '2026-01-03 00:00:00.000000', false, '2026-01-05 00:00:00.000000')"
    ),
    (
        "INSERT INTO ingest_log (id, raw_id, ingest_config_id, transformer_version, status, partition_date,"
        " date_created, date_modified) VALUES (:key, :key, 1, 1, 'PENDING', '2026-01-03',"
        " '2026-01-05 00:00:00.000000', '2026-01-05 00:00:00.000000')"
    ),
)


def _logs_before_0019() -> Iterator[dict[str, Any]]:
    """Yield windows that touch, overlap and are apart, and some that cover nothing."""
    covering = {"status": "FAILED", "started": _day(9), "began": _day(9), "covered": _day(20), "until": None}
    covering |= {"digest": None, "other": False}
    by_another_program = {"status": "SUCCEEDED", "started": _day(20), "began": None, "covered": None}
    yield {"id": 1, "start": _day(1), "end": _day(2), **covering, "covered": _day(19)}
    yield {"id": 2, "start": _day(2), "end": _day(4), **covering}
    yield {"id": 3, "start": _day(3), "end": _day(9), **covering, "until": _day(5)}
    yield {"id": 4, "start": _day(6), "end": _day(7), **covering, **by_another_program}
    yield {"id": 5, "start": _day(7), "end": _day(8), **covering, **by_another_program, "started": _day(7)}
    yield {"id": 6, "start": _day(8), "end": _day(9), **covering, "other": True}
    yield {"id": 7, "start": _day(2), "end": _day(3), **covering, "digest": "a", "covered": _day(21)}
    yield {"id": 8, "start": _day(9), "end": _day(10), **covering, "covered": None, "status": "SUCCEEDED"}


def _day(number: int) -> str:
    return f"2026-01-{number:02} 00:00:00.000000"


def test_0008_derives_the_evidence_of_older_windows(empty_database_url: str) -> None:
    """Until then, only the source's total made a window complete. A total of zero does not prove an empty window."""
    rows = {
        1: ("SUCCEEDED", "complete", 5, 5),
        2: ("SUCCEEDED", "complete", 0, 0),
        3: ("SUCCEEDED", "unverified", 4, None),
        4: ("FAILED", None, 2, 9),
    }
    with _opened_without_migration(empty_database_url) as engine, engine.begin() as connection:
        config = migrations.configuration()
        config.attributes["connection"] = connection
        command.upgrade(config, "0007")
        connection.execute(text(_CONFIG))
        for day, (status, completeness, records, expected) in rows.items():
            connection.execute(
                text(_LOG_BEFORE_0008),
                {
                    "day": day,
                    "status": status,
                    "completeness": completeness,
                    "records": records,
                    "expected": expected,
                },
            )
    with Database.open(empty_database_url) as database, database.read() as connection:
        found = connection.execute(
            text("SELECT id, completeness, evidence FROM harvest_log ORDER BY id")
        ).all()
    assert [tuple(row) for row in found] == [
        (1, "complete", "total"),
        (2, "unverified", "none"),
        (3, "unverified", "none"),
        (4, None, None),
    ]


def test_0009_takes_the_datestamp_of_the_current_content(empty_database_url: str) -> None:
    """Without it, an old version that arrives after the upgrade would replace newer content."""
    with _opened_without_migration(empty_database_url) as engine, engine.begin() as connection:
        config = migrations.configuration()
        config.attributes["connection"] = connection
        command.upgrade(config, "0008")
        for statement in (_CONFIG, *_DATA_BEFORE_0009):
            connection.execute(text(statement))
    with Database.open(empty_database_url) as database, database.begin() as connection:
        found = select(
            tables.source_unique_identifier.c.id, tables.source_unique_identifier.c.current_datestamp
        )
        rows = connection.execute(found.order_by(tables.source_unique_identifier.c.id)).all()
        assert [(row.id, row.current_datestamp and row.current_datestamp.day) for row in rows] == [
            (1, 3),
            (2, None),
            (3, None),
        ]
        old = Record("returned", datetime(2026, 1, 2, tzinfo=timezone.utc), False, "older")
        new = Record("returned", datetime(2026, 1, 4, tzinfo=timezone.utc), False, "newer")
        for record, outdated in ((old, 1), (new, 0)):
            now = datetime(2026, 2, 1, tzinfo=timezone.utc)
            assert store_records(connection, 1, [record], now).outdated == outdated


_DATA_BEFORE_0009 = (
    (
        "INSERT INTO source_unique_identifier (id, ingest_config_id, identifier)"
        " VALUES (1, 1, 'returned'), (2, 1, 'undated'), (3, 1, 'never stored')"
    ),
    # The highest revision is the current content, whatever the order of arrival.
    (
        "INSERT INTO raw_datum (id, suid_id, hash, datum, datestamp, deleted, date_created, revision) VALUES"
        " (1001, 1, 'a', 'A', '2026-01-03 00:00:00.000000', false, '2026-01-05 00:00:00.000000', 3),"
        " (1002, 1, 'b', 'B', '2026-01-09 00:00:00.000000', false, '2026-01-06 00:00:00.000000', 2),"
        " (1003, 2, 'c', 'C', NULL, false, '2026-01-05 00:00:00.000000', 1)"
    ),
)
_CONFIG = (
    "INSERT INTO ingest_config (id, label, name, harvester, disabled, definition, date_modified)"
    " VALUES (1, 'a', 'A', 'oai', false, '{}', '2026-01-01 00:00:00.000000')"
)
_LOG_BEFORE_0005 = (
    "INSERT INTO harvest_log (id, ingest_config_id, harvester_version, start_date, end_date, status, pages_stored,"
    " attempt_began) VALUES (:day, 1, :day, '2026-01-01 00:00:00.000000', '2026-01-02 00:00:00.000000', :status,"
    " :pages, '2026-01-03 12:00:00.000000')"
)
_LOG_BEFORE_0019 = (
    "INSERT INTO harvest_log (id, ingest_config_id, harvester_version, start_date, end_date, status, date_started,"
    " attempt_began, covered_since, covered_until, arguments_digest, has_other_values)"
    " VALUES (:id, 1, 1, :start, :end, :status, :started, :began, :covered, :until, :digest, :other)"
)
_LOG_BEFORE_0008 = (
    "INSERT INTO harvest_log (id, ingest_config_id, harvester_version, start_date, end_date, status, completeness,"
    " records, expected) VALUES (:day, 1, :day, '2026-01-01 00:00:00.000000', '2026-01-02 00:00:00.000000', :status,"
    " :completeness, :records, :expected)"
)
_QUARANTINE_BEFORE_0004 = (
    _CONFIG,
    (
        "INSERT INTO harvest_log (id, ingest_config_id, harvester_version, start_date, end_date, status, attempt,"
        " attempt_began) VALUES (1, 1, 1, '2026-01-01 00:00:00.000000', '2026-01-02 00:00:00.000000', 'STARTED', 3,"
        " '2026-01-03 12:00:00.000000')"
    ),
    (
        "INSERT INTO quarantine (id, harvest_log_id, identifier, datum, error, page, date_created)"
        " VALUES (1, 1, 'before', '', 'bad', 0, '2026-01-03 11:00:00.000000'),"
        " (2, 1, 'now', '', 'bad', 0, '2026-01-03 12:00:00.000000')"
    ),
)


def test_without_a_change_no_migration_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    """Otherwise the folder fills with empty revisions."""
    before = sorted(migrations.FOLDER.glob("versions/*.py"))
    assert main(["nothing"]) == 1
    assert "nothing to migrate" in capsys.readouterr().out
    assert sorted(migrations.FOLDER.glob("versions/*.py")) == before


def test_a_migration_needs_a_name(capsys: pytest.CaptureFixture[str]) -> None:
    """Otherwise `make migration` without NAME writes a file with the name 0002_.py."""
    assert main([""]) == 2
    assert "NAME=" in capsys.readouterr().out


@pytest.fixture
def added_table() -> Any:
    """Yield a table with all our types and expressions that Alembic could write wrongly."""
    counts = tables.harvest_log.c.counts.computed
    assert counts is not None
    added = Table(
        "added",
        tables.metadata,
        Column("id", tables.BigId, primary_key=True),
        Column("identifier", tables.ExactText, nullable=False),
        Column("seen", tables.Instant, nullable=False),
        Column("document", tables.Json),
        *(Column(name, Integer, nullable=False, server_default="0") for name in COUNT_NAMES_IN_JSON),
        Column("expected", Integer),
        tables.harvest_log.c.counts._copy(),
    )
    yield added
    tables.metadata.remove(added)


@contextmanager
def _opened_without_migration(url: str) -> Iterator[Engine]:
    """Yield an engine for a database that is neither checked nor migrated."""
    engine = connections.create(parse(url))
    yield engine
    engine.dispose()


def _start_opening(url: str, then: str = "") -> subprocess.Popen[str]:
    code = f"""
import sys
from harvest_dagster.storage.counts import COUNT_NAMES_IN_JSON
from harvest_dagster.storage.database import Database
with Database.open(sys.argv[1]):
    print("ready")
{then}
"""
    command_line = [sys.executable, "-W", "error", "-c", code, url]
    return subprocess.Popen(command_line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _schema(engine: Engine) -> dict[str, Any]:
    """Return the schema of a database, with the names of constraints and indexes."""
    inspector = inspect(engine)
    return {
        table: {
            # By name: a migration appends columns, `storage.tables` groups them by subject.
            "columns": {column["name"]: _column(column) for column in inspector.get_columns(table)},
            "primary key": inspector.get_pk_constraint(table),
            "foreign keys": _sorted(inspector.get_foreign_keys(table)),
            "unique": _sorted(inspector.get_unique_constraints(table)),
            "checks": _sorted(inspector.get_check_constraints(table)),
            "indexes": _sorted(map(_index, inspector.get_indexes(table))),
        }
        for table in inspector.get_table_names()
        if table != "alembic_version"
    }


def _column(column: Any) -> dict[str, Any]:
    return {**column, "type": repr(column["type"])}


def _index(index: Any) -> dict[str, Any]:
    """Return an index, with the condition of a partial index as text: its objects compare by identity."""
    options = {name: str(option) for name, option in index.get("dialect_options", {}).items()}
    return {**index, "dialect_options": options}


def _sorted(found: Any) -> list[str]:
    return sorted(repr(sorted(one.items())) for one in found)
