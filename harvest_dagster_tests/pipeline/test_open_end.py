"""A REST source that can only be asked from an instant on: one list serves a range of any length."""

from __future__ import annotations

from datetime import timedelta

import pytest

from harvest_dagster.diagnosis.backfill import find_windows
from harvest_dagster.errors import IncompleteList
from harvest_dagster.pipeline import lease_guard
from harvest_dagster.pipeline.run_window import WindowRun, run_window
from harvest_dagster.pipeline.steps import plan
from harvest_dagster.storage.harvest_log.queries import HarvestLog
from harvest_dagster.windows import DAY, Window, parse_instant
from harvest_dagster_tests.harvesters.rest.rest_sources import scripted
from harvest_dagster_tests.pipeline.changes_api import ChangesApi, serving
from harvest_dagster_tests.pipeline.world import MIDNIGHT, World

WEEK = Window(MIDNIGHT - 7 * DAY, MIDNIGHT)


def day(number: int) -> Window:
    """Return a day of the week, from 0."""
    return Window(WEEK.start + number * DAY, WEEK.start + (number + 1) * DAY)


def changes(days: range = range(-2, 9), each: int = 4, **options: object) -> ChangesApi:
    """Return an API with some records on each of these days, in the order of their datestamps."""
    items = [
        (f"d{number}.{at}", WEEK.start + number * DAY + timedelta(hours=at, minutes=1))
        for number in days
        for at in range(each)
    ]
    return ChangesApi(items, **options)  # type: ignore[arg-type]


def names(days: range, each: int = 4) -> set[str]:
    return {f"d{number}.{at}" for number in days for at in range(each)}


def planned(world: World, run: str, wanted: Window = WEEK, **parameters: object) -> list[Window]:
    harvest = world.harvest(run, **parameters)
    with lease_guard.hold_lease(harvest) as lease:
        found = plan.plan_windows(harvest, wanted, lease)
        lease_guard.release(harvest, lease)
    return found.windows


def run_range(world: World, run: str, wanted: Window = WEEK) -> list[HarvestLog | None]:
    """Plan and harvest a range as a run does."""
    harvest = world.harvest(run)
    with lease_guard.hold_lease(harvest) as lease:
        try:
            found = plan.plan_windows(harvest, wanted, lease)
            return [
                run_window(WindowRun(harvest, lease), window, parent_id=found.parent_id)
                for window in found.windows
            ]
        finally:
            lease_guard.release(harvest, lease)


def stored(world: World) -> set[str]:
    return {identifier for identifier, _ in world.stored()}


def test_one_list_serves_a_range_and_covers_each_of_its_days(small_world: World) -> None:
    """A list for each day would repeat the lists of all later days."""
    with serving(small_world, api := changes()):
        (log,) = run_range(small_world, "run 1")
        assert log is not None
        assert (log.window, log.status) == (WEEK, "SUCCEEDED")
        assert all(planned(small_world, f"plan {number}", day(number)) == [] for number in range(7))
    assert len(api.lists) == 1
    assert stored(small_world) == names(range(7))


def test_records_of_other_windows_are_not_stored_and_the_total_is_that_of_the_list(
    small_world: World,
) -> None:
    """The list has all later records, and those of the day before, because its time zone is not known."""
    with serving(small_world, changes()):
        (log,) = run_range(small_world, "run 1", day(2))
    assert log is not None
    assert stored(small_world) == names(range(2, 3))
    assert (log.counts.records, log.expected, log.identifiers) == (4, 4, 4)
    assert (log.completeness, log.evidence) == ("complete", "total")


@pytest.mark.parametrize("has_total", [True, False])
def test_a_window_without_records_is_empty_although_its_list_is_not(
    small_world: World, has_total: bool
) -> None:
    """The total proves the list, so nothing is requested a second time."""
    with serving(small_world, api := changes(range(4, 9), has_total=has_total)):
        (log,) = run_range(small_world, "run 1", day(2))
    assert log is not None
    assert (log.status, log.counts.records, stored(small_world)) == ("SUCCEEDED", 0, set())
    assert log.evidence == ("total" if has_total else "none")
    assert len(api.lists) == (1 if has_total else 2)


def test_a_short_list_fails_and_is_never_halved(small_world: World) -> None:
    """The list of the first half of a window would be the same list."""
    with serving(small_world, api := changes(missing=2)), pytest.raises(IncompleteList, match="delivered"):
        run_range(small_world, "run 1")
    assert set(api.lists) == {f"{(WEEK.start - DAY).date()}"}
    assert len(api.lists) == 2
    assert stored(small_world) == set()


def test_a_list_that_breaks_continues_from_its_last_datestamp(small_world: World) -> None:
    """A total proves that nothing is missing. The new list begins a day earlier, like each list."""
    with serving(small_world, api := changes(fails_at=21, failures=2), granularity="second"):
        (log,) = run_range(small_world, "run 1")
    assert log is not None
    assert (log.status, log.evidence, stored(small_world)) == ("SUCCEEDED", "total", names(range(7)))
    assert len(api.lists) == 2
    assert api.lists[1] > api.lists[0]


@pytest.mark.parametrize("hours", [-11, 13])
def test_datestamps_in_another_time_zone_lose_no_record(small_world: World, hours: int) -> None:
    """Each record belongs to the window of the datestamp that it shows."""
    api = changes(each=24, page_size=100)
    shown = {name: (changed + timedelta(hours=hours)).isoformat() for name, changed in api.items}
    answer = api.answer

    def shifted(since: str, offset: int) -> tuple[int, dict[str, object]]:
        status, page = answer(since, offset)
        return status, {
            **page,
            "items": [{"id": one["id"], "changed": shown[one["id"]]} for one in page["items"]],
        }

    api.answer = shifted  # type: ignore[method-assign]
    with serving(small_world, api, granularity="second"):
        for number in range(3):
            run_range(small_world, f"run {number}", day(number))
    days = Window(day(0).start, day(2).end)
    assert stored(small_world) >= {
        name for name, changed in api.items if changed + timedelta(hours=hours) in days
    }


def test_only_records_of_the_window_are_requested_separately() -> None:
    """A detail for each record since the window would take years of requests."""
    days = [{"id": f"d{number}", "changed": f"2024-01-0{number}T10:00:00Z"} for number in range(1, 5)]
    source = scripted(
        {"items": days, "total": 4},
        {"id": "d2", "more": True},
        params={"since": "{from}"},
        detail={"url": "https://api.test/works/{identifier}"},
    )
    window = Window(parse_instant("2024-01-02"), parse_instant("2024-01-03"))
    found = [record.identifier for page in source.pages(window) for record in source.records(page, window)]
    assert found == ["d2"]


def test_a_part_of_a_day_keeps_its_own_records(small_world: World) -> None:
    """With days, both halves get the same list."""
    noon = day(2).start + timedelta(hours=2)
    with serving(small_world, changes()):
        run_range(small_world, "run 1", Window(day(2).start, noon))
        assert stored(small_world) == {"d2.0", "d2.1"}
        run_range(small_world, "run 2", Window(noon, day(2).end))
    assert stored(small_world) == names(range(2, 3))


def test_a_record_without_a_datestamp_is_stored(small_world: World) -> None:
    """Nothing shows to which window it belongs."""
    with serving(small_world, changes(), datestamp="unknown"):
        run_range(small_world, "run 1", day(2))
    assert stored(small_world) == names(range(1, 9))


def test_one_window_contains_all_gaps_and_days_that_have_not_settled_get_their_own(
    small_world: World,
) -> None:
    """Two gaps would need two lists, and the first one would contain the second one."""
    with serving(small_world, changes()):
        run_range(small_world, "run 1", day(3))
        assert planned(small_world, "run 2") == [WEEK]
        run_range(small_world, "run 3", day(0))
        assert planned(small_world, "run 4") == [Window(day(1).start, WEEK.end)]
        assert find_windows(small_world.database, small_world.config, WEEK, small_world.clock()) == [
            Window(day(1).start, WEEK.end)
        ]
        small_world.change(settle="1d")
        assert planned(small_world, "run 5") == [Window(day(1).start, day(6).start), day(6)]
        assert planned(small_world, "run 6", no_split=True, superfluous=True) == [WEEK]
        small_world.change(harvester_kwargs={**small_world.config.harvester_kwargs, "granularity": "${NAME}"})
        assert len(find_windows(None, small_world.config, WEEK, small_world.clock())) == 7
