"""The sensor `repair_gaps`."""

from __future__ import annotations

import pytest

from harvest_dagster.orchestration.sensors.active_runs import ActiveRuns
from harvest_dagster_tests.orchestration.sensors.conftest import World, config, requested

NAME = "repair_gaps"


def test_a_failed_window_is_harvested_again_after_growing_pauses(world: World) -> None:
    """364 days were missing, and nothing was scheduled: docs/failures.md#watermark-hides-gap"""
    world.sources(config("a", schedule=None))
    world.harvested("a", 5, 14)
    world.failed("a", 2, 3)
    assert world.tick(NAME).run_requests == []
    world.clock.forward(minutes=60)
    (run,) = (result := world.tick(NAME)).run_requests or ()
    assert requested(result) == [("a", "05-02", "05-03")]
    assert (run.tags["dagster/priority"], run.tags["harvest/past"]) == ("1", "yes")
    world.failed("a", 2, 3, run="again")
    world.clock.forward(minutes=60)
    assert world.tick(NAME).run_requests == []
    world.clock.forward(minutes=60)
    assert requested(world.tick(NAME)) == [("a", "05-02", "05-03")]


def test_a_refused_run_is_not_requested_at_every_tick(world: World) -> None:
    """A run that the preflight refuses leaves no log, so only the cursor knows the request."""
    world.sources(config("a", schedule=None))
    world.harvested("a", 1, 2)
    world.harvested("a", 5, 14)
    assert requested(world.tick(NAME)) == [("a", "05-03", "05-04")]
    assert world.tick(NAME).run_requests == []
    world.clock.forward(hours=1)
    assert requested(world.tick(NAME)) == [("a", "05-03", "05-04")]
    world.clock.forward(hours=1)
    assert world.tick(NAME).run_requests == []


def test_days_of_an_active_run_are_not_requested(world: World) -> None:
    """Somebody may have just started a backfill of these days."""
    world.sources(config("a", schedule=None))
    world.harvested("a", 1, 2)
    world.harvested("a", 9, 14)
    world.run("a", 4, 6)
    assert requested(world.tick(NAME)) == [("a", "05-03", "05-03"), ("a", "05-07", "05-08")]


def test_sources_without_a_gap_are_not_repaired(world: World) -> None:
    """A source that was never harvested, one that is disabled, one whose harvester is missing, one without a gap."""
    world.sources(
        config("a"), config("b", disabled=True), config("c", harvester="missing"), config("d", schedule=None)
    )
    world.failed("b", 1, 2)
    world.harvested("d", 9, 9)
    world.clock.forward(hours=2)
    result = world.tick(NAME)
    assert (result.run_requests, result.skip_message) == ([], "no source has a gap to repair")


def test_a_source_with_an_error_does_not_stop_the_others(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A source with many gaps must leave room for the others, too: docs/failures.md#one-bad-source-stops-all"""
    world.sources(*(config(label, schedule=None) for label in "abc"))
    for label in "abc":
        for day in (1, 3, 5, 7):
            world.harvested(label, day, day)
    days_of = ActiveRuns.days_of
    monkeypatch.setattr(
        ActiveRuns,
        "days_of",
        lambda self, kind, label: [1 / 0] if label == "a" else days_of(self, kind, label),
    )
    assert [label for label, _, _ in requested(world.tick(NAME))] == ["b", "b", "c", "c"]
    assert [label for label, _, _ in requested(world.tick(NAME))] == ["b", "c"]


def test_a_gap_is_not_repaired_outside_of_the_hours(world: World) -> None:
    """The run would only wait for them, and keep others from a place in the queue."""
    world.sources(config("a", hours="13:00-15:00"))
    world.harvested("a", 1, 5)
    world.harvested("a", 7, 14)
    assert requested(world.tick("repair_gaps")) == []
    world.clock.forward(hours=1)
    assert requested(world.tick("repair_gaps")) == [("a", "05-06", "05-06")]


def test_one_snapshot_repairs_all_gaps(world: World) -> None:
    """A run for each gap would download the whole source as often. An active run takes a snapshot, too."""
    world.sources(config("a", schedule=None, selective=False))
    world.harvested("a", 1, 2)
    world.harvested("a", 5, 8)
    world.harvested("a", 11, 14)
    assert requested(world.tick(NAME)) == [("a", "05-03", "05-10")]
    world.cursors.clear()
    world.run("a", 14, 14)
    assert world.tick(NAME).run_requests == []
