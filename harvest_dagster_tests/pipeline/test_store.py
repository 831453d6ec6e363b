"""Data and progress in one transaction, whatever comes between two pages: on both databases."""

from __future__ import annotations

import pytest

from harvest_dagster.errors import LeaseLost
from harvest_dagster.pipeline import fetch, lock
from harvest_dagster.storage import harvest_progress
from harvest_dagster.storage.harvest_logs import Counts
from harvest_dagster.storage.tables import ingest_log
from harvest_dagster_tests.pipeline.world import WINDOW, World, records


class Killed(BaseException):
    """Like the end of the process: nothing below catches it."""


def kill_after(pages: int):
    """A check that ends the process after so many pages."""
    left = iter(range(pages - 1))

    def check() -> None:
        if next(left, None) is None:
            raise Killed

    return check


def test_killed_between_two_pages_progress_and_data_agree_and_the_next_run_stores_the_rest(
    world: World,
) -> None:
    """Lesson 6: a cursor that moved on before its data came loses them."""
    world.source.items = records(10)
    harvest = world.harvest("run 1")
    with pytest.raises(Killed), lock.holding(harvest) as grip:  # noqa: PT012 - the run ends inside
        log = world.window(harvest, grip, until="split")
        world.step("store", harvest, log.id, grip, kill_after(2))
    killed = world.log(log.id)
    assert (killed.pages_stored, killed.counts.records, killed.counts.new_data) == (2, 4, 4)
    assert len(world.stored()) == 4
    world.source.asked.clear()
    world.clock.forward(minutes=2)
    (done,) = world.run("run 2")
    assert world.source.asked == []
    assert len(world.stored()) == 10
    assert done.counts == Counts(pages=5, records=10, new_identifiers=10, new_data=10)
    assert len(world.rows(ingest_log, "raw_id")) == 10


def test_killed_within_a_page_nothing_of_it_is_there(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lesson 6, in the middle of the transaction: the rows are written, the progress is not."""
    world.source.items = records(4)

    def killed(*_: object, **__: object) -> None:
        raise Killed

    harvest = world.harvest("run 1")
    with pytest.raises(Killed), lock.holding(harvest) as grip:  # noqa: PT012 - the run ends inside
        log = world.window(harvest, grip, until="split")
        monkeypatch.setattr(harvest_progress, "advance", killed)
        world.step("store", harvest, log.id, grip)
    monkeypatch.undo()
    assert (world.stored(), world.log(log.id).pages_stored) == ([], 0)


def test_storing_twice_changes_nothing(world: World) -> None:
    """An op that is retried, and a window that is harvested again."""
    world.source.items = records(3)
    (first,) = world.run("run 1")
    before = world.stored()
    (again,) = world.run("run 2", superfluous=True)
    assert world.stored() == before
    assert (again.counts.records, again.counts.new_data, again.counts.new_identifiers) == (3, 0, 0)
    assert (again.id, again.completions) == (first.id, 2)


def test_a_run_that_lost_its_lease_writes_nothing_more(world: World) -> None:
    """Lesson 11: the session lock went to another worker, the first kept writing."""
    world.source.items = records(4)
    late = world.harvest("late")
    with pytest.raises(LeaseLost, match="run late lost its lease"), lock.holding(late) as grip:  # noqa: PT012 - the run ends inside
        log = world.window(late, grip, until="split")
        world.clock.forward(minutes=2)
        world.source.items = records(2, "B")
        other = world.harvest("other")
        with lock.holding(other) as others:
            begun = fetch.begin(other, WINDOW, others, parent_id=None, limit=None)
        world.step("store", late, log.id, grip)
    assert world.stored() == []
    assert world.log(begun.id).run_id == "other"


@pytest.mark.parametrize("step", ["fetch", "store", "launch", "finish"])
def test_no_step_writes_without_the_lease(world: World, step: str) -> None:
    """Lesson 11, for each step that writes: the log stays as the other run's work has it."""
    world.source.items = records(4)
    until = {"fetch": "fetch", "store": "split", "launch": "store", "finish": "launch"}[step]
    late = world.harvest("late")
    with pytest.raises(LeaseLost), lock.holding(late) as grip:  # noqa: PT012 - the run ends inside
        log = world.window(late, grip, until=until)
        world.clock.forward(minutes=2)
        with lock.holding(world.harvest("other")):
            before = world.log(log.id), world.stored(), world.rows(ingest_log, "status")
        world.step(step, late, log.id, grip)
    assert (world.log(log.id), world.stored(), world.rows(ingest_log, "status")) == before
