"""Coverage as intervals: the arithmetic, and which logs cover what."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvest_dagster.coverage.intervals import (
    STATES,
    CoverageInterval,
    LogInterval,
    coverage_intervals,
    intervals_by_day,
    log_intervals,
)
from harvest_dagster.storage.database import Database
from harvest_dagster.storage.harvest_log import queries, transitions
from harvest_dagster.windows import DAY, Window, whole_day
from harvest_dagster_tests.storage.logs import MIDNIGHT, WINDOW, Logs, day

HOUR = timedelta(hours=1)
RANGE = Window(MIDNIGHT - 4 * DAY, MIDNIGHT)
hours = st.integers(-30, 130)
windows = st.tuples(hours, st.integers(1, 60)).map(
    lambda pair: Window(RANGE.start + pair[0] * HOUR, RANGE.start + sum(pair) * HOUR)
)
interval_lists = st.lists(st.tuples(windows, st.sampled_from(STATES[:3])), max_size=12).map(
    lambda pairs: [LogInterval(window, state, number) for number, (window, state) in enumerate(pairs)]
)


@given(interval_lists)
def test_the_intervals_cover_the_range_exactly(logged: list[LogInterval]) -> None:
    """A gap between two intervals is a day that is never harvested. An overlap is a day that counts twice."""
    intervals = coverage_intervals(RANGE, logged)
    assert (intervals[0].window.start, intervals[-1].window.end) == (RANGE.start, RANGE.end)
    for interval, after in pairwise(intervals):
        assert interval.window.end == after.window.start
        assert (interval.state, interval.log_ids) != (after.state, after.log_ids)


@given(interval_lists)
def test_each_moment_has_the_best_state_of_its_logs(logged: list[LogInterval]) -> None:
    """Compared with the plain definition, hour by hour. A later failure takes no coverage away."""
    intervals = coverage_intervals(RANGE, logged)
    for number in range(4 * 24):
        moment = RANGE.start + number * HOUR
        (interval,) = [interval for interval in intervals if moment in interval.window]
        there = [interval for interval in logged if moment in interval.window]
        best = min((interval.state for interval in there), key=STATES.index, default="missing")
        ids = tuple(interval.log_id for interval in there if interval.state == best)
        assert (interval.state, interval.log_ids) == (best, ids)


@given(interval_lists)
def test_a_day_has_the_state_of_its_worst_hour(logged: list[LogInterval]) -> None:
    """A partition without its last hour is not harvested."""
    intervals = coverage_intervals(RANGE, logged)
    days = intervals_by_day(intervals)
    assert list(days) == list(RANGE.days)
    for one, interval in days.items():
        touching = [other for other in intervals if other.window.intersection(whole_day(one))]
        assert interval.window == whole_day(one)
        assert interval.state == max((other.state for other in touching), key=STATES.index)
        assert interval.log_ids == tuple(sorted({key for other in touching for key in other.log_ids}))


@pytest.fixture
def logs(database: Database) -> Logs:
    return Logs(database)


def states(logs: Logs, window: Window = WINDOW) -> list[tuple[str, tuple[int, ...]]]:
    with logs.database.read() as connection:
        found = log_intervals(queries.find_overlapping(connection, logs.scope, window))
    return [(interval.state, interval.log_ids) for interval in coverage_intervals(window, found)]


def test_each_log_gives_its_window_the_state_of_its_status(logs: Logs) -> None:
    """Four days: one proven, one unverified, one failed, and one that was never requested."""
    complete = logs.succeed(logs.start(day(3)))
    unverified = logs.start(day(2))
    with logs.database.begin() as connection:
        transitions.begin_attempt(connection, unverified.id, logs.now)
        transitions.mark_succeeded(connection, unverified.id, now=logs.now, completeness="unverified")
    failed = logs.end(logs.start(day(1)))
    assert states(logs, RANGE) == [
        ("complete", (complete.id,)),
        ("unverified", (unverified.id,)),
        ("failed", (failed.id,)),
        ("missing", ()),
    ]


def test_a_log_that_is_running_waiting_cancelled_or_limited_covers_nothing(logs: Logs) -> None:
    """It is neither harvested nor failed: it is still missing."""
    logs.start(day(0))
    logs.reschedule(day(1))
    logs.end(logs.start(day(2)), "CANCELLED")
    logs.succeed(logs.start(day(3), record_limit=5))
    assert states(logs, RANGE) == [("missing", ())]


def test_a_later_failure_keeps_the_coverage_and_removes_the_proof(logs: Logs) -> None:
    """After a superfluous harvest fails, the day stays harvested, but `completeness` no longer says so."""
    log = logs.succeed(logs.start())
    logs.end(logs.start(run="run 2"))
    assert states(logs) == [("unverified", (log.id,))]


def test_split_logs_and_other_versions_cover_nothing(logs: Logs) -> None:
    """A SPLIT log stands for its windows. Windows of another harvester version must be harvested again."""
    with logs.database.begin() as connection:
        transitions.mark_split(connection, logs.scope, RANGE, run_id="run 1", now=logs.now)
    logs.succeed(logs.start())
    logs.scope = queries.LogScope(logs.scope.ingest_config_id, 2)
    assert states(logs, RANGE) == [("missing", ())]
    assert coverage_intervals(WINDOW, []) == [CoverageInterval(WINDOW, "missing")]
