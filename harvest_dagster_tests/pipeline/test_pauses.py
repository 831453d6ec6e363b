"""A window that is put off: whose it is meanwhile, and for how long."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from datetime import timedelta

import pytest

from harvest_dagster.errors import LeaseHeld, SourceUnreachable, WaitTooLong
from harvest_dagster.pipeline import fetch, finish, lock, pauses
from harvest_dagster.pipeline.harvest import Harvest
from harvest_dagster.pipeline.settle import settle
from harvest_dagster.processes import Process
from harvest_dagster.storage.harvest_logs import HarvestLog
from harvest_dagster_tests.pipeline.test_lock import elsewhere
from harvest_dagster_tests.pipeline.world import WINDOW, World, nothing, records

__all__ = ["elsewhere"]

AN_HOUR = WaitTooLong("the source says later.", seconds=3600)


def fetch_two_pages(world: World, harvest: Harvest) -> HarvestLog:
    """The third does not come."""
    world.source.items = records(10)
    world.source.breaks_at = 2
    with lock.holding(harvest) as grip:
        log = fetch.begin(harvest, WINDOW, grip, parent_id=None, limit=None)
        with pytest.raises(SourceUnreachable):
            fetch.fetch(harvest, world.harvester(), log, grip, nothing)
    world.source.breaks_at, world.source.asked = None, []
    return log


def put_off(world: World, harvest: Harvest) -> HarvestLog:
    """As an op does it."""
    log = fetch_two_pages(world, harvest)
    with lock.holding(harvest) as grip:
        pauses.put_off(harvest, log, grip, AN_HOUR)
    return log


@pytest.fixture(params=[True, False], ids=["one process", "a process for each op"])
def waiting(request: pytest.FixtureRequest, world: World) -> Iterator[tuple[Harvest, HarvestLog]]:
    """A run whose window is put off for an hour."""
    harvest = world.harvest("run 1")
    lock.acquire(harvest, WINDOW, single_process=request.param)
    return harvest, put_off(world, harvest)


def test_nobody_takes_over_while_a_window_is_put_off(
    world: World, waiting: tuple[Harvest, HarvestLog]
) -> None:
    """Lesson 12: another run would begin the list anew, and hammer a source that asked to be left alone."""
    world.clock.forward(minutes=60)
    with pytest.raises(LeaseHeld):
        lock.acquire(world.harvest("run 2"), WINDOW, single_process=True)
    assert settle(world.database, world.runs, world.clock) == []
    log = world.log(waiting[1].id)
    assert (log.status, log.run_id) == ("STARTED", "run 1")


def test_the_retry_goes_on_after_the_last_whole_page(
    world: World, waiting: tuple[Harvest, HarvestLog]
) -> None:
    """Lesson 22: from zero after each pause, a long list never comes to its end."""
    harvest, _ = waiting
    world.clock.forward(minutes=61)
    with lock.holding(harvest) as grip:
        world.window(harvest, grip)
        finish.finish_run(harvest, [], grip)
    assert world.source.asked == [4, 6, 8]
    assert len(world.stored()) == 10


def test_another_window_at_work_meanwhile_does_not_shorten_the_pause(
    world: World, waiting: tuple[Harvest, HarvestLog]
) -> None:
    """Its renewals put the expiry a minute from now; the lease would end long before the retry."""
    harvest, _ = waiting
    with lock.holding(harvest):
        pass
    world.clock.forward(minutes=59)
    with pytest.raises(LeaseHeld):
        lock.acquire(world.harvest("run 2"), WINDOW, single_process=True)


def test_a_machine_that_is_gone_is_waited_for_no_longer_than_the_pause_and_a_minute(
    world: World, waiting: tuple[Harvest, HarvestLog]
) -> None:
    """Nobody here can tell that it is gone."""
    world.clock.forward(seconds=3600 * 1.25 + 60)
    lock.acquire(world.harvest("run 2"), WINDOW, single_process=True)
    (settled,) = settle(world.database, world.runs, world.clock, own_run="run 2")
    assert settled.log.id == waiting[1].id


def test_a_run_that_is_killed_in_its_pause_is_taken_over_at_once(
    world: World, elsewhere: tuple[subprocess.Popen[bytes], Process]
) -> None:
    """Lesson 13: after `kill -9` an hour's pause would be an hour's lock."""
    running, process = elsewhere
    harvest = world.harvest("run 1", process)
    lock.acquire(harvest, WINDOW, single_process=True)
    put_off(world, harvest)
    running.send_signal(signal.SIGKILL)
    running.wait()
    lock.acquire(world.harvest("run 2"), WINDOW, single_process=True)


def test_what_only_ever_says_later_fails_after_a_day_without_a_page(world: World) -> None:
    """Lesson 20: the 503 loop had no end."""
    harvest = world.harvest("run 1")
    lock.acquire(harvest, WINDOW, single_process=True)
    log = put_off(world, harvest)
    for _ in range(23):
        world.clock.forward(hours=1)
        with lock.holding(harvest) as grip:
            pauses.put_off(harvest, log, grip, AN_HOUR)
    world.clock.forward(hours=1)
    with (
        lock.holding(harvest) as grip,
        pytest.raises(SourceUnreachable, match="for 24 h no page came, only the word to wait: the source"),
    ):
        pauses.put_off(harvest, log, grip, AN_HOUR)


def test_a_page_is_what_counts_as_progress(world: World) -> None:
    """A source with a quota for each hour is harvested for days."""
    harvest = world.harvest("run 1")
    lock.acquire(harvest, WINDOW, single_process=True)
    log = put_off(world, harvest)
    began = world.clock()
    assert pauses.last_progress(harvest, log) == began
    world.clock.forward(hours=20)
    with lock.holding(harvest) as grip:
        fetch.fetch(harvest, world.harvester(), log, grip, nothing)
    assert pauses.last_progress(harvest, world.log(log.id)) == began + timedelta(hours=20)


def test_a_list_is_not_begun_anew_since_its_own_run_was_put_off_for_long(world: World) -> None:
    """A quota for each hour again: after a day the list would start from its first page, every day."""
    harvest = world.harvest("run 1")
    lock.acquire(harvest, WINDOW, single_process=True)
    put_off(world, harvest)
    world.clock.forward(hours=30)
    with lock.holding(harvest) as grip:
        world.window(harvest, grip)
    assert world.source.asked == [4, 6, 8]


def test_a_turn_is_waited_for_as_long_as_the_harvests_own_pace_demands(world: World) -> None:
    """Put off between the two requests that a first page takes, each try would send the first one only."""
    harvest = world.harvest("run 1")
    lock.acquire(harvest, WINDOW, single_process=True)
    log = fetch_two_pages(world, harvest)
    assert pauses.longest_turn(harvest, log) == 60
    world.clock.forward(hours=4)
    assert pauses.longest_turn(harvest, log) == 3600
    world.change(rate_limit={"calls": 1, "period": 3000})
    assert pauses.longest_turn(world.harvest("run 1"), log) == 6000
