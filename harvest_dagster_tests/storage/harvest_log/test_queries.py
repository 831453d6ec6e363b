"""Queries about harvest logs: coverage, finished logs, counts. On both databases."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, select, text

from harvest_dagster.storage.counts import COUNT_NAMES_IN_JSON
from harvest_dagster.storage.database import Database
from harvest_dagster.storage.harvest_log import counters, coverage_rule, queries, transitions
from harvest_dagster.storage.tables import harvest_log
from harvest_dagster.windows import DAY, Window
from harvest_dagster_tests.storage.configs import NOW
from harvest_dagster_tests.storage.logs import MIDNIGHT, SOME, WINDOW, Logs, day


@pytest.fixture
def logs(database: Database) -> Logs:
    return Logs(database)


def test_a_later_failure_leaves_the_window_covered(logs: Logs) -> None:
    """A failed superfluous run must not undo a success (docs/failures.md#second-run-breaks-job)."""
    covered = logs.succeed(logs.start())
    for status in ("FAILED", "CANCELLED"):
        failed = logs.end(logs.start(), status)
        assert (failed.status, failed.completions, failed.covered_since) == (status, 1, NOW)
        assert logs.covering() == [covered.id]
    logs.start()
    assert logs.covering() == [covered.id]


def test_a_failed_window_covers_nothing(logs: Logs) -> None:
    """Otherwise a later success hides it (docs/failures.md#watermark-hides-gap)."""
    logs.end(logs.start(day(1)))
    done = logs.succeed(logs.start())
    assert logs.covering(Window(day(2).start, WINDOW.end)) == [done.id]


def test_a_window_with_a_limit_covers_nothing(logs: Logs) -> None:
    """After a harvest of ten records, the rest of the window would never be harvested."""
    logs.succeed(logs.start(record_limit=10))
    assert logs.covering() == []
    covered = logs.succeed(logs.start())
    logs.succeed(logs.start(record_limit=10))
    assert logs.covering() == [covered.id]


def test_a_list_that_began_before_the_end_of_its_window_covers_nothing(logs: Logs) -> None:
    """A list of noon lacks the records of the afternoon (docs/failures.md#late-records)."""
    noon = WINDOW.end - timedelta(hours=12)
    logs.succeed(logs.start(at=noon), since=noon)
    assert logs.covering() == []
    logs.succeed(logs.start(), since=WINDOW.end)
    assert logs.covering() == [logs.find().id]


def test_a_list_that_began_before_settle_covers_nothing(logs: Logs) -> None:
    """A source that adds records to yesterday for six hours needs `settle: 6h` (docs/failures.md#late-records)."""
    hours = timedelta(hours=1)
    logs.succeed(logs.start(), since=WINDOW.end + 5 * hours, settle=6 * hours)
    assert logs.covering() == []
    logs.succeed(logs.start(), since=WINDOW.end + 6 * hours, settle=6 * hours)
    assert logs.covering() == [logs.find().id]


def test_a_success_that_another_program_wrote_covers_its_window(logs: Logs) -> None:
    """Other programs write only the documented columns."""
    with logs.database.begin() as connection:
        key, version = logs.scope.ingest_config_id, logs.scope.harvester_version
        row = {"ingest_config_id": key, "harvester_version": version, "status": "SUCCEEDED"}
        row |= {"start_date": WINDOW.start, "end_date": WINDOW.end, "date_started": WINDOW.end}
        connection.execute(insert(harvest_log).values(**row))
    assert logs.covering() == [logs.find().id]


windows = st.tuples(st.integers(0, 20), st.integers(1, 8)).map(
    lambda pair: Window(MIDNIGHT - 60 * DAY + pair[0] * DAY, MIDNIGHT - 60 * DAY + sum(pair) * DAY)
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(done=st.lists(windows, max_size=6, unique=True), failed=st.lists(windows, max_size=3), asked=windows)
def test_exactly_the_successes_that_overlap_with_a_window_cover_it(
    database: Database, done: list[Window], failed: list[Window], asked: Window
) -> None:
    """A missed success is harvested again, an extra one hides a gap (docs/failures.md#watermark-hides-gap)."""
    logs = Logs(database)
    for window in done:
        logs.succeed(logs.start(window))
    for window in failed:
        logs.end(logs.start(window))
    expected = sorted(window for window in done if window.intersection(asked))
    with database.read() as connection:
        found = coverage_rule.find_coverage(connection, logs.scope, asked)
    assert [one.log.window for one in found] == expected


def test_only_logs_that_succeeded_or_failed_count_as_finished(logs: Logs) -> None:
    """Cancelled, rescheduled, split and running logs say nothing about the source."""
    failed = logs.end(logs.start(day(3)))
    logs.end(logs.start(day(4)), "CANCELLED")
    succeeded = logs.succeed(logs.start(day(1)))
    logs.start(day(5))
    logs.reschedule(day(6))
    with logs.database.begin() as connection:
        transitions.mark_split(connection, logs.scope, day(7), run_id="run 1", now=logs.now)
    with logs.database.read() as connection:
        last = [log.id for log in queries.find_last_finished(connection, logs.scope, 10)]
        newest = queries.find_last_finished(connection, logs.scope, 1)
    assert last == [succeeded.id, failed.id]
    assert [log.id for log in newest] == [succeeded.id]


@pytest.mark.parametrize("expected", [None, 50])
def test_the_json_column_has_the_values_of_the_count_columns(logs: Logs, expected: int | None) -> None:
    """Each database computes it in its own way."""
    log = logs.start()
    with logs.database.begin() as connection:
        counters.count_page(connection, log.id, 0, SOME)
        counters.set_expected(connection, log.id, expected)
    with logs.database.read() as connection:
        counts = connection.scalar(select(harvest_log.c.counts))
        plain = connection.scalar(text("SELECT counts FROM harvest_log"))
    assert counts == {name: getattr(SOME, name) for name in COUNT_NAMES_IN_JSON} | {"expected": expected}
    assert (json.loads(plain) if isinstance(plain, str) else plain) == counts


def test_the_windows_of_a_range_are_its_children(logs: Logs) -> None:
    """The windows of a SPLIT row are found by parent_id."""
    whole = Window(day(1).start, WINDOW.end)
    with logs.database.begin() as connection:
        parent = transitions.mark_split(connection, logs.scope, whole, run_id="run 1", now=NOW)
    children = [logs.start(day(1), parent_id=parent.id), logs.start(parent_id=parent.id)]
    assert {child.parent_id for child in children} == {parent.id}
    assert logs.covering() == []
    with logs.database.read() as connection:
        of_run = [log.id for log in queries.find_by_run(connection, logs.scope.ingest_config_id, "run 1")]
        started = {log.id for log in queries.find_open(connection, logs.scope.ingest_config_id)}
    assert of_run == [children[0].id, children[1].id, parent.id]
    assert started == {child.id for child in children}
