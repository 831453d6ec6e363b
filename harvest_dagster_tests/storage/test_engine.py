"""A database that can be used is opened safely; one that cannot says why, and keeps its password."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import traceback
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Connection, insert, make_url, text
from sqlalchemy.exc import IntegrityError

from harvest_dagster.errors import BadInput, DatabaseUnreachable
from harvest_dagster.storage import connections
from harvest_dagster.storage.engine import VARIABLE, Database, default_database_url, parse
from harvest_dagster.storage.tables import ingest_config

PASSWORD = "hunter2"
only_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
only_postgresql = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


def add(connection: Connection, label: str, name: str = "any") -> None:
    connection.execute(
        insert(ingest_config),
        {"label": label, "name": name, "harvester": "oai", "disabled": False, "definition": {}}
        | {"date_modified": datetime(2024, 1, 1, tzinfo=timezone.utc)},
    )


def labels(database: Database) -> list[str]:
    with database.read() as connection:
        return list(connection.scalars(ingest_config.select().with_only_columns(ingest_config.c.label)))


# Which database


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({VARIABLE: "postgresql://somewhere/x", "DAGSTER_HOME": "/home/dagster"}, "postgresql://somewhere/x"),
        ({"DAGSTER_HOME": "/home/dagster"}, "sqlite:////home/dagster/harvest.db"),
        ({VARIABLE: "", "DAGSTER_HOME": ""}, "sqlite:////here/.dagster/harvest.db"),
    ],
)
def test_the_default_follows_the_contract(environ: dict[str, str], expected: str) -> None:
    """Without it two processes of one run may write to two databases."""
    assert default_database_url(environ, Path("/here")) == expected


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg2", "postgresql+psycopg"])
def test_every_spelling_of_postgresql_uses_psycopg_3(scheme: str) -> None:
    """Without it COPY in binary is missing where somebody copied Dagster's own URL."""
    assert parse(f"{scheme}://harvest@localhost/x").drivername == "postgresql+psycopg"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "no url",
        f"postgresql://harvest:{PASSWORD}@localhost:port/x",
        f"mysql://harvest:{PASSWORD}@localhost/x",
        f"postgresql+asyncpg://harvest:{PASSWORD}@localhost/x",
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite:///file:x?mode=memory&uri=true",
    ],
)
def test_a_url_that_cannot_be_used_is_refused(url: str) -> None:
    """Without it a typing error ends as a driver's traceback, with the password in it."""
    with pytest.raises(BadInput, match=f"Set {VARIABLE} to sqlite:.*") as caught:
        Database.open(url)
    assert PASSWORD not in "".join(traceback.format_exception(caught.value))
    assert caught.value.__context__ is None


def test_a_relative_path_means_the_same_file_after_chdir(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without it a step that changes its directory goes on in an empty database."""
    monkeypatch.chdir(tmp_path)
    with Database.open("sqlite:///new/folder/harvest.db") as database:
        database.dispose()
        monkeypatch.chdir("/")
        assert labels(database) == []
    assert (tmp_path / "new/folder/harvest.db").exists()


# One that cannot be used


@pytest.mark.parametrize("scheme", ["postgresql", "postgres"])
def test_a_server_that_does_not_answer_is_named_without_its_password(scheme: str) -> None:
    """Without it the operator reads a driver's traceback, and the log the password."""
    with pytest.raises(DatabaseUnreachable, match=rf"database x on 127.0.0.1:1 .*{VARIABLE}") as caught:
        Database.open(f"{scheme}://harvest:{PASSWORD}@127.0.0.1:1/x?application_name={PASSWORD}")
    assert PASSWORD not in "".join(traceback.format_exception(caught.value))


@only_postgresql
def test_a_database_that_does_not_exist_is_named(database_url: str) -> None:
    """Without it a wrong name looks like a bug of ours."""
    url = make_url(database_url).set(database="nowhere").render_as_string()
    with pytest.raises(DatabaseUnreachable, match=r'database "nowhere" does not exist'):
        Database.open(url)


def test_a_path_below_a_file_is_named(tmp_path: Path) -> None:
    """Without it an unwritable place ends in a traceback of pathlib."""
    (tmp_path / "file").touch()
    with pytest.raises(DatabaseUnreachable, match=rf"{tmp_path}/file/harvest.db.*{VARIABLE}"):
        Database.open(f"sqlite:///{tmp_path}/file/harvest.db")


def test_a_folder_is_no_database(tmp_path: Path) -> None:
    """Without it SQLite's `unable to open database file` stands alone, without a place."""
    with pytest.raises(DatabaseUnreachable, match=rf"{tmp_path} .*unable to open"):
        Database.open(f"sqlite:///{tmp_path}")


def test_a_file_of_another_kind_is_no_database(tmp_path: Path) -> None:
    """Without it somebody's spreadsheet is taken for a bug of ours; nor may it be touched."""
    path = tmp_path / "letter.txt"
    path.write_text("Dear Sir or Madam, " * 100)
    with pytest.raises(DatabaseUnreachable, match="file is not a database"):
        Database.open(f"sqlite:///{path}")
    assert path.read_text().startswith("Dear Sir")


def test_a_database_shows_no_password() -> None:
    """Without it the first `print(database)` puts it into a log."""
    engine = connections.create(parse(f"postgresql://harvest:{PASSWORD}@localhost/x?sslpassword={PASSWORD}"))
    assert PASSWORD not in repr(Database(engine, "PostgreSQL database x"))


def test_an_error_shows_nothing_of_what_was_harvested(database: Database) -> None:
    """Without it a page of people's names goes into the event log with one unique violation."""
    with database.begin() as connection:
        add(connection, "twice")
        with pytest.raises(IntegrityError) as caught:
            add(connection, "twice", name="harvested text")
        connection.rollback()
    assert "harvested text" not in str(caught.value)


# Transactions


def test_a_transaction_is_kept_whole_or_not_at_all(database: Database) -> None:
    """Without it a page may be stored without its progress (Lesson 6)."""
    with database.begin() as connection:
        add(connection, "kept")
    with suppress(ZeroDivisionError), database.begin() as connection:
        add(connection, "lost")
        _ = 1 / 0
    assert labels(database) == ["kept"]


def test_a_reader_writes_nothing(database: Database) -> None:
    """Without it a forgotten write is kept or not by chance."""
    with database.read() as connection:
        add(connection, "lost")
    assert labels(database) == []


def test_a_reader_waits_for_no_writer(database: Database) -> None:
    """Without it the UI's sensors stand still while a page is stored."""
    with database.begin() as connection:
        add(connection, "later")
        assert labels(database) == []


@only_sqlite
def test_a_writer_holds_the_write_lock_from_its_beginning(database: Database) -> None:
    """Without it two writers both read, and the second fails or overwrites what it has not seen."""
    path = make_url(str(database.engine.url)).database
    with database.begin():
        other = sqlite3.connect(str(path), timeout=0, isolation_level=None)
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")
        other.close()


@only_sqlite
def test_a_writer_that_waits_too_long_says_so(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it a transaction left open by somebody's shell looks like a bug of ours."""
    monkeypatch.setattr(connections, "SQLITE_BUSY_SECONDS", 0.01)
    with (
        Database.open(database_url) as database,
        database.begin(),
        pytest.raises(DatabaseUnreachable, match="database is locked"),
        database.begin(),
    ):
        pass


@only_sqlite
def test_a_sqlite_database_is_set_up_for_speed_and_truth(database: Database) -> None:
    """Without it readers block writers, foreign keys are ignored, and 2 KB blobs overflow their pages."""
    found = {}
    with database.read() as connection:
        for pragma in ("journal_mode", "page_size", "foreign_keys", "synchronous", "busy_timeout"):
            found[pragma] = connection.exec_driver_sql(f"PRAGMA {pragma}").scalar()
    assert found == {
        "journal_mode": "wal",
        "page_size": 16384,
        "foreign_keys": 1,
        "synchronous": 1,
        "busy_timeout": 60000,
    }


@only_postgresql
def test_a_frozen_transaction_gives_its_locks_back_and_the_session_stays_clean(database: Database) -> None:
    """Without it a stopped process holds a row for ever, or a pooler's next client inherits our limit."""
    show = text("SHOW idle_in_transaction_session_timeout")
    with database.begin() as connection:
        assert connection.scalar(show) == "1min"
        driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)
    assert driver.prepare_threshold is None
    assert driver.execute("SHOW idle_in_transaction_session_timeout").fetchone() == ("0",)
    driver.rollback()


@only_postgresql
def test_a_broken_connection_is_said_and_the_next_one_works(database: Database) -> None:
    """Lesson 11: without it one restart of the server ends every run that comes after it, too."""
    with pytest.raises(DatabaseUnreachable, match="terminating connection"):
        _break_while_writing(database)
    assert labels(database) == []


@only_postgresql
def test_a_connection_that_broke_while_it_was_idle_is_not_used(database: Database, database_url: str) -> None:
    """Without it each op that comes after a pause fails once."""
    with database.begin() as connection:
        process_id = connection.scalar(text("SELECT pg_backend_pid()"))
    with psycopg.connect(database_url) as other:
        other.execute("SELECT pg_terminate_backend(%s)", [process_id])
    assert labels(database) == []


def _break_while_writing(database: Database) -> None:
    with database.begin() as connection:
        process_id = connection.scalar(text("SELECT pg_backend_pid()"))
        with database.read() as other:
            other.execute(text("SELECT pg_terminate_backend(:process_id)"), {"process_id": process_id})
        add(connection, "lost")


def test_a_forked_child_opens_connections_of_its_own(database_url: str) -> None:
    """Without it parent and child talk over one socket, or SQLite's locks vanish when the child ends."""
    code = """
import json, os, sys
from sqlalchemy import text
from harvest_dagster.storage.engine import Database

def count(database):
    with database.read() as connection:
        connection.execute(text("SELECT count(*) FROM ingest_config")).one()
        return id(connection.connection.driver_connection)

with Database.open(sys.argv[1]) as database:
    before = count(database)
    child = os.fork()
    if child == 0:
        os._exit(count(database) == before)
    _, status = os.waitpid(child, 0)
    print(json.dumps([status, count(database) == before]))
"""
    command = [sys.executable, "-W", "error", "-c", code, database_url]
    process = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (process.stdout and json.loads(process.stdout), process.stderr) == ([0, True], "")
