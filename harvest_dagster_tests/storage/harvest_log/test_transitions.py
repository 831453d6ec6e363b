"""The row of a log after success, failure, cancellation and several runs. On both databases."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select, text

from harvest_dagster.records import InvalidRecord
from harvest_dagster.storage import tables
from harvest_dagster.storage.counts import Counts
from harvest_dagster.storage.database import Database
from harvest_dagster.storage.harvest_log import counters, quarantine, run_attempts, transitions
from harvest_dagster.storage.harvest_log.queries import LogScope
from harvest_dagster.windows import DAY
from harvest_dagster_tests.storage.configs import NOW
from harvest_dagster_tests.storage.logs import SOME, Logs


@pytest.fixture
def logs(database: Database) -> Logs:
    return Logs(database)


@pytest.mark.parametrize("status", ["STARTED", "SUCCEEDED", "FAILED", "CANCELLED", "RESCHEDULED", "SPLIT"])
def test_a_window_has_one_row_after_every_status(logs: Logs, status: str) -> None:
    """A second run failed on a unique constraint, or was skipped forever (docs/failures.md#second-run-breaks-job)."""
    first = logs.start()
    with logs.database.begin() as connection:
        connection.execute(
            text("UPDATE harvest_log SET status = :status, error = 'x', date_completed = date_started"),
            {"status": status},
        )
    again = logs.start(run="run 2", record_limit=7)
    assert (again.id, again.status, again.run_id) == (first.id, "STARTED", "run 2")
    assert (again.date_started, again.date_completed, again.error) == (logs.now, None, None)
    assert again.record_limit == 7


def test_another_harvester_version_has_its_own_rows(logs: Logs) -> None:
    """It gives other blobs, so the coverage of the older version does not count for it."""
    first = logs.succeed(logs.start())
    logs.scope = LogScope(logs.scope.ingest_config_id, 2)
    assert logs.covering() == []
    assert logs.start().id != first.id


@pytest.mark.parametrize("error", ["NUL \0", "half \ud800", "long " * 10**5, "ä\n😀"])
def test_a_log_can_fail_with_any_error_text(logs: Logs, error: str) -> None:
    """An error text that the database refused left the row STARTED (docs/failures.md#running-forever)."""
    ended = logs.end(logs.start(), error=error)
    with logs.database.read() as connection:
        (tried,) = run_attempts.find_by_log(connection, ended.id)
    assert (ended.status, tried.status) == ("FAILED", "FAILED")
    assert ended.error == tried.error
    assert ended.error is not None
    assert ended.error.startswith(error[:3])
    assert len(ended.error) < 21_000


def test_completions_count_successes(logs: Logs) -> None:
    """Failures in between do not count."""
    logs.succeed(logs.start())
    logs.end(logs.start())
    assert logs.succeed(logs.start()).completions == 2


def test_a_waiting_run_never_changes_the_row_of_the_running_one(logs: Logs) -> None:
    """A second run overwrote the row of the first (docs/failures.md#foreign-row-overwritten)."""
    running = logs.start()
    assert logs.reschedule() == running


def test_a_waiting_run_marks_a_row_that_no_run_holds(logs: Logs) -> None:
    """Otherwise nobody sees what the run waits for."""
    assert logs.reschedule().status == "RESCHEDULED"
    failed = logs.end(logs.start())
    waiting = logs.reschedule()
    assert (waiting.id, waiting.status, waiting.run_id, waiting.error) == (
        failed.id, "RESCHEDULED", "run 2", "not free",
    )  # fmt: skip


def test_a_rescheduled_row_stays_covered_and_becomes_succeeded_again(logs: Logs) -> None:
    """A second run of a succeeded window must not undo it (docs/failures.md#second-run-breaks-job)."""
    covered = logs.succeed(logs.start())
    logs.reschedule()
    assert logs.covering() == [covered.id]
    with logs.database.begin() as connection:
        transitions.restore_succeeded(connection, covered.id, now=logs.now)
    assert (logs.find().status, logs.find().error, logs.find().completions) == ("SUCCEEDED", None, 1)


def test_a_run_that_continues_a_log_keeps_its_start(logs: Logs) -> None:
    """When the list began decides what it covers, not when another run continued it."""
    failed = logs.end(logs.start(run="run 1"))
    with logs.database.begin() as connection:
        log = transitions.mark_resumed(connection, failed.id, run_id="run 2", now=NOW + DAY)
        attempts = run_attempts.find_by_log(connection, failed.id)
    assert (log.status, log.run_id, log.error, log.date_completed) == ("STARTED", "run 2", None, None)
    assert log.date_started == failed.date_started
    assert [(attempt.run_id, attempt.status) for attempt in attempts] == [
        ("run 1", "FAILED"),
        ("run 2", "STARTED"),
    ]


def test_only_the_row_of_the_dead_run_is_closed(logs: Logs) -> None:
    """Another run may have started the window since the row was read (docs/failures.md#foreign-row-overwritten)."""
    seen = logs.start(run="dead")
    taken_up = logs.start(run="alive")
    with logs.database.begin() as connection:
        transitions.mark_ended(connection, seen, "FAILED", now=logs.now, error="killed")
    assert logs.find() == taken_up
    with logs.database.begin() as connection:
        transitions.mark_ended(connection, taken_up, "CANCELLED", now=logs.now, error="stopped")
    assert (logs.find().status, logs.find().error) == ("CANCELLED", "stopped")


def test_a_new_fetch_attempt_counts_from_zero(logs: Logs) -> None:
    """The old counts belong to pages that are not used. Only the quarantined records stay."""
    log = logs.start()
    with logs.database.begin() as connection:
        counters.count_page(connection, log.id, 0, SOME)
        counters.add_counts(connection, log.id, Counts(requests=3, bytes=1000, seconds_waited=1.5))
        counters.set_expected(connection, log.id, 50)
        quarantine.add_records(connection, log, 0, [InvalidRecord(b"<", "no end")], NOW)
    with logs.database.begin() as connection:
        restarted = transitions.begin_attempt(connection, log.id, NOW)
        quarantined = connection.scalar(select(func.count()).select_from(tables.quarantine))
    assert (restarted.counts, restarted.pages_stored, restarted.expected, quarantined) == (
        Counts(),
        0,
        None,
        1,
    )
    assert (restarted.attempt, restarted.status, restarted.run_id) == (log.attempt + 1, "STARTED", "run 1")
