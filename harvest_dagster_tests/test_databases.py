"""The tests' PostgreSQL server starts from whatever is there, as any user, and never outlives them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from harvest_dagster_tests.databases import VARIABLE, installed_binaries, packaged_binaries, started_server
from harvest_dagster_tests.databases import postgresql_server as server_at_hand


@pytest.mark.parametrize("find", [installed_binaries, packaged_binaries])
def test_a_server_starts_from_what_is_there(find: Callable[[], Path | None]) -> None:
    """Without it the tests run on one developer's machine only."""
    binaries = find()
    if binaries is None:
        pytest.skip("no PostgreSQL of this kind here")
    with started_server(binaries) as server, server.database() as url, psycopg.connect(url) as connection:
        assert connection.info.server_version >= 150000
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(url)
    assert not Path(str(server.url.query["host"])).exists()


def test_the_server_of_the_environment_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it nobody can test against the server that will run in production."""
    monkeypatch.setenv(VARIABLE, "postgres://tester@db.example.org/postgres")
    with server_at_hand() as server:
        assert server.url.render_as_string() == "postgresql://tester@db.example.org/postgres"


def test_the_server_ends_with_killed_tests() -> None:
    """Without it each test run that is killed leaves a server and its folder behind."""
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
        assert time.monotonic() < deadline, "the server's folder is still there"
        time.sleep(0.02)
    with pytest.raises(ProcessLookupError):
        os.kill(server, 0)
