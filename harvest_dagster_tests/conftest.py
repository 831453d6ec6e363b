"""Fixtures that every folder of tests may use: databases, each of them fresh, on SQLite and PostgreSQL."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from sqlalchemy import make_url

from harvest_dagster.storage.engine import Database
from harvest_dagster_tests.databases import Server, postgresql_server

DIALECTS = ("sqlite", "postgresql")

# No example fails for being slow: on a busy machine one that takes a millisecond took 338.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Server]:
    """The server of this test process, started when the first test asks for it."""
    with postgresql_server() as server:
        yield server


@pytest.fixture(scope="session")
def migrated_postgresql(postgresql: Server) -> Iterator[str]:
    """The name of a migrated database to make copies of."""
    with postgresql.database() as url:
        Database.open(url).dispose()
        yield str(make_url(url).database)


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated file to make copies of."""
    path = tmp_path_factory.mktemp("migrated") / "harvest.db"
    Database.open(f"sqlite:///{path}").dispose()
    return path


@pytest.fixture(params=DIALECTS)
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database that has no tables; on SQLite not even a file."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'harvest.db'}"
        return
    with request.getfixturevalue("postgresql").database() as url:
        yield url


@pytest.fixture(params=DIALECTS)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A migrated, empty database, for tests that start processes."""
    if request.param == "sqlite":
        path = shutil.copy(request.getfixturevalue("migrated_sqlite"), tmp_path / "harvest.db")
        yield f"sqlite:///{path}"
        return
    template = request.getfixturevalue("migrated_postgresql")
    with request.getfixturevalue("postgresql").database(template) as url:
        yield url


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """The same, open."""
    with Database.open(database_url) as database:
        yield database
