"""Fixtures: a simulated source, and a function that deploys a code location over it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any
from zlib import crc32

import dagster as dg
import pytest

from harvest_dagster.catalog.loader import Catalog
from harvest_dagster.http import session
from harvest_dagster.http.rate_limit.retry import RetryPolicy
from harvest_dagster.testing.simulator import Server
from harvest_dagster_tests.conftest import DIALECTS
from harvest_dagster_tests.orchestration.deployment import REPOSITORY, Deployment, config

Deploy = Callable[..., Deployment]

_FOLDER = f"{Path(__file__).parent}{os.sep}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run each test of this folder on one database by default, and on the other one with the slow tests.

    These tests execute runs of Dagster. The tests of `storage` and `pipeline` run the same queries on both databases.
    """
    of_both = [item for item in items if str(item.path).startswith(_FOLDER) and _dialect(item) in DIALECTS]
    dialects: dict[str, set[str]] = {}
    for item in of_both:
        if item.get_closest_marker("slow") is None:
            dialects.setdefault(_function(item), set()).add(_dialect(item))
    for item in of_both:
        name = _function(item)
        by_default = DIALECTS[crc32(name.rpartition("::")[2].encode()) % len(DIALECTS)]
        if len(dialects.get(name, ())) == len(DIALECTS) and _dialect(item) != by_default:
            item.add_marker(pytest.mark.slow)


def _dialect(item: pytest.Item) -> str:
    """Return the database of a test, or an empty text if it chooses none."""
    return str(item.callspec.params.get("database_url", "")) if hasattr(item, "callspec") else ""


def _function(item: pytest.Item) -> str:
    """Return the module and the function of a test, without its parameters."""
    return item.nodeid.partition("[")[0]


@pytest.fixture
def source() -> Iterator[Server]:
    """A simulated source: four days with six records each, two pages a day."""
    with Server(REPOSITORY) as server:
        yield server


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """A Dagster instance in memory."""
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def deploy(database_url: str, tmp_path: Path, instance: dg.DagsterInstance) -> Deploy:
    """Deploy a code location with one IngestConfig, on both databases: `deploy(url, max_window="2d")`."""

    def deployed(base_url: str, **changes: Any) -> Deployment:
        catalog = Catalog((config(base_url, **changes),))
        return Deployment(catalog, database_url, tmp_path / "spool", instance)

    return deployed


@pytest.fixture
def on_sqlite(tmp_path: Path, migrated_sqlite: Path, instance: dg.DagsterInstance) -> Deploy:
    """The same on SQLite only, for tests for which the database makes no difference."""

    def deployed(base_url: str, **changes: Any) -> Deployment:
        path = tmp_path / "harvest.db"
        if not path.exists():
            path.write_bytes(migrated_sqlite.read_bytes())
        catalog = Catalog((config(base_url, **changes),))
        return Deployment(catalog, f"sqlite:///{path}", tmp_path / "spool", instance)

    return deployed


@pytest.fixture
def without_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not retry requests, so that a test does not wait for transient errors."""
    monkeypatch.setattr(session, "RetryPolicy", partial(RetryPolicy, attempts=1))
