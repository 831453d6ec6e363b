"""A deferred window: which run keeps it, and for how long."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta

import pytest

from harvest_dagster.errors import LeaseHeld, RetryLater, SourceUnreachable
from harvest_dagster.pipeline import lease_guard
from harvest_dagster.pipeline.context import HarvestContext
from harvest_dagster.pipeline.fetching import deferral
from harvest_dagster.pipeline.orphaned_logs import close_logs_of_dead_runs
from harvest_dagster.pipeline.steps import fetch, finish
from harvest_dagster.processes import Process
from harvest_dagster.storage.harvest_log.queries import HarvestLog
from harvest_dagster.windows import DAY, Window
from harvest_dagster_tests.pipeline.test_lease_guard import elsewhere
from harvest_dagster_tests.pipeline.world import WINDOW, World, nothing, records

__all__ = ["elsewhere"]

AN_HOUR = RetryLater("the source says later.", seconds=3600)


def fetch_two_pages(world: World, harvest: HarvestContext) -> HarvestLog:
    """Fetch two pages; the third request fails."""
    world.source.items = records(10)
    world.source.breaks_at = 2
    with lease_guard.hold_lease(harvest) as lease:
        log = fetch.begin(harvest, WINDOW, lease, parent_id=None, limit=None)
        with pytest.raises(SourceUnreachable):
            fetch.fetch(harvest, world.client(), log, lease, nothing)
    world.source.breaks_at, world.source.asked = None, []
    return log


def defer(world: World, harvest: HarvestContext) -> HarvestLog:
    """Fetch two pages and defer the window, as an op does."""
    log = fetch_two_pages(world, harvest)
    with lease_guard.hold_lease(harvest) as lease:
        deferral.defer_window(harvest, log, lease, AN_HOUR)
    return log


@pytest.fixture(params=[True, False], ids=["one process", "a process for each op"])
def waiting(request: pytest.FixtureRequest, world: World) -> Iterator[tuple[HarvestContext, HarvestLog]]:
    """A run whose window is deferred for an hour."""
    harvest = world.harvest("run 1", single_process=request.param)
    lease_guard.acquire(harvest, WINDOW, single_process=request.param)
    return harvest, defer(world, harvest)


def test_no_run_takes_over_a_deferred_window(
    world: World, waiting: tuple[HarvestContext, HarvestLog]
) -> None:
    """Another run would request the list again, from a source that asked us to wait."""
    world.clock.forward(minutes=60)
    with pytest.raises(LeaseHeld):
        lease_guard.acquire(world.harvest("run 2"), WINDOW, single_process=True)
    assert close_logs_of_dead_runs(world.database, world.runs, world.clock) == []
    log = world.log(waiting[1].id)
    assert (log.status, log.run_id) == ("STARTED", "run 1")


def test_the_retry_continues_after_the_last_complete_page(
    world: World, waiting: tuple[HarvestContext, HarvestLog]
) -> None:
    """A long list would never end if each retry started from its first page (docs/failures.md#no-resume)."""
    harvest, _ = waiting
    world.clock.forward(minutes=61)
    with lease_guard.hold_lease(harvest) as lease:
        world.window(harvest, lease)
        finish.finish_run(harvest, [], lease)
    assert world.source.asked == [2, 4, 6, 8]  # 2: to see whether the list has changed
    assert len(world.stored()) == 10


def test_work_at_another_window_does_not_shorten_the_deferral(
    world: World, waiting: tuple[HarvestContext, HarvestLog]
) -> None:
    """Its renewals set the expiry to one minute from now; the lease would end long before the retry."""
    harvest, _ = waiting
    with lease_guard.hold_lease(harvest):
        pass
    world.clock.forward(minutes=59)
    with pytest.raises(LeaseHeld):
        lease_guard.acquire(world.harvest("run 2"), WINDOW, single_process=True)


def test_a_lost_machine_keeps_the_lease_for_the_deferral_and_a_minute(
    world: World, waiting: tuple[HarvestContext, HarvestLog]
) -> None:
    """No other machine can know that it is gone."""
    world.clock.forward(seconds=3600 * 1.25 + 60)
    lease_guard.acquire(world.harvest("run 2"), WINDOW, single_process=True)
    (closed,) = close_logs_of_dead_runs(world.database, world.runs, world.clock, spared={"run 2"})
    assert closed.log.id == waiting[1].id


def test_another_run_takes_over_at_once_from_a_run_killed_during_a_deferral(
    world: World, elsewhere: tuple[subprocess.Popen[bytes], Process]
) -> None:
    """After `kill -9`, a deferral of one hour would block the source for one hour."""
    running, process = elsewhere
    harvest = world.harvest("run 1", process)
    lease_guard.acquire(harvest, WINDOW, single_process=True)
    defer(world, harvest)
    running.send_signal(signal.SIGKILL)
    running.wait()
    lease_guard.acquire(world.harvest("run 2"), WINDOW, single_process=True)


def test_a_source_that_only_asks_to_wait_fails_after_a_day_without_a_page(world: World) -> None:
    """A loop of 503 answers had no end (docs/failures.md#retry-after)."""
    harvest = world.harvest("run 1")
    lease_guard.acquire(harvest, WINDOW, single_process=True)
    log = defer(world, harvest)
    for _ in range(23):
        world.clock.forward(hours=1)
        with lease_guard.hold_lease(harvest) as lease:
            deferral.defer_window(harvest, log, lease, AN_HOUR)
    world.clock.forward(hours=1)
    with (
        lease_guard.hold_lease(harvest) as lease,
        pytest.raises(SourceUnreachable, match="no page arrived for 24 h, only requests to wait: the source"),
    ):
        deferral.defer_window(harvest, log, lease, AN_HOUR)


def test_each_page_counts_as_progress(world: World) -> None:
    """The harvest of a source with an hourly quota may take days."""
    harvest = world.harvest("run 1")
    lease_guard.acquire(harvest, WINDOW, single_process=True)
    log = defer(world, harvest)
    began = world.clock()
    assert deferral.last_progress(harvest, log) == began
    world.clock.forward(hours=20)
    with lease_guard.hold_lease(harvest) as lease:
        fetch.fetch(harvest, world.client(), log, lease, nothing)
    assert deferral.last_progress(harvest, world.log(log.id)) == began + timedelta(hours=20)


def test_a_long_deferral_by_the_same_run_does_not_restart_the_list(world: World) -> None:
    """With an hourly quota, the list would start from its first page every day."""
    harvest = world.harvest("run 1")
    lease_guard.acquire(harvest, WINDOW, single_process=True)
    defer(world, harvest)
    world.clock.forward(hours=30)
    with lease_guard.hold_lease(harvest) as lease:
        world.window(harvest, lease)
    assert world.source.asked == [2, 4, 6, 8]  # 2: to see whether the list has changed


EARLIER = Window(WINDOW.start - DAY, WINDOW.start)
TODAY = Window(WINDOW.end, WINDOW.end + DAY)


@pytest.mark.parametrize("other", [EARLIER, WINDOW, TODAY])
def test_a_list_restarts_if_another_window_may_contain_newer_versions_of_its_records(
    small_world: World, other: Window
) -> None:
    """Its pages may contain an older version of a record whose newer version was stored since."""
    window = Window(WINDOW.start - 2 * DAY, EARLIER.start)
    harvest = small_world.harvest("run 1")
    lease_guard.acquire(harvest, window, single_process=True)
    small_world.source.items = records(2)
    with lease_guard.hold_lease(harvest) as lease:
        log = fetch.begin(harvest, window, lease, parent_id=None, limit=None)
        deferral.defer_window(harvest, log, lease, AN_HOUR)
        small_world.clock.forward(minutes=1)
        small_world.window(harvest, lease, other)
        again = fetch.begin(harvest, window, lease, parent_id=None, limit=None)
    assert again.attempt == (2 if other == TODAY else 1)


def test_the_pages_of_an_earlier_run_are_fetched_again_after_another_window_was_stored(
    small_world: World,
) -> None:
    """They are from yesterday. The window that this run has stored since may contain newer versions."""
    harvest = small_world.harvest("run 1")
    fetch_two_pages(small_world, harvest)
    small_world.clock.forward(minutes=2)
    with lease_guard.hold_lease(harvest) as lease:
        lease_guard.release(harvest, lease)
    second = small_world.harvest("run 2")
    lease_guard.acquire(second, WINDOW, single_process=True)
    with lease_guard.hold_lease(second) as lease:
        log = fetch.begin(second, WINDOW, lease, parent_id=None, limit=None)
        assert (log.attempt, log.run_id) == (1, "run 2")
        small_world.window(second, lease, EARLIER)
        assert fetch.begin(second, WINDOW, lease, parent_id=None, limit=None).attempt == 2


def test_the_pages_of_an_earlier_run_expire_even_if_the_run_was_deferred(small_world: World) -> None:
    """Otherwise a deferred run would use pages of last week."""
    fetch_two_pages(small_world, small_world.harvest("run 1"))
    small_world.clock.forward(hours=23)
    second = small_world.harvest("run 2")
    lease_guard.acquire(second, WINDOW, single_process=True)
    with lease_guard.hold_lease(second) as lease:
        assert fetch.begin(second, WINDOW, lease, parent_id=None, limit=None).attempt == 1
        small_world.clock.forward(hours=1)
        assert fetch.begin(second, WINDOW, lease, parent_id=None, limit=None).attempt == 2


@pytest.mark.parametrize(
    ("pages", "limit", "received"),
    [(0, 4, [4, 0]), (1, 6, [4, 2]), (1, 13, [10, 3]), (2, 3, [0, 3])],
    ids=["nothing is left", "as much is left as it has", "more is left", "it had used all of it"],
)
def test_a_limit_includes_deferred_windows(
    small_world: World, pages: int, limit: int, received: list[int]
) -> None:
    """The deferred window had nothing left of the limit: its log stayed STARTED, or its pages were dropped."""
    harvest = small_world.harvest("run 1", limit=limit)
    lease_guard.acquire(harvest, WINDOW, single_process=True)
    source = small_world.source
    source.items, source.breaks_at = records(10), pages
    with lease_guard.hold_lease(harvest) as lease:
        log = fetch.begin(harvest, WINDOW, lease, parent_id=None, limit=limit)
        with suppress(SourceUnreachable):
            fetch.fetch(harvest, small_world.client(), log, lease, nothing)
        source.breaks_at = None
        if fetch.remaining_limit(harvest, EARLIER):
            small_world.window(harvest, lease, EARLIER)
        source.asked.clear()
        assert fetch.is_deferred(harvest, WINDOW)
        small_world.window(harvest, lease)
        finish.finish_run(harvest, [], lease)
    assert 0 not in source.asked
    logs = small_world.logs()
    assert [logs[one].counts.records if one in logs else 0 for one in (EARLIER, WINDOW)] == received
    assert {log.status for log in logs.values()} == {"SUCCEEDED"}
    assert sum(received) <= limit


def test_an_op_waits_for_its_turn_at_least_as_long_as_the_rate_limit_requires(world: World) -> None:
    """If it were deferred between the two requests for a first page, each retry would only send the first."""
    harvest = world.harvest("run 1")
    lease_guard.acquire(harvest, WINDOW, single_process=True)
    log = fetch_two_pages(world, harvest)
    assert deferral.max_budget_wait(harvest, deferral.last_progress(harvest, log)) == 60
    world.clock.forward(hours=4)
    assert deferral.max_budget_wait(harvest, deferral.last_progress(harvest, log)) == 3600
    world.change(rate_limit={"calls": 1, "period": 3000})
    assert (
        deferral.max_budget_wait(world.harvest("run 1"), deferral.last_progress(world.harvest("run 1"), log))
        == 6000
    )
