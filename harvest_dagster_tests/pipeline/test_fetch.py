"""The checkpoint: what a fetch goes on with, what it begins anew, and what it refuses to call an end."""

from __future__ import annotations

from datetime import timedelta

import pytest

from harvest_dagster.errors import CursorRefused, DeadlineExceeded, IncompleteList, SourceUnreachable
from harvest_dagster.pipeline import fetch, lock
from harvest_dagster.windows import DAY, Window
from harvest_dagster_tests.pipeline.world import WINDOW, World, records


@pytest.fixture
def broken(small_world: World) -> World:
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
    """The whole way once, as the rest of these tests take it for granted."""
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


def test_the_next_run_goes_on_after_the_last_whole_page(broken: World) -> None:
    """Lesson 22: died at 678k of 1.5M and began again from zero."""
    (log,) = broken.run("run 2")
    assert broken.source.asked == [4, 6, 8]
    assert broken.stored() == all_of(broken)
    assert log.counts.records == 10
    assert "2 pages are there from an earlier run; going on after them" in broken.said


def test_a_list_that_was_whole_is_not_asked_for_again(small_world: World) -> None:
    """Killed in split, store or launch: "Re-execute" goes on from the spool."""
    small_world.source.items = records(5)
    harvest = small_world.harvest("run 1")
    with lock.holding(harvest) as grip:
        small_world.window(harvest, grip, until="fetch")
    small_world.source.asked.clear()
    small_world.clock.forward(minutes=2)
    small_world.run("run 2")
    assert small_world.source.asked == []
    assert small_world.stored() == all_of(small_world)


def test_a_token_that_expired_in_the_pause_begins_the_list_anew(broken: World) -> None:
    """Lessons 2 and 22: `badResumptionToken` is no end, and after an interruption no failure either."""
    broken.source.tokens = "b"
    (log,) = broken.run("run 2")
    assert broken.source.asked == [0, 2, 4, 6, 8]
    assert broken.stored() == all_of(broken)
    assert (log.counts.pages, log.counts.records, log.identifiers) == (7, 14, 10)
    assert any("the token has expired. Begin again. Going on: a new list" in said for said in broken.said)


def test_a_source_that_refuses_its_own_fresh_tokens_is_a_failure(small_world: World) -> None:
    """Lesson 2: it would be asked in a circle for ever."""
    small_world.source.items = records(4)

    def expire() -> None:
        small_world.source.tokens += "b"

    harvest = small_world.harvest()
    with lock.holding(harvest) as grip, pytest.raises(CursorRefused):
        small_world.window(harvest, grip, check=expire)
    assert small_world.source.asked == [0, 0]
    log = small_world.logs()[WINDOW]
    assert (log.status, log.recoveries) == ("FAILED", 1)


@pytest.mark.parametrize("limit", [3, None])
def test_pages_of_another_limit_are_not_gone_on_with(small_world: World, limit: int | None) -> None:
    """A list that a limit cut short has an end that is none."""
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


def test_pages_older_than_a_day_are_not_gone_on_with(broken: World) -> None:
    """Records that moved behind the cursor since would be missing."""
    broken.clock.forward(hours=24)
    broken.run("run 2")
    assert broken.source.asked[0] == 0


def test_pages_younger_than_a_day_are_gone_on_with(broken: World) -> None:
    """A source that is down for a night."""
    broken.clock.forward(hours=23)
    broken.run("run 2")
    assert broken.source.asked[0] == 4


def test_pages_from_before_the_window_s_end_are_not_gone_on_with_after_it(small_world: World) -> None:
    """Lesson 7: what the source published between is behind the cursor; the window would count as covered."""
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


def test_pages_from_before_the_window_had_settled_are_not_gone_on_with(small_world: World) -> None:
    """The run would be green, its day open, and the schedule's time served."""
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


def test_pages_of_other_arguments_are_not_gone_on_with(broken: World) -> None:
    """Somebody added a set to the YAML after the failure: half of the list would be without it."""
    broken.config = broken.config.model_copy(update={"harvester_kwargs": {"set": "physics"}})
    harvest = broken.harvest("run 2")
    with lock.holding(harvest) as grip:
        broken.window(harvest, grip)
    assert broken.source.asked[0] == 0


def test_an_empty_list_is_asked_for_again(small_world: World) -> None:
    """That a list was empty once is no news of today."""
    harvest = small_world.harvest("run 1")
    with lock.holding(harvest) as grip:
        small_world.window(harvest, grip, until="fetch")
    small_world.source.items = records(1)
    small_world.clock.forward(minutes=2)
    small_world.run("run 2")
    small_world.run("run 3", superfluous=True)
    assert small_world.stored() == [("x0", "A0")]


def test_a_list_that_falls_short_fails_with_both_numbers_and_is_asked_for_again(small_world: World) -> None:
    """Lessons 1 and 8: 760k of 2.68M and success. A source that caps its lists ends them politely."""
    small_world.source.items = records(5)
    small_world.source.total = 7
    with pytest.raises(IncompleteList, match=r"holds 7 records, and gave 5\. Run again"):
        small_world.run("run 1")
    failed = small_world.logs()[WINDOW]
    assert (failed.status, failed.expected, failed.covered_since) == ("FAILED", 7, None)
    small_world.source.items = records(7)
    (log,) = small_world.run("run 2")
    assert (log.status, log.completeness, log.counts.records) == ("SUCCEEDED", "complete", 7)


def test_a_limit_is_no_shortfall(small_world: World) -> None:
    """A trial with ten records of a large source is a success, and says of nothing that it is complete."""
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


def test_a_limit_holds_for_the_run_and_not_for_each_window(small_world: World) -> None:
    """`limit: 3` over a year would be three records a month."""
    small_world.source.items = records(2)
    small_world.change(max_window="1d")
    wanted = Window(WINDOW.start - 2 * DAY, WINDOW.end)
    harvest = small_world.harvest(limit=3)
    with lock.holding(harvest) as grip:
        for window in wanted.split(DAY):
            left = fetch.limit_left(harvest, window)
            if left:
                small_world.window(harvest, grip, window, limit=left)
    assert [log.counts.records for log in small_world.logs().values()] == [2, 1]


def test_the_deadline_ends_a_fetch_between_two_pages_and_keeps_them(small_world: World) -> None:
    """Lesson 21: a window's time is bounded, and what it brought is there for the next."""
    small_world.source.items = records(6)

    def over() -> None:
        if len(small_world.source.asked) == 2:
            raise DeadlineExceeded("the time for this harvest is over.")

    harvest = small_world.harvest("run 1")
    with lock.holding(harvest) as grip, pytest.raises(DeadlineExceeded):
        small_world.window(harvest, grip, check=over)
    small_world.clock.forward(minutes=2)
    small_world.run("run 2")
    assert small_world.source.asked == [0, 2, 4]


def test_a_log_that_another_run_left_started_is_taken_up_and_said(small_world: World) -> None:
    """Found STARTED: a warning, and brought up to date."""
    harvest = small_world.harvest("run 1")
    with lock.holding(harvest) as grip:
        log = small_world.window(harvest, grip, until="fetch")
    small_world.clock.forward(minutes=2)
    other = small_world.harvest("run 2")
    with lock.holding(other) as grip:
        fetch.begin(other, WINDOW, grip, parent_id=None, limit=None)
    assert f"log {log.id} of {WINDOW} said STARTED by run run 1: it is taken up" in small_world.said
    assert small_world.log(log.id).run_id == "run 2"


def test_the_list_s_beginning_is_that_of_its_first_page(broken: World) -> None:
    """A resumed list covers its window from the first run's time on, not from the second's."""
    began = broken.clock()
    broken.clock.forward(hours=3)
    (log,) = broken.run("run 2")
    assert log.covered_since == began
    assert log.date_completed == began + timedelta(hours=3)


@pytest.mark.parametrize("name", ["000000.json", "000001.json", "000001.zst"])
def test_pages_that_are_damaged_are_fetched_anew(broken: World, name: str) -> None:
    """A power cut leaves the last files empty: each run failed over them for a day, and was counted as a failure."""
    (damaged,) = broken.folder.rglob(f"pages/{name}")
    damaged.write_bytes(b"")
    broken.run("run 2")
    assert broken.source.asked == [0, 2, 4, 6, 8]
    assert broken.stored() == all_of(broken)
    assert any(f"{name} is damaged" in line for line in broken.said)
