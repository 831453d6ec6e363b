"""Data and progress share one transaction, whatever happens between two pages: on both databases."""

from __future__ import annotations

from datetime import date

import pytest

from harvest_dagster.errors import LeaseLost
from harvest_dagster.pipeline import lease_guard
from harvest_dagster.pipeline.steps import fetch
from harvest_dagster.records import Record
from harvest_dagster.storage import day_versions
from harvest_dagster.storage.counts import Counts
from harvest_dagster.storage.harvest_log import counters
from harvest_dagster.storage.tables import ingest_log
from harvest_dagster.windows import DAY, Window
from harvest_dagster_tests.pipeline.world import WINDOW, World, records


class Killed(BaseException):
    """Stands for the end of the process: no other code catches it."""


def kill_after(pages: int):
    """Return a callback that ends the process after so many pages."""
    remaining = iter(range(pages - 1))

    def keep_going() -> None:
        if next(remaining, None) is None:
            raise Killed

    return keep_going


def test_after_a_kill_between_two_pages_progress_and_data_agree_and_the_next_run_stores_the_rest(
    world: World,
) -> None:
    """A cursor that advances before its data is stored loses data (docs/failures.md#cursor-before-data)."""
    world.source.items = records(10)
    harvest = world.harvest("run 1")
    with pytest.raises(Killed), lease_guard.hold_lease(harvest) as lease:  # noqa: PT012 - the run ends inside
        log = world.window(harvest, lease, until="split")
        world.step("store", harvest, log.id, lease, kill_after(2))
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


def test_after_a_kill_within_a_page_nothing_of_it_is_stored(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kill happens in the transaction, after the rows and before the progress."""
    world.source.items = records(4)

    def killed(*_: object, **__: object) -> None:
        raise Killed

    harvest = world.harvest("run 1")
    with pytest.raises(Killed), lease_guard.hold_lease(harvest) as lease:  # noqa: PT012 - the run ends inside
        log = world.window(harvest, lease, until="split")
        monkeypatch.setattr(counters, "count_page", killed)
        world.step("store", harvest, log.id, lease)
    monkeypatch.undo()
    assert (world.stored(), world.log(log.id).pages_stored) == ([], 0)


def test_storing_twice_changes_nothing(world: World) -> None:
    """An op may be retried, and a window harvested again."""
    world.source.items = records(3)
    (first,) = world.run("run 1")
    before = world.stored()
    (again,) = world.run("run 2", superfluous=True)
    assert world.stored() == before
    assert (again.counts.records, again.counts.new_data, again.counts.new_identifiers) == (3, 0, 0)
    assert (again.id, again.completions) == (first.id, 2)


def test_a_run_that_lost_its_lease_writes_nothing_more(world: World) -> None:
    """A worker that had lost its lock kept writing (docs/failures.md#lost-lock-keeps-writing)."""
    world.source.items = records(4)
    late = world.harvest("late")
    with pytest.raises(LeaseLost, match="run late lost its lease"), lease_guard.hold_lease(late) as lease:  # noqa: PT012 - the run ends inside
        log = world.window(late, lease, until="split")
        world.clock.forward(minutes=2)
        world.source.items = records(2, "B")
        other = world.harvest("other")
        with lease_guard.hold_lease(other) as others:
            begun = fetch.begin(other, WINDOW, others, parent_id=None, limit=None)
        world.step("store", late, log.id, lease)
    assert world.stored() == []
    assert world.log(begun.id).run_id == "other"


@pytest.mark.parametrize("step", ["fetch", "store", "launch", "finish"])
def test_no_step_writes_without_the_lease(world: World, step: str) -> None:
    """The same for each step that writes: the log stays as the other run left it."""
    world.source.items = records(4)
    until = {"fetch": "fetch", "store": "split", "launch": "store", "finish": "launch"}[step]
    late = world.harvest("late")
    with pytest.raises(LeaseLost), lease_guard.hold_lease(late) as lease:  # noqa: PT012 - the run ends inside
        log = world.window(late, lease, until=until)
        world.clock.forward(minutes=2)
        with lease_guard.hold_lease(world.harvest("other")):
            before = world.log(log.id), world.stored(), world.rows(ingest_log, "status")
        world.step(step, late, log.id, lease)
    assert (world.log(log.id), world.stored(), world.rows(ingest_log, "status")) == before


def versions(world: World, asset: str = "raw") -> dict[date, str]:
    """Return the data versions of all days."""
    with world.database.read() as connection:
        return day_versions.find_versions(connection, 1, asset, date.min, date.max)


def test_the_data_version_of_a_day_changes_only_with_its_data(world: World) -> None:
    """Otherwise a day that is harvested again without a change wakes everything downstream."""
    stamps = (WINDOW.start, WINDOW.start - DAY)
    both = Window(WINDOW.start - DAY, WINDOW.end)
    world.source.items = [Record(f"x{n}", stamps[n % 2], False, f"A{n}") for n in range(6)]
    world.run("run 1", both)
    first = versions(world)
    assert set(first) == {stamp.date() for stamp in stamps}
    world.run("run 2", both, superfluous=True)
    assert versions(world) == first
    world.source.items[0] = Record("x0", stamps[0], False, "changed")
    world.run("run 3", both, superfluous=True)
    changed, other = (stamp.date() for stamp in stamps)
    assert versions(world)[changed] != first[changed]
    assert versions(world)[other] == first[other]


@pytest.mark.parametrize("last", [("A0", False), ("", True)], ids=["content that returns", "a deletion"])
def test_content_that_returns_and_deletions_change_the_data_version(
    world: World, last: tuple[str, bool]
) -> None:
    """Otherwise what is downstream keeps a document that the source has replaced or deleted."""
    content, deleted = last
    found = []
    for run, record in enumerate(
        (
            Record("x0", WINDOW.start, False, "A0"),
            Record("x0", WINDOW.start, False, "B0"),
            Record("x0", WINDOW.start, deleted, content),
        )
    ):
        world.source.items = [record]
        world.run(f"run {run}", superfluous=True)
        found.append(versions(world)[WINDOW.start.date()])
    assert len(set(found)) == 3


def test_a_page_that_a_killed_run_stored_counts_once_in_the_data_version(world: World) -> None:
    """Otherwise the same data has another version after each crash."""
    world.source.items = records(10)
    harvest = world.harvest("run 1")
    with pytest.raises(Killed), lease_guard.hold_lease(harvest) as lease:  # noqa: PT012 - the run ends inside
        log = world.window(harvest, lease, until="split")
        world.step("store", harvest, log.id, lease, kill_after(2))
    world.clock.forward(minutes=2)
    world.run("run 2")
    day = WINDOW.start.date()
    digests = [day_versions.digest_of(record.identifier, record.hash, 1) for record in records(10)]
    assert versions(world) == {day: f"{sum(digests) % 2**62:016x}"}
