"""PostgreSQL behind a transaction pooler: each transaction may get another session (DESIGN.md, lock)."""

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
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL, make_url

from harvest_dagster.errors import LeaseHeld
from harvest_dagster.limits import Limit
from harvest_dagster.pipeline import lock
from harvest_dagster.processes import Process
from harvest_dagster.storage.budgets import DatabaseBudget
from harvest_dagster.storage.engine import Database
from harvest_dagster_tests.databases import Server
from harvest_dagster_tests.pipeline.world import WINDOW, World, records

PROGRAM = shutil.which("pgbouncer")

# Two sessions for all: whoever relied on one of its own would get another's, or wait for ever.
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
def pooler(postgresql: Server) -> Iterator[URL]:
    """The URL of a pooler before the server; its database is still to be named."""
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
def pooled(pooler: URL, postgresql: Server) -> Iterator[Database]:
    """A new database, migrated through the pooler."""
    with postgresql.database() as direct:
        url = pooler.set(database=make_url(direct).database)
        with Database.open(url.render_as_string()) as database:
            yield database


@pytest.mark.slow
def test_a_harvest_goes_its_whole_way_and_its_lease_keeps_others_out(
    pooled: Database, tmp_path: Path
) -> None:
    """Advisory locks, temporary tables and settings of a session would belong to whoever comes next."""
    world = World(pooled, tmp_path / "spool")
    world.source.items = records(25)
    world.change(max_window="1d")
    harvest, other = world.harvest("run 1"), world.harvest("run 2", Process("elsewhere", 1, "1"))
    lock.acquire(harvest, WINDOW, single_process=True)
    with lock.holding(harvest) as grip:
        world.window(harvest, grip)
        with pytest.raises(LeaseHeld):
            lock.acquire(other, WINDOW, single_process=True)
    assert len(world.stored()) == 25


@pytest.mark.slow
def test_a_budget_is_one_for_all_who_share_the_sessions(pooled: Database) -> None:
    """Reservations of ten threads over two sessions: no statement prepared in one may be missing in the other."""
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


@contextmanager
def _folder() -> Iterator[tuple[Path, dict[str, Any]]]:
    """A folder for the pooler, and as whom it runs: not as root, which it refuses."""
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
