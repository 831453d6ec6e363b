"""The sensor `reconcile_by_schedule`: each time of `reconcile` is served once, also late, and a failed sweep again."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import dagster as dg
import pytest

from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.orchestration.build import build_defs
from harvest_dagster.orchestration.sensors import run_requests
from harvest_dagster.orchestration.sensors.reconcile import NAME
from harvest_dagster_tests.orchestration.sensors.conftest import World, config
from harvest_dagster_tests.orchestration.sweep_rows import add_sweep

# Both databases execute the same statements in the first test.
ON_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def source(label: str, **changes: Any) -> IngestConfig:
    return config(label, **{"schedule": None, "reconcile": "0 4 * * *", **changes})


def swept(world: World, label: str, began: datetime) -> None:
    key = world.scope(label).ingest_config_id
    with world.database.begin() as connection:
        add_sweep(connection, key, began + timedelta(hours=1))


def requested(world: World) -> list[str]:
    return [run.tags["harvest/label"] for run in world.tick(NAME).run_requests or ()]


def run_sweep(world: World, label: str, status: str, *, with_tag: bool = True) -> dg.DagsterRun:
    """Create a run of the job, at the present time. A run of the UI that waits in the queue has no tag of ours."""
    job = build_defs(world.catalog).get_repository_def().get_job("reconcile")
    return world.instance.create_run_for_job(
        job,
        run_config={"ingest_config": label},
        tags={"harvest/label": label} if with_tag else {},
        status=dg.DagsterRunStatus(status),
    )


def due_an_hour_ago(world: World) -> None:
    """Set the clock to the present time, which Dagster gives to the runs, and add a source that is due."""
    now = datetime.now(timezone.utc)
    world.clock.forward(seconds=(now - world.clock()).total_seconds())
    time = now - timedelta(hours=1)
    world.sources(source("a", reconcile=f"{time.minute} {time.hour} * * *"))
    world.harvested("a", 1, 2)


def test_a_time_that_passed_without_a_daemon_is_served_once(world: World) -> None:
    """A weekly sweep would be lost for a week, or run at every tick."""
    world.sources(source("a"), source("done"), source("never"), source("off", disabled=True), config("plain"))
    for label in ("a", "done", "off", "plain"):
        world.harvested(label, 1, 2)
    swept(world, "done", world.clock() - timedelta(hours=7))
    (run,) = world.tick(NAME).run_requests or ()
    assert (run.run_key, run.run_config) == (
        "a reconcile due 2024-05-15T04:00Z",
        {"ingest_config": "a"},
    )
    assert run.asset_selection is None
    tags = {name: run.tags[name] for name in ("harvest/label", "harvest/past", "dagster/priority")}
    assert tags == {"harvest/label": "a", "harvest/past": "yes", "dagster/priority": "-1"}
    assert int(tags["dagster/priority"]) < run_requests.REPAIR < run_requests.SCHEDULE
    (again,) = world.tick(NAME).run_requests or ()
    assert again.run_key == run.run_key  # Dagster launches no second run with the same key
    swept(world, "a", world.clock())
    assert requested(world) == []
    world.cursors[NAME] = "reset"
    assert requested(world) == []
    world.clock.forward(hours=16)
    assert requested(world) == ["a", "done"]


@ON_SQLITE
@pytest.mark.parametrize("with_tag", [True, False])
def test_nothing_is_requested_while_a_sweep_of_the_source_is_active(world: World, with_tag: bool) -> None:
    """A sweep may take longer than the time between two of its scheduled times."""
    world.sources(source("a"), source("b"))
    for label in "ab":
        world.harvested(label, 1, 2)
    run = run_sweep(world, "a", "NOT_STARTED", with_tag=with_tag)
    assert requested(world) == ["b"]
    world.instance.report_run_canceled(run)
    assert "b" in requested(world)


@ON_SQLITE
def test_a_failed_sweep_is_requested_again_after_a_growing_pause(world: World) -> None:
    """A restart of the host would cost a weekly sweep, although the next run could continue after its last page."""
    due_an_hour_ago(world)
    (first,) = world.tick(NAME).run_requests or ()
    run_sweep(world, "a", "FAILURE")
    assert requested(world) == []
    world.clock.forward(minutes=90)  # the runs have the time of the machine, not of this clock
    (second,) = world.tick(NAME).run_requests or ()
    assert second.run_key == f"{first.run_key}, after 1 failed runs"
    run_sweep(world, "a", "FAILURE")
    assert requested(world) == []


@ON_SQLITE
def test_a_sweep_that_a_person_stopped_is_not_requested_again(world: World) -> None:
    """Otherwise nobody could stop a sweep before its next scheduled time."""
    due_an_hour_ago(world)
    assert requested(world) == ["a"]
    run_sweep(world, "a", "CANCELED")
    world.clock.forward(hours=3)
    assert requested(world) == []


@ON_SQLITE
def test_closed_hours_and_a_full_tick_wait(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run outside of the hours would only wait, and keep others from a place in the queue."""
    monkeypatch.setattr(run_requests, "RUNS_PER_TICK", 1)
    world.sources(source("closed", hours="13:00-14:00"), source("b", reconcile="1 4 * * *"), source("c"))
    for label in ("closed", "b", "c"):
        world.harvested(label, 1, 2)
    assert requested(world) == ["c"]
    swept(world, "c", world.clock())
    assert requested(world) == ["b"]
    swept(world, "b", world.clock())
    assert requested(world) == []
    assert "1 sweeps are due" in str(world.tick(NAME).skip_message)
    world.clock.forward(hours=1)
    assert requested(world) == ["closed"]


@ON_SQLITE
def test_a_source_whose_harvester_is_missing_does_not_stop_the_others(world: World) -> None:
    """One config with a missing driver stopped all sources: docs/failures.md#one-bad-source-stops-all"""
    world.sources(source("a", harvester="of_a_package_that_is_gone"), source("b"))
    world.harvested("b", 1, 2)
    assert requested(world) == ["b"]
