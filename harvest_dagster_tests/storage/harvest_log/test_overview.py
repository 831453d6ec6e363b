"""The state of all sources in one statement. On both databases."""

from __future__ import annotations

import itertools
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event

from harvest_dagster.records import Record
from harvest_dagster.storage.database import Database
from harvest_dagster.storage.harvest_log import counters, overview, source_coverage, transitions
from harvest_dagster.storage.harvest_log.overview import FailedWindow
from harvest_dagster.storage.raw_data import store
from harvest_dagster.storage.transform_queue.enqueue import EnqueueOptions, QueueEntry, enqueue_data
from harvest_dagster.storage.transform_queue.queue import (
    TransformQueue,
    claim_pending,
    enqueue_older_versions,
)
from harvest_dagster.windows import DAY, Window, subtract
from harvest_dagster_tests.storage.configs import NOW
from harvest_dagster_tests.storage.logs import MIDNIGHT, WINDOW, Logs, day


@pytest.fixture
def logs(database: Database) -> Logs:
    return Logs(database)


def coverage(logs: Logs) -> list[Window]:
    with logs.database.read() as connection:
        found = source_coverage.find_source_coverage(connection)
    return list(found[logs.scope].windows) if logs.scope in found else []


def failed_windows(logs: Logs) -> list[FailedWindow]:
    with logs.database.read() as connection:
        return overview.find_failed_windows(connection).get(logs.scope, [])


def test_a_doubtful_window_is_repaired_until_it_counts(logs: Logs) -> None:
    """The first window of a source is no gap, so nothing else would request it again."""
    log = logs.succeed(logs.start(day(2)))
    assert failed_windows(logs) == []
    with logs.database.begin() as connection:
        log = transitions.mark_doubtful(connection, log.id, "its neighbours are full")
    assert failed_windows(logs) == [FailedWindow(day(2), 1, log.date_completed, log.id)]
    assert coverage(logs) == []
    logs.succeed(logs.start(day(2)), since=NOW + DAY)
    assert failed_windows(logs) == []


def test_windows_that_touch_or_overlap_are_merged(logs: Logs) -> None:
    """Sensors read the coverage of a thousand sources every minute."""
    for window in (day(5), day(4), Window(day(4).start, day(2).end), day(0)):
        logs.succeed(logs.start(window))
    assert coverage(logs) == [Window(day(5).start, day(2).end), day(0)]


def test_the_coverage_contains_the_start_of_its_newest_list(logs: Logs) -> None:
    """People want to know how old the data are."""
    logs.succeed(logs.start(day(1)), since=NOW)
    logs.succeed(logs.start(day(3)), since=NOW - DAY)
    with logs.database.read() as connection:
        assert source_coverage.find_source_coverage(connection)[logs.scope].last_began == NOW


def test_each_scope_has_its_own_coverage(logs: Logs) -> None:
    """A new harvester version must harvest everything again. Callers may ask for some configs only."""
    other = Logs(logs.database)
    logs.succeed(logs.start(day(1)))
    other.succeed(other.start(day(3)))
    assert (coverage(logs), coverage(other)) == ([day(1)], [day(3)])
    with logs.database.read() as connection:
        assert list(source_coverage.find_source_coverage(connection, [other.scope.ingest_config_id])) == [
            other.scope
        ]
        assert source_coverage.find_source_coverage(connection, []) == {}


windows = st.tuples(st.integers(0, 20), st.integers(1, 8)).map(
    lambda pair: Window(MIDNIGHT - 60 * DAY + pair[0] * DAY, MIDNIGHT - 60 * DAY + sum(pair) * DAY)
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(windows, max_size=8, unique=True))
def test_the_windows_are_exactly_what_the_logs_cover(database: Database, done: list[Window]) -> None:
    """An extra day is never harvested, a missing one is harvested forever (docs/failures.md#watermark-hides-gap)."""
    logs = Logs(database)
    for window in done:
        logs.succeed(logs.start(window))
    found = coverage(logs)
    everything = Window(MIDNIGHT - 70 * DAY, MIDNIGHT)
    assert list(subtract(everything, found)) == list(subtract(everything, done))
    assert all(one.end < other.start for one, other in itertools.pairwise(found))


def test_failed_limited_and_unlaunched_windows_are_not_covered(logs: Logs) -> None:
    """The plan would harvest them again, so they must be due."""
    logs.end(logs.start(day(1)))
    logs.succeed(logs.start(day(3), record_limit=5))
    logs.succeed(logs.start(day(5)))
    unlaunched = logs.start(day(5), "run 2")
    with logs.database.begin() as connection:
        counters.count_page(connection, unlaunched.id, 0, unlaunched.counts)
    logs.end(unlaunched)
    assert coverage(logs) == []


def test_failed_windows_have_the_number_of_their_failed_runs(logs: Logs) -> None:
    """The pause before the next run grows with it."""
    logs.end(logs.start(day(2), "run 1"))
    logs.end(logs.start(day(2), "run 2"), "CANCELLED")
    logs.succeed(logs.start(day(1), "run 2"))
    logs.end(logs.start(day(0), "run 3", record_limit=1))
    assert failed_windows(logs) == [FailedWindow(day(2), 2, logs.find(day(2)).date_completed)]
    logs.succeed(logs.start(day(2), "run 4"))
    assert failed_windows(logs) == []


def test_a_covered_window_that_failed_later_is_not_a_failed_window(logs: Logs) -> None:
    """A success stays a success."""
    logs.succeed(logs.start(WINDOW, "run 1"))
    logs.end(logs.start(WINDOW, "run 2"))
    assert failed_windows(logs) == []


def add_to_queue(
    logs: Logs, identifier: str, version: int = 1, minutes: int = 0, status: str = "PENDING"
) -> None:
    record = Record(identifier, NOW, False, identifier)
    now = NOW + timedelta(minutes=minutes)
    key = logs.scope.ingest_config_id
    with logs.database.begin() as connection:
        store.store_records(connection, key, [record], NOW)
        (datum,) = store.find_data(connection, key, [record])
        launching = EnqueueOptions(TransformQueue(key, version), status, False, now)
        enqueue_data(connection, launching, [QueueEntry(datum.raw_id, datum.revision, NOW.date())])


def test_pending_data_are_returned_by_day(logs: Logs) -> None:
    """There is one row for each day, however many data are PENDING."""
    add_to_queue(logs, "a")
    add_to_queue(logs, "b", minutes=5)
    add_to_queue(logs, "c", minutes=9, status="CREATED")
    with logs.database.read() as connection:
        (found,) = overview.find_pending_days(connection)
        assert overview.find_pending_days(connection, []) == []
    assert (found.ingest_config_id, found.day) == (logs.scope.ingest_config_id, NOW.date())
    assert (found.first_pending, found.last_pending) == (NOW, NOW + timedelta(minutes=5))


def test_data_of_an_older_transformer_version_are_pending_until_the_newer_has_them(logs: Logs) -> None:
    """Otherwise data that are PENDING during an upgrade would never be transformed."""
    add_to_queue(logs, "a", version=1)
    with logs.database.read() as connection:
        (found,) = overview.find_pending_days(connection)
        assert found.transformer_version == 1
    with logs.database.begin() as connection:
        queue = TransformQueue(logs.scope.ingest_config_id, 2)
        enqueue_older_versions(connection, queue, (NOW.date(), NOW.date()), NOW)
        claim_pending(connection, queue, (NOW.date(), NOW.date()), count=9, run_id="r", now=NOW)
    with logs.database.read() as connection:
        assert overview.find_pending_days(connection) == []


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_pending_data_are_read_from_the_index_only(database: Database) -> None:
    """Otherwise a million PENDING rows would be sorted every unlaunched minute. SQLite ignores it for a parameter."""
    asked: list[tuple[str, Any]] = []

    def note(_1: object, _2: object, statement: str, parameters: Any, *_: object) -> None:
        asked.append((statement, parameters))

    event.listen(database.engine, "before_cursor_execute", note)
    with database.read() as connection:
        overview.find_pending_days(connection)
        statement, parameters = asked[-1]
        steps = [
            row.detail for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        ]
    assert "ix_ingest_log_pending" in steps[0]
    assert not any("TEMP B-TREE" in step for step in steps)
