"""Everything that a window holds is launched, and each datum in the partition of its day."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone

import pytest

from harvest_dagster.pipeline import lock
from harvest_dagster.pipeline.launch import DayCounts, partition_day
from harvest_dagster.records import Record
from harvest_dagster.storage.tables import ingest_log
from harvest_dagster.windows import DAY, Window
from harvest_dagster_tests.pipeline.test_store import Killed, kill_after
from harvest_dagster_tests.pipeline.world import WINDOW, World, records


def statuses(world: World) -> list[str]:
    return [status for (status,) in world.rows(ingest_log, "status")]


@pytest.mark.parametrize("pages", [0, 1, 2])
def test_what_a_killed_run_stored_is_launched_by_the_next(world: World, pages: int) -> None:
    """Lesson 9: data stored by a killed run was not new to the next run, so it was never transformed."""
    world.change(transformer="oai_dc")
    world.source.items = records(6)
    harvest = world.harvest("run 1")
    with pytest.raises(Killed), lock.holding(harvest) as grip:  # noqa: PT012 - the run ends inside
        log = world.window(harvest, grip, until="store")
        if pages:
            world.step("launch", harvest, log.id, grip, kill_after(pages))
        raise Killed
    assert len(statuses(world)) == 2 * pages
    world.clock.forward(minutes=2)
    world.run("run 2")
    assert statuses(world) == ["PENDING"] * 6


def test_content_that_comes_back_is_launched_again(world: World) -> None:
    """Lesson 3, the whole way: A, B, A; a run that stored the second A and died left it to the next."""
    world.change(transformer="oai_dc")
    for number, content in enumerate("AB"):
        world.source.items = records(1, content)
        world.run(f"run {number}", superfluous=True)
    world.source.items = records(1, "A")
    harvest = world.harvest("dead")
    with pytest.raises(Killed), lock.holding(harvest) as grip:  # noqa: PT012 - the run ends inside
        world.window(harvest, grip, until="store")
        raise Killed
    world.clock.forward(minutes=2)
    world.run("last", superfluous=True)
    assert world.rows(ingest_log, "status", "revision") == [("PENDING", 3), ("PENDING", 2)]


@pytest.mark.parametrize(
    ("transformer", "transform", "status"),
    [("oai_dc", True, "PENDING"), ("oai_dc", False, "CREATED"), (None, True, "CREATED")],
)
def test_only_what_is_to_be_transformed_waits_for_it(
    world: World, transformer: str | None, transform: bool, status: str
) -> None:
    """A PENDING log without a transformer would wait for ever; one that was not wanted would run."""
    world.change(transformer=transformer)
    world.source.items = records(1)
    world.run("run 1", transform=transform)
    assert statuses(world) == [status]


NOON = WINDOW.start + timedelta(hours=12)
TWO_DAYS = Window(NOON, NOON + DAY)


@pytest.mark.parametrize(
    ("stamp", "day"),
    [
        (NOON, date(2024, 4, 30)),
        (WINDOW.end, date(2024, 5, 1)),
        (TWO_DAYS.end - timedelta(microseconds=1), date(2024, 5, 1)),
        (TWO_DAYS.end, date(2024, 4, 30)),
        (NOON - timedelta(seconds=1), date(2024, 4, 30)),
        (None, date(2024, 4, 30)),
    ],
)
def test_a_record_belongs_to_the_day_of_its_datestamp_within_the_window(
    stamp: datetime | None, day: date
) -> None:
    """A day outside of the window has no partition in this run: its data would never be transformed."""
    assert partition_day(Record("x", stamp, False, "A"), TWO_DAYS, date(2000, 1, 1)) == day


def test_the_days_are_counted_and_named_on_the_logs(world: World) -> None:
    """What the partitions of a range show, and what their transform asset looks for."""
    days = [date(2024, 4, 28), date(2024, 4, 29)]
    instants = [datetime(day.year, day.month, day.day, 5, tzinfo=timezone.utc) for day in days]
    world.source.items = [
        Record("x", instants[0], False, "A"),
        Record("y", instants[1], True, "B"),
        Record("z", instants[1], False, "C"),
    ]
    harvest = world.harvest()
    with lock.holding(harvest) as grip:
        log = world.window(harvest, grip, Window(instants[0], WINDOW.end), until="store")
        found = world.step("launch", harvest, log.id, grip)
    assert found == {days[0]: DayCounts(1, 0), days[1]: DayCounts(2, 1)}
    assert [day for (day,) in world.rows(ingest_log, "partition_date")] == [days[0], days[1], days[1]]


def test_the_same_datum_twice_on_a_page_is_one_log(world: World) -> None:
    """Sources repeat records on a page; one statement may touch a row once only."""
    world.change(transformer="oai_dc")
    world.source.items = [*records(1), *records(1)]
    world.run("run 1")
    assert statuses(world) == ["PENDING"]
