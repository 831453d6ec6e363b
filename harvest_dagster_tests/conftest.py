"""Fixtures for all tests: new databases on SQLite and PostgreSQL."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
from hypothesis import settings
from hypothesis.internal.conjecture import engine
from sqlalchemy import make_url

from harvest_dagster.storage.database import Database
from harvest_dagster_tests.cheap_processes import keep_migration_scripts, make_collections_rare
from harvest_dagster_tests.databases import PostgresqlServer, postgresql_server
from harvest_dagster_tests.examples import RANDOM_EXAMPLES

DIALECTS = ("sqlite", "postgresql")

# Some containers forbid Python to keep compiled modules. Each of the processes that the tests start would then compile
# Dagster again: two of its four seconds of processor time.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

keep_migration_scripts()

# No deadline: on a busy machine, an example that takes a millisecond took 338.
# Property tests have the same examples in each run: a test fails because of a change, and never by chance.
# `make test-random` runs them with other examples.
settings.register_profile("same-examples", deadline=None, derandomize=True)
settings.register_profile("random-examples", deadline=None)
settings.load_profile("random-examples" if RANDOM_EXAMPLES else "same-examples")

# The time for a simpler example of a failure, in seconds. Hypothesis takes up to five minutes by default: four failures
# took a third of the time of CI. The next run of the test continues from the example that was found.
engine.MAX_SHRINKING_SECONDS = 30


def pytest_collection_finish() -> None:
    """Make everything cheaper that follows. All modules and tests exist now."""
    make_collections_rare()


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgresqlServer]:
    """The server of this test process. It starts when a test first needs it."""
    with postgresql_server() as server:
        yield server


@pytest.fixture(scope="session")
def migrated_postgresql(postgresql: PostgresqlServer) -> Iterator[str]:
    """The name of a migrated database, for copies."""
    with postgresql.database() as url:
        Database.open(url).dispose()
        yield str(make_url(url).database)


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file, for copies."""
    path = tmp_path_factory.mktemp("migrated") / "harvest.db"
    Database.open(f"sqlite:///{path}").dispose()
    return path


@pytest.fixture(params=DIALECTS)
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database without tables. On SQLite even the file is missing."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'harvest.db'}"
        return
    with request.getfixturevalue("postgresql").database() as url:
        yield url


@pytest.fixture(params=DIALECTS)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a migrated, empty database, for tests that start processes."""
    if request.param == "sqlite":
        path = shutil.copy(request.getfixturevalue("migrated_sqlite"), tmp_path / "harvest.db")
        yield f"sqlite:///{path}"
        return
    template = request.getfixturevalue("migrated_postgresql")
    with request.getfixturevalue("postgresql").database(template) as url:
        yield url


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A migrated, empty database, open."""
    with Database.open(database_url) as database:
        yield database


@pytest.fixture(scope="session")
def bucket() -> Iterator[dict[str, object]]:
    """Start a bucket service on loopback. Return the arguments with which fsspec finds it."""
    from moto.server import ThreadedMotoServer  # it takes a second

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    arguments: dict[str, object] = {
        "endpoint_url": f"http://{host}:{port}",
        "key": "a key",
        "secret": "a secret",
    }
    fs = fsspec.filesystem("s3", **arguments)
    fs.mkdir("harvest")
    yield arguments
    fsspec.asyn.sync(fs.loop, fs._s3.close)
    fs.clear_instance_cache()
    server.stop()


@pytest.fixture
def object_store(bucket: dict[str, object], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return the client of the spools of this process in the bucket service."""
    monkeypatch.setitem(fsspec.config.conf, "s3", bucket)
    client = fsspec.filesystem(
        "s3", use_listings_cache=False
    )  # as in `spool.filesystem`: fsspec shares clients
    fsspec.asyn.sync(client.loop, client.set_session)
    return client
