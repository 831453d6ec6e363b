"""The harvester `fake`, and worlds on both databases, or on SQLite only where the database does not matter."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from harvest_dagster import plugins
from harvest_dagster.storage.database import Database
from harvest_dagster_tests.pipeline.history_world import HistoryWorld
from harvest_dagster_tests.pipeline.random_world import RandomWorld
from harvest_dagster_tests.pipeline.world import World


@pytest.fixture(autouse=True)
def fake_harvester() -> Iterator[None]:
    """Register the harvester `fake`."""
    plugins.clear_cache()
    plugins.register(plugins.HARVESTERS, "fake", "harvest_dagster_tests.pipeline.fakes:FakeHarvester")
    yield
    plugins.clear_cache()


@pytest.fixture
def world(database: Database, tmp_path: Path) -> World:
    """Return a world on SQLite, and one on PostgreSQL."""
    return World(database, tmp_path / "spool")


@pytest.fixture
def small_world(migrated_sqlite: Path, tmp_path: Path) -> Iterator[World]:
    """Yield a world on SQLite only."""
    with Database.open(f"sqlite:///{shutil.copy(migrated_sqlite, tmp_path / 'small.db')}") as database:
        yield World(database, tmp_path / "spool")


@pytest.fixture
def random_world(migrated_sqlite: Path, tmp_path: Path) -> Iterator[RandomWorld]:
    """Yield a world on SQLite. All examples of a test share it, under different labels."""
    with Database.open(f"sqlite:///{shutil.copy(migrated_sqlite, tmp_path / 'random.db')}") as database:
        yield RandomWorld(database, tmp_path / "spool")


@pytest.fixture
def history_world(database: Database, tmp_path: Path) -> HistoryWorld:
    """Return a world whose source has a history, on SQLite and on PostgreSQL. All examples of a test share it."""
    return HistoryWorld(database, tmp_path / "spool")


@pytest.fixture
def small_history_world(migrated_sqlite: Path, tmp_path: Path) -> Iterator[HistoryWorld]:
    """Yield a world whose source has a history, on SQLite only."""
    with Database.open(f"sqlite:///{shutil.copy(migrated_sqlite, tmp_path / 'history.db')}") as database:
        yield HistoryWorld(database, tmp_path / "spool")
