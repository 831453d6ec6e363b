"""Runs whose process or host is gone are reported as failed, and no other run is."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

import dagster as dg
import pytest

from harvest_dagster.orchestration.runs.lost_runs import SILENCE, end_lost_runs
from harvest_dagster.processes import Process, this_process
from harvest_dagster.storage import ingest_configs
from harvest_dagster.storage.database import Database
from harvest_dagster.storage.lease import leases
from harvest_dagster.storage.lease.leases import LeaseOwner
from harvest_dagster.storage.transform_queue import workers
from harvest_dagster.windows import utc_now
from harvest_dagster_tests.orchestration.deployment import config

HERE = this_process()
DEAD = Process(HERE.host, HERE.id, "another start")
ELSEWHERE = Process("another host", 1, "1")
LATER = SILENCE + timedelta(minutes=1)


@dg.op(name="lock")
def our_op() -> None:
    """Do nothing."""


@dg.op(name="mine")
def op_of_a_user() -> None:
    """Do nothing."""


def started_run(instance: dg.DagsterInstance, op: dg.OpDefinition = our_op) -> str:
    """Create a run that is STARTED, and whose last event is of this op. Return its id."""

    @dg.job
    def job() -> None:
        op()

    run = instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
    logger = logging.getLogger("lost runs")
    record = logger.makeRecord(
        logger.name,
        logging.INFO,
        __file__,
        1,
        "at work",
        (),
        None,
        extra={
            "dagster_meta": {
                "run_id": run.run_id,
                "job_name": run.job_name,
                "step_key": op.name,
                "orig_message": "at work",
                "log_message_id": "1",
                "log_timestamp": "2024-01-01",
            }
        },
    )
    for handler in instance.get_handlers():
        handler.handle(record)
    return run.run_id


def lease(database: Database, run_id: str, process: Process | None, acquired: datetime) -> None:
    """Let a run acquire the lease of a source."""
    with database.with_clock(lambda: acquired).begin() as connection:
        key = ingest_configs.save_config(
            connection, config("http://demo/").model_dump(mode="json"), utc_now()
        )
        leases.acquire(connection, key, LeaseOwner(run_id, process))


def end(instance: dg.DagsterInstance, database: Database, after: timedelta) -> list[str]:
    """End the lost runs as they are found after this time. Return the status of all runs."""
    now = utc_now() + after
    end_lost_runs(instance, database.with_clock(lambda: now), now)
    return [run.status.value for run in instance.get_runs()]


def test_a_run_whose_host_is_gone_fails_within_minutes(
    instance: dg.DagsterInstance, database: Database
) -> None:
    """It stayed STARTED forever and kept its pool: docs/failures.md#crashed-run-keeps-pool-slot"""
    run_id = started_run(instance)
    lease(database, run_id, ELSEWHERE, utc_now())
    assert end(instance, database, timedelta(minutes=5)) == ["STARTED"]
    assert end(instance, database, LATER) == ["FAILURE"]
    messages = [entry.message for entry in instance.all_logs(run_id)]
    assert "is lost: it holds no lease and has reported nothing since" in " ".join(messages), messages


def test_a_run_whose_process_is_gone_fails_after_a_minute(
    instance: dg.DagsterInstance, database: Database
) -> None:
    """On this host it is known at once. A minute lets the executor report the failure of a single op."""
    lease(database, started_run(instance), DEAD, utc_now())
    assert end(instance, database, timedelta(seconds=50)) == ["STARTED"]
    assert end(instance, database, timedelta(seconds=61)) == ["FAILURE"]


def test_the_sensor_keeps_the_lease_that_shows_that_a_run_is_lost(
    instance: dg.DagsterInstance, database: Database
) -> None:
    """Its log and its lease were closed within the first minute. Nothing then showed the loss for ten minutes."""
    run_id = started_run(instance)
    lease(database, run_id, DEAD, utc_now())
    found = end_lost_runs(instance, database, utc_now() + timedelta(seconds=50))
    assert (found.ended, found.undecided) == ([], {run_id})
    found = end_lost_runs(instance, database, utc_now() + timedelta(seconds=61))
    assert (len(found.ended), found.undecided) == (1, frozenset())


def test_a_run_that_was_killed_before_it_held_a_lease_fails(
    instance: dg.DagsterInstance, database: Database
) -> None:
    """It was killed in preflight, or while it waited for the lease."""
    started_run(instance)
    assert end(instance, database, timedelta(minutes=9)) == ["STARTED"]
    assert end(instance, database, LATER) == ["FAILURE"]


def test_a_run_that_renews_its_lease_is_alive(instance: dg.DagsterInstance, database: Database) -> None:
    """The fetch of a large window reports nothing to Dagster for hours."""
    lease(database, started_run(instance), ELSEWHERE, utc_now() + LATER)
    assert end(instance, database, LATER) == ["STARTED"]


@pytest.mark.parametrize(("seen", "status"), [(LATER, "STARTED"), (timedelta(), "FAILURE")])
def test_a_transform_is_alive_as_long_as_it_reports(
    instance: dg.DagsterInstance, database: Database, seen: timedelta, status: str
) -> None:
    """A transform holds no lease. It reports itself in the database while it works."""
    now = utc_now() + seen
    with database.with_clock(lambda: now).begin() as connection:
        workers.record_worker(connection, started_run(instance), ELSEWHERE)
    assert end(instance, database, LATER) == [status]


def test_an_op_of_a_user_may_be_silent_for_hours(instance: dg.DagsterInstance, database: Database) -> None:
    """A run may also contain assets of the user, which hold no lease."""
    started_run(instance, op_of_a_user)
    assert end(instance, database, timedelta(hours=5)) == ["STARTED"]
