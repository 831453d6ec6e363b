"""All sources at a glance. On both databases."""

from __future__ import annotations

import itertools
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event

from harvest_dagster.records import Record
from harvest_dagster.storage import (
    harvest_progress,
    ingest_logs,
    launches,
    overview,
    raw_data,
)
from harvest_dagster.storage.engine import Database
from harvest_dagster.storage.ingest_logs import Queue
from harvest_dagster.storage.launches import Launch, Launching
from harvest_dagster.storage.overview import Broken
from harvest_dagster.windows import DAY, Window, subtract
from harvest_dagster_tests.storage.configs import NOW
from harvest_dagster_tests.storage.logs import MIDNIGHT, STRAYS, WINDOW, Logs, day


@pytest.fixture
def logs(database: Database) -> Logs:
    return Logs(database)


def coverage(logs: Logs) -> list[Window]:
    with logs.database.read() as connection:
        found = overview.coverage(connection)
    return list(found[logs.series].windows) if logs.series in found else []


def broken(logs: Logs) -> list[Broken]:
    with logs.database.read() as connection:
        return overview.broken(connection).get(logs.series, [])


def test_logs_that_touch_or_overlap_are_one_window(logs: Logs) -> None:
    """A thousand sources harvested daily for years are read every minute."""
    for window in (day(5), day(4), Window(day(4).start, day(2).end), day(0)):
        logs.succeed(logs.start(window))
    assert coverage(logs) == [Window(day(5).start, day(2).end), day(0)]


def test_when_the_source_was_asked_last_is_known(logs: Logs) -> None:
    """People want to know how old the answer is."""
    logs.succeed(logs.start(day(1)), since=NOW)
    logs.succeed(logs.start(day(3)), since=NOW - DAY)
    with logs.database.read() as connection:
        assert overview.coverage(connection)[logs.series].asked == NOW


def test_each_series_has_its_own_and_some_may_be_asked_for(logs: Logs) -> None:
    """A harvester of a higher version has everything before it."""
    other = Logs(logs.database)
    logs.succeed(logs.start(day(1)))
    other.succeed(other.start(day(3)))
    assert (coverage(logs), coverage(other)) == ([day(1)], [day(3)])
    with logs.database.read() as connection:
        assert list(overview.coverage(connection, [other.series.ingest_config_id])) == [other.series]
        assert overview.coverage(connection, []) == {}


windows = st.tuples(st.integers(0, 20), st.integers(1, 8)).map(
    lambda pair: Window(MIDNIGHT - 60 * DAY + pair[0] * DAY, MIDNIGHT - 60 * DAY + sum(pair) * DAY)
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(windows, max_size=8, unique=True))
def test_the_windows_are_exactly_what_the_logs_cover(database: Database, done: list[Window]) -> None:
    """Lesson 4: a day too many is never harvested, one too few is harvested for ever."""
    logs = Logs(database)
    for window in done:
        logs.succeed(logs.start(window))
    found = coverage(logs)
    everything = Window(MIDNIGHT - 70 * DAY, MIDNIGHT)
    assert list(subtract(everything, found)) == list(subtract(everything, done))
    assert all(one.end < other.start for one, other in itertools.pairwise(found))


def test_what_failed_what_a_limit_cut_and_what_is_half_stored_is_not_covered(logs: Logs) -> None:
    """The plan would harvest it again, so that it is due."""
    logs.end(logs.start(day(1)))
    logs.succeed(logs.start(day(3), record_limit=5))
    logs.succeed(logs.start(day(5)))
    half = logs.start(day(5), "run 2")
    with logs.database.begin() as connection:
        harvest_progress.advance(connection, half.id, 0, half.counts, STRAYS)
    logs.end(half)
    assert coverage(logs) == []


def test_windows_that_broke_off_with_their_tries(logs: Logs) -> None:
    """By them the pause before the next try grows."""
    logs.end(logs.start(day(2), "run 1"))
    logs.end(logs.start(day(2), "run 2"), "CANCELLED")
    logs.succeed(logs.start(day(1), "run 2"))
    logs.end(logs.start(day(0), "run 3", record_limit=1))
    assert broken(logs) == [Broken(day(2), 2, logs.find(day(2)).date_completed)]
    logs.succeed(logs.start(day(2), "run 4"))
    assert broken(logs) == []


def test_a_window_that_was_done_once_and_failed_since_is_not_broken(logs: Logs) -> None:
    """What succeeded stays so."""
    logs.succeed(logs.start(WINDOW, "run 1"))
    logs.end(logs.start(WINDOW, "run 2"))
    assert broken(logs) == []


def launch(logs: Logs, identifier: str, version: int = 1, minutes: int = 0, status: str = "PENDING") -> None:
    record = Record(identifier, NOW, False, identifier)
    now = NOW + timedelta(minutes=minutes)
    key = logs.series.ingest_config_id
    with logs.database.begin() as connection:
        raw_data.store(connection, key, [record], NOW)
        ((raw_id, revision),) = raw_data.find(connection, key, [record])
        launching = Launching(Queue(key, version), status, False, now)
        launches.launch(connection, launching, [Launch(raw_id, revision, NOW.date())])


def test_what_waits_by_day_since_when_and_until_when(logs: Logs) -> None:
    """One row for a day, however many data wait."""
    launch(logs, "a")
    launch(logs, "b", minutes=5)
    launch(logs, "c", minutes=9, status="CREATED")
    with logs.database.read() as connection:
        (found,) = overview.waiting(connection)
        assert overview.waiting(connection, []) == []
    assert (found.ingest_config_id, found.day) == (logs.series.ingest_config_id, NOW.date())
    assert (found.since, found.newest) == (NOW, NOW + timedelta(minutes=5))


def test_what_an_older_transformer_left_waits_until_the_newer_has_it(logs: Logs) -> None:
    """A version raised while data waited would strand them: nobody claims the old one's."""
    launch(logs, "a", version=1)
    with logs.database.read() as connection:
        (found,) = overview.waiting(connection)
        assert found.transformer_version == 1
    with logs.database.begin() as connection:
        queue = Queue(logs.series.ingest_config_id, 2)
        ingest_logs.renew_for_version(connection, queue, (NOW.date(), NOW.date()), NOW)
        ingest_logs.claim(connection, queue, (NOW.date(), NOW.date()), count=9, run_id="r", now=NOW)
    with logs.database.read() as connection:
        assert overview.waiting(connection) == []


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_what_waits_is_read_in_the_order_of_its_index(database: Database) -> None:
    """A million rows that wait would be looked up and sorted every half minute; SQLite takes none by a parameter."""
    asked: list[tuple[str, Any]] = []

    def note(_1: object, _2: object, statement: str, parameters: Any, *_: object) -> None:
        asked.append((statement, parameters))

    event.listen(database.engine, "before_cursor_execute", note)
    with database.read() as connection:
        overview.waiting(connection)
        statement, parameters = asked[-1]
        steps = [
            row.detail for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        ]
    assert "ix_ingest_log_pending" in steps[0]
    assert not any("TEMP B-TREE" in step for step in steps)
