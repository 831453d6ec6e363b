"""Fixtures of the tests with real processes: a source and a deployment that harvests it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import date
from pathlib import Path

import pytest

from harvest_dagster.simulator import Repository, Server
from harvest_dagster.simulator.behaviours import Behaviour
from harvest_dagster_tests.crash.commands import Deployment

# Two windows of two days, six pages each.
REPOSITORY = Repository(first_day=date(2024, 3, 1), days=4, records_per_day=60, page_size=20, deleted=0.1)
FIRST, LAST = date(2024, 3, 1), date(2024, 3, 4)

Deploy = Callable[..., Deployment]


@pytest.fixture
def deploy(tmp_path: Path, database_url: str) -> Iterator[Deploy]:
    """Makes a deployment of a source that answers as told, by default in windows of two days."""
    with ExitStack() as stack:

        def make(
            *behaviours: Behaviour, repository: Repository = REPOSITORY, max_window: str = "2d"
        ) -> Deployment:
            source = stack.enter_context(Server(repository, behaviours=behaviours))
            return Deployment.make(tmp_path, database_url, source, max_window=max_window)

        yield make
