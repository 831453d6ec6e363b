"""What is done, and what is not any more: one rule, by rows and by logs that were read. On both databases."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, insert, select

from harvest_dagster.storage import coverings, harvest_logs, harvest_progress, harvest_states, overview
from harvest_dagster.storage.engine import Database
from harvest_dagster.storage.tables import HARVEST_STATUSES, harvest_log
from harvest_dagster.storage.tiling import FAILED, MISSING, claims, tile
from harvest_dagster.windows import DAY, Window, merged, subtract
from harvest_dagster_tests.storage.configs import NOW
from harvest_dagster_tests.storage.logs import MIDNIGHT, SOME, STRAYS, WINDOW, Logs, day

BOTH = Window(day(1).start, WINDOW.end)
RANGE = Window(MIDNIGHT - 6 * DAY, MIDNIGHT)
LATER = NOW + timedelta(hours=1)
LATEST = NOW + timedelta(hours=2)


@pytest.fixture
def logs(database: Database) -> Logs:
    return Logs(database)


def by_plan(logs: Logs) -> list[Window]:
    with logs.database.read() as connection:
        found = coverings.find(connection, logs.series, RANGE)
    return list(merged(coverings.windows_of(found)))


def by_sensors(logs: Logs) -> list[Window]:
    with logs.database.read() as connection:
        found = overview.coverage(connection)
    return list(found[logs.series].windows) if logs.series in found else []


def by_checks(logs: Logs) -> list[Window]:
    with logs.database.read() as connection:
        said = claims(harvest_logs.overlapping(connection, logs.series, RANGE))
    return list(merged([part.window for part in tile(RANGE, said) if part.state not in (FAILED, MISSING)]))


def covered(logs: Logs) -> list[Window]:
    """What is covered, which all have to see alike."""
    found = by_plan(logs)
    assert (by_sensors(logs), by_checks(logs)) == (found, found)
    return found


def broken(logs: Logs) -> list[Window]:
    with logs.database.read() as connection:
        return [one.window for one in overview.broken(connection).get(logs.series, ())]


def test_a_covered_window_that_is_half_stored_is_open_and_broken(logs: Logs) -> None:
    """What came new was stored, and no harvest would ever have launched it: the source showed as complete."""
    logs.succeed(logs.start())
    logs.half_store(at=LATER)
    assert (covered(logs), broken(logs)) == ([], [WINDOW])
    logs.succeed(logs.start(run="run 3"), since=LATEST)
    assert (covered(logs), broken(logs)) == ([WINDOW], [])


def test_a_half_stored_window_takes_from_the_logs_of_others(logs: Logs) -> None:
    """A lookback window over the days before: the next one begins a day later, and the oldest day is lost."""
    for number in range(4):
        logs.succeed(logs.start(day(number)))
    logs.half_store(Window(day(2).start, day(1).end), at=LATER)
    assert covered(logs) == [day(3), day(0)]
    logs.succeed(logs.start(day(2), "run 3"), since=LATEST)
    assert covered(logs) == [Window(day(3).start, day(2).end), day(0)]


def test_what_a_list_begun_later_covers_is_covered(logs: Logs) -> None:
    """It brought and launched the same; else the days would be harvested for ever."""
    logs.half_store(at=NOW)
    logs.succeed(logs.start(BOTH, "run 2"), since=LATER)
    assert covered(logs) == [BOTH]


def test_a_list_begun_anew_that_brings_nothing_leaves_it_half_stored(logs: Logs) -> None:
    """The source is down while it is repaired: what was stored before waits all the same."""
    logs.succeed(logs.start())
    logs.half_store(at=LATER)
    again = logs.start(run="run 3")
    with logs.database.begin() as connection:
        harvest_states.restart(connection, again.id, LATEST)
    logs.end(again)
    assert (covered(logs), broken(logs)) == ([], [WINDOW])


def test_a_window_that_was_one_and_is_split_hides_no_half_stored_part(logs: Logs) -> None:
    """`max_window` was lowered: the row of the whole range still covers it, but for what its parts have begun."""
    logs.succeed(logs.start(BOTH))
    with logs.database.begin() as connection:
        harvest_states.split(connection, logs.series, BOTH, run_id="run 2", now=LATER)
    assert covered(logs) == [BOTH]
    logs.half_store(day(1), at=LATER)
    assert (covered(logs), broken(logs)) == ([day(0)], [day(1)])


def test_a_half_stored_window_that_is_split_stays_broken(logs: Logs) -> None:
    """Its run may be killed again before the first part has begun."""
    logs.succeed(logs.start(BOTH))
    logs.half_store(BOTH, at=LATER)
    with logs.database.begin() as connection:
        harvest_states.split(connection, logs.series, BOTH, run_id="run 3", now=LATEST)
    assert (covered(logs), broken(logs)) == ([], [BOTH])


def test_a_run_that_waited_in_vain_does_not_say_that_it_is_done(logs: Logs) -> None:
    """Its row would say SUCCEEDED, of which a part has no ingest log."""
    logs.succeed(logs.start())
    logs.half_store(at=LATER)
    waiting = logs.reschedule()
    with logs.database.begin() as connection:
        harvest_states.stop_waiting(connection, waiting, now=LATEST, error="cancelled")
    assert (logs.find().status, covered(logs), broken(logs)) == ("CANCELLED", [], [WINDOW])


def test_a_trial_with_a_limit_does_not_make_it_good(logs: Logs) -> None:
    """It launches what it has brought, a part; what it stored itself it leaves to nobody."""
    logs.succeed(logs.start(day(1)))
    for window in (day(1), day(0)):
        trial = logs.start(window, "trial", record_limit=5)
        with logs.database.begin() as connection:
            harvest_states.restart(connection, trial.id, LATER)
            harvest_progress.advance(connection, trial.id, 0, SOME, STRAYS)
            harvest_states.succeed(connection, trial.id, now=LATER, completeness="unverified")
    assert covered(logs) == [day(1)]
    logs.half_store(day(1), at=LATER)
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
    }
)
windows = st.tuples(st.integers(0, 5), st.integers(1, 6)).filter(lambda pair: sum(pair) <= 6)
tables = st.dictionaries(windows, log_rows, max_size=6)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(table=tables)
def test_rows_and_logs_are_judged_alike(database: Database, table: dict[tuple[int, int], dict]) -> None:
    """A check that says complete of what the plan harvests again, a sensor that asks for what a run leaves out."""
    logs = Logs(database)
    with database.begin() as connection:
        connection.execute(delete(harvest_log))
        for (first, length), values in table.items():
            start = RANGE.start + first * DAY
            # A row covers by an instant: `harvest_states.start` sets the one, `succeed` the other.
            row = {**values, "date_started": values["date_started"] or NOW}
            connection.execute(insert(harvest_log).values(**_row(logs, start, length), **row))
    with database.read() as connection:
        by_rows = set(connection.scalars(select(harvest_log.c.id).where(coverings.rows_cover())))
        read = harvest_logs.overlapping(connection, logs.series, RANGE)
    assert by_rows == {log.id for log in read if coverings.covers(log)}
    found = covered(logs)
    assert list(subtract(RANGE, found)) == _open(read)


def _row(logs: Logs, start: datetime, length: int) -> dict:
    key, version = logs.series.ingest_config_id, logs.series.harvester_version
    window = {"start_date": start, "end_date": start + length * DAY}
    return {"ingest_config_id": key, "harvester_version": version, **window}


def _open(read: list[harvest_logs.HarvestLog]) -> list[Window]:
    """By the plain definition, day by day."""
    days = [Window(RANGE.start + number * DAY, RANGE.start + (number + 1) * DAY) for number in range(6)]
    return list(merged([one for one in days if not _is_done(one, read)]))


def _is_done(one: Window, read: list[harvest_logs.HarvestLog]) -> bool:
    here = [log for log in read if log.window.encloses(one)]
    half = [log.unlaunched_since for log in here if log.unlaunched_since is not None]
    began = [log.covered_since or log.date_started for log in here if coverings.covers(log)]
    return any(all(mark < instant for mark in half) for instant in began if instant is not None)
