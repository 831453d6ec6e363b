"""The sensor `transform_pending`: nothing is lost, nothing is requested twice, and failures are repeated later."""

from __future__ import annotations

import dagster as dg
import pytest

from harvest_dagster.orchestration.sensors import changed_transformers, run_requests
from harvest_dagster_tests.orchestration.sensors.conftest import World, config, requested

NAME = "transform_pending"


def test_days_that_follow_each_other_are_one_run(world: World) -> None:
    """Days without pending data between them must not split a batch if they are harvested."""
    world.sources(config("a"), config("b"), config("c", transformer=None))
    world.harvested("a", 1, 6)
    world.pending("a", 1, 2, 5, 9)
    world.pending("b", 3)
    (first, *_) = (result := world.tick(NAME)).run_requests or ()
    assert requested(result) == [("a", "05-01", "05-05"), ("a", "05-09", "05-09"), ("b", "05-03", "05-03")]
    assert [key.to_user_string() for key in first.asset_selection or ()] == ["transformed/a"]
    assert len({run.run_key for run in result.run_requests or ()}) == 3
    # Only runs of a backlog have the tag that limits their places in the queue. A single day is no backlog.
    assert ["harvest/past" in run.tags for run in result.run_requests or ()] == [True, False, False]


def test_days_of_an_active_run_are_not_requested(world: World) -> None:
    """The run of a harvest may include the transform, too."""
    world.sources(config("a"))
    world.pending("a", 1, 5)
    world.run("a", 4, 6, kind="transformed", status="NOT_STARTED")
    assert requested(world.tick(NAME)) == [("a", "05-01", "05-01")]


def test_an_active_run_of_some_days_does_not_stop_the_other_days_of_a_batch(world: World) -> None:
    """A backfill of one day would delay a decade. No run is requested for days without pending data."""
    world.sources(config("a"))
    world.harvested("a", 1, 14)
    world.pending("a", 1, 5, 12)
    world.run("a", 3, 3, kind="transformed")
    world.run("a", 5, 9, kind="transformed")
    assert requested(world.tick(NAME)) == [("a", "05-01", "05-01"), ("a", "05-12", "05-12")]


def test_data_that_a_failed_run_left_are_requested_after_growing_pauses(world: World) -> None:
    """A transformer without its secret would start a process every half minute."""
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


def test_later_data_of_the_same_day_are_requested_without_a_pause(world: World) -> None:
    """A day that is harvested again after its transform must not wait for an hour."""
    world.sources(config("a"))
    world.pending("a", 1)
    world.tick(NAME)
    with world.database.begin() as connection:
        connection.exec_driver_sql("UPDATE ingest_log SET status = 'SUCCEEDED'")
    assert world.tick(NAME).run_requests == []
    assert world.cursors[NAME] == "{}"
    world.clock.forward(minutes=2)
    world.pending("a", 1)
    assert requested(world.tick(NAME)) == [("a", "05-01", "05-01")]


def test_data_that_a_restored_database_shows_as_pending_are_requested_within_an_hour(world: World) -> None:
    """The first request has the key of a run that Dagster knows, so it launches no run. Another one must follow."""
    world.sources(config("a"))
    world.pending("a", 1)
    (before,) = world.tick(NAME).run_requests or ()
    with world.database.begin() as connection:
        connection.exec_driver_sql("UPDATE ingest_log SET status = 'SUCCEEDED'")
    assert world.tick(NAME).run_requests == []
    with world.database.begin() as connection:
        connection.exec_driver_sql("UPDATE ingest_log SET status = 'PENDING'")
    (repeated,) = world.tick(NAME).run_requests or ()
    assert repeated.run_key == before.run_key
    world.clock.forward(minutes=60)
    (again,) = world.tick(NAME).run_requests or ()
    assert again.run_key != before.run_key


def test_data_that_arrive_during_a_run_are_requested_after_it(world: World) -> None:
    """The run may have read its data before."""
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
    assert requested(world.tick(NAME)) == [("a", "05-01", "05-01")]


def test_runs_beyond_the_limit_of_a_tick_are_requested_by_the_next_tick(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a day without a daemon, a thousand sources have pending data."""
    monkeypatch.setattr(run_requests, "RUNS_PER_TICK", 2)
    world.sources(*(config(label) for label in "abc"))
    for label in "abc":
        world.pending(label, 1)
    assert [label for label, _, _ in requested(world.tick(NAME))] == ["a", "b"]
    assert [label for label, _, _ in requested(world.tick(NAME))] == ["c"]


def test_a_transformer_that_cannot_be_loaded_does_not_stop_the_others(world: World) -> None:
    """The other sources did not cause the error: docs/failures.md#one-bad-source-stops-all"""
    world.sources(config("a", transformer="of_a_package_that_is_gone"), config("b"))
    world.pending("a", 1)
    world.pending("b", 1)
    assert requested(world.tick(NAME)) == [("b", "05-01", "05-01")]


def test_data_from_before_a_raised_earliest_date_are_transformed_with_the_first_partition(
    world: World,
) -> None:
    """A run for a day that is no partition any more fails, and the sensor requested it again and again."""
    world.sources(config("a"))
    world.pending("a", 1, 2, 7)
    world.sources(config("a", earliest_date="2024-05-05"))
    assert requested(world.tick(NAME)) == [("a", "05-05", "05-05"), ("a", "05-07", "05-07")]


def test_data_of_days_that_are_no_partitions_yet_wait(world: World) -> None:
    """The job `harvest` may collect records of today, and today is not a partition before it has ended."""
    world.sources(config("a"), config("b", earliest_date="2030-01-01"))
    world.pending("a", 15)
    world.pending("b", 1)
    assert world.tick(NAME).run_requests == []
    world.clock.forward(days=1)
    assert requested(world.tick(NAME)) == [("a", "05-15", "05-15")]


def test_days_of_a_run_of_a_users_own_job_are_not_requested(world: World) -> None:
    """Dagster records no assets for such a run, so the sensors did not see it and started the same days again."""
    world.sources(config("a"), config("b"))
    world.pending("a", 1, 5)
    world.pending("b", 5)
    world.jobs = [dg.define_asset_job("mine", selection=[dg.AssetKey(["transformed", "a"])])]
    world.run_job("mine", 4, 6)
    assert requested(world.tick(NAME)) == [("a", "05-01", "05-01"), ("b", "05-05", "05-05")]


def succeed(world: World) -> None:
    with world.database.begin() as connection:
        connection.exec_driver_sql("UPDATE ingest_log SET status = 'SUCCEEDED'")
    world.clock.forward(minutes=2)


def test_a_changed_transformer_transforms_the_stored_data_again(world: World) -> None:
    """The documents of the earlier transformer stayed for ever, and nothing said so. The source is not asked."""
    world.sources(config("a"))
    world.harvested("a", 1, 9)
    world.pending("a", 1, 2, 9)
    world.tick(NAME)
    succeed(world)
    assert world.tick(NAME).run_requests == []
    world.sources(config("a", transformer="arxiv"))
    assert requested(world.tick(NAME)) == [("a", "05-01", "05-09")]
    succeed(world)
    world.sources(config("a", transformer="oai_dc"))
    assert requested(world.tick(NAME)) == [("a", "05-01", "05-09")]
    succeed(world)
    assert world.tick(NAME).run_requests == []


def test_many_days_are_queued_over_several_ticks(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dagster ends a sensor after a minute. Ten years of a large source take longer."""
    world.sources(config("a"))
    world.harvested("a", 1, 9)
    world.pending("a", 1, 2, 9)
    world.tick(NAME)
    succeed(world)
    world.sources(config("a", transformer="arxiv"))
    times = iter([0.0, 0.0, 0.0, 1e9, *[2e9] * 9])
    monkeypatch.setattr(changed_transformers, "monotonic", lambda: next(times))
    assert requested(world.tick(NAME)) == [("a", "05-09", "05-09")]
    succeed(world)
    assert requested(world.tick(NAME)) == [("a", "05-01", "05-02")]
