"""Runs whose process or host is gone are reported as failed, and no other run is."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import dagster as dg
import pytest

from harvest_dagster.orchestration.runs.lost_runs import (
    Sighting,
    _Signs,
    end_lost_runs,
    read_sightings,
    write_sightings,
)
from harvest_dagster.processes import Process, this_process
from harvest_dagster.storage import ingest_configs
from harvest_dagster.storage.database import Database
from harvest_dagster.storage.lease import leases
from harvest_dagster.storage.lease.leases import LeaseOwner
from harvest_dagster.storage.transform_queue import workers
from harvest_dagster.storage.transform_queue.workers import Worker
from harvest_dagster.windows import utc_now
from harvest_dagster_tests.orchestration.deployment import config

HERE = this_process()
DEAD = Process(HERE.host, HERE.id, "another start")
ELSEWHERE = Process("another host", 1, "1")


@dg.op(name="lock")
def our_op() -> None:
    """Do nothing."""


@dg.op(name="mine")
def op_of_a_user() -> None:
    """Do nothing."""


def started_run(
    instance: dg.DagsterInstance,
    op: dg.OpDefinition = our_op,
    *,
    event: dg.DagsterEventType | None = None,
) -> str:
    """Create a run that is STARTED, and whose last event is of this op: a message, or an event. Return its id."""

    @dg.job
    def job() -> None:
        op()

    run = instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
    found = event and dg.DagsterEvent(event.value, run.job_name, step_key=op.name)
    instance.store_event(
        dg.EventLogEntry(
            error_info=None,
            level=logging.INFO,
            user_message="at work",
            run_id=run.run_id,
            timestamp=utc_now().timestamp(),
            step_key=op.name,
            job_name=run.job_name,
            dagster_event=found,
        )
    )
    return run.run_id


def lease(database: Database, run_id: str, process: Process | None, duration: timedelta = leases.TTL) -> None:
    """Let a run acquire the lease of a source."""
    with database.begin() as connection:
        key = ingest_configs.save_config(
            connection, config("http://demo/").model_dump(mode="json"), utc_now()
        )
        leases.acquire(connection, key, LeaseOwner(run_id, process), duration=duration)


def report(database: Database, run_id: str, process: Process = ELSEWHERE) -> None:
    """Let a process report a run, as it does four times a minute."""
    with database.begin() as connection:
        workers.record_worker(connection, run_id, process)


@dataclass
class Daemon:
    """The sensor of a deployment, which looks every 30 seconds of a clock that a test sets.

    Attributes:
        now: the time of the daemon and of the database.
        longest_start: as in `RetrySettings`.
    """

    instance: dg.DagsterInstance
    database: Database
    now: datetime = field(default_factory=utc_now)
    sightings: Mapping[str, Sighting] = field(default_factory=dict)
    longest_start: timedelta = timedelta(minutes=15)

    def watch(
        self, duration: timedelta, each: Callable[[Database], object] = lambda _: None
    ) -> timedelta | None:
        """Look until a run ends or the time is over. Return after which time it ended; None if none ended."""
        began = self.now
        while self.now - began <= duration:
            database = self.database.with_clock(lambda: self.now)
            each(database)
            found = end_lost_runs(self.instance, database, self.now, self.sightings, self.longest_start)
            self.sightings = read_sightings(write_sightings(found.sightings))
            if found.ended:
                return self.now - began
            self.now += timedelta(seconds=30)
        return None


@pytest.fixture
def daemon(instance: dg.DagsterInstance, database: Database) -> Daemon:
    return Daemon(instance, database)


def statuses(daemon: Daemon) -> list[str]:
    return [run.status.value for run in daemon.instance.get_runs()]


@pytest.mark.parametrize("pause", [leases.TTL, timedelta(hours=8)])
def test_a_run_whose_host_is_gone_fails_within_five_minutes(daemon: Daemon, pause: timedelta) -> None:
    """It stayed STARTED forever and kept its pool: docs/failures.md#crashed-run-keeps-pool-slot

    Its lease may last for hours if the source asked it to wait.
    """
    run_id = started_run(daemon.instance)
    lease(daemon.database, run_id, ELSEWHERE, pause)
    report(daemon.database, run_id)
    ended = daemon.watch(timedelta(hours=1))
    assert ended is not None
    assert timedelta(minutes=2) < ended < timedelta(minutes=5)
    assert statuses(daemon) == ["FAILURE"]
    messages = [entry.message for entry in daemon.instance.all_logs(run_id)]
    assert "is lost: its process has reported nothing for" in " ".join(messages), messages


def test_a_run_whose_process_is_gone_fails_after_a_minute(daemon: Daemon) -> None:
    """On this host it is known at once. A minute lets the executor report the failure of a single op."""
    lease(daemon.database, started_run(daemon.instance), DEAD)
    assert daemon.watch(timedelta(hours=1)) == timedelta(minutes=1)


def test_the_sensor_keeps_the_lease_that_shows_that_a_run_is_lost(
    instance: dg.DagsterInstance, database: Database
) -> None:
    """Its log and its lease were closed within the first minute. Nothing then showed the loss for minutes."""
    run_id = started_run(instance)
    lease(database, run_id, DEAD)
    found = end_lost_runs(instance, database, utc_now(), {}, timedelta(minutes=15))
    assert (found.ended, found.undecided) == ([], {run_id})


def test_a_run_that_was_killed_when_its_op_began_fails_within_five_minutes(daemon: Daemon) -> None:
    """It was killed in preflight, before it could report itself."""
    started_run(daemon.instance, event=dg.DagsterEventType.STEP_START)
    ended = daemon.watch(timedelta(hours=1))
    assert ended is not None
    assert ended < timedelta(minutes=5)


def test_a_run_that_reports_itself_is_alive(daemon: Daemon) -> None:
    """The fetch of a large window, or a wait for the hours of a source, logs no event for hours."""
    run_id = started_run(daemon.instance)
    assert daemon.watch(timedelta(hours=2), lambda database: report(database, run_id)) is None
    assert statuses(daemon) == ["STARTED"]


def test_runs_that_could_not_report_themselves_during_an_outage_are_alive(daemon: Daemon) -> None:
    """The sensor looked first after an outage of the database, and ended every run."""
    run_id = started_run(daemon.instance)
    report(daemon.database, run_id)
    daemon.now += timedelta(minutes=20)
    assert daemon.watch(timedelta()) is None  # the first look, before any run has reported itself
    assert daemon.watch(timedelta(hours=1), lambda database: report(database, run_id)) is None


@pytest.mark.parametrize("hours", [-5, 0, 5])
def test_the_clock_of_the_daemon_does_not_end_a_run(daemon: Daemon, hours: int) -> None:
    """Events have the time of the machine of the run. With a wrong clock, each run seemed silent for hours."""
    started_run(daemon.instance)
    daemon.now += timedelta(hours=hours)
    assert daemon.watch(timedelta(minutes=14)) is None


def test_a_run_between_two_ops_with_processes_of_their_own_may_take_long_to_start_the_next(
    daemon: Daemon,
) -> None:
    """A pod may need ten minutes until the next op reports itself. Nothing else shows that the run is alive."""
    run_id = started_run(daemon.instance)
    lease(daemon.database, run_id, None, daemon.longest_start)
    ended = daemon.watch(timedelta(hours=1))
    assert ended is not None
    assert timedelta(minutes=15) <= ended < timedelta(minutes=18)


@pytest.mark.parametrize(
    ("event", "is_lost"),
    [
        (dg.DagsterEventType.STEP_FAILURE, False),
        (dg.DagsterEventType.STEP_WORKER_STARTING, False),
        (dg.DagsterEventType.STEP_UP_FOR_RETRY, True),
    ],
)
def test_the_executor_is_alive_after_the_process_of_an_op_was_killed(
    event: dg.DagsterEventType, is_lost: bool
) -> None:
    """The run continues with its other windows, whose processes start later."""
    silence = timedelta(minutes=14)
    signs = _Signs(silence, event, "lock", worker=Worker(ELSEWHERE, silence))
    assert (signs.cause_of_death(timedelta(minutes=15)) is not None) == is_lost


def test_a_run_that_waits_for_the_retry_of_its_op_is_alive() -> None:
    """With a process for each op, nothing reports itself until the retry."""
    start, wait = timedelta(minutes=15), timedelta(hours=1)
    signs = _Signs(timedelta(minutes=74), dg.DagsterEventType.STEP_UP_FOR_RETRY, "lock", wait)
    assert signs.cause_of_death(start) is None
    assert replace(signs, silence=wait + start).cause_of_death(start) is not None


def test_an_op_of_a_user_may_be_silent_for_hours(daemon: Daemon) -> None:
    """A run may also contain assets of the user, which hold no lease."""
    started_run(daemon.instance, op_of_a_user)
    assert daemon.watch(timedelta(hours=5)) is None
