"""A usable database opens safely. The error of an unusable one names the reason and hides its password."""

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
from sqlalchemy import Connection, event, insert, make_url, text
from sqlalchemy.exc import IntegrityError

from harvest_dagster.errors import BadInput, DatabaseUnreachable
from harvest_dagster.storage import connections
from harvest_dagster.storage.database import VARIABLE, Database, default_database_url, parse
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


# URLs


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({VARIABLE: "postgresql://somewhere/x", "DAGSTER_HOME": "/home/dagster"}, "postgresql://somewhere/x"),
        ({"DAGSTER_HOME": "/home/dagster"}, "sqlite:////home/dagster/harvest.db"),
        ({VARIABLE: "", "DAGSTER_HOME": ""}, "sqlite:////here/.dagster/harvest.db"),
    ],
)
def test_the_default_database_is_a_sqlite_file_in_dagster_home(
    environ: dict[str, str], expected: str
) -> None:
    """Two processes of one run must write to the same database."""
    assert default_database_url(environ, Path("/here")) == expected


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg2", "postgresql+psycopg"])
def test_every_spelling_of_postgresql_uses_psycopg_3(scheme: str) -> None:
    """Otherwise binary COPY is missing if somebody uses the URL of Dagster's own database."""
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
def test_an_invalid_url_is_rejected(url: str) -> None:
    """Otherwise a typing error ends in the traceback of a driver, with the password."""
    with pytest.raises(BadInput, match=f"Set {VARIABLE} to sqlite:.*") as caught:
        Database.open(url)
    assert PASSWORD not in "".join(traceback.format_exception(caught.value))
    assert caught.value.__context__ is None


def test_a_relative_path_means_the_same_file_after_chdir(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step that changes its directory would continue with an empty database."""
    monkeypatch.chdir(tmp_path)
    with Database.open("sqlite:///new/folder/harvest.db") as database:
        database.dispose()
        monkeypatch.chdir("/")
        assert labels(database) == []
    assert (tmp_path / "new/folder/harvest.db").exists()


# Unusable databases


@pytest.mark.parametrize("scheme", ["postgresql", "postgres"])
def test_the_error_of_an_unreachable_server_hides_its_password(scheme: str) -> None:
    """Otherwise the log has the traceback of a driver, with the password."""
    with pytest.raises(DatabaseUnreachable, match=rf"database x on 127.0.0.1:1 .*{VARIABLE}") as caught:
        Database.open(f"{scheme}://harvest:{PASSWORD}@127.0.0.1:1/x?application_name={PASSWORD}")
    assert PASSWORD not in "".join(traceback.format_exception(caught.value))


@only_postgresql
def test_the_error_of_a_missing_database_names_it(database_url: str) -> None:
    """Otherwise a wrong name looks like a bug of this package."""
    url = make_url(database_url).set(database="nowhere").render_as_string()
    with pytest.raises(DatabaseUnreachable, match=r'database "nowhere" does not exist'):
        Database.open(url)


def test_the_error_of_a_path_below_a_file_names_it(tmp_path: Path) -> None:
    """Otherwise an unusable path ends in a traceback of pathlib."""
    (tmp_path / "file").touch()
    with pytest.raises(DatabaseUnreachable, match=rf"{tmp_path}/file/harvest.db.*{VARIABLE}"):
        Database.open(f"sqlite:///{tmp_path}/file/harvest.db")


def test_a_directory_is_not_a_database(tmp_path: Path) -> None:
    """The message of SQLite, `unable to open database file`, does not name the path."""
    with pytest.raises(DatabaseUnreachable, match=rf"{tmp_path} .*unable to open"):
        Database.open(f"sqlite:///{tmp_path}")


def test_another_file_is_not_a_database(tmp_path: Path) -> None:
    """A spreadsheet in its place would look like a bug of this package. It must not change either."""
    path = tmp_path / "letter.txt"
    path.write_text("Dear Sir or Madam, " * 100)
    with pytest.raises(DatabaseUnreachable, match="file is not a database"):
        Database.open(f"sqlite:///{path}")
    assert path.read_text().startswith("Dear Sir")


def test_a_database_shows_no_password() -> None:
    """Otherwise the first `print(database)` writes it into a log."""
    engine = connections.create(parse(f"postgresql://harvest:{PASSWORD}@localhost/x?sslpassword={PASSWORD}"))
    assert PASSWORD not in repr(Database(engine, "PostgreSQL database x"))


def test_an_error_shows_no_harvested_data(database: Database) -> None:
    """One unique violation would write a page with names of people into the event log."""
    with database.begin() as connection:
        add(connection, "twice")
        with pytest.raises(IntegrityError) as caught:
            add(connection, "twice", name="harvested text")
        connection.rollback()
    assert "harvested text" not in str(caught.value)


# Transactions


def test_a_transaction_is_committed_or_rolled_back(database: Database) -> None:
    """A page and its progress must be stored together (docs/failures.md#cursor-before-data)."""
    with database.begin() as connection:
        add(connection, "kept")
    with suppress(ZeroDivisionError), database.begin() as connection:
        add(connection, "lost")
        _ = 1 / 0
    assert labels(database) == ["kept"]


def test_a_reader_writes_nothing(database: Database) -> None:
    """Otherwise a write in a read transaction would be committed by chance."""
    with database.read() as connection:
        add(connection, "lost")
    assert labels(database) == []


def test_a_reader_waits_for_no_writer(database: Database) -> None:
    """Otherwise the sensors would wait while a page is stored."""
    with database.begin() as connection:
        add(connection, "later")
        assert labels(database) == []


@only_sqlite
def test_a_writer_holds_the_write_lock_from_its_beginning(database: Database) -> None:
    """Otherwise two writers both read, and the second fails or overwrites unseen data."""
    path = make_url(str(database.engine.url)).database
    with database.begin():
        other = sqlite3.connect(str(path), timeout=0, isolation_level=None)
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")
        other.close()


@only_sqlite
def test_a_writer_that_waits_too_long_gets_an_error_that_names_the_lock(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A transaction that a shell left open would look like a bug of this package."""
    monkeypatch.setattr(connections, "SQLITE_BUSY_SECONDS", 0.01)
    with (
        Database.open(database_url) as database,
        database.begin(),
        pytest.raises(DatabaseUnreachable, match="database is locked"),
        database.begin(),
    ):
        pass


@only_sqlite
def test_a_sqlite_database_has_the_settings_that_harvests_need(database: Database) -> None:
    """Otherwise readers block writers, foreign keys are ignored, and 2 KB blobs need overflow pages."""
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
def test_a_frozen_transaction_loses_its_locks_and_leaves_no_settings_in_the_session(
    database: Database,
) -> None:
    """Otherwise a suspended process holds a row forever, or the next client of a pooler inherits the timeout."""
    show = text("SHOW idle_in_transaction_session_timeout")
    with database.begin() as connection:
        assert connection.scalar(show) == "1min"
        driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)
    assert driver.prepare_threshold is None
    assert driver.execute("SHOW idle_in_transaction_session_timeout").fetchone() == ("0",)
    driver.rollback()


@only_postgresql
def test_both_ends_detect_in_a_minute_that_the_other_is_gone(database: Database) -> None:
    """A client that lost its power held its locks for two hours, the default of the operating system."""
    names = ("tcp_keepalives_idle", "tcp_keepalives_interval", "tcp_keepalives_count", "tcp_user_timeout")
    sent: list[str] = []
    event.listen(database.engine, "before_cursor_execute", lambda *arguments: sent.append(arguments[2]))
    with database.begin() as connection:
        driver = connection.connection.driver_connection
    # Over the unix socket of the test server, PostgreSQL accepts the settings and ignores them.
    assert all(f"SET LOCAL {name} = " in sent[0] for name in names)
    assert isinstance(driver, psycopg.Connection)
    parameters = driver.info.get_parameters()
    client = ("keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout")
    assert [parameters[name] for name in client] == ["30", "10", "3", "60000"]


@only_postgresql
def test_a_lost_connection_is_an_error_and_the_next_one_works(database: Database) -> None:
    """Otherwise one restart of the server ends every later run, too."""
    with pytest.raises(DatabaseUnreachable, match="terminating connection"):
        _break_while_writing(database)
    assert labels(database) == []


@only_postgresql
def test_a_connection_that_was_lost_while_idle_is_not_used(database: Database, database_url: str) -> None:
    """Otherwise each op after a pause fails once."""
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


def test_a_forked_child_opens_its_own_connections(database_url: str) -> None:
    """Otherwise parent and child share one socket, or the locks of SQLite end with the child."""
    code = """
import json, os, sys
from sqlalchemy import text
from harvest_dagster.storage.database import Database

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
