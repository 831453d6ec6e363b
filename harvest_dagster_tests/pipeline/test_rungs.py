"""Which rung of the ladder is taken when, what each costs, and where it ends: a source that fails by a script."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta

import pytest

from harvest_dagster.errors import (
    DeadlineExceeded,
    EndlessList,
    HarvestError,
    HttpStatusError,
    LoginPage,
    MalformedResponse,
    ProtocolError,
    SourceRefused,
    SourceUnreachable,
    Truncated,
    WaitTooLong,
)
from harvest_dagster.pipeline import fetch, lock, walks
from harvest_dagster.records import Cursor, Page
from harvest_dagster.spool import AttemptSpool, End, Entry
from harvest_dagster.windows import DAY, Window
from harvest_dagster_tests.pipeline.hostile import URL, HostileHarvester, HostileSource
from harvest_dagster_tests.pipeline.world import MIDNIGHT, World

WINDOW = Window(MIDNIGHT - DAY, MIDNIGHT)


def source(count: int = 24, **changes: object) -> HostileSource:
    """A record an hour, oldest first, four a page."""
    items = [(f"x{number:02}", WINDOW.start + number * timedelta(hours=1)) for number in range(count)]
    values = {"page_size": 4, "totals": True, "parts": 1, "cap": None, "script": [], **changes}
    return HostileSource(items=items, **values)


def harvest(
    world: World, harvester: HostileHarvester, name: str = "run 1", window: Window = WINDOW
) -> tuple[End, list[Entry]]:
    """Fetch the window; gives its end and its pages."""
    run = world.harvest(name)
    with lock.holding(run) as grip:
        try:
            log = fetch.begin(run, window, grip, parent_id=None, limit=None)
            end = fetch.fetch(run, harvester, log, grip, lambda: None)
        finally:
            lock.release(run, grip)
    return end, list(run.attempt(log).entries())


def stretches(entries: list[Entry]) -> list[tuple[int, int]]:
    """From which hour to which each stretch reached, in the order in which they were asked for."""
    hour = timedelta(hours=1)
    windows = dict.fromkeys((entry.stretch.number, entry.stretch.window) for entry in entries)
    return [((w.start - WINDOW.start) // hour, (w.end - WINDOW.start) // hour) for _, w in windows]


@pytest.mark.parametrize("what", ["cut", "malformed", "down"])
def test_a_page_that_fails_once_is_asked_for_once_more(small_world: World, what: str) -> None:
    """The cheapest rung: one request."""
    hostile = source(script=["", "", what])
    end, entries = harvest(small_world, HostileHarvester(None, hostile))
    assert stretches(entries) == [(0, 24)]
    assert (end.completeness, end.recoveries, hostile.requests) == ("complete", 1, 7)


def test_the_list_begins_anew_at_its_last_datestamp_where_it_is_in_that_order(small_world: World) -> None:
    """Lesson 22: nothing of what has come is fetched again but the records of one instant."""
    hostile = source(script=["", "", "", "expired"])
    end, entries = harvest(small_world, HostileHarvester(None, hostile))
    assert stretches(entries) == [(0, 24), (11, 24)]
    assert (end.completeness, end.records, end.identifiers) == ("complete", 25, 24)


def test_a_list_as_long_as_one_that_was_cut_is_cut_as_well(small_world: World) -> None:
    """Of 22 records 11 came, and of the 12 that were left 11: short by little, and yet cut."""
    hostile = source(22, cap=11)
    end, entries = harvest(small_world, HostileHarvester(None, hostile))
    assert stretches(entries) == [(0, 24), (10, 24), (20, 24)]
    assert (end.completeness, end.identifiers) == ("complete", 22)


def test_a_list_in_another_order_is_halved(small_world: World) -> None:
    """Of a list that is newest first, the last datestamp says nothing of what lies before it."""
    hostile = source(script=["", "", "", "expired"])
    hostile.items.reverse()
    end, entries = harvest(small_world, HostileHarvester(None, hostile))
    assert stretches(entries) == [(0, 24), (0, 12), (12, 24)]
    assert end.completeness == "complete"


def test_without_a_total_a_few_datestamps_in_a_row_are_no_order(small_world: World) -> None:
    """They may be in a row by chance, and nothing would show what is missing."""
    few = source(totals=False, page_size=2, script=["", "", "expired"])
    many = source(totals=False, page_size=2, script=["", "", "", "", "expired"])
    _, entries = harvest(small_world, HostileHarvester(None, few))
    assert stretches(entries)[1] == (0, 12)
    later = Window(WINDOW.start, WINDOW.end + timedelta(hours=1))
    _, entries = harvest(small_world, HostileHarvester(None, many), "run 2", later)
    assert stretches(entries)[1] == (7, 25)


def test_after_a_half_the_window_goes_on_in_that_length_and_longer_where_there_is_little(
    small_world: World,
) -> None:
    """Part 4: windows adapt. A cap of six, twelve records in the first six hours, and two in all the others."""
    hostile = source(parts=None, cap=6)
    hours = [*(hour / 2 for hour in range(12)), 20, 23]
    hostile.items = [(f"x{hour}", WINDOW.start + timedelta(hours=hour)) for hour in hours]
    hostile.items.sort(key=lambda item: item[0])
    end, entries = harvest(small_world, HostileHarvester(None, hostile))
    assert stretches(entries) == [(0, 24), (0, 12), (0, 6), (0, 3), (3, 6), (6, 9), (9, 15), (15, 24)]
    assert (end.completeness, end.identifiers) == ("complete", 14)


def test_what_an_earlier_run_did_on_the_ladder_is_not_done_again(small_world: World) -> None:
    """Killed after a half was done: the next run goes on with the other one."""
    hostile = source(parts=None, script=["", "expired", "", "", "", "down", "down", "down", "down", "down"])
    with pytest.raises(SourceUnreachable):
        harvest(small_world, HostileHarvester(None, hostile))
    small_world.clock.forward(minutes=2)
    before = hostile.requests
    end, entries = harvest(small_world, HostileHarvester(None, hostile), "run 2")
    assert stretches(entries) == [(0, 24), (0, 12), (12, 24)]
    assert hostile.requests - before == 3
    assert (end.completeness, end.identifiers) == ("complete", 24)


@pytest.mark.parametrize(
    "error",
    [
        HttpStatusError("no.", status=401, url=URL),
        HttpStatusError("no.", status=403, url=URL),
        HttpStatusError("no.", status=404, url=URL),
        SourceRefused("no.", code="badArgument"),
        LoginPage("who are you?"),
        DeadlineExceeded("too late."),
        WaitTooLong("be quiet.", seconds=600),
    ],
    ids=lambda error: f"{type(error).__name__} {getattr(error, 'status', '')}",
)
def test_what_no_request_would_change_is_not_asked_again(small_world: World, error: HarvestError) -> None:
    """Lesson 33, and politeness: a refusal is one, and time that is over does not come back."""

    class Refused(HostileHarvester):
        def pages(self, window: Window, cursor: Cursor | None = None) -> Iterator[Page]:
            yield self.session.page(window, cursor)
            raise error

    hostile = source()
    with pytest.raises(type(error)):
        harvest(small_world, Refused(None, hostile))
    (log,) = small_world.logs().values()
    assert (hostile.requests, log.recoveries) == (1, 0)


def test_a_source_that_is_down_is_asked_five_times_and_no_more(small_world: World) -> None:
    """The session has tried each of these several times."""
    hostile = source(script=["", *["down"] * 100])
    with pytest.raises(SourceUnreachable):
        harvest(small_world, HostileHarvester(None, hostile))
    assert hostile.requests == 6


def test_a_source_that_breaks_each_list_at_the_same_place_is_not_asked_for_ever(small_world: World) -> None:
    """A day that cannot be read at any length: bounded, and the reason is what the last list said."""

    class Bad(HostileHarvester):
        def pages(self, window: Window, cursor: Cursor | None = None) -> Iterator[Page]:
            for page in super().pages(window, cursor):
                if "x13" in page.identifiers:
                    raise Truncated("it breaks off.")
                yield page

    hostile = source()
    with pytest.raises(Truncated):
        harvest(small_world, Bad(None, hostile))
    assert hostile.requests < 60


def test_where_no_page_with_a_record_can_be_read_its_neighbours_come_one_by_one(small_world: World) -> None:
    """Lesson 10: one bad record killed the day. The stretch with it is as short as it can be."""

    class Poisoned(HostileHarvester):
        def pages(self, window: Window, cursor: Cursor | None = None) -> Iterator[Page]:
            for page in super().pages(window, cursor):
                if "x13" in page.identifiers:
                    raise MalformedResponse("it is not well-formed.")
                yield page

        def one_by_one(self, window: Window) -> Iterator[Page]:
            return super().pages(window)

    hostile = source()
    end, entries = harvest(small_world, Poisoned(None, hostile))
    assert any("its records one by one" in said for said in small_world.said)
    assert (end.completeness, end.identifiers) == ("complete", 24)
    first = {entry.stretch.window.length for entry in entries}
    assert min(first) <= timedelta(hours=6)


def test_a_list_that_goes_round_in_a_circle_fails_and_says_so(
    small_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lesson 1's endless sister: 10,000 requests for three pages."""
    monkeypatch.setattr(walks, "MOST_STALE", 2)

    class Circle(HostileHarvester):
        def pages(self, window: Window, cursor: Cursor | None = None) -> Iterator[Page]:  # noqa: ARG002
            while True:
                yield self.session.page(window, None)

    hostile = source(parts=None)
    hostile.items = [(name, WINDOW.start) for name, _ in hostile.items]
    with pytest.raises(EndlessList):
        harvest(small_world, Circle(None, hostile))
    assert hostile.requests < 60


def test_what_a_rung_cannot_learn_of_the_source_does_not_hide_why_the_list_broke(small_world: World) -> None:
    """Identify failed as well, was all that one read, and no other rung was tried."""

    class Silent(HostileHarvester):
        @property
        def smallest(self) -> timedelta:
            raise MalformedResponse("no word of its granularity.")

    with pytest.raises(HttpStatusError, match="bad request"):
        harvest(small_world, Silent(None, source(script=["", *["400"] * 20])))
    end, _ = harvest(
        small_world, Silent(None, source(script=["", "400"])), "run 2", Window(WINDOW.start - DAY, MIDNIGHT)
    )
    assert end.completeness == "complete"


def test_a_list_that_only_seemed_to_be_in_order_is_halved_where_records_are_missing(
    small_world: World,
) -> None:
    """Two of three came in order, cut at a cap; what was missing lay before the last one's datestamp, in each run."""
    hostile = source(count=3, page_size=1, cap=2)
    hostile.items[2] = (hostile.items[2][0], WINDOW.start)
    end, _ = harvest(small_world, HostileHarvester(None, hostile))
    assert (end.completeness, end.identifiers) == ("complete", 3)


def test_a_deadline_names_what_the_time_went_by(small_world: World) -> None:
    """A source that was busy at one page for three hours: the time was over, was all that one read."""

    class Slow(HostileHarvester):
        def pages(self, window: Window, cursor: Cursor | None = None) -> Iterator[Page]:
            if self.session.requests > 2:
                raise DeadlineExceeded("the time for this harvest is over. Raise it.")
            return super().pages(window, cursor)

    with pytest.raises(
        DeadlineExceeded, match=r"after: no answer\. the time for this harvest is over\. Raise it\."
    ):
        harvest(small_world, Slow(None, source(script=["", "", "down"])))


def test_of_other_stretches_no_page_is_read_again(
    small_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hundred rungs over ten thousand pages each opened a million files."""
    opened: Counter[int] = Counter()
    read = AttemptSpool.entry

    def entry(spool: AttemptSpool, number: int) -> Entry:
        opened[number] += 1
        return read(spool, number)

    monkeypatch.setattr(AttemptSpool, "entry", entry)
    hostile = source(script=["", "", "expired"] * 4)
    run = small_world.harvest("run 1")
    with lock.holding(run) as grip:
        log = fetch.begin(run, WINDOW, grip, parent_id=None, limit=None)
        end = fetch.fetch(run, HostileHarvester(None, hostile), log, grip, lambda: None)
    assert end.recoveries > 1
    assert set(opened.values()) == {1}


def test_a_harvester_that_stops_in_the_middle_has_not_come_to_the_end(small_world: World) -> None:
    """A `return` in the wrong place of somebody's harvester, and the window would be green."""

    class Lazy(HostileHarvester):
        def pages(self, window: Window, cursor: Cursor | None = None) -> Iterator[Page]:
            yield self.session.page(window, cursor)

    hostile = source(totals=False)
    hostile.items = [(name, WINDOW.start) for name, _ in hostile.items]
    with pytest.raises(ProtocolError, match="ended at a page that names a next one"):
        harvest(small_world, Lazy(None, hostile))


def test_the_steps_are_said_and_counted(small_world: World) -> None:
    """Lesson 31: people see what was done about a list that broke, and how often."""
    hostile = source(script=["", "cut", "", "expired"])
    end, _ = harvest(small_world, HostileHarvester(None, hostile))
    (log,) = small_world.logs().values()
    assert log.recoveries == end.recoveries == 2
    assert (
        "a list broke off after 1 pages: it breaks off. Going on: the same page is asked for once more"
        in small_world.said
    )
    assert any(
        "it has expired. Going on: a new list from the last safe datestamp on: [2024-04-30T07:00:00Z, 2024-05-01)"
        in said
        for said in small_world.said
    )
