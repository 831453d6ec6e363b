"""The sensor `harvest_by_schedule` requests one run for several sources, if the environment allows it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import dagster as dg
import pytest

from harvest_dagster.orchestration.on_demand import ASSET_JOB
from harvest_dagster.orchestration.resources import Stores
from harvest_dagster.orchestration.sensors import run_requests, shared_runs
from harvest_dagster.orchestration.sensors.schedule import NAME
from harvest_dagster.orchestration.sensors.shared_runs import SIZE_VARIABLE
from harvest_dagster.storage import ingest_configs
from harvest_dagster_tests.orchestration.sensors.conftest import RANGE, World, config


def labels(result: Any) -> list[list[str]]:
    """Return the sources of each requested run."""
    return [
        run.tags.get("harvest/labels", run.tags.get("harvest/label")).split(",")
        for run in result.run_requests or ()
    ]


@pytest.fixture(autouse=True)
def three_per_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Allow three sources in each run."""
    monkeypatch.setenv(SIZE_VARIABLE, "3")


def harvested(world: World, *names: str, last: int = 13) -> None:
    for name in names:
        world.harvested(name, 1, last)


def test_sources_with_the_same_days_share_runs(world: World) -> None:
    """The sources begin on different days. One without a transformer has one asset."""
    firsts = {"a": 1, "b": 2, "c": 3, "d": 4}
    world.sources(*(config(name, earliest_date=f"2024-05-0{day}") for name, day in firsts.items()))
    harvested(world, *firsts)
    first, second = (result := world.tick(NAME)).run_requests or ()
    assert labels(result) == [["a", "b", "c"], ["d"]]
    assert [key.to_user_string() for key in first.asset_selection or ()] == [
        f"{kind}/{name}" for name in "abc" for kind in ("raw", "transformed")
    ]
    assert {first.tags[name] for name in RANGE} == {"2024-05-14"}
    assert second.run_key == "d 2024-05-14 due 2024-05-15T03:00Z"
    assert world.tick(NAME).run_requests == []


def test_parameters_are_given_to_each_source(world: World) -> None:
    """A source with other days, or other parameters, needs another run."""
    world.sources(config("a", lookback="1d"), config("b", lookback="1d"), config("c"))
    harvested(world, "a", "b", "c")
    shared, single = (result := world.tick(NAME)).run_requests or ()
    assert labels(result) == [["a", "b"], ["c"]]
    assert shared.run_config == {
        "ops": {f"raw__{name}": {"config": {"optimize": False}} for name in ("a", "b")}
    }
    assert single.run_config == {}


@pytest.mark.parametrize(
    "reason", ["first harvest", "failed", "refused", "slow", "snapshot", "hours", "active", "backlog"]
)
def test_a_source_that_may_delay_others_has_a_run_of_its_own(world: World, reason: str) -> None:
    """The sources of a run work one after the other."""
    changes = {"snapshot": {"selective": False}, "hours": {"hours": "00:00-23:59 UTC"}}.get(reason, {})
    others = [config(name) for name in "bc"]
    world.sources(config("a", **changes), *others)
    harvested(world, "b", "c")
    if reason == "slow":
        world.harvested("a", 1, 13, took=timedelta(minutes=20))
    elif reason == "backlog":
        world.harvested("a", 1, 1, took=timedelta(seconds=30))
    elif reason != "first harvest":
        world.harvested("a", 1, 13)
    if reason == "failed":
        world.failed("a", 14, 14)
    if reason == "refused":
        scope = world.scope("a")
        with world.database.begin() as connection:
            ingest_configs.mark_refused(connection, scope.ingest_config_id, "no", world.clock())
    if reason == "active":
        world.run("a", 2, 3)
    found = labels(world.tick(NAME))
    assert sorted(found) == [["a"], ["b", "c"]]


def test_the_limit_of_a_tick_counts_runs(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tick submits ten runs, whatever they contain. The next tick requests the other sources."""
    monkeypatch.setattr(run_requests, "RUNS_PER_TICK", 2)
    names = [f"s{number}" for number in range(8)]
    world.sources(*map(config, names))
    harvested(world, *names)
    assert labels(world.tick(NAME)) == [names[:3], names[3:6]]
    assert labels(world.tick(NAME)) == [names[6:]]
    assert world.tick(NAME).run_requests == []


@pytest.mark.parametrize("value", ["", "1", "0", "many"])
def test_each_source_has_a_run_without_the_variable(
    world: World, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    """An invalid value must not stop the schedule."""
    monkeypatch.setenv(SIZE_VARIABLE, value)
    world.sources(config("a"), config("b"))
    harvested(world, "a", "b")
    assert labels(world.tick(NAME)) == [["a"], ["b"]]


@pytest.mark.parametrize(("value", "runs"), [("", [["a", "b"]]), ("1", [["a"], ["b"]])])
def test_sources_of_a_large_catalog_share_runs_by_default(
    world: World, monkeypatch: pytest.MonkeyPatch, value: str, runs: list[list[str]]
) -> None:
    """A run for each of a thousand sources would use two cores for more than an hour every day."""
    monkeypatch.setattr(shared_runs, "FLEET", 2)
    monkeypatch.setenv(SIZE_VARIABLE, value)
    world.sources(config("a"), config("b"), config("c", schedule=None))
    harvested(world, "a", "b")
    assert labels(world.tick(NAME)) == runs


def test_a_merged_code_location_has_one_source_in_each_run(world: World) -> None:
    """Dagster builds the job of such a run, and rejects assets with different first partitions."""
    world.sources(config("a"), config("b"))
    world.jobs.append(dg.define_asset_job("everything"))
    harvested(world, "a", "b")
    assert labels(world.tick(NAME)) == [["a"], ["b"]]


def test_a_source_that_is_done_does_not_wait_for_the_others_of_its_run(world: World) -> None:
    """One source of a run may wait for hours. The next scheduled time of the others must not wait, too."""
    world.sources(config("a"), config("b"))
    harvested(world, "a", "b")
    job = world.repository(Stores()).get_job(ASSET_JOB)
    run = world.instance.create_run_for_job(
        job.get_subset(
            asset_selection={dg.AssetKey(["raw", name]) for name in "ab"}, asset_check_selection=set()
        ),
        tags={**dict.fromkeys(RANGE, "2024-05-14"), "dagster/sensor_name": NAME},
        asset_selection=frozenset(dg.AssetKey(["raw", name]) for name in "ab"),
        status=dg.DagsterRunStatus.STARTED,
    )
    assert world.tick(NAME).run_requests == []
    event = dg.DagsterEvent(
        event_type_value=dg.DagsterEventType.STEP_SKIPPED.value,
        job_name=run.job_name,
        step_key="raw__a.finish",
    )
    world.instance.report_dagster_event(event, run.run_id)
    assert labels(world.tick(NAME)) == [["a"]]
