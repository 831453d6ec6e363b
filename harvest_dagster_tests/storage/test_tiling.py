"""Coverage is intervals, never a watermark (Lesson 4): the arithmetic, and what the logs say."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvest_dagster.storage import harvest_logs, harvest_states
from harvest_dagster.storage.engine import Database
from harvest_dagster.storage.tiling import STATES, Claim, Part, by_day, claims, tile
from harvest_dagster.windows import DAY, Window, whole_day
from harvest_dagster_tests.storage.logs import MIDNIGHT, WINDOW, Logs, day

HOUR = timedelta(hours=1)
RANGE = Window(MIDNIGHT - 4 * DAY, MIDNIGHT)
hours = st.integers(-30, 130)
windows = st.tuples(hours, st.integers(1, 60)).map(
    lambda pair: Window(RANGE.start + pair[0] * HOUR, RANGE.start + sum(pair) * HOUR)
)
claim_lists = st.lists(st.tuples(windows, st.sampled_from(STATES[:3])), max_size=12).map(
    lambda pairs: [Claim(window, state, number) for number, (window, state) in enumerate(pairs)]
)


@given(claim_lists)
def test_the_parts_tile_the_range_exactly(said: list[Claim]) -> None:
    """A gap between two parts is a day that nobody ever harvests, an overlap one that is counted twice."""
    parts = tile(RANGE, said)
    assert (parts[0].window.start, parts[-1].window.end) == (RANGE.start, RANGE.end)
    for part, after in pairwise(parts):
        assert part.window.end == after.window.start
        assert (part.state, part.log_ids) != (after.state, after.log_ids)


@given(claim_lists)
def test_each_moment_is_in_the_best_state_that_is_claimed_for_it(said: list[Claim]) -> None:
    """Against the plain definition, hour by hour: a later failure takes nothing back."""
    parts = tile(RANGE, said)
    for number in range(4 * 24):
        moment = RANGE.start + number * HOUR
        (part,) = [part for part in parts if moment in part.window]
        there = [claim for claim in said if moment in claim.window]
        best = min((claim.state for claim in there), key=STATES.index, default="missing")
        ids = tuple(claim.log_id for claim in there if claim.state == best)
        assert (part.state, part.log_ids) == (best, ids)


@given(claim_lists)
def test_a_day_is_as_good_as_its_worst_hour(said: list[Claim]) -> None:
    """A partition of which the last hour is missing is not done."""
    parts = tile(RANGE, said)
    days = by_day(parts)
    assert list(days) == list(RANGE.days)
    for one, part in days.items():
        touching = [other for other in parts if other.window.intersection(whole_day(one))]
        assert part.window == whole_day(one)
        assert part.state == max((other.state for other in touching), key=STATES.index)
        assert part.log_ids == tuple(sorted({key for other in touching for key in other.log_ids}))


@pytest.fixture
def logs(database: Database) -> Logs:
    return Logs(database)


def states(logs: Logs, window: Window = WINDOW) -> list[tuple[str, tuple[int, ...]]]:
    with logs.database.read() as connection:
        said = claims(harvest_logs.overlapping(connection, logs.series, window))
    return [(part.state, part.log_ids) for part in tile(window, said)]


def test_what_the_logs_say(logs: Logs) -> None:
    """Four days: one proven, one not, one that failed, one that nobody asked for."""
    complete = logs.succeed(logs.start(day(3)))
    unverified = logs.start(day(2))
    with logs.database.begin() as connection:
        harvest_states.restart(connection, unverified.id, logs.now)
        harvest_states.succeed(connection, unverified.id, now=logs.now, completeness="unverified")
    failed = logs.end(logs.start(day(1)))
    assert states(logs, RANGE) == [
        ("complete", (complete.id,)),
        ("unverified", (unverified.id,)),
        ("failed", (failed.id,)),
        ("missing", ()),
    ]


def test_what_runs_waits_was_cancelled_or_cut_short_covers_nothing(logs: Logs) -> None:
    """Neither done nor failed: it is still to be harvested."""
    logs.start(day(0))
    logs.reschedule(day(1))
    logs.end(logs.start(day(2)), "CANCELLED")
    logs.succeed(logs.start(day(3), record_limit=5))
    assert states(logs, RANGE) == [("missing", ())]


def test_a_later_failure_takes_no_coverage_but_the_proof(logs: Logs) -> None:
    """A superfluous harvest that fails leaves the day harvested; that it was complete is no longer on record."""
    log = logs.succeed(logs.start())
    logs.end(logs.start(run="run 2"))
    assert states(logs) == [("unverified", (log.id,))]


def test_ranges_and_other_versions_say_nothing(logs: Logs) -> None:
    """A SPLIT row stands for its windows; what another version of the harvester brought is to be done again."""
    with logs.database.begin() as connection:
        harvest_states.split(connection, logs.series, RANGE, run_id="run 1", now=logs.now)
    logs.succeed(logs.start())
    logs.series = harvest_logs.Series(logs.series.ingest_config_id, 2)
    assert states(logs, RANGE) == [("missing", ())]
    assert tile(WINDOW, []) == [Part(WINDOW, "missing")]
