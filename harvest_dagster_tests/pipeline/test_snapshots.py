"""Snapshots of an OAI-PMH repository over HTTP: what is requested, what is covered, what is stored."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from harvest_dagster.coverage.source_overview import SourceOverview
from harvest_dagster.storage.tables import raw_datum, source_unique_identifier
from harvest_dagster.testing.simulator import Repository
from harvest_dagster.windows import DAY, Window, whole_day
from harvest_dagster_tests.pipeline.fakes import Clock
from harvest_dagster_tests.pipeline.served import lists, serving
from harvest_dagster_tests.pipeline.snapshot_world import take
from harvest_dagster_tests.pipeline.world import MIDNIGHT, World

REPOSITORY = Repository(first_day=date(2024, 4, 20), days=9, records_per_day=11, page_size=20)
EARLIEST = date(2014, 5, 1)
TEN_YEARS = Window(whole_day(EARLIEST).start, MIDNIGHT)


def make_snapshots(world: World) -> None:
    world.change(selective=False, earliest_date=EARLIEST, settle=timedelta(hours=6))


def test_ten_years_are_one_list_without_dates(world: World) -> None:
    """A source that ignores dates would otherwise send everything 122 times."""
    with serving(world, REPOSITORY) as server:
        make_snapshots(world)
        planned, [log] = take(world, "run 1", TEN_YEARS)
        requests = [request for request in server.requests if request.verb == "ListRecords"]
    assert len(requests) == 5
    assert not any({"from", "until"} & set(request.parameters) for request in requests)
    assert planned.snapshot == "one snapshot of the whole source serves the requested range of 3,653 days"
    assert any(planned.snapshot in line for line in world.log_lines)
    assert (log.status, log.window, log.counts.records) == ("SUCCEEDED", TEN_YEARS, 99)
    assert (log.completeness, log.evidence) == ("complete", "total")
    assert (log.counts.outside_window, log.counts.new_data) == (0, 99)


def test_a_covered_range_costs_no_request(world: World) -> None:
    """Any part of the covered time is done, and the plan names the log that covers it."""
    with serving(world, REPOSITORY) as server:
        make_snapshots(world)
        _, [log] = take(world, "run 1", Window(MIDNIGHT - DAY, MIDNIGHT))
        before = len(server.requests)
        planned, logs = take(world, "run 2", Window(MIDNIGHT - 700 * DAY, MIDNIGHT - 30 * DAY))
        assert len(server.requests) == before
    assert (planned.windows, logs) == ([], [])
    assert [covering.id for covering in planned.covered_by] == [log.id]


@pytest.mark.parametrize("parameters", [{"superfluous": True}, {"optimize": False}])
def test_another_snapshot_stores_nothing_that_is_unchanged(world: World, parameters: dict[str, bool]) -> None:
    """An unchanged record costs a lookup: it has no new row, and `changed_at` stays."""
    with serving(world, REPOSITORY) as server:
        make_snapshots(world)
        take(world, "run 1", TEN_YEARS)
        columns = [column.name for column in raw_datum.columns]
        before = world.rows(raw_datum, *columns), world.rows(source_unique_identifier, "id")
        world.clock.forward(hours=1)
        _, [log] = take(world, "run 2", TEN_YEARS, **parameters)
        assert len(lists(server)) == 10
    assert (world.rows(raw_datum, *columns), world.rows(source_unique_identifier, "id")) == before
    assert (log.counts.records, log.counts.new_data, log.counts.changed) == (99, 0, 0)
    assert log.completions == 2


def test_a_source_whose_clock_is_behind_covers_the_days_that_had_ended_there(world: World) -> None:
    """Records of the last hours of yesterday may be missing, so yesterday is not covered, but all days before are."""
    with serving(world, REPOSITORY, clock=Clock(MIDNIGHT - timedelta(hours=2))) as server:
        make_snapshots(world)
        _, [log] = take(world, "run 1", TEN_YEARS)
        assert log.covered_until == MIDNIGHT - DAY
        planned, _ = take(world, "run 2", Window(TEN_YEARS.start, MIDNIGHT - DAY))
        assert planned.windows == []
        world.clock.forward(minutes=1)
        planned, _ = take(world, "run 3", Window(MIDNIGHT - DAY, MIDNIGHT))
        assert planned.windows == [TEN_YEARS]
        assert len(lists(server)) == 10
    with world.database.read() as connection:
        coverage = SourceOverview.read(connection, world.clock(), ["fake"]).covered_windows(world.config)
    assert coverage == (Window(TEN_YEARS.start, MIDNIGHT - DAY),)
    assert any("the snapshot covers only the days before 2024-04-30" in line for line in world.log_lines)
