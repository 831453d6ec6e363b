"""All data of a window is launched, each datum in the partition of its day."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta, timezone

import pytest
from sqlalchemy import delete, text, update

from harvest_dagster.errors import QuarantineLimitExceeded
from harvest_dagster.pipeline import lease_guard
from harvest_dagster.pipeline.completed_days import DayCounts
from harvest_dagster.pipeline.context import HarvestContext
from harvest_dagster.pipeline.storing.day_counter import partition_days
from harvest_dagster.records import InvalidRecord, Record
from harvest_dagster.storage.database import Database
from harvest_dagster.storage.harvest_log.queries import HarvestLog
from harvest_dagster.storage.tables import ingest_log
from harvest_dagster.windows import DAY, Window
from harvest_dagster_tests.pipeline.steps.test_store import Killed, kill_after
from harvest_dagster_tests.pipeline.world import WINDOW, World, records


def statuses(world: World) -> list[str]:
    return [status for (status,) in world.rows(ingest_log, "status")]


def forget_queued_pages(harvest: HarvestContext, log: HarvestLog) -> None:
    """Leave a window as a version leaves it whose step store does not add to the queue."""
    harvest.attempt(log).write_result("queued", "damaged")
    with harvest.run.database.begin() as connection:
        connection.execute(delete(ingest_log))


@pytest.mark.parametrize("pages", [0, 1, 2])
def test_the_next_run_launches_what_a_killed_run_stored(world: World, pages: int) -> None:
    """That data is not new to the next run, and was never transformed (docs/failures.md#stored-but-not-launched)."""
    world.change(transformer="oai_dc")
    world.source.items = records(6)
    harvest = world.harvest("run 1")
    with pytest.raises(Killed), lease_guard.hold_lease(harvest) as lease:  # noqa: PT012 - the run ends inside
        log = world.window(harvest, lease, until="store")
        forget_queued_pages(harvest, log)
        if pages:
            world.step("launch", harvest, log.id, lease, kill_after(pages))
        raise Killed
    assert len(statuses(world)) == 2 * pages
    world.clock.forward(minutes=2)
    world.run("run 2")
    assert statuses(world) == ["PENDING"] * 6


@pytest.mark.parametrize("pages", [1, 2, 3])
def test_data_of_a_killed_step_store_are_launched_once(world: World, pages: int) -> None:
    """Its transactions have queued the data of some pages. The next run must neither lose the others nor add twice."""
    world.change(transformer="oai_dc")
    world.source.items = records(6)
    harvest = world.harvest("run 1")
    with pytest.raises(Killed), lease_guard.hold_lease(harvest) as lease:  # noqa: PT012 - the run ends inside
        log = world.window(harvest, lease, until="split")
        world.step("store", harvest, log.id, lease, kill_after(pages))
    assert len(statuses(world)) == 2 * pages
    world.clock.forward(minutes=2)
    harvest = world.harvest("run 2")
    with lease_guard.hold_lease(harvest) as lease:
        log = world.window(harvest, lease, until="store")
        counts = world.step("launch", harvest, log.id, lease)
    assert counts == {WINDOW.start.date(): DayCounts(6, 0)}
    assert statuses(world) == ["PENDING"] * 6


def test_the_step_launch_reads_no_page_that_the_step_store_has_queued(world: World) -> None:
    """It would do again what the step store has done, for as long as that took."""
    world.change(transformer="oai_dc")
    world.source.items = records(6)
    harvest = world.harvest("run 1")
    with lease_guard.hold_lease(harvest) as lease:
        log = world.window(harvest, lease, until="store")
        harvest.attempt(log).write_parsed_file(0, b"damaged")
        assert statuses(world) == ["PENDING"] * 6
        counts = world.step("launch", harvest, log.id, lease)
    assert counts == {WINDOW.start.date(): DayCounts(6, 0)}
    assert [sample.identifier for sample in counts[WINDOW.start.date()].samples] == ["x0", "x1", "x2"]


@pytest.mark.parametrize("before", ["no transformer", "transform: false", "not superfluous"])
def test_data_that_were_queued_with_other_options_are_launched_again(world: World, before: str) -> None:
    """A run that is executed again with other parameters must not rely on the queue of the first one."""
    world.change(transformer=None if before == "no transformer" else "oai_dc")
    world.source.items = records(4)
    harvest = world.harvest("run 1", transform=before != "transform: false")
    with lease_guard.hold_lease(harvest) as lease:
        log = world.window(harvest, lease, until="store")
        with harvest.run.database.begin() as connection:
            connection.execute(
                update(ingest_log).where(ingest_log.c.status == "PENDING").values(status="SUCCEEDED")
            )
        world.change(transformer="oai_dc")
        again = world.harvest("run 1", superfluous=before == "not superfluous")
        assert world.step("launch", again, log.id, lease) == {WINDOW.start.date(): DayCounts(4, 0)}
    pending = [status for status in statuses(world) if status == "PENDING"]
    assert pending == ["PENDING"] * 4


def test_a_window_that_will_fail_queues_no_data(world: World) -> None:
    """Its valid records are launched when a later harvest succeeds (docs/decisions/0015)."""
    world.change(transformer="oai_dc", quarantine={"records": 0, "share": 0.1})
    world.source.items = [*records(4), *(InvalidRecord(b"?", "broken", f"y{n}") for n in range(2))]
    with pytest.raises(QuarantineLimitExceeded):
        world.run("run 1")
    assert (len(world.stored()), statuses(world)) == (4, [])


def test_a_second_harvest_writes_no_ingest_log(database: Database, world: World) -> None:
    """An update that changes nothing still locks the row, writes it again, or writes to its page."""
    world.change(transformer="oai_dc")
    world.source.items = records(6)
    world.run("run 1")
    names = "xmin, xmax, ctid" if database.dialect == "postgresql" else "date_modified"
    query = text(f"SELECT {names} FROM ingest_log ORDER BY id")
    with database.read() as connection:
        before = connection.execute(query).all()
    harvest = world.harvest("run 2", superfluous=False)
    with lease_guard.hold_lease(harvest) as lease:
        log = world.window(harvest, lease, until="store")
        harvest.attempt(log).write_result("queued", "damaged")
        world.step("launch", harvest, log.id, lease)
    with database.read() as connection:
        assert connection.execute(query).all() == before


def test_content_that_returns_is_launched_again(world: World) -> None:
    """A run stores A again after B, and dies before launch (docs/failures.md#content-returns)."""
    world.change(transformer="oai_dc")
    for number, content in enumerate("AB"):
        world.source.items = records(1, content)
        world.run(f"run {number}", superfluous=True)
    world.source.items = records(1, "A")
    harvest = world.harvest("dead")
    with pytest.raises(Killed), lease_guard.hold_lease(harvest) as lease:  # noqa: PT012 - the run ends inside
        world.window(harvest, lease, until="store")
        raise Killed
    world.clock.forward(minutes=2)
    world.run("last", superfluous=True)
    assert world.rows(ingest_log, "status", "revision") == [("PENDING", 3), ("PENDING", 2)]


def test_an_old_version_is_stored_and_not_launched(world: World) -> None:
    """A backfill that ran backwards deleted live records (docs/failures.md#old-version-arrives-late)."""
    world.change(transformer="oai_dc")
    newer = Record("x", WINDOW.start + timedelta(hours=18), False, "live")
    world.source.items = [newer, replace(newer, datestamp=WINDOW.start, deleted=True, blob="deleted")]
    log = world.run("run 1")[-1]
    assert (log.counts.records, log.counts.new_data, log.counts.outdated) == (2, 2, 1)
    assert world.rows(ingest_log, "status", "revision") == [("PENDING", 1), ("CREATED", 0)]
    assert "1 records are older than what is stored" in " ".join(world.log_lines)


def test_an_old_version_is_launched_once_the_record_returns_to_it(world: World) -> None:
    """Its log is CREATED, and would stay so although the content is current now."""
    world.change(transformer="oai_dc")
    newer = Record("x", WINDOW.start + timedelta(hours=18), False, "B")
    for number, (blob, hours) in enumerate([("B", 18), ("A", 3), ("A", 20)]):
        world.source.items = [replace(newer, datestamp=WINDOW.start + timedelta(hours=hours), blob=blob)]
        world.run(f"run {number}", superfluous=True)
    assert world.rows(ingest_log, "status", "revision") == [("PENDING", 1), ("PENDING", 2)]


@pytest.mark.parametrize(
    ("transformer", "transform", "status"),
    [("oai_dc", True, "PENDING"), ("oai_dc", False, "CREATED"), (None, True, "CREATED")],
)
def test_only_data_to_be_transformed_is_pending(
    world: World, transformer: str | None, transform: bool, status: str
) -> None:
    """A PENDING log without a transformer would wait forever, and one that was not requested would run."""
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
    """A day outside the window has no partition in this run, so its data would never be transformed."""
    assert partition_days(TWO_DAYS, date(2000, 1, 1))(Record("x", stamp, False, "A")) == day


def test_the_records_of_each_day_are_counted_and_the_logs_have_their_day(world: World) -> None:
    """The partitions show the counts, and the transform asset finds its data by the day."""
    days = [date(2024, 4, 28), date(2024, 4, 29)]
    instants = [datetime(day.year, day.month, day.day, 5, tzinfo=timezone.utc) for day in days]
    world.source.items = [
        Record("x", instants[0], False, "A"),
        Record("y", instants[1], True, "B"),
        Record("z", instants[1], False, "C"),
    ]
    harvest = world.harvest()
    with lease_guard.hold_lease(harvest) as lease:
        log = world.window(harvest, lease, Window(instants[0], WINDOW.end), until="store")
        found = world.step("launch", harvest, log.id, lease)
    assert found == {days[0]: DayCounts(1, 0), days[1]: DayCounts(2, 1)}
    assert [day for (day,) in world.rows(ingest_log, "partition_date")] == [days[0], days[1], days[1]]


def test_the_same_datum_twice_on_a_page_gets_one_log(world: World) -> None:
    """Sources repeat records on a page, but one statement may change a row only once."""
    world.change(transformer="oai_dc")
    world.source.items = [*records(1), *records(1)]
    world.run("run 1")
    assert statuses(world) == ["PENDING"]
