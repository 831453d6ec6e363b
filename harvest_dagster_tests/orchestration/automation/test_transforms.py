"""The sensor `transform_pending`: nothing is lost, nothing is asked for twice, failures are asked for later."""

from __future__ import annotations

import pytest

from harvest_dagster.orchestration.automation import requests
from harvest_dagster_tests.orchestration.automation.conftest import World, asked, config

NAME = "transform_pending"


def test_contiguous_days_are_one_run_for_each_source(world: World) -> None:
    """Where the days between are done, too."""
    world.sources(config("a"), config("b"), config("c", transformer=None))
    world.harvested("a", 1, 6)
    world.pending("a", 1, 2, 5, 9)
    world.pending("b", 3)
    (first, *_) = (result := world.tick(NAME)).run_requests or ()
    assert asked(result) == [("a", "05-01", "05-05"), ("a", "05-09", "05-09"), ("b", "05-03", "05-03")]
    assert [key.to_user_string() for key in first.asset_selection or ()] == ["transformed/a"]
    assert len({run.run_key for run in result.run_requests or ()}) == 3
    # A backlog must not have all places in the queue; what came of a day is no backlog.
    assert ["harvest/past" in run.tags for run in result.run_requests or ()] == [True, False, False]


def test_a_run_that_waits_or_is_at_work_is_not_asked_for_again(world: World) -> None:
    """Also one of the harvest that has the transform beside it."""
    world.sources(config("a"))
    world.pending("a", 1, 5)
    world.run("a", 4, 6, kind="transformed", status="NOT_STARTED")
    assert asked(world.tick(NAME)) == [("a", "05-01", "05-01")]


def test_a_run_of_some_days_holds_up_no_others_of_their_batch(world: World) -> None:
    """A backfill of a day in a decade would keep the decade waiting; and no run is of days that have nothing."""
    world.sources(config("a"))
    world.harvested("a", 1, 14)
    world.pending("a", 1, 5, 12)
    world.run("a", 3, 3, kind="transformed")
    world.run("a", 5, 9, kind="transformed")
    assert asked(world.tick(NAME)) == [("a", "05-01", "05-01"), ("a", "05-12", "05-12")]


def test_what_a_failed_run_left_is_asked_for_after_growing_pauses(world: World) -> None:
    """A transformer that lacks a secret would start a process every half minute."""
    world.sources(config("a"))
    world.pending("a", 1)
    keys = set()
    for minutes in (0, 60, 120):
        world.clock.forward(minutes=minutes - 1)
        assert minutes == 0 or world.tick(NAME).run_requests == []
        world.clock.forward(minutes=1)
        (run,) = world.tick(NAME).run_requests or ()
        keys.add(run.run_key)
    assert len(keys) == 3


def test_what_comes_later_is_no_failure_of_the_run_before(world: World) -> None:
    """A day that is harvested again, after its data were transformed, does not wait an hour."""
    world.sources(config("a"))
    world.pending("a", 1)
    world.tick(NAME)
    with world.database.begin() as connection:
        connection.exec_driver_sql("UPDATE ingest_log SET status = 'SUCCEEDED'")
    assert world.tick(NAME).run_requests == []
    assert world.cursors[NAME] == "{}"
    world.clock.forward(minutes=2)
    world.pending("a", 1)
    assert asked(world.tick(NAME)) == [("a", "05-01", "05-01")]


def test_what_comes_while_a_run_is_at_work_is_asked_for_once_it_is_over(world: World) -> None:
    """Its partitions were claimed before."""
    world.sources(config("a"))
    world.pending("a", 1)
    world.tick(NAME)
    world.run("a", 1, 1, kind="transformed")
    with world.database.begin() as connection:
        connection.exec_driver_sql("UPDATE ingest_log SET status = 'SUCCEEDED'")
    world.clock.forward(minutes=2)
    world.pending("a", 1)
    assert world.tick(NAME).run_requests == []
    (run,) = world.instance.get_runs()
    world.instance.report_run_canceled(run)
    assert asked(world.tick(NAME)) == [("a", "05-01", "05-01")]


def test_a_tick_asks_for_so_many_runs_and_the_next_for_the_rest(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a day without a daemon a thousand sources wait."""
    monkeypatch.setattr(requests, "RUNS_PER_TICK", 2)
    world.sources(*(config(label) for label in "abc"))
    for label in "abc":
        world.pending(label, 1)
    assert [label for label, _, _ in asked(world.tick(NAME))] == ["a", "b"]
    assert [label for label, _, _ in asked(world.tick(NAME))] == ["c"]


def test_lesson_15_a_transformer_that_cannot_be_loaded_holds_up_no_other(world: World) -> None:
    """Lesson 15, for transforms."""
    world.sources(config("a", transformer="of_a_package_that_is_gone"), config("b"))
    world.pending("a", 1)
    world.pending("b", 1)
    assert asked(world.tick(NAME)) == [("b", "05-01", "05-01")]
