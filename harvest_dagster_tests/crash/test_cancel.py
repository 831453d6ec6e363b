"""A cancelled run stops at a page boundary, closes its log, and keeps the fetched pages."""

from __future__ import annotations

import logging
import signal
from datetime import date

import dagster as dg
import pytest

from harvest_dagster.storage.database import Database
from harvest_dagster.testing.simulator import RequestGate, nth
from harvest_dagster.windows import Window, whole_day
from harvest_dagster_tests.crash.commands import Command
from harvest_dagster_tests.crash.conftest import FIRST, LAST, PAGES_OF_BOTH_WINDOWS, Deploy
from harvest_dagster_tests.crash.contents import assert_complete, harvests, lists

# The run is cancelled in the first of its two windows.
FIRST_WINDOW = Window(whole_day(FIRST).start, whole_day(date(2024, 3, 2)).end)


@pytest.mark.parametrize(
    ("number", "cancelled_in_ui", "run_status", "database_url"),
    [
        (signal.SIGTERM, True, "CANCELED", "postgresql"),
        # Dagster does not know that somebody cancelled the run: for Dagster, the run failed and may be retried.
        (signal.SIGTERM, False, "FAILURE", "sqlite"),
        pytest.param(signal.SIGINT, False, "FAILURE", "postgresql", marks=pytest.mark.slow),
    ],
    indirect=["database_url"],
    ids=["UI", "SIGTERM", "SIGINT"],
)
def test_the_run_after_a_cancelled_run_resumes_at_the_same_page(
    deploy: Deploy, number: signal.Signals, cancelled_in_ui: bool, run_status: str
) -> None:
    """Otherwise a cancelled harvest repeats hours of work, or its log stays STARTED."""
    gate = RequestGate(nth(4, "ListRecords"))
    deployment = deploy(gate)
    cancelled = deployment.materialize(FIRST, LAST)
    cancelled.wait_for(gate)
    with deployment.instance() as instance:
        if cancelled_in_ui:
            # The run launcher does this before it sends the signal.
            instance.report_run_canceling(run_of(instance, cancelled))
        cancelled.signal(number)
        # The response never arrives: the run stops in the middle of a request.
        assert cancelled.wait() != 0
        assert run_of(instance, cancelled).status.value == run_status
    gate.release()
    with Database.open(deployment.database_url) as database:
        with database.read() as connection:
            (log,) = harvests(connection)
        assert (log["status"], log["run_id"]) == ("CANCELLED", cancelled.run_id)
        expected = f"the run was cancelled after page 3 of {FIRST_WINDOW}. The next run continues there."
        assert log["error"] == expected
        # Dagster ends the process that copies the lines of a step to the terminal before it has copied this one.
        with deployment.instance() as instance:
            lines = [(line.level, line.user_message) for line in instance.all_logs(cancelled.run_id)]
        assert (logging.WARNING, expected) in lines
        again = deployment.materialize(FIRST, LAST).succeed()
        assert "the spool has 3 pages of an earlier run" in again.printed
        requests = lists(deployment.source.requests)
        assert_complete(database, deployment.source)
    # Only the page that was in transit is requested again.
    assert requests[3].arguments == requests[4].arguments
    assert len(requests) == PAGES_OF_BOTH_WINDOWS + 1


def run_of(instance: dg.DagsterInstance, command: Command) -> dg.DagsterRun:
    run = instance.get_run_by_id(command.run_id)
    assert run is not None
    return run
