"""A run that is cancelled stops at a page boundary, says so, and keeps what it has."""

from __future__ import annotations

import signal

import dagster as dg
import pytest

from harvest_dagster.simulator import Hold, nth
from harvest_dagster.storage.engine import Database
from harvest_dagster_tests.crash.commands import Command
from harvest_dagster_tests.crash.conftest import FIRST, LAST, REPOSITORY, Deploy
from harvest_dagster_tests.crash.contents import assert_whole, harvests, lists


@pytest.mark.parametrize(
    ("number", "asked_in_ui", "run_status", "database_url"),
    [
        (signal.SIGTERM, True, "CANCELED", "postgresql"),
        # Nobody has told Dagster that the run shall end: to it, it failed, and may be retried.
        (signal.SIGTERM, False, "FAILURE", "sqlite"),
        (signal.SIGINT, False, "FAILURE", "postgresql"),
    ],
    indirect=["database_url"],
    ids=["UI", "SIGTERM", "SIGINT"],
)
def test_a_cancelled_run_says_so_and_the_next_goes_on_from_there(
    deploy: Deploy, number: signal.Signals, asked_in_ui: bool, run_status: str
) -> None:
    """An operator who stops a harvest of hours must not pay for it with hours, nor find it "running"."""
    hold = Hold(nth(4, "ListRecords"))
    deployment = deploy(hold)
    cancelled = deployment.materialize(FIRST, LAST)
    cancelled.wait_for(hold)
    with deployment.instance() as instance:
        if asked_in_ui:
            # What the run launcher does before it sends the signal.
            instance.report_run_canceling(run_of(instance, cancelled))
        cancelled.signal(number)
        # The answer never comes: it stops in the middle of a request.
        assert cancelled.wait() != 0
        assert run_of(instance, cancelled).status.value == run_status
    hold.release()
    with Database.open(deployment.database_url) as database:
        with database.read() as connection:
            (log,) = harvests(connection)
        assert (log["status"], log["run_id"]) == ("CANCELLED", cancelled.run_id)
        assert "the run was cancelled" in log["error"]
        again = deployment.materialize(FIRST, LAST).succeed()
        assert "3 pages are there from an earlier run" in again.said
        requests = lists(deployment.source.requests)
        assert_whole(database, deployment.source)
    # Only the page that was on its way is asked for again.
    assert requests[3].arguments == requests[4].arguments
    assert len(requests) == REPOSITORY.size // REPOSITORY.page_size + 1


def run_of(instance: dg.DagsterInstance, command: Command) -> dg.DagsterRun:
    run = instance.get_run_by_id(command.run_id)
    assert run is not None
    return run
