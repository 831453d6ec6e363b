"""Runs that lose their node, and their leases: a node is killed or frozen in the middle of a fetch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from harvest_dagster.orchestration.runs.lost_runs import SILENCE, end_lost_runs
from harvest_dagster.testing.simulator import RequestGate, Server, nth
from harvest_dagster.windows import utc_now
from harvest_dagster_tests.cluster.cluster import PAGES, REPOSITORY, Cluster, Run
from harvest_dagster_tests.cluster.nodes import Node
from harvest_dagster_tests.crash.commands import TIMEOUT
from harvest_dagster_tests.crash.contents import assert_complete, lists, snapshot


def test_a_run_whose_node_was_killed_continues_on_the_other_node(cluster: Cluster) -> None:
    """It stayed STARTED, or began again with the first page (docs/failures.md#crashed-run-keeps-pool-slot)."""
    gate = RequestGate(nth(3, "ListRecords"))
    with Server(REPOSITORY, behaviours=[gate]) as source:
        cluster.add_source("killed", source)
        run = cluster.run("killed", source)
        gate.wait_until_reached(TIMEOUT)
        killed = cluster.node_of(run.workers[_fetch_op(run)])
        killed.kill()
        gate.release()
        cluster.pass_time("killed", SILENCE.total_seconds())
        ended = end_lost_runs(cluster.instance, cluster.database, utc_now() + SILENCE).ended
        assert any(run.id in reason for reason in ended)
        assert run.status == "FAILURE"
        run.command.kill()  # it waits for the worker
        again = cluster.run("killed", source, again=run.id).succeed()
        assert set(again.workers.values()) == {node.worker for node in cluster.nodes if node is not killed}
        assert_complete(cluster.database, source, label="killed")
        # The page that the node was waiting for is requested twice, and no other page.
        assert len(lists(source.requests)) == PAGES + 1


def test_a_frozen_node_that_lost_its_lease_writes_nothing_more(cluster: Cluster) -> None:
    """The first run kept writing beside the second one: docs/failures.md#lost-lock-keeps-writing"""
    gate = RequestGate(nth(3, "ListRecords"))
    with Server(REPOSITORY, behaviours=[gate]) as source:
        cluster.add_source("frozen", source)
        run = cluster.run("frozen", source)
        gate.wait_until_reached(TIMEOUT)
        frozen = cluster.node_of(run.workers[_fetch_op(run)])
        with freezing(frozen):
            cluster.pass_time("frozen", 3600)
            second = cluster.run("frozen", source).succeed()
            assert_complete(cluster.database, source, label="frozen")
            before = snapshot(cluster.database)
            requests = len(lists(source.requests))
            gate.release()
        run.fail()
        assert snapshot(cluster.database) == before
        assert len(lists(source.requests)) == requests
    assert f"run {second.id} took over" in "".join(map(str, run.events))


@contextmanager
def freezing(node: Node) -> Iterator[None]:
    """Suspend all processes of a node during the block."""
    node.freeze()
    try:
        yield
    finally:
        node.thaw()


def _fetch_op(run: Run) -> str:
    return next(op for op in run.workers if ".fetch[" in op)
