"""Runs whose ops are executed by workers on two nodes, which share only databases, bucket and queue.

Nodes have their own host names, process ids and DAGSTER_HOME, so nothing that an op leaves in its process or in its
files reaches the next op.
"""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from itertools import cycle, pairwise

import pytest
from sqlalchemy import select

from harvest_dagster.rate_limits import host_of
from harvest_dagster.storage.tables import request_departure, request_host
from harvest_dagster.testing.simulator import Server
from harvest_dagster_tests.cluster.cluster import PAGES, REPOSITORY, Cluster
from harvest_dagster_tests.cluster.nodes import has_namespaces
from harvest_dagster_tests.crash.contents import assert_complete, harvests, lists, stored
from harvest_dagster_tests.http.rate_limit.test_budget import most_in_any

# Seconds that a request may take to arrive on a busy machine. The budget controls departures, not arrivals.
MAX_DELAY = 2.0
THREE_DAYS = replace(REPOSITORY, days=3, records_per_day=60)


@pytest.mark.skipif(
    not has_namespaces(), reason="unshare needs root: without it, the nodes share process ids and files"
)
def test_each_op_of_a_run_executes_on_another_node_than_the_op_before(cluster: Cluster) -> None:
    """The second op failed: it did not find the output of the first one, which was a file on the other node."""
    with Server(REPOSITORY) as source:
        cluster.add_source("alternating", source)
        cluster.only()
        run = cluster.run("alternating", source)
        for node in cycle(cluster.nodes):
            cluster.execute_next_op(run, node)
            if run.finished("launch"):
                break
        cluster.only(*cluster.nodes)
        run.succeed()
        assert_complete(cluster.database, source, label="alternating")
        assert len(lists(source.requests)) == PAGES
    workers = [worker for op, worker in run.workers.items() if op.startswith("raw__alternating.")]
    assert len(workers) == 8
    assert all(one != next_one for one, next_one in pairwise(workers[:-1]))


def test_several_sources_on_both_nodes_share_the_budget_of_their_host(cluster: Cluster) -> None:
    """The source would ban the address of each node (docs/failures.md#budget-per-process)."""
    labels = ("first_of_three", "second_of_three", "third_of_three")
    with Server(REPOSITORY) as source:
        for label in labels:
            cluster.add_source(label, source, calls=3, period=4)
        runs = [cluster.run(label, source) for label in labels]
        for run in runs:
            run.succeed()
        for label in labels:
            assert_complete(cluster.database, source, label=label)
        assert len(lists(source.requests)) == PAGES * len(labels)
        assert most_in_any([one.monotonic for one in source.requests], 4 - MAX_DELAY) <= 3
    assert {worker for run in runs for worker in run.workers.values()} == {
        node.worker for node in cluster.nodes
    }
    # All of the budget is used, and no more.
    assert most_in_any(departures_of(cluster, source), 4) == 3


def test_the_windows_of_a_run_share_its_limit_and_follow_each_other(cluster: Cluster) -> None:
    """Celery ignores priorities, and starts all windows at once. Each of them collected up to `limit` records."""
    with Server(THREE_DAYS) as source:
        cluster.add_source("limited", source, max_window="1d")
        run = cluster.run("limited", source, parameters={"limit": 100}).succeed()
        with cluster.database.read() as connection:
            assert len(stored(connection, "limited")) == 100
            logs = harvests(connection, "limited")
        starts = [one.parameters["from"] for one in lists(source.requests) if "from" in one.parameters]
    assert starts == sorted(starts)
    assert [log["records"] for log in logs] == [60, 40]
    assert run.status == "SUCCESS"


def departures_of(cluster: Cluster, source: Server) -> list[float]:
    """Return when the requests to a source left, by the clock of the database."""
    host = sha256(host_of(source.url).encode()).hexdigest()
    with cluster.database.read() as connection:
        departures = select(request_departure.c.departed).join(request_host)
        return list(connection.scalars(departures.where(request_host.c.host == host)))
