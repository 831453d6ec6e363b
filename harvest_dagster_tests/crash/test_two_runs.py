"""Two runs of one source at once: the second waits for its turn and then does its work (Lessons 12, 17)."""

from __future__ import annotations

from datetime import date
from typing import Any

import dagster as dg
from sqlalchemy import select

from harvest_dagster.simulator import Hold, nth
from harvest_dagster.storage.engine import Database
from harvest_dagster.storage.tables import harvest_log, harvest_log_run
from harvest_dagster_tests.crash.commands import Command, Deployment
from harvest_dagster_tests.crash.conftest import FIRST, LAST, REPOSITORY, Deploy
from harvest_dagster_tests.crash.contents import assert_whole, lists, snapshot

SOON = {"first": 0.2, "longest": 0.5}
MIDDLE = date(2024, 3, 2)


def test_lesson_17_the_second_run_waits_and_then_does_its_own_work(deploy: Deploy) -> None:
    """Lesson 17: the same source was harvested twice at once."""
    hold = Hold(nth(2, "ListRecords"))
    deployment = deploy(hold)
    first = deployment.materialize(FIRST, MIDDLE)
    first.wait_for(hold)
    with Database.open(deployment.database_url) as database:
        before = running(database, first)
        second = deployment.materialize(FIRST, LAST, waiting=SOON)
        wait_until_it_waits(second)
        # Of a range of its own, a row of its own; that of the running one is as it was (Lesson 12).
        assert running(database, first) == before
        (waiting,) = [log for log in logs(database) if log["status"] == "RESCHEDULED"]
        assert waiting["run_id"] == second.run_id
        assert f"run {first.run_id}" in waiting["error"]
        hold.release()
        first.succeed()
        second.succeed()
        assert_whole(database, deployment.source)
        (parent,) = [log for log in logs(database) if log["status"] == "SPLIT"]
        assert (parent["id"], parent["error"]) == (waiting["id"], None)
    assert len(lists(deployment.source.requests)) == REPOSITORY.size // REPOSITORY.page_size
    with deployment.instance() as instance:
        retries = instance.all_logs(second.run_id, of_type=dg.DagsterEventType.STEP_UP_FOR_RETRY)
    assert retries
    assert f"run {first.run_id}" in second.said


def test_lesson_12_a_second_run_of_the_same_range_leaves_the_row_of_the_first_alone(deploy: Deploy) -> None:
    """Lesson 12: a second run overwrote the row of the first, which was running."""
    hold = Hold(nth(2, "ListRecords"))
    deployment = deploy(hold, max_window="30d")
    first = deployment.materialize(FIRST, LAST)
    first.wait_for(hold)
    with Database.open(deployment.database_url) as database:
        before = snapshot(database, harvest_log, harvest_log_run)
        second = deployment.materialize(FIRST, LAST, waiting=SOON)
        wait_until_it_waits(second)
        assert snapshot(database, harvest_log, harvest_log_run) == before
        hold.release()
        first.succeed()
        second.succeed()
        # There was nothing left to do.
        assert_whole(database, deployment.source)
    assert len(lists(deployment.source.requests)) == REPOSITORY.size // REPOSITORY.page_size


def test_a_run_that_gives_up_waiting_leaves_no_half_state(deploy: Deploy) -> None:
    """Its row must not hold back the next run, nor count as a failure of the source."""
    hold = Hold(nth(2, "ListRecords"))
    deployment = deploy(hold)
    first = deployment.materialize(FIRST, FIRST)
    first.wait_for(hold)
    given_up = deployment.materialize(FIRST, LAST, waiting=SOON | {"retries": 1}).fail()
    assert f"run {first.run_id}" in given_up.said
    hold.release()
    first.succeed()
    with Database.open(deployment.database_url) as database:
        assert {log["status"] for log in logs(database)} == {"SUCCEEDED", "RESCHEDULED"}
        deployment.materialize(FIRST, LAST).succeed()
        assert_whole(database, deployment.source)
    assert deployment_is_tidy(deployment)


def wait_until_it_waits(command: Command) -> None:
    """Twice, so that it has seen the lease held more than once."""
    assert command.wait_until(lambda: command.said.count("STEP_RESTARTED") >= 2), command.said


def running(database: Database, command: Command) -> list[dict[str, Any]]:
    return [log for log in logs(database) if log["run_id"] == command.run_id]


def logs(database: Database) -> list[dict[str, Any]]:
    with database.read() as connection:
        return [dict(row._mapping) for row in connection.execute(select(harvest_log))]


def deployment_is_tidy(deployment: Deployment) -> bool:
    """Whether nothing is left in the spool."""
    return not any(path.is_file() for path in deployment.spool.rglob("*"))
