"""Late records are counted once, with the page that stores them: on both databases."""

from __future__ import annotations

from datetime import date

import pytest
from sqlalchemy import select

from harvest_dagster.pipeline import lease_guard
from harvest_dagster.records import Record
from harvest_dagster.storage import record_lags
from harvest_dagster.storage.harvest_log import counters
from harvest_dagster.storage.tables import record_lag
from harvest_dagster.windows import DAY, Window
from harvest_dagster_tests.pipeline.reconciling.sweep_world import run_sweep
from harvest_dagster_tests.pipeline.steps.test_store import Killed, kill_after
from harvest_dagster_tests.pipeline.world import MIDNIGHT, WINDOW, World, records

LONG_AGO = Window(MIDNIGHT - 100 * DAY, MIDNIGHT - 99 * DAY)


def counted(world: World) -> dict[tuple[str, int], int]:
    """Return the number of counted records by month and bound."""
    with world.database.read() as connection:
        rows = connection.execute(select(record_lag.c.month, record_lag.c.days, record_lag.c.records))
        return {(f"{month:%Y-%m}", days): number for month, days, number in rows}


def test_the_first_harvest_of_a_day_is_on_time_and_that_of_an_old_day_does_not_count(world: World) -> None:
    """A backfill of ten years would make each source ten years late."""
    world.source.items = records(3)
    world.run("run 1")
    world.source.items = records(3, "B", LONG_AGO.start)
    world.run("run 2", LONG_AGO)
    assert counted(world) == {("2024-05", 0): 3}


def test_a_record_that_an_earlier_list_did_not_have_is_late(world: World) -> None:
    """The second list is a lookback, or the repair of a sweep: both only repeat the window."""
    world.source.items = records(3)
    for day in range(6):
        world.run(f"day {day}", optimize=False)
        world.clock.forward(days=1)
    world.source.items += [Record("late", WINDOW.start, False, "L")]
    world.run("run 2", optimize=False)
    assert counted(world) == {("2024-05", 0): 3, ("2024-05", 8): 1}
    world.clock.forward(days=30)
    world.source.items += [Record("later", WINDOW.start, False, "M"), Record("too", WINDOW.start, True, "N")]
    world.run("run 3", WINDOW, superfluous=True)
    assert counted(world) == {("2024-05", 0): 3, ("2024-05", 8): 1, ("2024-06", 8): 2}


def test_the_earlier_list_may_be_that_of_another_window(world: World) -> None:
    """A schedule harvests one day, and the lookback harvests several days in one window."""
    world.source.items = []
    for days in (2, 1):
        world.run(f"day {days}", Window(MIDNIGHT - days * DAY, MIDNIGHT - (days - 1) * DAY))
        world.clock.forward(hours=2)
        world.run(f"day {days} again", Window(MIDNIGHT - days * DAY, MIDNIGHT - (days - 1) * DAY))
    world.clock.forward(days=1)
    world.source.items = [Record("late", MIDNIGHT - DAY / 2, False, "L")]
    world.run("lookback", Window(MIDNIGHT - 2 * DAY, MIDNIGHT), optimize=False)
    assert counted(world) == {("2024-05", 1): 1}


def test_a_record_that_changes_under_the_same_datestamp_is_not_late(world: World) -> None:
    """Some sources change their records with each request: their lookback would grow until its limit."""
    world.source.items = records(3)
    world.run("run 1")
    world.clock.forward(days=6)
    world.source.items = records(3, "B")
    (log,) = world.run("run 2", superfluous=True)
    assert (log.counts.new_data, counted(world)) == (3, {("2024-05", 0): 3})


def test_a_record_that_changed_late_is_late_once(world: World) -> None:
    """Its new datestamp lies in a window that was harvested. The list delivers it on two pages."""
    world.source.items = records(4, stamp=WINDOW.start)
    world.run("run 1")
    world.clock.forward(days=1)
    changed = Record("x0", WINDOW.start + DAY / 2, False, "B")
    world.source.items = [changed, *records(4)[1:], changed]
    world.run("run 2", superfluous=True)
    assert counted(world) == {("2024-05", 0): 4, ("2024-05", 1): 1}


@pytest.mark.parametrize("within_a_page", [True, False])
def test_after_a_kill_no_record_counts_twice(
    world: World, monkeypatch: pytest.MonkeyPatch, within_a_page: bool
) -> None:
    """The counts and the records are in one transaction. The earlier list still counts for the rest of the pages."""
    world.source.items = records(1)
    world.run("run 0")
    world.clock.forward(days=1)
    world.source.items = records(10)
    harvest = world.harvest("run 1", superfluous=True)
    with pytest.raises(Killed), lease_guard.hold_lease(harvest) as lease:  # noqa: PT012 - the run ends inside
        log = world.window(harvest, lease, until="split")
        if within_a_page:
            monkeypatch.setattr(counters, "count_page", _killed)
        world.step("store", harvest, log.id, lease, kill_after(2))
    monkeypatch.undo()
    assert counted(world) == ({("2024-05", 0): 1} | ({} if within_a_page else {("2024-05", 1): 3}))
    world.clock.forward(minutes=2)
    world.run("run 2", superfluous=True)
    assert counted(world) == {("2024-05", 0): 1, ("2024-05", 1): 9}


def _killed(*_: object, **__: object) -> None:
    raise Killed


def test_the_histogram_has_the_last_twelve_months_in_two_parts(world: World) -> None:
    """A change of the habit shows only if the last months are apart."""
    key = world.harvest().config_id
    with world.database.begin() as connection:
        for month in (
            date(2023, 5, 31),
            date(2023, 6, 1),
            date(2024, 3, 31),
            date(2024, 4, 1),
            date(2024, 5, 2),
        ):
            record_lags.add_lags(connection, key, month, {0: 10, 8: 1})
            record_lags.add_lags(connection, key, month, {8: 2, 999: 1})
    with world.database.read() as connection:
        found = record_lags.find_lags(connection, date(2024, 5, 31), [key, key + 1])
        january = record_lags.find_lags(connection, date(2025, 1, 1), [key])
    each = {0: 10, 8: 3, 999: 1}
    assert found == {key: ({bound: 2 * number for bound, number in each.items()},) * 2}
    assert january == {key: (dict.fromkeys(each, 0), {bound: 3 * number for bound, number in each.items()})}


def test_a_run_warns_of_a_fixed_lookback_that_is_too_short(world: World) -> None:
    """What comes later is lost until the next sweep, and nothing else shows it."""
    world.source.items = records(2)
    world.change(lookback="3d")
    key = world.harvest().config_id
    with world.database.begin() as connection:
        record_lags.add_lags(connection, key, MIDNIGHT.date(), {0: 900, 13: 100})
    world.run("run 1")
    (warning,) = [line for line in world.log_lines if "lookback" in line]
    assert "`lookback: 13d`" in warning
    world.log_lines.clear()
    world.change(lookback="auto")
    world.run("run 2", superfluous=True)
    assert not [line for line in world.log_lines if "lookback" in line]


def test_a_record_that_a_sweep_repairs_is_late(world: World) -> None:
    """Otherwise `lookback: auto` would never learn of records that come after all lookbacks."""
    world.source.items = records(3)
    for day in range(5):
        world.run(f"day {day}", optimize=False)
        world.clock.forward(days=1)
    world.clock.forward(days=20)
    world.source.items += [Record("late", WINDOW.start, False, "L")]
    world.source.total = 4
    assert run_sweep(world).findings.repaired == 1
    assert counted(world) == {("2024-05", 0): 3, ("2024-05", 5): 1}
