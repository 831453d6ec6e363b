"""A list that reaches the end of the hours of its source: it stops at that page, and continues in the next hours."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta, timezone

import pytest

from harvest_dagster.errors import LeaseHeld, OutsideHours, SourceUnreachable
from harvest_dagster.pipeline import lease_guard
from harvest_dagster.pipeline.context import RunOutcome
from harvest_dagster.pipeline.fetching import deferral
from harvest_dagster.pipeline.run_window import WindowRun, run_window
from harvest_dagster.pipeline.steps import fetch, preflight
from harvest_dagster.storage.harvest_log.queries import HarvestLog
from harvest_dagster.testing.simulator import Repository, Server
from harvest_dagster.windows import whole_day
from harvest_dagster_tests.pipeline.list_api import ListApi, configure
from harvest_dagster_tests.pipeline.list_api import harvest as harvest_list
from harvest_dagster_tests.pipeline.list_api import serving as serving_list
from harvest_dagster_tests.pipeline.served import lists, serving
from harvest_dagster_tests.pipeline.world import WINDOW, World

REPOSITORY = Repository(
    first_day=date(2024, 4, 30), days=1, records_per_day=51, page_size=4, token_lifetime=timedelta(days=9)
)
DAY = whole_day(date(2024, 4, 30))
HOURS = "11:00-13:00"
NAMES = [f"10.1/é {number}" for number in range(7)]


def opening(day: int) -> datetime:
    return datetime(2024, 5, day, 11, tzinfo=timezone.utc)


def harvest(world: World, server: Server, run: str) -> HarvestLog:
    """Harvest the day with a run. Each page that the source sends takes 25 minutes."""
    before = len(lists(server))

    def keep_going() -> None:
        nonlocal before
        world.clock.forward(minutes=25 * (len(lists(server)) - before))
        before = len(lists(server))

    context = world.harvest(run)
    with lease_guard.hold_lease(context) as lease:
        log = run_window(WindowRun(context, lease, keep_going=keep_going), DAY)
    assert log is not None
    return log


def stop_at_the_end(world: World, server: Server, run: str) -> OutsideHours:
    """Harvest until the hours are over."""
    with pytest.raises(OutsideHours) as caught:
        harvest(world, server, run)
    assert world.clock().time().hour == 13
    return caught.value


def test_a_list_continues_on_the_following_days_after_its_last_page(world: World) -> None:
    """A list of thirteen pages takes two hours on each of three days. Each continuation repeats one page.

    It shows whether the list has changed meanwhile.
    """
    with serving(world, REPOSITORY) as server:
        world.change(hours=HOURS)
        world.clock.now = opening(1)
        error = stop_at_the_end(world, server, "run 1")
        pages = [len(lists(server))]
        (log,) = world.logs().values()
        assert (log.status, log.run_id, log.error) == ("STARTED", "run 1", None)
        assert error.seconds == timedelta(hours=21, minutes=55).total_seconds()
        world.clock.now = opening(2) - timedelta(minutes=1)
        with pytest.raises(LeaseHeld):  # another run would begin the list again
            lease_guard.acquire(world.harvest("run 2"), DAY, single_process=True)
        world.clock.now = opening(2)
        stop_at_the_end(world, server, "run 1")
        pages.append(len(lists(server)))
        world.clock.now = opening(3)
        log = harvest(world, server, "run 1")
    tokens = lists(server)
    assert (log.status, log.completeness, log.expected) == ("SUCCEEDED", "complete", 51)
    assert {identifier for identifier, _ in world.stored()} == {REPOSITORY.identifier(n) for n in range(51)}
    assert (pages, len(tokens), len(set(tokens)), tokens.count(None)) == ([5, 10], 15, 13, 1)


def test_a_token_that_expires_while_the_source_is_closed_costs_a_new_list_of_the_rest_only(
    small_world: World,
) -> None:
    """Tokens seldom live for a day. The list would begin from zero each day, and never end."""
    with serving(small_world, replace(REPOSITORY, token_lifetime=timedelta(hours=1))) as server:
        small_world.change(hours=HOURS)
        for number in range(1, 9):
            small_world.clock.now = opening(number)
            with suppress(OutsideHours):
                log = harvest(small_world, server, "run 1")
                break
    assert (log.status, log.completeness, log.expected) == ("SUCCEEDED", "complete", 51)
    assert lists(server).count(None) == number
    assert len(lists(server)) <= 13 + 2 * number
    assert len(small_world.stored()) == 51


def test_a_run_that_is_killed_between_two_days_is_no_failure_and_the_next_run_continues(world: World) -> None:
    """A list of three nights is older than a day, so the next run began it again: nothing was ever complete."""
    with serving(world, REPOSITORY) as server:
        world.change(hours=HOURS, failure_threshold=1)
        world.clock.now = opening(1)
        stop_at_the_end(world, server, "run 1")
        world.outcomes["run 1"] = RunOutcome("FAILED", "its process was killed")
        world.clock.now = opening(3)
        preflight.validate_preconditions(world.harvest("run 2"))
        stop_at_the_end(world, server, "run 2")
        world.clock.now = opening(4)
        log = harvest(world, server, "run 2")
    tokens = lists(server)
    assert (log.status, log.completeness, log.attempt) == ("SUCCEEDED", "complete", 1)
    assert tokens.count(None) == 1
    assert (len(tokens), len(set(tokens))) == (15, 13)


def test_a_lost_machine_keeps_the_lease_until_the_hours_begin_and_a_quarter_of_an_hour(
    small_world: World,
) -> None:
    """No other machine can know that it is gone. A quarter of a day would cost the next run most of the hours."""
    with serving(small_world, REPOSITORY) as server:
        small_world.change(hours=HOURS)
        small_world.clock.now = opening(1)
        stop_at_the_end(small_world, server, "run 1")
        small_world.clock.now = opening(2) + timedelta(minutes=14)
        with pytest.raises(LeaseHeld):
            lease_guard.acquire(small_world.harvest("run 2"), DAY, single_process=True)
        small_world.clock.forward(minutes=3)
        lease_guard.acquire(small_world.harvest("run 2"), DAY, single_process=True)


@pytest.mark.parametrize(
    ("harvester", "kwargs"),
    [
        ("oai", {"base_url": "{url}"}),
        (
            "rest",
            {
                "base_url": "{url}",
                "params": {"from": "{from}", "until": "{until}"},
                "records": "items",
                "identifier": "id",
                "next": {"by": "page", "param": "p"},
            },
        ),
        ("feed", {"base_url": "{url}"}),
        ("sitemap", {"base_url": "{url}"}),
        ("files", {"path": "{url}", "format": "jsonl", "identifier": "id"}),
    ],
)
def test_no_harvester_sends_a_request_outside_of_the_hours(
    small_world: World, harvester: str, kwargs: dict[str, object]
) -> None:
    """Identify, robots.txt and the first page are requests, too."""
    with serving_list(ListApi(NAMES)) as api:
        given = {name: api.url if value == "{url}" else value for name, value in kwargs.items()}
        small_world.change(harvester=harvester, harvester_kwargs=given, hours=HOURS)
        small_world.clock.now = opening(1)
        harvest = small_world.harvest("run 1")
        with lease_guard.hold_lease(harvest) as lease:
            steps = WindowRun(harvest, lease)
            log = steps.begin(DAY)
            assert log is not None
            small_world.clock.forward(hours=2)
            with pytest.raises(OutsideHours):
                steps.fetch(log)
    assert api.requests == []


def test_a_run_outside_of_the_hours_begins_no_window_and_keeps_its_lease(world: World) -> None:
    """A backfill of a hundred windows that was started by day showed all of them as active."""
    world.change(hours=HOURS)
    world.clock.now = opening(1) + timedelta(hours=2)
    harvest = world.harvest("run 1")
    with lease_guard.hold_lease(harvest) as lease:
        with pytest.raises(OutsideHours, match=r"is not begun now: the source is asked only in its hours"):
            world.window(harvest, lease)
        world.clock.now = opening(2) - timedelta(seconds=61)
        with pytest.raises(OutsideHours):
            world.window(harvest, lease)
        assert world.logs() == {}
    with pytest.raises(LeaseHeld):
        lease_guard.acquire(world.harvest("run 2"), WINDOW, single_process=True)
    world.clock.now = opening(2)
    with lease_guard.hold_lease(harvest) as lease:
        assert world.window(harvest, lease).status == "SUCCEEDED"


def test_single_records_are_not_requested_outside_of_the_hours_and_no_request_is_repeated(
    small_world: World,
) -> None:
    """A list of a hundred records needs a hundred requests for their details, which take hours."""

    @dataclass
    class SlowApi(ListApi):
        def reply(self, target: str) -> tuple[int, bytes]:
            small_world.clock.forward(minutes=20)
            return super().reply(target)

    with serving_list(SlowApi(NAMES)) as api:
        configure(small_world, api, detail={"url": f"{api.url}/works/{{identifier}}", "record": "work"})
        small_world.change(hours=HOURS)
        small_world.clock.now = opening(1)
        with pytest.raises(OutsideHours):
            harvest_list(small_world, "run 1")
        assert len(api.requests) == 6
        small_world.clock.now = opening(2)
        log = harvest_list(small_world, "run 2")
    assert (log.status, log.counts.records, log.evidence) == ("SUCCEEDED", 7, "total")
    assert sorted(api.details) == NAMES
    assert (
        len(api.lists) <= 3 + 2
    )  # the first page shows whether the list has changed, and the second is finished


def test_only_the_hours_count_as_time_without_a_page(world: World) -> None:
    """A window fails after a day without a page. The weekend of a source must not count."""
    world.change(hours=HOURS)
    context = world.harvest("run 1")
    closed = OutsideHours("the source is closed.", seconds=20 * 3600)
    with lease_guard.hold_lease(context) as lease:
        log = fetch.begin(context, WINDOW, lease, parent_id=None, limit=None)
        world.clock.forward(days=11)
        deferral.defer_window(context, log, lease, closed)
        world.clock.forward(days=1)
        with pytest.raises(SourceUnreachable, match="no page arrived for 24 h"):
            deferral.defer_window(context, log, lease, closed)
