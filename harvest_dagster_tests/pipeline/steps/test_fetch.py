"""The checkpoint: when a fetch continues, when it begins a new attempt, and which lists have not ended."""

from __future__ import annotations

from datetime import timedelta

import pytest

from harvest_dagster.errors import CursorRefused, DeadlineExceeded, IncompleteList, SourceUnreachable
from harvest_dagster.pipeline import lease_guard
from harvest_dagster.pipeline.steps import fetch
from harvest_dagster.windows import DAY, Window
from harvest_dagster_tests.pipeline.world import WINDOW, World, records


@pytest.fixture
def interrupted(small_world: World) -> World:
    """A world in which a first run fetched two pages of five, then the connection broke."""
    world = small_world
    world.source.items = records(10)
    world.source.breaks_at = 2
    with pytest.raises(SourceUnreachable):
        world.run("run 1")
    world.source.breaks_at = None
    world.source.asked.clear()
    return world


def all_of(world: World) -> list[tuple[str, str]]:
    return [(item.identifier, item.blob) for item in world.source.items]


def test_a_window_is_fetched_to_its_end(small_world: World) -> None:
    """The other tests assume this."""
    small_world.source.items = records(5)
    (log,) = small_world.run("run 1")
    assert small_world.source.asked == [0, 2, 4]
    assert small_world.stored() == all_of(small_world)
    assert (log.status, log.counts.pages, log.counts.records, log.completeness) == (
        "SUCCEEDED",
        3,
        5,
        "unverified",
    )


def test_the_next_run_continues_after_the_last_complete_page(interrupted: World) -> None:
    """Another harvester started from zero after 678,000 of 1.5 million records (docs/failures.md#no-resume)."""
    (log,) = interrupted.run("run 2")
    assert interrupted.source.asked == [4, 6, 8]
    assert interrupted.stored() == all_of(interrupted)
    assert log.counts.records == 10
    assert "the spool has 2 pages of an earlier run; continuing after them" in interrupted.log_lines


def test_a_complete_list_is_not_fetched_again(small_world: World) -> None:
    """After a kill in split, store or launch, the next run continues from the spool."""
    small_world.source.items = records(5)
    harvest = small_world.harvest("run 1")
    with lease_guard.hold_lease(harvest) as lease:
        small_world.window(harvest, lease, until="fetch")
    small_world.source.asked.clear()
    small_world.clock.forward(minutes=2)
    small_world.run("run 2")
    assert small_world.source.asked == []
    assert small_world.stored() == all_of(small_world)


def test_a_token_that_expired_between_two_runs_restarts_the_list(interrupted: World) -> None:
    """`badResumptionToken` is not the end of a list, and after an interruption it is no failure either."""
    interrupted.source.tokens = "b"
    (log,) = interrupted.run("run 2")
    assert interrupted.source.asked == [0, 2, 4, 6, 8]
    assert interrupted.stored() == all_of(interrupted)
    assert (log.counts.pages, log.counts.records, log.identifiers) == (7, 14, 10)
    assert any(
        "the token has expired. Begin again. Recovery: request a new list" in line
        for line in interrupted.log_lines
    )


def test_a_source_that_rejects_its_own_new_tokens_fails_the_window(small_world: World) -> None:
    """Otherwise the requests would never end."""
    small_world.source.items = records(4)

    def expire() -> None:
        small_world.source.tokens += "b"

    harvest = small_world.harvest()
    with lease_guard.hold_lease(harvest) as lease, pytest.raises(CursorRefused):
        small_world.window(harvest, lease, keep_going=expire)
    assert small_world.source.asked == [0, 0]
    log = small_world.logs()[WINDOW]
    assert (log.status, log.counts.recoveries) == ("FAILED", 1)


@pytest.mark.parametrize("limit", [3, None])
def test_pages_of_another_limit_are_not_used(small_world: World, limit: int | None) -> None:
    """The end of a limited list is not the end of the list."""
    small_world.source.items = records(10)
    small_world.run("run 1", limit=5)
    small_world.source.breaks_at = 1
    with pytest.raises(SourceUnreachable):
        small_world.run("run 2", limit=5)
    small_world.source.breaks_at = None
    small_world.source.asked.clear()
    (log,) = small_world.run("run 3", limit=limit)
    assert small_world.source.asked[0] == 0
    assert log.counts.records == (limit or 10)


def test_pages_older_than_a_day_are_not_used(interrupted: World) -> None:
    """Records that have moved behind the cursor since would be missing."""
    interrupted.clock.forward(hours=24)
    interrupted.run("run 2")
    assert interrupted.source.asked[0] == 0


def test_pages_younger_than_a_day_are_used(interrupted: World) -> None:
    """A source may be down for a night. The last page is requested again, to see whether the list has changed."""
    interrupted.clock.forward(hours=23)
    interrupted.run("run 2")
    assert interrupted.source.asked[:2] == [2, 4]


def test_pages_from_before_the_end_of_the_window_are_not_used_after_it(small_world: World) -> None:
    """Records published since are behind the cursor (docs/failures.md#late-records)."""
    world, window = small_world, Window(WINDOW.start + DAY, WINDOW.end + DAY)
    world.source.items = records(10)
    world.source.breaks_at = 2
    for run in ("run 1", "run 2"):
        with pytest.raises(SourceUnreachable):
            world.run(run, window)
    assert world.source.asked == [0, 2]
    world.source.breaks_at = None
    world.clock.forward(hours=13)
    (log,) = world.run("run 3", window)
    assert world.source.asked[2:] == [0, 2, 4, 6, 8]
    assert log.covered_since == world.clock()


def test_pages_from_before_the_window_settled_are_not_used_after_it(small_world: World) -> None:
    """Otherwise the run would be green without covering its day, and the schedule would not repeat it."""
    world = small_world
    world.change(settle="14h")
    world.source.items = records(10)
    world.source.breaks_at = 2
    with pytest.raises(SourceUnreachable):
        world.run("run 1")
    world.source.breaks_at = None
    world.clock.forward(hours=3)
    (log,) = world.run("run 2")
    assert world.source.asked == [0, 2, 0, 2, 4, 6, 8]
    assert log.covered_since == world.clock()


def test_pages_of_other_arguments_are_not_used(interrupted: World) -> None:
    """If a set was added to the YAML after the failure, half of the list would be without it."""
    interrupted.config = interrupted.config.model_copy(update={"harvester_kwargs": {"set": "physics"}})
    harvest = interrupted.harvest("run 2")
    with lease_guard.hold_lease(harvest) as lease:
        interrupted.window(harvest, lease)
    assert interrupted.source.asked[0] == 0


def test_an_empty_list_is_fetched_again(small_world: World) -> None:
    """A list that was empty then may have records now."""
    harvest = small_world.harvest("run 1")
    with lease_guard.hold_lease(harvest) as lease:
        small_world.window(harvest, lease, until="fetch")
    small_world.source.items = records(1)
    small_world.clock.forward(minutes=2)
    small_world.run("run 2")
    small_world.run("run 3", superfluous=True)
    assert small_world.stored() == [("x0", "A0")]


def test_a_short_list_fails_with_both_numbers_and_is_fetched_again(small_world: World) -> None:
    """Another harvester stored 760,000 of 2.68 million records with success (docs/failures.md#truncated-page)."""
    small_world.source.items = records(5)
    small_world.source.total = 7
    with pytest.raises(IncompleteList, match=r"^5 of 7 records of .* were delivered\. Run again"):
        small_world.run("run 1")
    failed = small_world.logs()[WINDOW]
    assert (failed.status, failed.expected, failed.covered_since) == ("FAILED", 7, None)
    small_world.source.items = records(7)
    (log,) = small_world.run("run 2")
    assert (log.status, log.completeness, log.counts.records) == ("SUCCEEDED", "complete", 7)


def test_a_limited_list_is_not_short(small_world: World) -> None:
    """A trial with ten records of a large source succeeds, and is unverified."""
    small_world.source.items = records(9)
    small_world.source.total = 9
    (log,) = small_world.run("run 1", limit=3)
    assert small_world.source.asked == [0, 2]
    assert (log.status, log.completeness, log.counts.records, log.expected) == (
        "SUCCEEDED",
        "unverified",
        3,
        9,
    )


def test_a_limit_applies_to_the_run_and_not_to_each_window(small_world: World) -> None:
    """Otherwise `limit: 3` over a year would fetch three records for each month."""
    small_world.source.items = records(2)
    small_world.change(max_window="1d")
    wanted = Window(WINDOW.start - 2 * DAY, WINDOW.end)
    harvest = small_world.harvest(limit=3)
    with lease_guard.hold_lease(harvest) as lease:
        for window in wanted.split(DAY):
            if fetch.remaining_limit(harvest, window):
                small_world.window(harvest, lease, window)
    assert [log.counts.records for log in small_world.logs().values()] == [2, 1]


def test_a_timeout_ends_a_fetch_between_two_pages_and_keeps_the_pages(small_world: World) -> None:
    """The time of a window is bounded, and the next run uses its pages (docs/failures.md#no-timeout)."""
    small_world.source.items = records(6)

    def over() -> None:
        if len(small_world.source.asked) == 2:
            raise DeadlineExceeded("the time for this harvest is over.")

    harvest = small_world.harvest("run 1")
    with lease_guard.hold_lease(harvest) as lease, pytest.raises(DeadlineExceeded):
        small_world.window(harvest, lease, keep_going=over)
    small_world.clock.forward(minutes=2)
    small_world.run("run 2")
    assert small_world.source.asked == [0, 2, 4]


def test_taking_over_a_started_log_is_logged(small_world: World) -> None:
    """The log of the run says which run left the harvest log STARTED."""
    harvest = small_world.harvest("run 1")
    with lease_guard.hold_lease(harvest) as lease:
        log = small_world.window(harvest, lease, until="fetch")
    small_world.clock.forward(minutes=2)
    other = small_world.harvest("run 2")
    with lease_guard.hold_lease(other) as lease:
        fetch.begin(other, WINDOW, lease, parent_id=None, limit=None)
    assert (
        f"log {log.id} of {WINDOW} was STARTED by run run 1; this run takes it over" in small_world.log_lines
    )
    assert small_world.log(log.id).run_id == "run 2"


def test_a_resumed_list_began_with_its_first_page(interrupted: World) -> None:
    """It covers its window as of the time of the first run, not of the second."""
    began = interrupted.clock()
    interrupted.clock.forward(hours=3)
    (log,) = interrupted.run("run 2")
    assert log.covered_since == began
    assert log.date_completed == began + timedelta(hours=3)


@pytest.mark.parametrize("name", ["000000.zst", "000001.zst"])
def test_damaged_pages_are_fetched_again(interrupted: World, name: str) -> None:
    """A power cut leaves the last files empty, and each run of a day failed because of them."""
    (damaged,) = interrupted.folder.rglob(f"pages/{name}")
    damaged.write_bytes(b"")
    interrupted.run("run 2")
    assert interrupted.source.asked == [0, 2, 4, 6, 8]
    assert interrupted.stored() == all_of(interrupted)
    assert any(f"{name} is damaged" in line for line in interrupted.log_lines)
