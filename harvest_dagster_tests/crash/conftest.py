"""Fixtures of the tests with real processes: a source and a deployment that harvests it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import date
from pathlib import Path
from zlib import crc32

import pytest

from harvest_dagster.testing.simulator import Repository, Server
from harvest_dagster.testing.simulator.behaviours import Behaviour
from harvest_dagster_tests.conftest import DIALECTS
from harvest_dagster_tests.crash.commands import Deployment

# Two windows of two days, six pages of their own each.
REPOSITORY = Repository(first_day=date(2024, 3, 1), days=4, records_per_day=60, page_size=20, deleted=0.1)
FIRST, LAST = date(2024, 3, 1), date(2024, 3, 4)
# The list of the first window has one more page: the additional second at its end is the midnight of the third day,
# and a record of that day has this datestamp.
PAGES_OF_BOTH_WINDOWS = REPOSITORY.size // REPOSITORY.page_size + 1

Deploy = Callable[..., Deployment]

# As text: to compare each of 10,000 tests as paths took a twentieth of the collection.
_FOLDER = f"{Path(__file__).parent}{os.sep}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run each test of this folder on one database by default, and on the other one with the slow tests.

    These tests start processes and take ten seconds each. About half of them run on SQLite by default.
    """
    for item in items:
        if not str(item.path).startswith(_FOLDER) or not isinstance(item, pytest.Function):
            continue
        dialect = item.callspec.params.get("database_url") if hasattr(item, "callspec") else None
        by_default = DIALECTS[crc32(item.originalname.encode()) % len(DIALECTS)]
        if dialect not in (None, by_default):
            item.add_marker(pytest.mark.slow)


@pytest.fixture
def deploy(tmp_path: Path, database_url: str) -> Iterator[Deploy]:
    """Deploy a source with these behaviours, by default with windows of two days."""
    with ExitStack() as stack:

        def make(
            *behaviours: Behaviour, repository: Repository = REPOSITORY, max_window: str = "2d"
        ) -> Deployment:
            source = stack.enter_context(Server(repository, behaviours=behaviours))
            return Deployment.make(tmp_path, database_url, source, max_window=max_window)

        yield make
