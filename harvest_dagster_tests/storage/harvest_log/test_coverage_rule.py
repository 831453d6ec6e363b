"""One rule decides what is covered, for rows and for logs that were read. On both databases."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, insert, select

from harvest_dagster.coverage.intervals import FAILED, MISSING, coverage_intervals, log_intervals
from harvest_dagster.storage.database import Database
from harvest_dagster.storage.harvest_log import (
    counters,
    coverage_rule,
    overview,
    queries,
    source_coverage,
    transitions,
)
from harvest_dagster.storage.tables import HARVEST_STATUSES, harvest_log
from harvest_dagster.windows import DAY, Window, merged, subtract
from harvest_dagster_tests.storage.configs import NOW
from harvest_dagster_tests.storage.logs import MIDNIGHT, SOME, WINDOW, Logs, day

BOTH = Window(day(1).start, WINDOW.end)
RANGE = Window(MIDNIGHT - 6 * DAY, MIDNIGHT)
LATER = NOW + timedelta(hours=1)
LATEST = NOW + timedelta(hours=2)


@pytest.fixture
def logs(database: Database) -> Logs:
    return Logs(database)


def by_plan(logs: Logs) -> list[Window]:
    with logs.database.read() as connection:
        found = coverage_rule.find_coverage(connection, logs.scope, RANGE)
    return list(merged(coverage_rule.covered_windows(found)))


def by_sensors(logs: Logs) -> list[Window]:
    with logs.database.read() as connection:
        coverage = source_coverage.coverage_of(source_coverage.find_source_coverage(connection), logs.scope)
    return list(coverage.windows) if coverage else []


def by_checks(logs: Logs) -> list[Window]:
    with logs.database.read() as connection:
        read = queries.find_overlapping(connection, logs.scope, RANGE)
        intervals = log_intervals(read, logs.scope.arguments_digest)
    return list(
        merged(
            [
                part.window
                for part in coverage_intervals(RANGE, intervals)
                if part.state not in (FAILED, MISSING)
            ]
        )
    )


def covered(logs: Logs) -> list[Window]:
    """Return the covered windows, after checking that all callers see the same."""
    found = by_plan(logs)
    assert (by_sensors(logs), by_checks(logs)) == (found, found)
    return found


def failed_windows(logs: Logs) -> list[Window]:
    with logs.database.read() as connection:
        return [failed.window for failed in overview.find_failed_windows(connection).get(logs.scope, ())]


def test_unlaunched_data_end_the_coverage_of_a_window(logs: Logs) -> None:
    """New data were stored, and no harvest ever launched them, because the window counted as covered."""
    logs.succeed(logs.start())
    logs.store_without_launch(at=LATER)
    assert (covered(logs), failed_windows(logs)) == ([], [WINDOW])
    logs.succeed(logs.start(run="run 3"), since=LATEST)
    assert (covered(logs), failed_windows(logs)) == ([WINDOW], [])


def test_unlaunched_data_end_the_coverage_by_other_logs(logs: Logs) -> None:
    """A lookback window begins a day later each time, so that its oldest day would stay unlaunched."""
    for number in range(4):
        logs.succeed(logs.start(day(number)))
    logs.store_without_launch(Window(day(2).start, day(1).end), at=LATER)
    assert covered(logs) == [day(3), day(0)]
    logs.succeed(logs.start(day(2), "run 3"), since=LATEST)
    assert covered(logs) == [Window(day(3).start, day(2).end), day(0)]


def test_a_later_list_covers_a_window_with_unlaunched_data(logs: Logs) -> None:
    """It launched the same data. Otherwise the days would be harvested forever."""
    logs.store_without_launch(at=NOW)
    logs.succeed(logs.start(BOTH, "run 2"), since=LATER)
    assert covered(logs) == [BOTH]


def test_a_new_fetch_attempt_without_pages_leaves_the_data_unlaunched(logs: Logs) -> None:
    """The source may be down during the repair. The data of the earlier attempt still need it."""
    logs.succeed(logs.start())
    logs.store_without_launch(at=LATER)
    again = logs.start(run="run 3")
    with logs.database.begin() as connection:
        transitions.begin_attempt(connection, again.id, LATEST)
    logs.end(again)
    assert (covered(logs), failed_windows(logs)) == ([], [WINDOW])


def test_unlaunched_data_of_a_part_end_the_coverage_by_a_split_range(logs: Logs) -> None:
    """After `max_window` was lowered, the row of the whole range covers only the other parts."""
    logs.succeed(logs.start(BOTH))
    with logs.database.begin() as connection:
        transitions.mark_split(connection, logs.scope, BOTH, run_id="run 2", now=LATER)
    assert covered(logs) == [BOTH]
    logs.store_without_launch(day(1), at=LATER)
    assert (covered(logs), failed_windows(logs)) == ([day(0)], [day(1)])


def test_a_window_with_unlaunched_data_stays_failed_when_it_is_split(logs: Logs) -> None:
    """Its run may be killed again before the first part has begun."""
    logs.succeed(logs.start(BOTH))
    logs.store_without_launch(BOTH, at=LATER)
    with logs.database.begin() as connection:
        transitions.mark_split(connection, logs.scope, BOTH, run_id="run 3", now=LATEST)
    assert (covered(logs), failed_windows(logs)) == ([], [BOTH])


def test_a_rescheduled_window_with_unlaunched_data_does_not_become_succeeded(logs: Logs) -> None:
    """A part of its data has no ingest log."""
    logs.succeed(logs.start())
    logs.store_without_launch(at=LATER)
    waiting = logs.reschedule()
    with logs.database.begin() as connection:
        transitions.close_rescheduled(connection, waiting, now=LATEST, error="cancelled")
    assert (logs.find().status, covered(logs), failed_windows(logs)) == ("CANCELLED", [], [WINDOW])


def test_a_harvest_with_a_limit_does_not_launch_everything(logs: Logs) -> None:
    """It launches only its own records. Unlaunched data of earlier lists remain."""
    logs.succeed(logs.start(day(1)))
    for window in (day(1), day(0)):
        trial = logs.start(window, "trial", record_limit=5)
        with logs.database.begin() as connection:
            transitions.begin_attempt(connection, trial.id, LATER)
            counters.count_page(connection, trial.id, 0, SOME)
            transitions.mark_succeeded(connection, trial.id, now=LATER, completeness="unverified")
    assert covered(logs) == [day(1)]
    logs.store_without_launch(day(1), at=LATER)
    logs.succeed(logs.start(day(1), "trial", record_limit=5), since=LATEST)
    assert covered(logs) == []


instants = st.one_of(
    st.none(), st.integers(-7, 3).map(lambda days: MIDNIGHT + days * DAY + timedelta(hours=1))
)
log_rows = st.fixed_dictionaries(
    {
        "status": st.sampled_from(HARVEST_STATUSES),
        "date_started": instants,
        "attempt_began": instants,
        "covered_since": instants,
        "unlaunched_since": instants,
        "record_limit": st.sampled_from([None, 5]),
        "arguments_digest": st.sampled_from([None, "a", "b"]),
    }
)
windows = st.tuples(st.integers(0, 5), st.integers(1, 6)).filter(lambda pair: sum(pair) <= 6)
tables = st.dictionaries(windows, log_rows, max_size=6)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(table=tables)
def test_rows_and_logs_give_the_same_coverage(database: Database, table: dict[tuple[int, int], dict]) -> None:
    """Otherwise an asset check says complete while the plan harvests again, or a sensor requests skipped days."""
    logs = Logs(database)
    logs.scope = replace(logs.scope, arguments_digest="a")
    with database.begin() as connection:
        connection.execute(delete(harvest_log))
        for (first, length), values in table.items():
            start = RANGE.start + first * DAY
            # A row that covers has an instant: `mark_started` sets one of them, `mark_succeeded` the other.
            row = {**values, "date_started": values["date_started"] or NOW}
            connection.execute(insert(harvest_log).values(**_row(logs, start, length), **row))
    with database.read() as connection:
        condition = coverage_rule.covers_condition("a")
        by_rows = set(connection.scalars(select(harvest_log.c.id).where(condition)))
        read = queries.find_overlapping(connection, logs.scope, RANGE)
    assert by_rows == {log.id for log in read if coverage_rule.covers_window(log, "a")}
    found = covered(logs)
    assert list(subtract(RANGE, found)) == _gaps(read)


def _row(logs: Logs, start: datetime, length: int) -> dict:
    key, version = logs.scope.ingest_config_id, logs.scope.harvester_version
    window = {"start_date": start, "end_date": start + length * DAY}
    return {"ingest_config_id": key, "harvester_version": version, **window}


def _gaps(read: list[queries.HarvestLog]) -> list[Window]:
    """Return the gaps by the plain definition, day by day."""
    days = [Window(RANGE.start + number * DAY, RANGE.start + (number + 1) * DAY) for number in range(6)]
    return list(merged([day for day in days if not _is_covered(day, read)]))


def _is_covered(window: Window, read: list[queries.HarvestLog]) -> bool:
    here = [log for log in read if log.window.encloses(window)]
    unlaunched_since = [log.unlaunched_since for log in here if log.unlaunched_since is not None]
    covering = [
        log for log in here if log.arguments_digest in (None, "a") and coverage_rule.covers_window(log)
    ]
    began = [log.covered_since or log.date_started for log in covering]
    return any(
        all(unlaunched < instant for unlaunched in unlaunched_since)
        for instant in began
        if instant is not None
    )
