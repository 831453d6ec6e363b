"""The runs that worked on a window, and the number of consecutive failures. On both databases."""

from __future__ import annotations

import pytest

from harvest_dagster.storage.database import Database
from harvest_dagster.storage.harvest_log import run_attempts
from harvest_dagster_tests.storage.logs import MINUTE, WINDOW, Logs, day


@pytest.fixture
def logs(database: Database) -> Logs:
    return Logs(database)


def test_a_success_ends_the_consecutive_failures(logs: Logs) -> None:
    """The pause before the next probe grows with their number. A source that works again starts from zero."""
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


def test_a_success_counts_even_if_a_later_run_of_its_window_failed(logs: Logs) -> None:
    """The log has only its last status. It would show two consecutive failures around a success."""
    logs.end(logs.start(day(1), "run 1"))
    logs.succeed(logs.start(WINDOW, "run 2"))
    logs.end(logs.start(WINDOW, "run 3"))
    assert logs.failures() == 1


def test_every_run_that_worked_on_a_window_is_recorded(logs: Logs) -> None:
    """The log has only the last run. An earlier run may have the error that explains it."""
    log = logs.end(logs.start(run="run 1"), error="no luck")
    logs.end(logs.start(run="run 2"), "CANCELLED", error="stopped")
    began = logs.now + MINUTE
    logs.succeed(logs.start(run="run 3"))
    logs.start(day(1), run="run 3")
    with logs.database.read() as connection:
        attempts = run_attempts.find_by_log(connection, log.id)
        attempts_of_run = run_attempts.find_by_run(connection, "run 3")
    assert [(attempt.run_id, attempt.status, attempt.error) for attempt in attempts] == [
        ("run 1", "FAILED", "no luck"),
        ("run 2", "CANCELLED", "stopped"),
        ("run 3", "SUCCEEDED", None),
    ]
    assert (attempts[2].date_started, attempts[2].date_completed) == (began, began + MINUTE)
    assert [attempt.status for attempt in attempts_of_run] == ["SUCCEEDED", "STARTED"]
