"""The runs that worked at a window, and how many of them failed in a row. On both databases."""

from __future__ import annotations

import pytest

from harvest_dagster.storage import harvest_tries
from harvest_dagster.storage.engine import Database
from harvest_dagster_tests.storage.logs import MINUTE, WINDOW, Logs, day


@pytest.fixture
def logs(database: Database) -> Logs:
    return Logs(database)


def test_failures_in_a_row_end_with_a_success(logs: Logs) -> None:
    """By them the pause before the next probe grows; a source that works again starts from zero."""
    assert logs.failures() == 0
    for run in ("run 1", "run 2"):
        logs.end(logs.start(day(1), run))
    logs.end(logs.start(day(2), "run 3"))
    assert logs.failures() == 3
    logs.end(logs.start(day(3), "run 4"), "CANCELLED")
    assert logs.failures() == 3
    logs.succeed(logs.start(day(4), "run 5"))
    assert logs.failures() == 0
    logs.end(logs.start(day(1), "run 6"))
    assert logs.failures() == 1


def test_a_success_that_a_later_run_of_its_window_undid_has_ended_the_row_of_failures(logs: Logs) -> None:
    """The log has its last status only; counted by it, two failures around a success would be a streak."""
    logs.end(logs.start(day(1), "run 1"))
    logs.succeed(logs.start(WINDOW, "run 2"))
    logs.end(logs.start(WINDOW, "run 3"))
    assert logs.failures() == 1


def test_every_run_that_worked_at_a_window_is_remembered(logs: Logs) -> None:
    """Lesson 31: the row has the last run only, and the one before it is the one that says what went wrong."""
    log = logs.end(logs.start(run="run 1"), error="no luck")
    logs.end(logs.start(run="run 2"), "CANCELLED", error="stopped")
    began = logs.now + MINUTE
    logs.succeed(logs.start(run="run 3"))
    logs.start(day(1), run="run 3")
    with logs.database.read() as connection:
        tries = harvest_tries.of_log(connection, log.id)
        of_run = harvest_tries.of_run(connection, "run 3")
    assert [(one.run_id, one.status, one.error) for one in tries] == [
        ("run 1", "FAILED", "no luck"),
        ("run 2", "CANCELLED", "stopped"),
        ("run 3", "SUCCEEDED", None),
    ]
    assert (tries[2].date_started, tries[2].date_completed) == (began, began + MINUTE)
    assert [one.status for one in of_run] == ["SUCCEEDED", "STARTED"]
