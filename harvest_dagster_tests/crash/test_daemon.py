"""A deployment with webserver and daemon: a run worker that is killed gives its place and its pool slot back.

And the sensors that end the logs of dead runs are told of it.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import dagster as dg
import pytest

from harvest_dagster.simulator import Hold, nth
from harvest_dagster.storage.engine import Database
from harvest_dagster.storage.leases import find_all
from harvest_dagster_tests.crash.commands import PATIENCE, Deployment
from harvest_dagster_tests.crash.conftest import FIRST, LAST, Deploy
from harvest_dagster_tests.crash.contents import assert_whole, harvests
from harvest_dagster_tests.daemon import dagster_dev, ticks, wait_until

OF_FAILED, OF_CANCELLED = "settle_logs_of_failed_runs", "settle_logs_of_cancelled_runs"
MODULE = ("-m", "harvest_dagster.definitions")
RANGE = {
    "dagster/asset_partition_range_start": str(FIRST),
    "dagster/asset_partition_range_end": str(LAST),
}


@pytest.mark.slow
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_lesson_16_the_pool_slot_of_a_killed_run_comes_free(deploy: Deploy) -> None:
    """Lesson 16: crashed runs keep their pool slots unless run monitoring frees them (dagster#32560)."""
    hold = Hold(nth(3, "ListRecords"))
    deployment = deploy(hold)
    with deployment.instance() as instance, Database.open(deployment.database_url) as database:
        with dagster_dev(deployment):
            # What ended before their first look is none of their business.
            wait_until(lambda: bool(ticks(instance, OF_FAILED) and ticks(instance, OF_CANCELLED)))
            killed = enqueue(deployment, instance)
            hold.wait_until_reached(PATIENCE)
            waiting = enqueue(deployment, instance)
            # One pool for each source: the queue holds the second one back.
            wait_until(lambda: "QUEUED" in status(instance, waiting))
            cancelled = enqueue(deployment, instance)
            wait_until(lambda: "QUEUED" in status(instance, cancelled))
            instance.run_coordinator.cancel_run(cancelled)
            os.kill(worker(database), signal.SIGKILL)
            hold.release()
            wait_until(lambda: status(instance, killed) == "FAILURE")
            wait_until(lambda: status(instance, waiting) in ("SUCCESS", "FAILURE"))
            assert status(instance, waiting) == "SUCCESS"
            wait_until(lambda: told_of(instance, OF_FAILED) == {killed})
            wait_until(lambda: told_of(instance, OF_CANCELLED) == {cancelled})
        with database.read() as connection:
            assert {log["run_id"] for log in harvests(connection)} == {waiting}
        # The run was of all assets.
        assert_whole(database, deployment.source, ingested="SUCCEEDED")


def enqueue(deployment: Deployment, instance: dg.DagsterInstance) -> str:
    """Put a run of all days into the queue, as the UI does; its id."""
    before = {run.run_id for run in instance.get_runs()}
    job = ("job", "launch", *MODULE, "--job", "__ASSET_JOB", "--tags", json.dumps(RANGE))
    done = subprocess.run(
        [sys.executable, "-m", "dagster", *job],
        cwd=deployment.folder,
        env=deployment.environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (new,) = {run.run_id for run in instance.get_runs()} - before
    return new


def worker(database: Database) -> int:
    """The process that holds the lease."""
    with database.read() as connection:
        (held,) = find_all(connection, [1]).values()
    assert held.holder.process is not None
    return held.holder.process.id


def told_of(instance: dg.DagsterInstance, sensor: str) -> set[str]:
    """The runs whose end a sensor has seen, and done what it does."""
    made = ticks(instance, sensor)
    assert not any(tick.is_failure for tick in made)
    return {run_id for tick in made for run_id in tick.origin_run_ids or ()}


def status(instance: dg.DagsterInstance, run_id: str) -> str:
    run = instance.get_run_by_id(run_id)
    assert run is not None
    return run.status.value
