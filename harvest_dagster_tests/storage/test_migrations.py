"""The schema comes to be by itself, once, and is what `storage.tables` says."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Column, Engine, Integer, Table, inspect, text

from harvest_dagster.errors import DatabaseNewerThanCode
from harvest_dagster.storage import connections, migrations, tables
from harvest_dagster.storage.engine import Database, parse
from harvest_dagster.storage.migrations.__main__ import main, write
from harvest_dagster_tests.conftest import DIALECTS


@pytest.mark.parametrize(
    ("database_url", "empty_database_url"), [(dialect, dialect) for dialect in DIALECTS], indirect=True
)
def test_the_migrated_schema_is_what_the_tables_say(database: Database, empty_database_url: str) -> None:
    """Without it a column, index or constraint that only one of the two has shows up in production."""
    with _opened_as_is(empty_database_url) as engine:
        tables.metadata.create_all(engine)
        assert _schema(database.engine) == _schema(engine)


# PostgreSQL keeps the expression in words of its own; the test above compares those.
@pytest.mark.filterwarnings("ignore:Computed default on harvest_log.counts cannot be modified")
def test_alembic_finds_nothing_to_migrate(database: Database) -> None:
    """Without it `make migration` would write old changes into every new revision."""
    with database.read() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True}
        )
        assert compare_metadata(context, tables.metadata) == []


def test_head_is_the_newest_revision() -> None:
    """Without it a database would be migrated on every start, or never."""
    assert ScriptDirectory.from_config(migrations.configuration()).get_heads() == [migrations.HEAD]


def test_an_empty_database_is_migrated_once(empty_database_url: str) -> None:
    """Without it somebody has to remember a step by hand."""
    for _ in range(2):
        with Database.open(empty_database_url) as database, database.read() as connection:
            assert connection.execute(text("SELECT version_num FROM alembic_version")).all() == [
                (migrations.HEAD,)
            ]


def test_several_processes_may_begin_at_once(empty_database_url: str) -> None:
    """Without it the first run of a schedule fails: all its runs find an empty database."""
    begun = [_start_opening(empty_database_url) for _ in range(4)]
    assert [process.communicate() for process in begun] == [("ready\n", "")] * 4


def test_a_migrated_database_opens_without_alembic(database_url: str) -> None:
    """Without it each step of each run pays for importing Alembic."""
    code = "import sys; assert 'alembic' not in sys.modules, 'imported'"
    process = _start_opening(database_url, then=code)
    assert process.communicate() == ("ready\n", "")


def test_a_newer_database_is_refused_and_left_alone(database_url: str) -> None:
    """Without it old code writes rows that the newer one cannot read."""
    with Database.open(database_url) as database, database.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(DatabaseNewerThanCode, match=r"9999.*Install the newer version"):
        Database.open(database_url)
    with _opened_as_is(database_url) as engine, engine.connect() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).all() == [("9999",)]


def test_a_migration_that_fails_leaves_nothing_behind(empty_database_url: str) -> None:
    """Without it the next start finds half a schema, and fails on what is there already."""
    with _opened_as_is(empty_database_url) as engine, engine.begin() as connection:
        connection.execute(text("CREATE TABLE quarantine (id INTEGER)"))
    with pytest.raises(Exception, match="quarantine"):
        Database.open(empty_database_url)
    with _opened_as_is(empty_database_url) as engine:
        assert inspect(engine).get_table_names() == ["quarantine"]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_blobs_of_two_kilobytes_stay_in_their_row(database: Database) -> None:
    """Without it PostgreSQL compresses and moves each of them: two thirds of the speed."""
    with database.read() as connection:
        options = connection.scalar(text("SELECT reloptions FROM pg_class WHERE relname = 'raw_datum'"))
    assert options == ["toast_tuple_target=8160"]


def test_a_new_migration_runs_on_both_databases(
    tmp_path: Path, empty_database_url: str, added_table: Table
) -> None:
    """Without it what `make migration` writes names our own types, or one dialect's."""
    folder = Path(shutil.copytree(migrations.FOLDER, tmp_path / "migrations"))
    path = write("another_table", folder)
    assert path is not None
    assert path.name == f"{int(migrations.HEAD) + 1:04}_another_table.py"
    assert "harvest_dagster" not in path.read_text()
    with _opened_as_is(empty_database_url) as engine, engine.begin() as connection:
        config = migrations.configuration(folder)
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        assert inspect(connection).has_table("added")


def test_what_was_in_quarantine_goes_to_the_list_that_brought_it(empty_database_url: str) -> None:
    """0004: all of it would count as of earlier lists, and go when the one at work is stored."""
    with _opened_as_is(empty_database_url) as engine, engine.begin() as connection:
        config = migrations.configuration()
        config.attributes["connection"] = connection
        command.upgrade(config, "0003")
        for statement in _QUARANTINE_BEFORE_0004:
            connection.execute(text(statement))
    with Database.open(empty_database_url) as database, database.read() as connection:
        found = connection.execute(text("SELECT identifier, attempt FROM quarantine ORDER BY id")).all()
    assert [tuple(row) for row in found] == [("before", 0), ("now", 3)]


def test_what_was_half_stored_is_still_to_be_launched(empty_database_url: str) -> None:
    """0005: what broke off before it would stay hidden behind an older success."""
    with _opened_as_is(empty_database_url) as engine, engine.begin() as connection:
        config = migrations.configuration()
        config.attributes["connection"] = connection
        command.upgrade(config, "0004")
        connection.execute(text(_CONFIG))
        for day, (status, pages) in enumerate([("FAILED", 1), ("FAILED", 0), ("SUCCEEDED", 1)], start=1):
            connection.execute(text(_LOG_BEFORE_0005), {"day": day, "status": status, "pages": pages})
    with Database.open(empty_database_url) as database, database.read() as connection:
        found = connection.execute(text("SELECT id FROM harvest_log WHERE unlaunched_since IS NOT NULL"))
        assert found.scalars().all() == [1]


_CONFIG = (
    "INSERT INTO ingest_config (id, label, name, harvester, disabled, definition, date_modified)"
    " VALUES (1, 'a', 'A', 'oai', false, '{}', '2026-01-01 00:00:00.000000')"
)
_LOG_BEFORE_0005 = (
    "INSERT INTO harvest_log (id, ingest_config_id, harvester_version, start_date, end_date, status, pages_stored,"
    " attempt_began) VALUES (:day, 1, :day, '2026-01-01 00:00:00.000000', '2026-01-02 00:00:00.000000', :status,"
    " :pages, '2026-01-03 12:00:00.000000')"
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
    """Without it the folder fills with revisions that do nothing."""
    before = sorted(migrations.FOLDER.glob("versions/*.py"))
    assert main(["nothing"]) == 1
    assert "nothing to migrate" in capsys.readouterr().out
    assert sorted(migrations.FOLDER.glob("versions/*.py")) == before


def test_a_migration_needs_a_name(capsys: pytest.CaptureFixture[str]) -> None:
    """Without it `make migration` without NAME writes a file called 0002_.py."""
    assert main([""]) == 2
    assert "NAME=" in capsys.readouterr().out


@pytest.fixture
def added_table() -> Any:
    """A table with everything of ours that Alembic could write wrong."""
    counts = tables.harvest_log.c.counts.computed
    assert counts is not None
    added = Table(
        "added",
        tables.metadata,
        Column("id", tables.BigId, primary_key=True),
        Column("identifier", tables.ExactText, nullable=False),
        Column("seen", tables.Instant, nullable=False),
        Column("document", tables.Json),
        *(Column(name, Integer, nullable=False, server_default="0") for name in tables.COUNTS),
        Column("expected", Integer),
        tables.harvest_log.c.counts._copy(),
    )
    yield added
    tables.metadata.remove(added)


@contextmanager
def _opened_as_is(url: str) -> Iterator[Engine]:
    """An engine on a database that is neither checked nor migrated."""
    engine = connections.create(parse(url))
    yield engine
    engine.dispose()


def _start_opening(url: str, then: str = "") -> subprocess.Popen[str]:
    code = f"""
import sys
from harvest_dagster.storage.engine import Database
with Database.open(sys.argv[1]):
    print("ready")
{then}
"""
    command_line = [sys.executable, "-W", "error", "-c", code, url]
    return subprocess.Popen(command_line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _schema(engine: Engine) -> dict[str, Any]:
    """What a database says of its tables, names of constraints and indexes included."""
    inspector = inspect(engine)
    return {
        table: {
            "columns": [_column(column) for column in inspector.get_columns(table)],
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
    """With the condition of a partial one as text: what SQLAlchemy gives compares by identity."""
    options = {name: str(option) for name, option in index.get("dialect_options", {}).items()}
    return {**index, "dialect_options": options}


def _sorted(found: Any) -> list[str]:
    return sorted(repr(sorted(one.items())) for one in found)
