"""The sensor `harvest_by_schedule`: due once, caught up, one source at a time, none held up by another."""

from __future__ import annotations

import json
import uuid

import dagster as dg
import pytest

from harvest_dagster.orchestration.automation import requests
from harvest_dagster.orchestration.automation.schedule import NAME, Served
from harvest_dagster.orchestration.build import build_defs
from harvest_dagster_tests.orchestration.automation.conftest import World, asked, config


def test_what_was_missed_is_caught_up_in_one_run_and_never_twice(world: World) -> None:
    """The daemon was down for a week: the days since are one run, with the transform beside it."""
    world.sources(config("a"), config("b"), config("c", schedule=None), config("d", disabled=True))
    world.harvested("a", 1, 7)
    world.harvested("b", 1, 14)
    (run,) = (result := world.tick(NAME)).run_requests or ()
    assert asked(result) == [("a", "05-08", "05-14")]
    assert [key.to_user_string() for key in run.asset_selection or ()] == ["raw/a", "transformed/a"]
    assert (run.run_key, run.tags["dagster/priority"]) == (
        "a 2024-05-08...2024-05-14 due 2024-05-15T03:00Z",
        "3",
    )
    assert run.run_config == {}
    assert world.tick(NAME).run_requests == []


def test_each_time_of_the_schedule_is_served_once(world: World) -> None:
    """What failed is due again at the next time, under another key."""
    world.sources(config("a"))
    world.harvested("a", 1, 13)
    (first,) = world.tick(NAME).run_requests or ()
    world.clock.forward(hours=14)
    assert world.tick(NAME).run_requests == []
    world.clock.forward(hours=1)
    (again,) = (result := world.tick(NAME)).run_requests or ()
    assert asked(result) == [("a", "05-14", "05-15")]
    assert again.run_key != first.run_key


def test_a_lost_cursor_asks_for_the_same_under_the_same_key(world: World) -> None:
    """Dagster launches no second run for a key; somebody may reset the cursor in the UI."""
    world.sources(config("a"))
    (first,) = world.tick(NAME).run_requests or ()
    for cursor in (None, "", "reset", "[]", '{"until": "x"}'):
        world.cursors[NAME] = cursor
        (again,) = world.tick(NAME).run_requests or ()
        assert again.run_key == first.run_key


def test_days_that_a_run_has_at_work_are_left_to_it(world: World) -> None:
    """Lesson 17: the same source was harvested twice at once."""
    world.sources(config("a"))
    world.harvested("a", 1, 7)
    world.run("a", 9, 10, status="NOT_STARTED")
    world.run("a", 13, 13, status="FAILURE")
    assert asked(world.tick(NAME)) == [("a", "05-11", "05-14"), ("a", "05-08", "05-08")]


def test_a_source_whose_last_run_goes_on_waits_and_is_not_forgotten(world: World) -> None:
    """A harvest of three days would have three more waiting behind it."""
    world.sources(config("a"))
    world.run("a", 1, 7, **{"dagster/sensor_name": NAME})
    assert world.tick(NAME).run_requests == []
    (run,) = world.instance.get_runs()
    world.instance.report_run_canceled(run)
    assert asked(world.tick(NAME)) == [("a", "05-01", "05-14")]


def test_more_sources_than_a_tick_takes_are_served_by_the_next(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The daemon gives a tick a minute, and each run takes it a second to submit."""
    monkeypatch.setattr(requests, "RUNS_PER_TICK", 2)
    world.sources(*(config(label, schedule=f"{n} 3 * * *") for n, label in enumerate("edcba")))
    seen = []
    for _ in range(4):
        seen.append([label for label, _, _ in asked(world.tick(NAME))])
        for label in seen[-1]:
            world.harvested(label, 1, 14)
    assert seen == [["e", "d"], ["c", "b"], ["a"], []]  # those that are due the longest come first
    assert json.loads(world.cursors[NAME] or "")["left"] == {}


def test_lesson_15_a_source_that_cannot_be_looked_at_holds_up_no_other(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """Lesson 15: one config with a missing driver stopped scheduling for all sources."""
    world.sources(config("a", harvester="of_a_package_that_is_gone"), config("b"))
    assert [label for label, _, _ in asked(world.tick(NAME))] == ["b"]


def test_lookback_does_not_transform_again_what_has_not_changed(world: World) -> None:
    """Lesson 28: 96 % of what is re-stamped is the same. So the plan is not optimized, and not superfluous."""
    world.sources(config("a", lookback="2d"))
    world.harvested("a", 1, 13)
    (run,) = (result := world.tick(NAME)).run_requests or ()
    assert asked(result) == [("a", "05-12", "05-14")]
    assert run.run_config == {"ops": {"raw__a": {"config": {"optimize": False}}}}


def test_the_cursor_stays_small(world: World) -> None:
    """It is written at every tick."""
    world.sources(*(config(f"source_{n}") for n in range(50)))
    for n in range(50):
        world.harvested(f"source_{n}", 1, 14)
    world.tick(NAME)
    assert len(world.cursors[NAME] or "") < 50 * 5 + 60
    thousand = Served.after(world.clock(), [f"source_of_a_long_name_{n}" for n in range(1000)])
    assert len(str(thousand)) < 5_100


def test_a_source_with_many_stretches_that_fail_leaves_room_for_others(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They were asked for under the same keys for ever, which Dagster drops; no other source was reached."""
    monkeypatch.setattr(requests, "RUNS_PER_TICK", 3)
    world.sources(config("a", schedule="0 2 * * *"), config("b", schedule="1 2 * * *"), config("z"))
    for label in "ab":
        for day in range(2, 15, 2):
            world.harvested(label, day, day)
    seen = [asked(world.tick(NAME)) for _ in range(9)]
    assert seen[0] == [("a", "05-13", "05-13"), ("a", "05-11", "05-11"), ("b", "05-13", "05-13")]
    assert seen[1][0] == ("z", "05-01", "05-14")
    everything = [run for tick in seen for run in tick]
    assert len(everything) == len(set(everything)) == 15
    assert seen[-1] == []
    assert json.loads(world.cursors[NAME] or "")["left"] == {}
    world.clock.forward(hours=24)
    assert ("a", "05-15", "05-15") in asked(world.tick(NAME))


def test_a_source_that_could_not_be_looked_at_at_its_time_is_served_later(world: World) -> None:
    """Its plug-in was broken, its YAML too, or it was disabled: a weekly one lost its week."""
    weekly = {"schedule": "0 3 * * 3"}
    broken = config("a", harvester="of_a_package_that_is_gone", **weekly)
    world.sources(broken, config("b", disabled=True, **weekly), config("d"))
    assert [label for label, _, _ in asked(world.tick(NAME))] == ["d"]
    world.harvested("d", 1, 14)
    world.clock.forward(minutes=1)
    assert asked(world.tick(NAME)) == []
    world.clock.forward(minutes=1)
    world.sources(*(config(label, **weekly) for label in "abc"), config("d"))
    assert [label for label, _, _ in asked(world.tick(NAME))] == ["a", "b", "c"]
    assert asked(world.tick(NAME)) == []


def test_a_clock_that_was_ahead_does_not_silence_the_schedule(world: World) -> None:
    """It had served all times of the next year."""
    world.sources(config("a"))
    world.clock.forward(days=365)
    world.tick(NAME)
    world.clock.forward(days=-365)
    assert asked(world.tick(NAME)) == [("a", "05-01", "05-14")]
    assert asked(world.tick(NAME)) == []


@pytest.mark.parametrize("job", ["__ASSET_JOB", "of_somebody_else"])
def test_a_run_that_harvests_nothing_of_ours_holds_up_no_source(world: World, job: str) -> None:
    """One of a check only, one of another code location's daily job: both have a partition and name no asset."""
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
    assert asked(world.tick(NAME)) == [("a", "05-01", "05-14")]


def test_a_run_of_all_assets_is_one_of_each_source(world: World) -> None:
    """Dagster names none then."""
    world.sources(config("a"))
    run = dg.DagsterRun(
        job_name="__ASSET_JOB",
        run_id=str(uuid.uuid4()),
        tags={"dagster/partition": "2024-05-14"},
        status=dg.DagsterRunStatus.STARTED,
    )
    world.instance.run_storage.add_run(run)
    assert asked(world.tick(NAME)) == [("a", "05-01", "05-13")]


@pytest.mark.parametrize("sensor", [NAME, "repair_gaps"])
def test_a_run_without_partitions_has_all_days_of_its_source_and_of_no_other(
    world: World, sensor: str
) -> None:
    """The last day of all has no end: the sensor failed for every source."""
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
    assert asked(world.tick(sensor)) == [("b", "05-05", "05-08")]
