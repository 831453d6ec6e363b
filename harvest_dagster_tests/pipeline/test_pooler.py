"""Leases and budgets on PostgreSQL behind a transaction pooler: each transaction may get another session."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL, make_url, text

from harvest_dagster.errors import LeaseHeld
from harvest_dagster.pipeline import lease_guard
from harvest_dagster.processes import Process
from harvest_dagster.rate_limits import Limit
from harvest_dagster.storage.database import Database
from harvest_dagster.storage.lease import leases
from harvest_dagster.storage.rate_limit.database_budget import DatabaseBudget
from harvest_dagster_tests.databases import PostgresqlServer
from harvest_dagster_tests.pipeline.world import WINDOW, World, records
from harvest_dagster_tests.storage.configs import NOW, new_config
from harvest_dagster_tests.storage.lease.frozen_writer import frozen_in_copy
from harvest_dagster_tests.storage.lease.test_leases import acquire, acquire_soon

PROGRAM = shutil.which("pgbouncer")

# Two sessions for all clients: code that relies on its own session would get another one, or wait forever.
SETTINGS = """
[databases]
* = {server}
[pgbouncer]
listen_addr =
listen_port = 6432
unix_socket_dir = {folder}
auth_type = any
pool_mode = transaction
default_pool_size = 2
"""


@pytest.fixture(scope="module")
def pooler(postgresql: PostgresqlServer) -> Iterator[URL]:
    """The URL of a pooler in front of the server, without a database name."""
    if PROGRAM is None:
        pytest.skip("needs pgbouncer")
    with _folder() as (folder, user):
        url = postgresql.url
        host, port = url.host or url.query["host"], url.port or 5432
        place = f"host={host} port={port} user={url.username}"
        if url.password:
            place += f" password={url.password}"
        settings = folder / "pgbouncer.ini"
        settings.write_text(SETTINGS.format(server=place, folder=folder))
        with subprocess.Popen([PROGRAM, "-q", settings], **user) as process:
            try:
                _wait_for(folder / ".s.PGSQL.6432")
                yield URL.create("postgresql", url.username, port=6432, query={"host": str(folder)})
            finally:
                process.terminate()


@pytest.fixture
def pooled(pooler: URL, postgresql: PostgresqlServer) -> Iterator[Database]:
    """A new database, migrated through the pooler."""
    with postgresql.database() as direct:
        url = pooler.set(database=make_url(direct).database)
        with Database.open(url.render_as_string()) as database:
            yield database


@pytest.mark.slow
def test_a_harvest_succeeds_and_its_lease_excludes_other_runs(pooled: Database, tmp_path: Path) -> None:
    """Advisory locks, temporary tables and settings of a session would affect the next client of that session."""
    world = World(pooled, tmp_path / "spool")
    world.source.items = records(25)
    world.change(max_window="1d")
    harvest, other = world.harvest("run 1"), world.harvest("run 2", Process("elsewhere", 1, "1"))
    lease_guard.acquire(harvest, WINDOW, single_process=True)
    with lease_guard.hold_lease(harvest) as lease:
        world.window(harvest, lease)
        with pytest.raises(LeaseHeld):
            lease_guard.acquire(other, WINDOW, single_process=True)
    assert len(world.stored()) == 25


@pytest.mark.slow
def test_clients_that_share_sessions_share_one_budget(pooled: Database) -> None:
    """Ten threads use two sessions, so a statement prepared in one session must not be required in the other."""
    limit, granted = Limit(20, 60), []

    def ask() -> None:
        budget = DatabaseBudget(pooled)
        granted.extend(wait for _ in range(5) if (wait := budget.reserve("source.example", limit)) == 0)

    threads = [threading.Thread(target=ask) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(granted) == limit.calls


@pytest.mark.slow
def test_a_frozen_writer_is_ended_and_the_sessions_keep_no_name(
    pooled: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The session of a frozen writer belongs to the pooler, and its next user may write for another source."""
    monkeypatch.setattr(leases, "LONGEST_WRITE", timedelta())
    config_id = new_config(pooled)
    with frozen_in_copy(pooled, acquire(pooled, config_id, "frozen")):
        with pytest.raises(LeaseHeld, match="its transaction is ended"):
            acquire(pooled, config_id, "next", NOW + leases.TTL)
        assert acquire_soon(pooled, config_id, "next", NOW + leases.TTL).token == 2
    with pooled.read() as connection:
        names = connection.scalars(text("SELECT application_name FROM pg_stat_activity")).all()
    assert not any("writer of source" in name for name in names)


@contextmanager
def _folder() -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yield a folder for the pooler, and the options of its user. The pooler refuses to run as root."""
    user: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="pooler_") as name:
        folder = Path(name)
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            os.chown(folder, nobody.pw_uid, nobody.pw_gid)
            user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        yield folder, user


def _wait_for(socket: Path) -> None:
    deadline = time.monotonic() + 60
    while not socket.exists():
        assert time.monotonic() < deadline, "the pooler does not start"
        time.sleep(0.02)
