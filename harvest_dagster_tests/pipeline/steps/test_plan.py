"""Which windows of a range are still to be harvested, and which logs cover the rest."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harvest_dagster.errors import BadParameters
from harvest_dagster.pipeline import lease_guard
from harvest_dagster.pipeline.context import narrow
from harvest_dagster.pipeline.steps import plan
from harvest_dagster.pipeline.steps.plan import Plan
from harvest_dagster.windows import DAY, Window
from harvest_dagster_tests.pipeline.world import MIDNIGHT, World, records
from harvest_dagster_tests.storage.logs import Logs

WEEK = Window(MIDNIGHT - 7 * DAY, MIDNIGHT)


def day(number: int) -> Window:
    """Return a day of the week, from 0."""
    return Window(WEEK.start + number * DAY, WEEK.start + (number + 1) * DAY)


def planned(world: World, run: str, wanted: Window = WEEK, **parameters) -> Plan:
    harvest = world.harvest(run, **parameters)
    with lease_guard.hold_lease(harvest) as lease:
        found = plan.plan_windows(harvest, wanted, lease)
        lease_guard.release(harvest, lease)
    return found


hours = st.integers(0, 7 * 24)
windows = st.tuples(hours, hours).filter(lambda pair: pair[0] < pair[1]).map(
    lambda pair: Window(*(WEEK.start + timedelta(hours=hour) for hour in pair))
)  # fmt: skip


@dataclass(frozen=True)
class Case:
    """A range, how to cut it, and which windows are covered."""

    wanted: Window
    covered: list[Window]
    longest: int
    no_split: bool


cases = st.builds(
    Case, windows, st.lists(windows, max_size=4, unique=True), st.integers(1, 100), st.booleans()
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(case=cases)
def test_planned_and_covered_windows_make_up_the_range(small_world: World, case: Case) -> None:
    """A gap or a tail that is left out is never harvested (docs/failures.md#short-tail-dropped)."""
    logs = Logs(small_world.database)
    harvest = small_world.harvest(no_split=case.no_split)
    config = harvest.config.model_copy(update={"max_window": timedelta(hours=case.longest)})
    harvest = replace(harvest, config=config, config_id=logs.scope.ingest_config_id)
    for window in case.covered:
        logs.succeed(logs.start(window), since=MIDNIGHT)
    with lease_guard.hold_lease(harvest) as lease:
        found = plan.plan_windows(harvest, case.wanted, lease)
    covered = [log.window for log in found.covered_by]
    assert sorted(covered) == sorted(window for window in case.covered if window.intersection(case.wanted))
    assert found.windows == sorted(found.windows)
    assert case.no_split or all(window.length <= config.max_window for window in found.windows)
    for hour in range(7 * 24):
        instant = WEEK.start + timedelta(hours=hour)
        holders = [window for window in found.windows if instant in window]
        is_covered = any(instant in window for window in covered)
        assert len(holders) == (instant in case.wanted and not is_covered)


def test_a_range_of_one_window_has_no_parent_log(world: World) -> None:
    """A parent with one child would be two rows for the same window."""
    assert planned(world, "run 1") == Plan([WEEK], None, [])
    assert world.logs() == {}


def test_a_long_range_is_split_under_a_parent(world: World) -> None:
    """A user who requested a year finds one row for it, and its windows by parent_id."""
    world.source.items = records(1)
    world.change(max_window="3d")
    logs = world.run("run 1", WEEK)
    assert [log.window.length.days for log in logs] == [3, 3, 1]
    parent = world.logs()[WEEK]
    assert parent.status == "SPLIT"
    assert {log.parent_id for log in logs} == {parent.id}


def test_only_what_is_not_covered_is_planned(world: World) -> None:
    """A watermark hid 364 missing days behind a newer success (docs/failures.md#watermark-hides-gap)."""
    world.run("run 1", day(0))
    world.run("run 2", Window(day(3).start, day(4).end))
    found = planned(world, "run 3")
    assert found.windows == [Window(day(1).start, day(2).end), Window(day(5).start, day(6).end)]
    assert [log.window for log in found.covered_by] == [day(0), Window(day(3).start, day(4).end)]
    assert world.logs()[WEEK].status == "SPLIT"


@pytest.mark.parametrize("parameters", [{"optimize": False}, {"superfluous": True}])
def test_covered_windows_can_be_requested_again(world: World, parameters: dict[str, bool]) -> None:
    """A user may know that the source has changed older records."""
    world.run("run 1", WEEK)
    found = planned(world, "run 2", **parameters)
    assert (found.windows, found.covered_by) == ([WEEK], [])


def test_no_split_plans_one_window_of_any_length(world: World) -> None:
    """Some sources have lists that cannot be cut by date."""
    world.change(max_window="1d")
    assert planned(world, "run 1", no_split=True).windows == [WEEK]


def test_a_plan_without_windows_changes_no_log(world: World) -> None:
    """A second run made a job unusable elsewhere (docs/failures.md#second-run-breaks-job)."""
    world.run("run 1", WEEK)
    before = world.logs()
    found = planned(world, "run 2")
    assert (found.windows, found.parent_id) == ([], None)
    assert [log.window for log in found.covered_by] == [WEEK]
    assert world.logs() == before


def test_a_plan_without_windows_marks_a_rescheduled_log_succeeded_again(world: World) -> None:
    """A run that waited while another did its work left the log RESCHEDULED forever."""
    (done,) = world.run("run 1", WEEK)
    harvest = world.harvest("run 2")
    with lease_guard.hold_lease(world.harvest("run 3")) as lease:
        with pytest.raises(lease_guard.LeaseHeld):
            lease_guard.acquire(harvest, WEEK, single_process=True)
        lease_guard.release(harvest, lease)
    assert world.logs()[WEEK].status == "RESCHEDULED"
    planned(world, "run 2")
    assert (world.logs()[WEEK].status, world.logs()[WEEK].completions) == ("SUCCEEDED", done.completions)


def test_a_plan_without_windows_marks_a_rescheduled_range_split(world: World) -> None:
    """Its own log was never harvested, and must not stay RESCHEDULED forever."""
    for number in range(7):
        world.run(f"run {number}", day(number))
    harvest = world.harvest("waiting")
    with lease_guard.hold_lease(world.harvest("holder")) as lease:
        with pytest.raises(lease_guard.LeaseHeld):
            lease_guard.acquire(harvest, WEEK, single_process=True)
        lease_guard.release(harvest, lease)
    assert planned(world, "waiting").windows == []
    assert world.logs()[WEEK].status == "SPLIT"


def test_another_version_of_the_harvester_plans_everything_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its blobs differ, so the windows of the old version must be harvested again."""
    world.run("run 1", WEEK)
    monkeypatch.setattr("harvest_dagster_tests.pipeline.fakes.FakeHarvester.VERSION", 2)
    assert planned(world, "run 2").windows == [WEEK]


def test_a_window_that_was_harvested_before_its_end_is_planned_again_after_it(world: World) -> None:
    """The partition of today cannot be complete today (docs/failures.md#coverage-too-early)."""
    today = Window(MIDNIGHT, MIDNIGHT + DAY)
    world.run("run 1", today)
    assert planned(world, "run 2", today).windows == [today]
    world.clock.forward(days=1)
    world.run("run 3", today)
    assert planned(world, "run 4", today).windows == []


def test_days_that_have_not_settled_get_a_window_of_their_own(world: World) -> None:
    """One log over both covered neither: 22 settled days were red and were fetched again because of the 23rd."""
    world.change(settle="30h")
    world.run("run 1", WEEK)
    unsettled = Window(MIDNIGHT - DAY, MIDNIGHT)
    assert planned(world, "run 2").windows == [unsettled]
    world.clock.forward(days=1)
    world.run("run 3", WEEK)
    assert planned(world, "run 4").windows == []


def test_a_window_that_is_harvested_again_keeps_its_parent(world: World) -> None:
    """The windows of a range, found by parent_id, had a gap where one had failed at first."""
    world.change(max_window="3d")
    first, *_ = world.run("run 1", WEEK)
    (again,) = world.run("run 2", first.window, superfluous=True)
    assert again.parent_id == first.parent_id is not None


def test_dates_may_only_narrow_the_selected_partitions() -> None:
    """Otherwise a run would materialize partitions that it did not harvest."""
    assert narrow(WEEK, None, None) == WEEK
    assert narrow(WEEK, day(1).start, day(2).end) == Window(day(1).start, day(2).end)
    for start, end in ((WEEK.start - DAY, None), (None, WEEK.end + DAY)):
        with pytest.raises(BadParameters, match="may only narrow"):
            narrow(WEEK, start, end)
    with pytest.raises(BadParameters, match="must be after"):
        narrow(WEEK, day(3).start, day(2).start)
