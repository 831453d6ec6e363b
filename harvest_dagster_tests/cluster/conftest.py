"""The cluster of a test session. All tests of this folder are slow."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg
import pytest

from harvest_dagster.storage.database import Database
from harvest_dagster_tests.databases import PostgresqlServer

if TYPE_CHECKING:
    from harvest_dagster_tests.cluster.cluster import Cluster

NAMES = ("node-a", "node-b")

# An environment without the extra for Celery can still run all other tests.
collect_ignore = [] if find_spec("dagster_celery") else ["test_leases.py", "test_nodes.py"]

# As text: to compare each of 10,000 tests as paths took a twentieth of the collection.
_FOLDER = f"{Path(__file__).parent}{os.sep}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark all tests of this folder as slow."""
    for item in items:
        if str(item.path).startswith(_FOLDER):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def running_cluster(
    tmp_path_factory: pytest.TempPathFactory,
    postgresql: PostgresqlServer,
    migrated_postgresql: str,
    bucket: Mapping[str, object],
) -> Iterator[Cluster]:
    """Start a cluster of two nodes."""
    from harvest_dagster_tests.cluster.cluster import (
        Cluster,
        control,
        environment_of,
        wait_for_nodes,
        write_folder,
    )
    from harvest_dagster_tests.cluster.nodes import Node
    from harvest_dagster_tests.cluster.services import started_broker

    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("redis-server is not installed; Debian's package is redis-server")
    folder = tmp_path_factory.mktemp("cluster")
    with ExitStack() as stack:
        broker = stack.enter_context(started_broker(program))
        storage_url = stack.enter_context(postgresql.database())
        database_url = stack.enter_context(postgresql.database(migrated_postgresql))
        write_folder(folder, broker, storage_url)
        environment = environment_of(folder, broker, database_url, bucket)
        instance = stack.enter_context(dg.DagsterInstance.from_config(str(folder / "home")))
        database = stack.enter_context(Database.open(database_url))
        app = stack.enter_context(control(broker))
        nodes = tuple(Node(name, folder / name, environment, app) for name in NAMES)
        for node in nodes:
            stack.callback(node.kill)
        wait_for_nodes(nodes)
        yield Cluster(folder, broker, database, instance, environment, nodes)


@pytest.fixture
def cluster(running_cluster: Cluster) -> Iterator[Cluster]:
    """The cluster, with both nodes at work."""
    yield running_cluster
    running_cluster.end_runs()
    for node in running_cluster.nodes:
        if not node.is_running:
            node.start()
    for node in running_cluster.nodes:
        node.wait()
        node.take_ops(True)
