"""What a row says through success, failure, cancellation and several runs. On both databases."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select, text

from harvest_dagster.records import Unreadable
from harvest_dagster.storage import harvest_progress, harvest_states, harvest_tries, quarantine
from harvest_dagster.storage.engine import Database
from harvest_dagster.storage.harvest_logs import Counts, Series, Strays
from harvest_dagster.storage.tables import quarantine as quarantined
from harvest_dagster.windows import DAY
from harvest_dagster_tests.storage.configs import NOW
from harvest_dagster_tests.storage.logs import SOME, STRAYS, Logs


@pytest.fixture
def logs(database: Database) -> Logs:
    return Logs(database)


@pytest.mark.parametrize("status", ["STARTED", "SUCCEEDED", "FAILED", "CANCELLED", "RESCHEDULED", "SPLIT"])
def test_a_window_has_one_row_whatever_became_of_it_before(logs: Logs, status: str) -> None:
    """Lesson 14: a second run of a job that had succeeded hit a unique constraint, or "skipped" it for ever."""
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


def test_another_version_of_the_harvester_has_rows_of_its_own(logs: Logs) -> None:
    """What an older version stored has other blobs: its coverage ends with it."""
    first = logs.succeed(logs.start())
    logs.series = Series(logs.series.ingest_config_id, 2)
    assert logs.covering() == []
    assert logs.start().id != first.id


@pytest.mark.parametrize("error", ["NUL \0", "half \ud800", "long " * 10**5, "ä\n\u2028😀"])
def test_whatever_an_error_says_its_log_ends(logs: Logs, error: str) -> None:
    """Lesson 13: a key of a foreign document in an error kept the row from saying FAILED, and it stayed STARTED."""
    ended = logs.end(logs.start(), error=error)
    with logs.database.read() as connection:
        (tried,) = harvest_tries.of_log(connection, ended.id)
    assert (ended.status, tried.status) == ("FAILED", "FAILED")
    assert ended.error == tried.error
    assert ended.error is not None
    assert ended.error.startswith(error[:4])
    assert len(ended.error) < 21_000


def test_completions_count_successes(logs: Logs) -> None:
    """Whoever asks how often a window was harvested well is not told of the failures between."""
    logs.succeed(logs.start())
    logs.end(logs.start())
    assert logs.succeed(logs.start()).completions == 2


def test_a_waiting_run_never_writes_the_row_of_the_running_one(logs: Logs) -> None:
    """Lesson 12: a second run overwrote the row of the first, which was running."""
    running = logs.start()
    assert logs.reschedule() == running


def test_a_waiting_run_says_so_in_a_row_that_nobody_holds(logs: Logs) -> None:
    """Without it nobody sees what a run waits for."""
    assert logs.reschedule().status == "RESCHEDULED"
    failed = logs.end(logs.start())
    waiting = logs.reschedule()
    assert (waiting.id, waiting.status, waiting.run_id, waiting.error) == (
        failed.id, "RESCHEDULED", "run 2", "not free",
    )  # fmt: skip


def test_a_row_that_waited_is_covered_still_and_gets_its_success_back(logs: Logs) -> None:
    """Lesson 14: a plain second run of a succeeded window must not undo it."""
    covered = logs.succeed(logs.start())
    logs.reschedule()
    assert logs.covering() == [covered.id]
    with logs.database.begin() as connection:
        harvest_states.covered_again(connection, covered.id, now=logs.now)
    assert (logs.find().status, logs.find().error, logs.find().completions) == ("SUCCEEDED", None, 1)


def test_a_run_that_goes_on_in_the_middle_takes_the_log_and_keeps_its_beginning(logs: Logs) -> None:
    """A re-execution from store on: what it covers is decided by when the list was begun, not by when it went on."""
    failed = logs.end(logs.start(run="run 1"))
    with logs.database.begin() as connection:
        log = harvest_states.go_on(connection, failed.id, run_id="run 2", now=NOW + DAY)
        tries = harvest_tries.of_log(connection, failed.id)
    assert (log.status, log.run_id, log.error, log.date_completed) == ("STARTED", "run 2", None, None)
    assert log.date_started == failed.date_started
    assert [(one.run_id, one.status) for one in tries] == [("run 1", "FAILED"), ("run 2", "STARTED")]


def test_only_the_dead_run_s_row_is_settled(logs: Logs) -> None:
    """Lesson 12: between the look at a row and its settling, another run may have taken the window up."""
    seen = logs.start(run="dead")
    taken_up = logs.start(run="alive")
    with logs.database.begin() as connection:
        harvest_states.end(connection, seen, "FAILED", now=logs.now, error="killed")
    assert logs.find() == taken_up
    with logs.database.begin() as connection:
        harvest_states.end(connection, taken_up, "CANCELLED", now=logs.now, error="stopped")
    assert (logs.find().status, logs.find().error) == ("CANCELLED", "stopped")


def test_a_window_begun_anew_counts_from_zero(logs: Logs) -> None:
    """Its old counts and costs belong to pages that are not used; what they set aside is all that is seen of it."""
    log = logs.start()
    with logs.database.begin() as connection:
        harvest_progress.advance(connection, log.id, 0, SOME, STRAYS)
        harvest_progress.spend(connection, log.id, requests=3, size=1000, seconds_waited=1.5)
        harvest_progress.expect(connection, log.id, 50)
        quarantine.set_aside(connection, log, 0, [Unreadable(b"<", "no end")], NOW)
    with logs.database.begin() as connection:
        anew = harvest_states.restart(connection, log.id, NOW)
        left = connection.scalar(select(func.count()).select_from(quarantined))
    assert (anew.counts, anew.pages_stored, anew.expected, left) == (Counts(), 0, None, 1)
    assert anew.strays == Strays()
    assert (anew.requests, anew.bytes, anew.seconds_waited) == (0, 0, 0.0)
    assert (anew.attempt, anew.status, anew.run_id) == (log.attempt + 1, "STARTED", "run 1")
