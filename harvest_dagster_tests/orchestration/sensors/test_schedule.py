"""The sensor `harvest_by_schedule`: each time is served once, also late, and no source stops another."""

from __future__ import annotations

import json
import uuid
from typing import Any

import dagster as dg
import pytest
from sqlalchemy import Engine, event

from harvest_dagster.orchestration.build import build_defs
from harvest_dagster.orchestration.sensors import run_requests
from harvest_dagster.orchestration.sensors.cursor_digest import digest
from harvest_dagster.orchestration.sensors.schedule import NAME
from harvest_dagster.orchestration.sensors.schedule_cursor import ScheduleCursor
from harvest_dagster.storage import record_lags
from harvest_dagster_tests.orchestration.sensors.conftest import World, config, requested


def test_missed_days_are_harvested_in_one_run(world: World) -> None:
    """After a week without a daemon, one run harvests and transforms all days, and no second run follows."""
    world.sources(config("a"), config("b"), config("c", schedule=None), config("d", disabled=True))
    world.harvested("a", 1, 7)
    world.harvested("b", 1, 14)
    (run,) = (result := world.tick(NAME)).run_requests or ()
    assert requested(result) == [("a", "05-08", "05-14")]
    assert [key.to_user_string() for key in run.asset_selection or ()] == ["raw/a", "transformed/a"]
    assert (run.run_key, run.tags["dagster/priority"]) == (
        "a 2024-05-08...2024-05-14 due 2024-05-15T03:00Z",
        "3",
    )
    assert run.run_config == {}
    assert world.tick(NAME).run_requests == []


def test_each_time_of_the_schedule_is_served_once(world: World) -> None:
    """A failed day is due again at the next scheduled time, with another run key."""
    world.sources(config("a"))
    world.harvested("a", 1, 13)
    (first,) = world.tick(NAME).run_requests or ()
    world.clock.forward(hours=14)
    assert world.tick(NAME).run_requests == []
    world.clock.forward(hours=1)
    (again,) = (result := world.tick(NAME)).run_requests or ()
    assert requested(result) == [("a", "05-14", "05-15")]
    assert again.run_key != first.run_key


def test_without_a_cursor_the_sensor_requests_the_same_run_keys(world: World) -> None:
    """People can reset the cursor in the UI. Dagster launches no second run with the same key."""
    world.sources(config("a"))
    (first,) = world.tick(NAME).run_requests or ()
    for cursor in (None, "", "reset", "[]", '{"until": "x"}'):
        world.cursors[NAME] = cursor
        (again,) = world.tick(NAME).run_requests or ()
        assert again.run_key == first.run_key


def test_days_of_an_active_run_are_not_requested(world: World) -> None:
    """The same source was harvested twice at the same time: docs/failures.md#same-source-twice"""
    world.sources(config("a"))
    world.harvested("a", 1, 7)
    world.run("a", 9, 10, status="NOT_STARTED")
    world.run("a", 13, 13, status="FAILURE")
    assert requested(world.tick(NAME)) == [("a", "05-11", "05-14"), ("a", "05-08", "05-08")]


def test_a_source_with_an_active_run_is_served_after_the_run(world: World) -> None:
    """Otherwise three daily runs would wait behind a harvest that takes three days."""
    world.sources(config("a"))
    world.run("a", 1, 7, **{"dagster/sensor_name": NAME})
    assert world.tick(NAME).run_requests == []
    (run,) = world.instance.get_runs()
    world.instance.report_run_canceled(run)
    assert requested(world.tick(NAME)) == [("a", "05-01", "05-14")]


def test_sources_beyond_the_limit_of_a_tick_are_served_by_the_next_tick(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tick may take a minute, and the daemon takes a second to submit each run."""
    monkeypatch.setattr(run_requests, "RUNS_PER_TICK", 2)
    world.sources(*(config(label, schedule=f"{n} 3 * * *") for n, label in enumerate("edcba")))
    ticks = []
    for _ in range(4):
        ticks.append([label for label, _, _ in requested(world.tick(NAME))])
        for label in ticks[-1]:
            world.harvested(label, 1, 14)
    assert ticks == [["e", "d"], ["c", "b"], ["a"], []]  # in the order of their scheduled times
    assert json.loads(world.cursors[NAME] or "")["left"] == {}


def test_a_source_without_its_harvester_does_not_stop_the_others(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """One config with a missing driver stopped all sources: docs/failures.md#one-bad-source-stops-all"""
    world.sources(config("a", harvester="of_a_package_that_is_gone"), config("b"))
    assert [label for label, _, _ in requested(world.tick(NAME))] == ["b"]


def test_lookback_does_not_transform_unchanged_data_again(world: World) -> None:
    """96 % of the records with a new datestamp are unchanged: docs/failures.md#noise-counts-as-change"""
    world.sources(config("a", lookback="2d"))
    world.harvested("a", 1, 13)
    (run,) = (result := world.tick(NAME)).run_requests or ()
    assert requested(result) == [("a", "05-12", "05-14")]
    assert run.run_config == {"ops": {"raw__a": {"config": {"optimize": False}}}}


def test_a_learned_lookback_covers_what_came_late(world: World) -> None:
    """Each source has its own habit; one statement reads the histograms of all sources that are due."""
    for label, counts in (("a", {0: 990, 8: 10}), ("b", {0: 5000}), ("c", {0: 10, 8: 10})):
        world.sources(*world.catalog.configs, config(label, lookback="auto"))
        world.harvested(label, 1, 13)
        key = world.scope(label).ingest_config_id
        with world.database.begin() as connection:
            record_lags.add_lags(connection, key, world.clock().date(), counts)
    statements: list[str] = []

    def note(*arguments: Any) -> None:
        statements.extend(text for text in arguments[2:3] if "record_lag" in text)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        found = requested(world.tick(NAME))
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    assert sorted(found) == [("a", "05-01", "05-14"), ("b", "05-13", "05-14"), ("c", "05-11", "05-14")]
    assert len(statements) == 1


def test_the_cursor_stays_small(world: World) -> None:
    """Dagster writes it at every tick."""
    world.sources(*(config(f"source_{n}") for n in range(50)))
    for n in range(50):
        world.harvested(f"source_{n}", 1, 14)
    world.tick(NAME)
    assert len(world.cursors[NAME] or "") < 50 * 5 + 60
    labels = [f"source_of_a_long_name_{n}" for n in range(1000)]
    thousand = ScheduleCursor(world.clock(), frozenset(map(digest, labels)))
    assert len(str(thousand)) < 5_100


def test_a_source_with_many_failing_gaps_leaves_room_for_others(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its gaps were requested with the same keys again and again, which Dagster ignores. No other source was served."""
    monkeypatch.setattr(run_requests, "RUNS_PER_TICK", 3)
    world.sources(config("a", schedule="0 2 * * *"), config("b", schedule="1 2 * * *"), config("z"))
    for label in "ab":
        for day in range(2, 15, 2):
            world.harvested(label, day, day)
    ticks = [requested(world.tick(NAME)) for _ in range(9)]
    assert ticks[0] == [("a", "05-13", "05-13"), ("a", "05-11", "05-11"), ("b", "05-13", "05-13")]
    assert ticks[1][0] == ("z", "05-01", "05-14")
    everything = [run for tick in ticks for run in tick]
    assert len(everything) == len(set(everything)) == 15
    assert ticks[-1] == []
    assert json.loads(world.cursors[NAME] or "")["left"] == {}
    world.clock.forward(hours=24)
    assert ("a", "05-15", "05-15") in requested(world.tick(NAME))


def test_a_source_that_could_not_be_evaluated_at_its_time_is_served_later(world: World) -> None:
    """A weekly source lost its week because its plug-in or YAML was broken, or because it was disabled."""
    weekly = {"schedule": "0 3 * * 3"}
    broken = config("a", harvester="of_a_package_that_is_gone", **weekly)
    world.sources(broken, config("b", disabled=True, **weekly), config("d"))
    assert [label for label, _, _ in requested(world.tick(NAME))] == ["d"]
    world.harvested("d", 1, 14)
    world.clock.forward(minutes=1)
    assert requested(world.tick(NAME)) == []
    world.clock.forward(minutes=1)
    world.sources(*(config(label, **weekly) for label in "abc"), config("d"))
    assert [label for label, _, _ in requested(world.tick(NAME))] == ["a", "b", "c"]
    assert requested(world.tick(NAME)) == []


def test_the_schedule_works_after_the_clock_was_ahead_and_was_corrected(world: World) -> None:
    """The cursor said that all scheduled times of the next year are served."""
    world.sources(config("a"))
    world.clock.forward(days=365)
    world.tick(NAME)
    world.clock.forward(days=-365)
    assert requested(world.tick(NAME)) == [("a", "05-01", "05-14")]
    assert requested(world.tick(NAME)) == []


@pytest.mark.parametrize("job", ["__ASSET_JOB", "of_somebody_else"])
def test_a_run_without_our_assets_does_not_stop_a_source(world: World, job: str) -> None:
    """A run of a check, or of another code location, has a partition and selects no asset."""
    world.sources(config("a"))
    check = dg.AssetCheckKey(dg.AssetKey(["raw", "a"]), "complete")
    run = dg.DagsterRun(
        job_name=job,
        run_id=str(uuid.uuid4()),
        asset_check_selection=frozenset([check]) if job == "__ASSET_JOB" else None,
        tags={"dagster/partition": "2024-05-14"},
        status=dg.DagsterRunStatus.STARTED,
    )
    world.instance.run_storage.add_run(run)
    assert requested(world.tick(NAME)) == [("a", "05-01", "05-14")]


def test_a_run_of_all_assets_counts_for_each_source(world: World) -> None:
    """Such a run has no asset selection."""
    world.sources(config("a"))
    run = dg.DagsterRun(
        job_name="__ASSET_JOB",
        run_id=str(uuid.uuid4()),
        tags={"dagster/partition": "2024-05-14"},
        status=dg.DagsterRunStatus.STARTED,
    )
    world.instance.run_storage.add_run(run)
    assert requested(world.tick(NAME)) == [("a", "05-01", "05-13")]


@pytest.mark.parametrize("sensor", [NAME, "repair_gaps"])
def test_a_run_without_partitions_counts_for_all_days_of_its_source(world: World, sensor: str) -> None:
    """The sensor failed for every source, because `date.max` has no end."""
    world.sources(config("a"), config("b"))
    for label in "ab":
        world.harvested(label, 1, 4)
        world.harvested(label, 9, 14)
    repository = build_defs(world.catalog).get_repository_def()
    world.instance.create_run_for_job(
        repository.get_job("__ASSET_JOB"),
        asset_selection=frozenset([dg.AssetKey(["raw", "a"])]),
        status=dg.DagsterRunStatus.NOT_STARTED,
    )
    assert requested(world.tick(sensor)) == [("b", "05-05", "05-08")]


def test_a_cursor_of_an_earlier_version_is_read(world: World) -> None:
    """After an upgrade, the sensor must neither forget its requests nor repeat the served times."""
    world.sources(config("a"), config("b"))
    world.cursors[NAME] = json.dumps(
        # `a` is served, and of `b` the days from 10 May on were requested.
        {"until": 1715770800, "served": "$|Fow", "left": {"b": [1715742000, "2024-05-10"]}}
    )
    assert requested(world.tick(NAME)) == [("b", "05-01", "05-09")]


def test_a_scheduled_time_outside_of_the_hours_is_served_when_they_begin(world: World) -> None:
    """A run at its time would only wait, and keep other sources from their place in the queue."""
    world.sources(config("a", hours="13:00-14:00"), config("b", hours="11:00-12:30"), config("c"))
    for label in "abc":
        world.harvested(label, 1, 13)
    assert [label for label, _, _ in requested(world.tick(NAME))] == ["b", "c"]
    world.harvested("b", 14, 14)
    world.harvested("c", 14, 14)
    assert "1 of them wait for their `hours`" in world.tick(NAME).skip_message
    world.clock.forward(hours=1)
    assert requested(world.tick(NAME)) == [("a", "05-14", "05-14")]
    world.harvested("a", 14, 14)
    assert requested(world.tick(NAME)) == []


def test_each_time_of_the_schedule_takes_one_snapshot(world: World) -> None:
    """A source that cannot be asked by date has one run for all gaps, and one more at the second time of the day."""
    world.sources(config("a", selective=False, schedule="0 3,15 * * *", lookback="3d"))
    world.harvested("a", 1, 3)
    world.harvested("a", 6, 8)
    (run,) = (result := world.tick(NAME)).run_requests or ()
    assert (requested(result), run.run_config) == ([("a", "05-04", "05-14")], {})
    world.harvested("a", 1, 14)
    assert world.tick(NAME).run_requests == []
    world.clock.forward(hours=4)
    (again,) = (result := world.tick(NAME)).run_requests or ()
    assert requested(result) == [("a", "05-14", "05-14")]
    assert again.run_config == {"ops": {"raw__a": {"config": {"optimize": False}}}}
    assert world.tick(NAME).run_requests == []
