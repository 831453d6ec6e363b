"""A deployment with webserver and daemon: a killed run worker frees its place in the queue and its pool slot.

The sensors that close orphaned logs react to the end of such a run, and Dagster may retry it.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import dagster as dg
import pytest

from harvest_dagster.storage.database import Database
from harvest_dagster.storage.lease.leases import find_leases
from harvest_dagster.testing.simulator import RequestGate
from harvest_dagster.testing.simulator.behaviours.conditions import from_nth
from harvest_dagster_tests.crash.commands import TIMEOUT, Deployment
from harvest_dagster_tests.crash.conftest import FIRST, LAST, Deploy
from harvest_dagster_tests.crash.contents import assert_complete, harvests
from harvest_dagster_tests.daemon import dagster_dev, ticks, wait_until

OF_FAILED, OF_CANCELLED = "close_orphaned_logs_of_failed_runs", "close_orphaned_logs_of_cancelled_runs"
MODULE = ("-m", "harvest_dagster.definitions")
RANGE = {
    "dagster/asset_partition_range_start": str(FIRST),
    "dagster/asset_partition_range_end": str(LAST),
}


@pytest.mark.slow
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_pool_slot_of_a_killed_run_is_freed(deploy: Deploy) -> None:
    """Run monitoring must free the pool slots of crashed runs: docs/failures.md#crashed-run-keeps-pool-slot"""
    # It also blocks the requests that repeat the third one: starting the other runs may take longer than a timeout.
    gate = RequestGate(from_nth(3, "ListRecords"))
    deployment = deploy(gate)
    with deployment.instance() as instance, Database.open(deployment.database_url) as database:
        with dagster_dev(deployment):
            # These sensors ignore runs that ended before their first tick.
            wait_until(lambda: bool(ticks(instance, OF_FAILED) and ticks(instance, OF_CANCELLED)))
            killed = enqueue(deployment, instance)
            gate.wait_until_reached(TIMEOUT)
            waiting = enqueue(deployment, instance)
            # Each source has a pool: the second run stays in the queue.
            wait_until(lambda: "QUEUED" in status(instance, waiting))
            cancelled = enqueue(deployment, instance)
            wait_until(lambda: "QUEUED" in status(instance, cancelled))
            instance.run_coordinator.cancel_run(cancelled)
            os.kill(worker(database), signal.SIGKILL)
            gate.release()
            wait_until(lambda: status(instance, killed) == "FAILURE")
            wait_until(lambda: status(instance, waiting) in ("SUCCESS", "FAILURE"))
            assert status(instance, waiting) == "SUCCESS"
            wait_until(lambda: runs_seen_by(instance, OF_FAILED) == {killed})
            wait_until(lambda: runs_seen_by(instance, OF_CANCELLED) == {cancelled})
        with database.read() as connection:
            assert {log["run_id"] for log in harvests(connection)} == {waiting}
        # The run materialized all assets, the transform included.
        assert_complete(database, deployment.source, ingested="SUCCEEDED")


@pytest.mark.slow
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_an_automatic_retry_harvests_every_window_that_a_killed_run_did_not_finish(deploy: Deploy) -> None:
    """A retry must not end as SUCCESS without the second window: docs/failures.md#skipped-windows

    `run_retries` executes the run again from its failure. The run was killed in the first window.
    """
    gate = RequestGate(from_nth(3, "ListRecords"))
    deployment = deploy(gate)
    settings = deployment.folder / "home" / "dagster.yaml"
    settings.write_text(f"{settings.read_text()}\nrun_retries: {{enabled: true, max_retries: 1}}\n")
    with deployment.instance() as instance, Database.open(deployment.database_url) as database:
        with dagster_dev(deployment):
            # This sensor ignores runs that ended before its first tick.
            wait_until(lambda: bool(ticks(instance, OF_FAILED)))
            killed = enqueue(deployment, instance)
            gate.wait_until_reached(TIMEOUT)
            os.kill(worker(database), signal.SIGKILL)
            gate.release()
            wait_until(lambda: len(instance.get_runs()) == 2)
            (retry,) = (run.run_id for run in instance.get_runs() if run.parent_run_id == killed)
            wait_until(lambda: status(instance, retry) in ("SUCCESS", "FAILURE"))
            assert status(instance, retry) == "SUCCESS"
        assert_complete(database, deployment.source, ingested="SUCCEEDED")


def enqueue(deployment: Deployment, instance: dg.DagsterInstance) -> str:
    """Put a run of all days into the queue, as the UI does. Return its id."""
    before = {run.run_id for run in instance.get_runs()}
    job = ("job", "launch", *MODULE, "--job", "__ASSET_JOB", "--tags", json.dumps(RANGE))
    done = subprocess.run(
        [sys.executable, "-m", "dagster", *job],
        cwd=deployment.folder,
        env=deployment.environment,
        capture_output=True,
        text=True,
        timeout=3 * TIMEOUT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (new,) = {run.run_id for run in instance.get_runs()} - before
    return new


def worker(database: Database) -> int:
    """Return the id of the process that holds the lease."""
    with database.read() as connection:
        (row,) = find_leases(connection, [1]).values()
    assert row.holder.process is not None
    return row.holder.process.id


def runs_seen_by(instance: dg.DagsterInstance, sensor: str) -> set[str]:
    """Return the runs whose end a sensor has processed."""
    processed = ticks(instance, sensor)
    assert not any(tick.is_failure for tick in processed)
    return {run_id for tick in processed for run_id in tick.origin_run_ids or ()}


def status(instance: dg.DagsterInstance, run_id: str) -> str:
    run = instance.get_run_by_id(run_id)
    assert run is not None
    return run.status.value
