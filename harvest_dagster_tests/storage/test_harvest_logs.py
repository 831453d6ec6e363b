"""What is asked of the logs: coverage, what is finished, counts. On both databases."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, select, text

from harvest_dagster.storage import coverings, harvest_logs, harvest_progress, harvest_states
from harvest_dagster.storage.engine import Database
from harvest_dagster.storage.tables import harvest_log
from harvest_dagster.windows import DAY, Window
from harvest_dagster_tests.storage.configs import NOW
from harvest_dagster_tests.storage.logs import MIDNIGHT, SOME, STRAYS, WINDOW, Logs, day


@pytest.fixture
def logs(database: Database) -> Logs:
    return Logs(database)


def test_a_later_failure_leaves_the_window_covered(logs: Logs) -> None:
    """Lessons 4 and 14: what was harvested once is not lost since a superfluous run of it failed."""
    covered = logs.succeed(logs.start())
    for status in ("FAILED", "CANCELLED"):
        failed = logs.end(logs.start(), status)
        assert (failed.status, failed.completions, failed.covered_since) == (status, 1, NOW)
        assert logs.covering() == [covered.id]
    logs.start()
    assert logs.covering() == [covered.id]


def test_a_failed_window_covers_nothing(logs: Logs) -> None:
    """Lesson 4: a failed window behind a newer success was never tried again."""
    logs.end(logs.start(day(1)))
    done = logs.succeed(logs.start())
    assert logs.covering(Window(day(2).start, WINDOW.end)) == [done.id]


def test_what_a_limit_cut_short_covers_nothing(logs: Logs) -> None:
    """A trial with ten records would leave the rest of the window out for ever."""
    logs.succeed(logs.start(record_limit=10))
    assert logs.covering() == []
    covered = logs.succeed(logs.start())
    logs.succeed(logs.start(record_limit=10))
    assert logs.covering() == [covered.id]


def test_a_window_that_had_not_ended_when_its_list_was_begun_is_not_covered(logs: Logs) -> None:
    """Lesson 7: today's partition, harvested at noon, lacks what comes in the afternoon."""
    noon = WINDOW.end - timedelta(hours=12)
    logs.succeed(logs.start(at=noon), since=noon)
    assert logs.covering() == []
    logs.succeed(logs.start(), since=WINDOW.end)
    assert logs.covering() == [logs.find().id]


def test_a_list_begun_before_the_window_had_settled_covers_nothing(logs: Logs) -> None:
    """Lesson 7: a source that publishes for six hours under yesterday's date needs `settle: 6h`."""
    hours = timedelta(hours=1)
    logs.succeed(logs.start(), since=WINDOW.end + 5 * hours, settle=6 * hours)
    assert logs.covering() == []
    logs.succeed(logs.start(), since=WINDOW.end + 6 * hours, settle=6 * hours)
    assert logs.covering() == [logs.find().id]


def test_a_success_that_another_program_wrote_covers_its_window(logs: Logs) -> None:
    """The columns of the contract are enough: other programs know no more."""
    with logs.database.begin() as connection:
        key, version = logs.series.ingest_config_id, logs.series.harvester_version
        row = {"ingest_config_id": key, "harvester_version": version, "status": "SUCCEEDED"}
        row |= {"start_date": WINDOW.start, "end_date": WINDOW.end, "date_started": WINDOW.end}
        connection.execute(insert(harvest_log).values(**row))
    assert logs.covering() == [logs.find().id]


windows = st.tuples(st.integers(0, 20), st.integers(1, 8)).map(
    lambda pair: Window(MIDNIGHT - 60 * DAY + pair[0] * DAY, MIDNIGHT - 60 * DAY + sum(pair) * DAY)
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(done=st.lists(windows, max_size=6, unique=True), failed=st.lists(windows, max_size=3), asked=windows)
def test_exactly_the_successes_that_touch_a_window_cover_some_of_it(
    database: Database, done: list[Window], failed: list[Window], asked: Window
) -> None:
    """Lesson 4: coverage is intervals; one that is missed is harvested for nothing, one too many never again."""
    logs = Logs(database)
    for window in done:
        logs.succeed(logs.start(window))
    for window in failed:
        logs.end(logs.start(window))
    expected = sorted(window for window in done if window.intersection(asked))
    with database.read() as connection:
        found = coverings.find(connection, logs.series, asked)
    assert [one.log.window for one in found] == expected


def test_the_last_finished_are_those_that_succeeded_or_failed(logs: Logs) -> None:
    """Cancelled, rescheduled, split and running ones say nothing about the source."""
    failed = logs.end(logs.start(day(3)))
    logs.end(logs.start(day(4)), "CANCELLED")
    succeeded = logs.succeed(logs.start(day(1)))
    logs.start(day(5))
    logs.reschedule(day(6))
    with logs.database.begin() as connection:
        harvest_states.split(connection, logs.series, day(7), run_id="run 1", now=logs.now)
    with logs.database.read() as connection:
        last = [log.id for log in harvest_logs.last_finished(connection, logs.series, 10)]
        newest = harvest_logs.last_finished(connection, logs.series, 1)
    assert last == [succeeded.id, failed.id]
    assert [log.id for log in newest] == [succeeded.id]


@pytest.mark.parametrize("expected", [None, 50])
def test_the_column_counts_says_what_the_columns_say(logs: Logs, expected: int | None) -> None:
    """DESIGN.md names it; it is computed by each database in its own way, and must not drift."""
    log = logs.start()
    with logs.database.begin() as connection:
        harvest_progress.advance(connection, log.id, 0, SOME, STRAYS)
        harvest_progress.expect(connection, log.id, expected)
    with logs.database.read() as connection:
        counts = connection.scalar(select(harvest_log.c.counts))
        plain = connection.scalar(text("SELECT counts FROM harvest_log"))
    assert counts == {**asdict(SOME), "expected": expected}
    assert (json.loads(plain) if isinstance(plain, str) else plain) == counts


def test_the_windows_of_a_range_are_its_children(logs: Logs) -> None:
    """A range of a year is one SPLIT row, and whoever looks for its windows goes by parent_id."""
    whole = Window(day(1).start, WINDOW.end)
    with logs.database.begin() as connection:
        parent = harvest_states.split(connection, logs.series, whole, run_id="run 1", now=NOW)
    children = [logs.start(day(1), parent_id=parent.id), logs.start(parent_id=parent.id)]
    assert {child.parent_id for child in children} == {parent.id}
    assert logs.covering() == []
    with logs.database.read() as connection:
        of_run = [log.id for log in harvest_logs.of_run(connection, "run 1")]
        started = {log.id for log in harvest_logs.unsettled(connection, logs.series.ingest_config_id)}
    assert of_run == [children[0].id, children[1].id, parent.id]
    assert started == {child.id for child in children}
