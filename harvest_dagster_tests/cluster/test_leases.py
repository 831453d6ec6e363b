"""Runs that lose their node, and their leases: a node is killed or frozen in the middle of a fetch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from harvest_dagster.errors import LeaseHeld
from harvest_dagster.storage import ingest_configs
from harvest_dagster.storage.lease import leases
from harvest_dagster.storage.lease.leases import LeaseOwner
from harvest_dagster.testing.simulator import RequestGate, Server, nth
from harvest_dagster_tests.cluster.cluster import PAGES, REPOSITORY, Cluster, Run, wait_for_nodes
from harvest_dagster_tests.cluster.nodes import Node, clock_library, has_namespaces
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
        cluster.pass_time("killed", 240)
        assert any(run.id in reason for reason in cluster.end_lost_runs())
        assert run.status == "FAILURE"
        run.command.kill()  # it still waits for the op that was lost
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


def test_a_run_keeps_its_lease_in_a_gap_of_90_seconds_between_two_ops(cluster: Cluster) -> None:
    """A pod takes this long to start. The run lost its lease, and the pages that it had fetched were fetched again.

    No worker takes the next op. Instead of waiting for 90 seconds, the test lets the lease expire 90 seconds earlier.
    """
    with Server(REPOSITORY) as source:
        cluster.add_source("waiting", source)
        cluster.only()
        run = cluster.run("waiting", source)
        for _op in ("preflight", "lock", "plan", "fetch"):
            cluster.execute_next_op(run, cluster.nodes[0])
        run.wait_until(cluster.broker.waiting)
        assert run.finished("fetch")
        cluster.pass_time("waiting", 90)
        assert_not_free(cluster, "waiting")
        assert cluster.end_lost_runs() == []
        cluster.only(cluster.nodes[1])
        run.succeed()
        assert_complete(cluster.database, source, label="waiting")
        assert len(lists(source.requests)) == PAGES


@pytest.mark.skipif(not has_namespaces(), reason="unshare needs root: without it, all nodes have one name")
@pytest.mark.skipif(
    clock_library() is None, reason="libfaketime is not installed; Debian's package is faketime"
)
def test_the_clocks_of_nodes_decide_nothing_about_a_lease(cluster: Cluster) -> None:
    """A node whose clock was fast took over living leases, and a node whose clock was slow lost its own."""
    gate = RequestGate(nth(2, "ListRecords"))
    cluster.only()
    with ExitStack() as stack:
        _, fast = (
            stack.enter_context(with_clock(cluster, name, offset))
            for name, offset in (("slow", -2), ("fast", 2))
        )
        source = stack.enter_context(Server(REPOSITORY, behaviours=[gate]))
        fast.take_ops(False)
        cluster.add_source("skewed", source)
        run = cluster.run("skewed", source)
        gate.wait_until_reached(TIMEOUT)
        held = cluster.lease_of("skewed")
        assert_not_free(cluster, "skewed")
        fast.take_ops(True)
        second = cluster.run("skewed", source)
        second.wait_until(lambda: "worker@fast" in second.workers.values() and second.retried("lock"))
        assert (now := cluster.lease_of("skewed")) is not None
        assert held is not None
        assert now.token == held.token
        gate.release()
        run.succeed()
        second.succeed()
        assert_complete(cluster.database, source, label="skewed")
        assert len(lists(source.requests)) == PAGES
    assert run.workers[_fetch_op(run)] == "worker@slow"


def assert_not_free(cluster: Cluster, label: str) -> None:
    """Assert that another run cannot acquire the lease of a source."""
    rival = LeaseOwner("another run", None)
    with cluster.database.begin() as connection:
        config_id = ingest_configs.find_id(connection, label)
        assert config_id is not None
        with pytest.raises(LeaseHeld):
            leases.acquire(connection, config_id, rival)


@contextmanager
def freezing(node: Node) -> Iterator[None]:
    """Suspend all processes of a node during the block."""
    node.freeze()
    try:
        yield
    finally:
        node.thaw()


@contextmanager
def with_clock(cluster: Cluster, name: str, hours: int) -> Iterator[Node]:
    """Add a node to the cluster whose clock is wrong by some hours."""
    library = clock_library()
    clock = {
        "LD_PRELOAD": str(library),
        "FAKETIME": f"{hours:+d}h",
        # Sleeping and waiting are relative, and so is the time of the boot.
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    first = cluster.nodes[0]
    node = Node(name, cluster.folder / name, {**cluster.environment, **clock}, first.app)
    try:
        wait_for_nodes([node])
        yield node
    finally:
        node.kill()


def _fetch_op(run: Run) -> str:
    return next(op for op in run.workers if ".fetch[" in op)
