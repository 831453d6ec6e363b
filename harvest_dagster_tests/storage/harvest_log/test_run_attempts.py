"""The runs that worked on a window, and the number of consecutive failures. On both databases."""

from __future__ import annotations

import pytest

from harvest_dagster.storage.database import Database
from harvest_dagster.storage.harvest_log import run_attempts, transitions
from harvest_dagster.storage.harvest_log.run_attempts import FailureStreak
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


def test_a_streak_begins_after_the_last_success(logs: Logs) -> None:
    """A message about a source says since when it fails. It must not name a failure before a success."""
    assert _streak(logs) is None
    logs.end(logs.start(day(1), "run 1"))
    logs.succeed(logs.start(day(2), "run 2"))
    assert _streak(logs) is None
    logs.end(logs.start(day(1), "run 3"), error="first")
    since = logs.now
    logs.end(logs.start(day(3), "run 4"), error="last")
    logs.end(logs.start(day(4), "run 5"), "CANCELLED", error="stopped")
    assert _streak(logs) == FailureStreak(since, "last", host_unreachable=False)
    logs.start(day(3), "run 6")
    assert _streak(logs) == FailureStreak(since, "last", host_unreachable=False)


def test_a_success_ends_a_streak_although_its_window_failed_later(logs: Logs) -> None:
    """The log has only its last status, so the success is only in the attempts."""
    logs.succeed(logs.start(day(2), "run 1"))
    logs.end(logs.start(day(1), "run 2"))
    logs.succeed(logs.start(WINDOW, "run 3"))
    logs.end(logs.start(WINDOW, "run 4"), error="again")
    assert _streak(logs) == FailureStreak(logs.now, "again", host_unreachable=False)
    ended = logs.now
    logs.start(WINDOW, "run 5")
    assert _streak(logs) == FailureStreak(ended, "again", host_unreachable=False)


def test_a_log_that_is_only_restored_ends_no_streak(logs: Logs) -> None:
    """A run that found its window covered has asked the source nothing. The source still fails."""
    logs.succeed(logs.start(WINDOW, "run 1"))
    logs.end(logs.start(day(1), "run 2"))
    since = logs.now
    restored = logs.reschedule(WINDOW, "run 3")
    with logs.database.begin() as connection:
        transitions.restore_succeeded(connection, restored.id, now=logs.now + MINUTE)
    assert _streak(logs) == FailureStreak(since, "no luck", host_unreachable=False)


def _streak(logs: Logs) -> FailureStreak | None:
    with logs.database.read() as connection:
        return run_attempts.find_failure_streaks(connection, [logs.scope]).get(logs.scope)
