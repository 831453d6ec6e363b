"""Two runs of one source at the same time: the second waits for the lease and then does its work."""

from __future__ import annotations

from datetime import date
from typing import Any

import dagster as dg
import pytest
from sqlalchemy import select

from harvest_dagster.storage.database import Database
from harvest_dagster.storage.tables import harvest_log, harvest_log_run
from harvest_dagster.testing.simulator import RequestGate, nth
from harvest_dagster_tests.crash.commands import Command, Deployment
from harvest_dagster_tests.crash.conftest import FIRST, LAST, PAGES_OF_BOTH_WINDOWS, REPOSITORY, Deploy
from harvest_dagster_tests.crash.contents import assert_complete, lists, snapshot

SOON = {"first": 0.2, "longest": 0.5}
MIDDLE = date(2024, 3, 2)


def test_the_second_run_waits_and_then_harvests_its_own_range(deploy: Deploy) -> None:
    """The same source was harvested twice at the same time: docs/failures.md#same-source-twice"""
    gate = RequestGate(nth(2, "ListRecords"))
    deployment = deploy(gate)
    first = deployment.materialize(FIRST, MIDDLE)
    first.wait_for(gate)
    with Database.open(deployment.database_url) as database:
        before = running(database, first)
        second = deployment.materialize(FIRST, LAST, waiting=SOON)
        wait_for_two_retries(second)
        # The second run has another range and therefore its own row. The row of the first run is unchanged.
        assert running(database, first) == before
        (waiting,) = [log for log in logs(database) if log["status"] == "RESCHEDULED"]
        assert waiting["run_id"] == second.run_id
        assert f"run {first.run_id}" in waiting["error"]
        gate.release()
        first.succeed()
        second.succeed()
        assert_complete(database, deployment.source)
        (parent,) = [log for log in logs(database) if log["status"] == "SPLIT"]
        assert (parent["id"], parent["error"]) == (waiting["id"], None)
    assert len(lists(deployment.source.requests)) == PAGES_OF_BOTH_WINDOWS
    with deployment.instance() as instance:
        retries = instance.all_logs(second.run_id, of_type=dg.DagsterEventType.STEP_UP_FOR_RETRY)
    assert retries
    assert f"run {first.run_id}" in second.printed


@pytest.mark.slow
def test_a_second_run_of_the_same_range_does_not_change_the_row_of_the_first(deploy: Deploy) -> None:
    """A second run overwrote the row of the first, which was running: docs/failures.md#foreign-row-overwritten"""
    gate = RequestGate(nth(2, "ListRecords"))
    deployment = deploy(gate, max_window="30d")
    first = deployment.materialize(FIRST, LAST)
    first.wait_for(gate)
    with Database.open(deployment.database_url) as database:
        before = snapshot(database, harvest_log, harvest_log_run)
        second = deployment.materialize(FIRST, LAST, waiting=SOON)
        wait_for_two_retries(second)
        assert snapshot(database, harvest_log, harvest_log_run) == before
        gate.release()
        first.succeed()
        second.succeed()
        # The second run has nothing to do.
        assert_complete(database, deployment.source)
    assert len(lists(deployment.source.requests)) == REPOSITORY.size // REPOSITORY.page_size


@pytest.mark.slow
def test_a_run_that_stops_waiting_for_the_lease_leaves_only_a_rescheduled_log(deploy: Deploy) -> None:
    """Its row must neither stop the next run nor count as a failure of the source."""
    gate = RequestGate(nth(2, "ListRecords"))
    deployment = deploy(gate)
    first = deployment.materialize(FIRST, FIRST)
    first.wait_for(gate)
    given_up = deployment.materialize(FIRST, LAST, waiting=SOON | {"retries": 1}).fail()
    assert f"run {first.run_id}" in given_up.printed
    gate.release()
    first.succeed()
    with Database.open(deployment.database_url) as database:
        assert {log["status"] for log in logs(database)} == {"SUCCEEDED", "RESCHEDULED"}
        deployment.materialize(FIRST, LAST).succeed()
        assert_complete(database, deployment.source)
    assert spool_is_empty(deployment)


def wait_for_two_retries(command: Command) -> None:
    """Wait until the command has found the lease held twice."""
    assert command.wait_until(lambda: command.printed.count("STEP_RESTARTED") >= 2), command.printed


def running(database: Database, command: Command) -> list[dict[str, Any]]:
    return [log for log in logs(database) if log["run_id"] == command.run_id]


def logs(database: Database) -> list[dict[str, Any]]:
    with database.read() as connection:
        return [dict(row._mapping) for row in connection.execute(select(harvest_log))]


def spool_is_empty(deployment: Deployment) -> bool:
    """Return whether the spool contains no file."""
    return not any(path.is_file() for path in deployment.spool.rglob("*"))
