"""Snapshots of an OAI-PMH repository over HTTP: what is requested, what is covered, what is stored."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from harvest_dagster.coverage.source_overview import SourceOverview
from harvest_dagster.errors import IncompleteList, SourceError, SourceUnreachable
from harvest_dagster.pipeline.context import RunOutcome
from harvest_dagster.pipeline.steps import plan
from harvest_dagster.storage.tables import ingest_log, raw_datum, source_unique_identifier
from harvest_dagster.testing.simulator import Repository, TruncatedBody
from harvest_dagster.testing.simulator.behaviours.conditions import from_nth
from harvest_dagster.testing.simulator.scenario import parse_behaviours
from harvest_dagster.windows import ALL_TIME, DAY, Window, whole_day
from harvest_dagster_tests.pipeline.fakes import Clock, FakeClient
from harvest_dagster_tests.pipeline.served import lists, serving
from harvest_dagster_tests.pipeline.snapshot_world import take
from harvest_dagster_tests.pipeline.world import MIDNIGHT, World, records

REPOSITORY = Repository(first_day=date(2024, 4, 20), days=9, records_per_day=11, page_size=20)
EARLIEST = date(2014, 5, 1)
TEN_YEARS = Window(whole_day(EARLIEST).start, MIDNIGHT)


def find_unfinished(world: World, run: str, wanted: Window, *earlier: str) -> list[Window]:
    """Return the windows that a run would still harvest if it is executed again from a failure."""
    harvest = world.harvest(run)
    return plan.find_unfinished_windows(
        replace(harvest, run=replace(harvest.run, earlier_ids=earlier)), wanted
    )


def current_rows(world: World) -> list[tuple[Any, ...]]:
    """Return when each record changed."""
    with world.database.read() as connection:
        rows = connection.execute(text("SELECT identifier, changed_at FROM current_record ORDER BY 1"))
        return [tuple(row) for row in rows]


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


def test_a_run_that_is_executed_again_after_midnight_keeps_the_window(world: World) -> None:
    """A window that ends a day later would be another log, and the list would begin again at its first page."""
    cut = TruncatedBody(3000, announced=False, when=from_nth(3, "ListRecords") & (lambda _: len(done) == 0))
    done: list[str] = []
    wanted = Window(MIDNIGHT - DAY, MIDNIGHT)
    with serving(world, REPOSITORY, cut) as server:
        make_snapshots(world)
        world.clock.forward(hours=11, minutes=59)
        with pytest.raises(SourceError):
            take(world, "run 1", wanted)
        done.append("run 1")
        world.outcomes["run 1"] = RunOutcome("FAILED", "its run failed")
        before = len(lists(server))
        world.clock.forward(minutes=2)
        planned, [log] = take(world, "run 2", wanted, earlier_ids=("run 1",))
        assert len(lists(server)) - before == 3
        assert find_unfinished(world, "run 3", wanted, "run 2", "run 1") == []
        other, _ = take(world, "run 4", Window(MIDNIGHT, MIDNIGHT + DAY))
    assert planned.windows == [TEN_YEARS]
    assert (log.status, log.counts.records, log.evidence) == ("SUCCEEDED", 99, "total")
    assert other.windows == [Window(TEN_YEARS.start, MIDNIGHT + DAY)]


def test_a_list_of_the_whole_source_is_never_requested_in_parts(world: World) -> None:
    """Without dates there are no parts. A list that announces more than it delivers fails with both numbers."""
    with serving(world, REPOSITORY, *parse_behaviours(["cap:limit=40"])) as server:
        make_snapshots(world)
        with pytest.raises(IncompleteList, match="of 99 records of"):
            take(world, "run 1", TEN_YEARS)
        assert not any({"from", "until"} & set(request.parameters) for request in server.requests)


def test_a_limit_never_covers(world: World) -> None:
    with serving(world, REPOSITORY):
        make_snapshots(world)
        _, [log] = take(world, "run 1", TEN_YEARS, limit=30)
        planned, _ = take(world, "run 2", TEN_YEARS)
    assert (log.counts.records, log.covered_since, planned.windows) == (30, None, [TEN_YEARS])


def test_new_datestamps_of_the_same_content_are_no_changes(world: World) -> None:
    """A source that gives all records a new datestamp each night costs a lookup for each record."""
    with serving(world, REPOSITORY) as server:
        make_snapshots(world)
        take(world, "run 1", TEN_YEARS)
        before = world.rows(raw_datum, "id", "hash"), current_rows(world)
        for number in range(99):
            server.edits.set_datestamp(REPOSITORY.identifier(number), MIDNIGHT - timedelta(hours=1))
        world.clock.forward(hours=1)
        _, [log] = take(world, "run 2", TEN_YEARS, optimize=False)
    assert log.counts.records == 99
    assert (log.counts.new_identifiers, log.counts.changed) == (0, 0)
    assert (world.rows(raw_datum, "id", "hash"), current_rows(world)) == before


def test_records_are_in_the_partitions_of_their_datestamps(small_world: World) -> None:
    """A record that changed today belongs to the last partition, because there is none of today yet."""
    with serving(small_world, REPOSITORY) as server:
        make_snapshots(small_world)
        small_world.change(earliest_date=date(2024, 4, 22))
        server.edits.change(REPOSITORY.identifier(98), "New", MIDNIGHT + timedelta(hours=1))
        take(small_world, "run 1", Window(MIDNIGHT - DAY, MIDNIGHT))
    days = Counter(day for (day,) in small_world.rows(ingest_log, "partition_date"))
    assert days[date(2024, 4, 22)] == 11 * 3
    assert (days[date(2024, 4, 28)], days[date(2024, 4, 30)]) == (10, 1)


def test_an_empty_snapshot_whose_records_cannot_be_asked_for_is_doubtful(
    small_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A GetRecord that failed made the snapshot fail. For a window, it leaves a doubt."""
    asked: list[Window] = []

    def fail(_: FakeClient, __: str, window: Window) -> bool:
        asked.append(window)
        raise SourceUnreachable("the connection broke. Try again.")

    monkeypatch.setattr(FakeClient, "has_record", fail)
    make_snapshots(small_world)
    small_world.source.items = [*records(3)]
    small_world.run("run 1")
    small_world.source.items = []
    [log] = small_world.run("run 2", superfluous=True)
    assert (log.status, log.counts.records, log.completeness) == ("SUCCEEDED", 0, "unverified")
    assert log.doubt is not None
    assert "had 3 records before" in log.doubt
    assert set(asked) == {ALL_TIME}
