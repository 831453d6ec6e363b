"""The harvester `fake`, and a world to harvest in: on both databases, or on SQLite where that is no part of it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from harvest_dagster import plugins
from harvest_dagster.storage.engine import Database
from harvest_dagster_tests.pipeline.world import World


@pytest.fixture(autouse=True)
def fake_harvester(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Registered as if it were one of ours."""
    place = "harvest_dagster_tests.pipeline.fakes:FakeHarvester"
    monkeypatch.setitem(plugins._OURS[plugins.HARVESTERS], "fake", place)
    plugins.reload()
    yield
    monkeypatch.undo()
    plugins.reload()


@pytest.fixture
def world(database: Database, tmp_path: Path) -> World:
    """On SQLite and on PostgreSQL."""
    return World(database, tmp_path / "spool")


@pytest.fixture
def small_world(migrated_sqlite: Path, tmp_path: Path) -> Iterator[World]:
    """On SQLite alone."""
    with Database.open(f"sqlite:///{shutil.copy(migrated_sqlite, tmp_path / 'small.db')}") as database:
        yield World(database, tmp_path / "spool")
