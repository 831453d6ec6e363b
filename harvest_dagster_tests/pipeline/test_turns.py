"""Which windows of a run a window waits for, and for how long: on both databases."""

from __future__ import annotations

from datetime import timedelta

import pytest

from harvest_dagster.errors import IncompleteList
from harvest_dagster.pipeline import lease_guard, turns
from harvest_dagster.pipeline.context import HarvestContext
from harvest_dagster.storage.lease.leases import TTL
from harvest_dagster.windows import DAY, Window
from harvest_dagster_tests.pipeline.world import WINDOW, World, records

RANGE = Window(WINDOW.start, WINDOW.start + 3 * DAY)
FIRST, SECOND, THIRD = RANGE.split(DAY)


@pytest.fixture
def harvest(world: World) -> HarvestContext:
    """A run of three windows. Each op has a process."""
    world.change(max_window=DAY)
    world.clock.forward(days=3)
    return running(world, "run 1")


def running(world: World, run: str, **parameters: int) -> HarvestContext:
    harvest = world.harvest(run, single_process=False, **parameters)
    lease_guard.acquire(harvest, RANGE, single_process=False)
    return harvest


def ahead(harvest: HarvestContext, window: Window) -> list[Window]:
    return turns.find_windows_ahead(harvest, RANGE, window, lambda _: True)


def test_windows_are_fetched_in_the_order_of_time(world: World, harvest: HarvestContext) -> None:
    """Celery starts the ops of all windows at once. Each window counted a `limit` of its own."""
    assert (ahead(harvest, FIRST), ahead(harvest, SECOND)) == ([], [FIRST])
    assert ahead(harvest, THIRD) == [FIRST, SECOND]
    with lease_guard.hold_lease(harvest) as lease:
        log = world.window(harvest, lease, FIRST, until="fetch")
        assert (ahead(harvest, FIRST), ahead(harvest, SECOND)) == ([], [FIRST])
        with world.window_run(harvest, lease).resume(log.id):
            for step in ("split", "store", "launch", "finish"):
                world.step(step, harvest, log.id, lease)
    assert (ahead(harvest, SECOND), ahead(harvest, THIRD)) == ([], [SECOND])


def test_a_window_that_failed_holds_nothing_up(world: World, harvest: HarvestContext) -> None:
    """One bad day must not stop the others."""
    world.source.items, world.source.total = [*records(2)], 9
    with lease_guard.hold_lease(harvest) as lease, pytest.raises(IncompleteList):
        world.window(harvest, lease, FIRST)
    assert ahead(harvest, SECOND) == []


def test_deferred_windows_do_not_wait_for_each_other(world: World, harvest: HarvestContext) -> None:
    """Two windows have begun, because the node of the first one seemed dead. Each would wait for the other."""
    with lease_guard.hold_lease(harvest) as lease:
        for window in (FIRST, SECOND):
            world.window(harvest, lease, window, until="fetch")
    assert (ahead(harvest, FIRST), ahead(harvest, SECOND)) == ([], [FIRST])
    assert ahead(harvest, THIRD) == [FIRST, SECOND]


def test_no_window_waits_if_the_limit_is_reached(world: World) -> None:
    """The windows before it are not fetched either, so nobody would ever end them."""
    world.change(max_window=DAY)
    world.clock.forward(days=3)
    world.source.items = [*records(3)]
    harvest = running(world, "run 1", limit=3)
    with lease_guard.hold_lease(harvest) as lease:
        world.window(harvest, lease, FIRST)
    assert ahead(harvest, THIRD) == []


def test_a_window_does_not_wait_for_windows_without_ops(harvest: HarvestContext) -> None:
    """A run that is executed again from a failure lacks the ops of windows that the failed run had not begun."""
    assert turns.find_windows_ahead(harvest, RANGE, THIRD, [SECOND].__contains__) == [SECOND]


def test_a_window_waits_until_the_lease_of_the_run_expires(world: World, harvest: HarvestContext) -> None:
    """The node of an op died. No event of Dagster says so, and the window would wait forever."""
    assert turns.is_worth_waiting(harvest, 100)
    world.clock.forward(seconds=TTL.total_seconds() + 1)
    assert not turns.is_worth_waiting(harvest, 0)


def test_a_run_that_has_no_lease_yet_waits_only_some_times(world: World, harvest: HarvestContext) -> None:
    """A run that is executed again acquires its lease in its first op."""
    again = world.harvest("run 2", single_process=False)
    assert turns.is_worth_waiting(again, 0)
    assert not turns.is_worth_waiting(again, 100)


def test_a_window_looks_more_often_the_fewer_windows_are_ahead(world: World, harvest: HarvestContext) -> None:
    """Each look costs four events of Dagster. A hundred windows that look twice a minute would fill its database."""
    pauses = [turns.pause_before_next_look(harvest, count) for count in (1, 2, 50, 1000)]
    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[-1]) == (5, 1800)
    with lease_guard.hold_lease(harvest) as lease:
        world.window(harvest, lease, FIRST, until="fetch")
        world.clock.forward(minutes=30)
        assert turns.pause_before_next_look(harvest, 1) == 30  # the lease must not expire
        lease.extend(timedelta(hours=2))
    assert turns.pause_before_next_look(harvest, 1) > 3600  # the source asks to wait for two hours
