"""A window that is put off: whose it is meanwhile, and for how long."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta

import pytest

from harvest_dagster.errors import LeaseHeld, SourceUnreachable, WaitTooLong
from harvest_dagster.pipeline import fetch, finish, lock, pauses
from harvest_dagster.pipeline.harvest import Harvest
from harvest_dagster.pipeline.settle import settle
from harvest_dagster.processes import Process
from harvest_dagster.storage.harvest_logs import HarvestLog
from harvest_dagster.windows import DAY, Window
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


EARLIER = Window(WINDOW.start - DAY, WINDOW.start)
TODAY = Window(WINDOW.end, WINDOW.end + DAY)


@pytest.mark.parametrize("other", [EARLIER, WINDOW, TODAY])
def test_a_list_is_begun_anew_once_another_window_may_hold_what_changed_since(
    small_world: World, other: Window
) -> None:
    """Lesson 3: a record changed after the list was begun, the newer version was stored, the older came after it."""
    window = Window(WINDOW.start - 2 * DAY, EARLIER.start)
    harvest = small_world.harvest("run 1")
    lock.acquire(harvest, window, single_process=True)
    small_world.source.items = records(2)
    with lock.holding(harvest) as grip:
        log = fetch.begin(harvest, window, grip, parent_id=None, limit=None)
        pauses.put_off(harvest, log, grip, AN_HOUR)
        small_world.clock.forward(minutes=1)
        small_world.window(harvest, grip, other)
        again = fetch.begin(harvest, window, grip, parent_id=None, limit=None)
    assert again.attempt == (2 if other == TODAY else 1)


def test_pages_that_a_run_found_there_are_begun_anew_once_it_has_done_another_window(
    small_world: World,
) -> None:
    """They are yesterday's; that this run holds the log now does not make them younger than what it has stored."""
    harvest = small_world.harvest("run 1")
    fetch_two_pages(small_world, harvest)
    small_world.clock.forward(minutes=2)
    with lock.holding(harvest) as grip:
        lock.release(harvest, grip)
    second = small_world.harvest("run 2")
    lock.acquire(second, WINDOW, single_process=True)
    with lock.holding(second) as grip:
        log = fetch.begin(second, WINDOW, grip, parent_id=None, limit=None)
        assert (log.attempt, log.run_id) == (1, "run 2")
        small_world.window(second, grip, EARLIER)
        assert fetch.begin(second, WINDOW, grip, parent_id=None, limit=None).attempt == 2


def test_pages_that_a_run_found_there_grow_old_though_it_was_put_off(small_world: World) -> None:
    """As long as somebody was put off, pages of last week would be gone on with."""
    fetch_two_pages(small_world, small_world.harvest("run 1"))
    small_world.clock.forward(hours=23)
    second = small_world.harvest("run 2")
    lock.acquire(second, WINDOW, single_process=True)
    with lock.holding(second) as grip:
        assert fetch.begin(second, WINDOW, grip, parent_id=None, limit=None).attempt == 1
        small_world.clock.forward(hours=1)
        assert fetch.begin(second, WINDOW, grip, parent_id=None, limit=None).attempt == 2


@pytest.mark.parametrize(
    ("pages", "limit", "came"),
    [(0, 4, [4, 0]), (1, 6, [4, 2]), (1, 13, [10, 3]), (2, 3, [0, 3])],
    ids=["nothing is left", "no more is left than it has", "more is left", "it had used all of it up"],
)
def test_a_limit_holds_for_windows_that_are_put_off(
    small_world: World, pages: int, limit: int, came: list[int]
) -> None:
    """The window that waited found nothing left: its log said STARTED for ever, or its pages were thrown away."""
    harvest = small_world.harvest("run 1", limit=limit)
    lock.acquire(harvest, WINDOW, single_process=True)
    source = small_world.source
    source.items, source.breaks_at = records(10), pages
    with lock.holding(harvest) as grip:
        log = fetch.begin(harvest, WINDOW, grip, parent_id=None, limit=limit)
        with suppress(SourceUnreachable):
            fetch.fetch(harvest, small_world.harvester(), log, grip, nothing)
        source.breaks_at = None
        if left := fetch.limit_left(harvest, EARLIER):
            small_world.window(harvest, grip, EARLIER, limit=left)
        source.asked.clear()
        assert fetch.is_put_off(harvest, WINDOW)
        small_world.window(harvest, grip)
        finish.finish_run(harvest, [], grip)
    assert 0 not in source.asked
    logs = small_world.logs()
    assert [logs[one].counts.records if one in logs else 0 for one in (EARLIER, WINDOW)] == came
    assert {log.status for log in logs.values()} == {"SUCCEEDED"}
    assert sum(came) <= limit


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
