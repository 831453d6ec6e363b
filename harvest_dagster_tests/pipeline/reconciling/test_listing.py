"""The list of all identifiers continues after an interruption, belongs to one run, and waits for harvests."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from harvest_dagster.errors import LeaseHeld, LeaseLost, SourceUnreachable
from harvest_dagster.orchestration.runs.local_runs import RunMonitor
from harvest_dagster.pipeline import lease_guard
from harvest_dagster.pipeline.context import RunOutcome
from harvest_dagster.pipeline.reconciling.listing import list_headers, spool_of
from harvest_dagster.pipeline.reconciling.sweep_guard import begin_sweep, hold_sweep
from harvest_dagster.pipeline.source_access import WaitLimits
from harvest_dagster.windows import ALL_TIME
from harvest_dagster_tests.pipeline.fakes import FakeClient
from harvest_dagster_tests.pipeline.reconciling.sweep_world import held_sweep, last_sweep, run_sweep
from harvest_dagster_tests.pipeline.world import World, records


def test_a_sweep_continues_after_the_last_page(world: World) -> None:
    """A sweep of a large source takes days: it would never end if each interruption began it again."""
    world.source.items, world.source.breaks_at = [*records(6)], 2
    with pytest.raises(SourceUnreachable):
        run_sweep(world, "sweep 1")
    broken = last_sweep(world)
    assert broken.status == "FAILED"
    world.source.breaks_at = None
    sweep = run_sweep(world, "sweep 2", between=lambda: world.source.asked.append(-1))
    assert sweep.id == broken.id
    listed = world.source.asked[: world.source.asked.index(-1)]
    assert listed.count(0) == 1
    assert sorted(set(listed)) == [0, 2, 4]


def test_the_progress_of_the_list_is_reported(small_world: World) -> None:
    """`harvest reconcile` showed no progress of a list that takes days."""
    small_world.source.items, small_world.source.breaks_at = [*records(6)], 2
    monitor = RunMonitor()
    harvest = small_world.harvest("sweep 1")
    harvest = replace(harvest, run=replace(harvest.run, monitor=monitor))
    with held_sweep(harvest) as guard:
        with pytest.raises(SourceUnreachable):
            list_headers(harvest, guard, open_headers=small_world.open_source)
        shown = monitor.progress
        assert (shown.windows, shown.windows_ended, shown.pages, shown.records) == (1, 0, 2, 4)
        small_world.source.breaks_at = None
        for _ in range(2):  # a repetition counts no window twice
            list_headers(harvest, guard, open_headers=small_world.open_source)
    shown = monitor.progress
    assert (shown.windows, shown.windows_ended, shown.share) == (1, 1, 1.0)
    assert shown.fetched_records == 6


@pytest.mark.parametrize("reason", ["a week has passed", "other arguments"])
def test_a_sweep_that_cannot_be_continued_begins_again(small_world: World, reason: str) -> None:
    """Its pages are too old, or answer another question."""
    world = small_world
    world.source.items, world.source.breaks_at = [*records(6)], 2
    with pytest.raises(SourceUnreachable):
        run_sweep(world, "sweep 1")
    broken = last_sweep(world)
    world.source.breaks_at = None
    if reason == "other arguments":
        world.change(harvester_kwargs={"anything": "else"})
    else:
        world.clock.forward(days=7)
    sweep = run_sweep(world, "sweep 2")
    assert sweep.id != broken.id
    assert not list(world.folder.glob("*/sweep-*"))


def test_a_second_run_waits_for_a_live_sweep(world: World) -> None:
    """Two sweeps of a source at a time would send all its requests twice."""
    with held_sweep(world.harvest("sweep 1")), pytest.raises(LeaseHeld, match="sweep 1 has been comparing"):
        begin_sweep(world.harvest("sweep 2"), single_process=True)


def test_the_sweep_of_a_dead_run_is_taken_over_and_the_dead_run_writes_nothing_more(world: World) -> None:
    """A process that was suspended would overwrite the sweep of the run that continues it."""
    late = world.harvest("sweep 1")
    with held_sweep(late) as guard:
        world.clock.forward(minutes=2)
        with held_sweep(world.harvest("sweep 2")) as other:
            assert other.sweep_id == guard.sweep_id
            with pytest.raises(LeaseLost, match="run sweep 2 took it over"):
                list_headers(late, guard, open_headers=world.open_source)
    world.outcomes["sweep 2"] = RunOutcome("FAILED", "killed")
    begin_sweep(world.harvest("sweep 3"), single_process=True)


def test_a_run_that_has_ended_is_dead_at_once(small_world: World) -> None:
    """Otherwise the next run waits a minute for nothing."""
    with held_sweep(small_world.harvest("sweep 1")):
        small_world.outcomes["sweep 1"] = RunOutcome("FAILED", "killed")
        begin_sweep(small_world.harvest("sweep 2"), single_process=True)


def test_between_two_ops_with_processes_of_their_own_the_sweep_is_kept(small_world: World) -> None:
    """The process of the first op has ended, but its run has not."""
    world = small_world
    world.longest_start = timedelta(minutes=15)
    harvest = world.harvest("sweep 1", single_process=False)
    sweep = begin_sweep(harvest, single_process=False)
    with hold_sweep(harvest, sweep.id):
        assert last_sweep(world).process == harvest.run.process
    assert last_sweep(world).process is None
    world.clock.forward(minutes=10)
    with pytest.raises(LeaseHeld):
        begin_sweep(world.harvest("sweep 2"), single_process=True)


def test_the_list_waits_while_the_source_is_harvested(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A harvest is more urgent. After a while the worker is free for other work, and the sweep stays with its run."""
    world.source.items, world.longest_start = [*records(2)], timedelta(minutes=15)
    harvester, harvest = world.harvest("run 1"), world.harvest("sweep 1")
    monkeypatch.setitem(vars(harvest.source), "wait_limits", WaitLimits(longest_wait=0.0))
    with held_sweep(harvest) as guard:
        with lease_guard.hold_lease(harvester) as lease:
            with pytest.raises(LeaseHeld, match="run 1 harvests this source"):
                list_headers(harvest, guard, open_headers=world.open_source)
            assert world.source.asked == []
            expires = last_sweep(world).expires
            assert expires is not None
            assert expires > world.clock() + timedelta(minutes=14)
            lease_guard.release(harvester, lease)
        list_headers(harvest, guard, open_headers=world.open_source)
    assert world.source.asked == [0]


def test_a_damaged_list_is_requested_again(small_world: World) -> None:
    """Otherwise a bit that changed on the disk ends all further sweeps of a week."""
    world, harvest = small_world, small_world.harvest("sweep 1")
    world.source.items = [*records(4)]
    with held_sweep(harvest) as guard:
        sweep = list_headers(harvest, guard, open_headers=world.open_source)
        page = world.folder / spool_of(harvest, sweep, 0).path / "pages" / "000001.zst"
        page.write_bytes(b"damaged")
        list_headers(harvest, guard, open_headers=world.open_source)
    assert world.source.asked == [0, 2, 0, 2]
    assert any("is requested again" in line for line in world.log_lines)


@pytest.mark.parametrize(("lists_everything", "expected"), [(True, "complete"), (False, "unverified")])
def test_a_list_that_lacks_existing_records_proves_nothing(
    small_world: World, monkeypatch: pytest.MonkeyPatch, lists_everything: bool, expected: str
) -> None:
    """With a total of its newest records, a source such as a feed would lose all older ones here."""
    small_world.source.items, small_world.source.total = [*records(4)], 4
    monkeypatch.setattr(FakeClient, "lists_everything", lists_everything)
    assert run_sweep(small_world).completeness == expected


def test_a_source_that_cannot_be_divided_is_one_list_without_dates(small_world: World) -> None:
    """Windows of it would download everything several times."""
    small_world.source.items = [*records(4)]
    assert run_sweep(small_world).windows == (ALL_TIME,)


def test_a_run_that_is_executed_again_continues_the_sweep_of_the_failed_run(small_world: World) -> None:
    """Dagster starts it with the op that failed, so it does not begin the sweep again."""
    world = small_world
    world.source.items, world.source.breaks_at = [*records(4)], 0
    with pytest.raises(SourceUnreachable):
        run_sweep(world, "sweep 1")
    failed, again = last_sweep(world), world.harvest("sweep 2")
    with pytest.raises(LeaseLost), hold_sweep(again, failed.id):
        pass
    again = replace(again, run=replace(again.run, earlier_ids=("sweep 1",)))
    with hold_sweep(again, failed.id) as guard:
        assert (guard.read().run_id, guard.read().status) == ("sweep 2", "STARTED")
