"""Which recovery step is taken when, what it costs, and where recovery ends: with a source that fails by a script."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from harvest_dagster.errors import (
    DeadlineExceeded,
    HarvestError,
    HttpStatusError,
    IncompleteList,
    LoginPage,
    MalformedResponse,
    PaginationLoop,
    ProtocolError,
    RetryLater,
    SourceRefused,
    SourceUnreachable,
    TruncatedResponse,
)
from harvest_dagster.pipeline import lease_guard
from harvest_dagster.pipeline.fetching import list_progress
from harvest_dagster.pipeline.fetching.recovery_limits import LIMITS
from harvest_dagster.pipeline.steps import fetch
from harvest_dagster.records import Cursor, Page
from harvest_dagster.spool import AttemptSpool, FetchSummary, PageManifest
from harvest_dagster.windows import DAY, Window
from harvest_dagster_tests.pipeline.hostile import URL, HostileClient, HostileSource
from harvest_dagster_tests.pipeline.world import MIDNIGHT, World

WINDOW = Window(MIDNIGHT - DAY, MIDNIGHT)
HOUR = Window(WINDOW.start, WINDOW.start + timedelta(hours=1))  # the source knows no shorter window


def source(count: int = 24, **changes: object) -> HostileSource:
    """Return a source with one record for each hour, the oldest first, four on a page."""
    items = [(f"x{number:02}", WINDOW.start + number * timedelta(hours=1)) for number in range(count)]
    values = {"page_size": 4, "totals": True, "parts": 1, "cap": None, "script": [], **changes}
    return HostileSource(items=items, **values)


def harvest(
    world: World, client: HostileClient, name: str = "run 1", window: Window = WINDOW
) -> tuple[FetchSummary, list[PageManifest]]:
    """Fetch the window. Return its summary and its pages."""
    run = world.harvest(name)
    with lease_guard.hold_lease(run) as lease:
        try:
            log = fetch.begin(run, window, lease, parent_id=None, limit=None)
            end = fetch.fetch(run, client, log, lease, lambda: None)
        finally:
            lease_guard.release(run, lease)
    return end, list(run.attempt(log).manifests())


def sub_windows(entries: list[PageManifest]) -> list[tuple[int, int]]:
    """Return the first and the last hour of each sub-window, in the order of the requests."""
    hour = timedelta(hours=1)
    windows = dict.fromkeys((entry.sub_window.number, entry.sub_window.window) for entry in entries)
    return [((w.start - WINDOW.start) // hour, (w.end - WINDOW.start) // hour) for _, w in windows]


@pytest.mark.parametrize("what", ["cut", "malformed", "down"])
def test_a_page_that_fails_once_is_requested_again(small_world: World, what: str) -> None:
    """The cheapest step costs one request."""
    hostile = source(script=["", "", what])
    end, entries = harvest(small_world, HostileClient(None, hostile))
    assert sub_windows(entries) == [(0, 24)]
    assert (end.completeness, end.recoveries, hostile.requests) == ("complete", 1, 7)


def test_an_ordered_list_continues_from_its_last_datestamp(small_world: World) -> None:
    """Only the records of one instant are fetched again (docs/failures.md#no-resume)."""
    hostile = source(script=["", "", "", "expired"])
    end, entries = harvest(small_world, HostileClient(None, hostile))
    assert sub_windows(entries) == [(0, 24), (11, 24)]
    assert (end.completeness, end.records, end.identifiers) == ("complete", 25, 24)


def test_a_list_as_long_as_one_that_was_cut_off_counts_as_cut_off(small_world: World) -> None:
    """Of 22 records 11 arrive, and then 11 of the other 12: the second list is only short by one, and yet cut off."""
    hostile = source(22, cap=11)
    end, entries = harvest(small_world, HostileClient(None, hostile))
    assert sub_windows(entries) == [(0, 24), (10, 24), (20, 24)]
    assert (end.completeness, end.identifiers) == ("complete", 22)


def test_an_unordered_list_is_halved(small_world: World) -> None:
    """In a list with the newest first, the last datestamp says nothing about earlier records."""
    hostile = source(script=["", "", "", "expired"])
    hostile.items.reverse()
    end, entries = harvest(small_world, HostileClient(None, hostile))
    assert sub_windows(entries) == [(0, 24), (0, 12), (12, 24)]
    assert end.completeness == "complete"


def test_without_a_total_an_ordered_list_is_halved(small_world: World) -> None:
    """Order is no proof: 59 of 200 records were lost, with success (docs/failures.md#order-taken-as-proof)."""
    hostile = source(totals=False, page_size=2, script=[*[""] * 10, "expired"])
    end, entries = harvest(small_world, HostileClient(None, hostile))
    assert sub_windows(entries) == [(0, 24), (0, 12), (12, 24)]
    assert (end.completeness, end.identifiers) == ("unverified", 24)


def test_deleted_records_after_the_live_ones_are_not_lost_without_a_total(small_world: World) -> None:
    """All live records come in order, and the deleted ones after them, with older datestamps.

    See docs/failures.md#order-taken-as-proof.
    """
    hostile = source(totals=False, page_size=3, script=[*[""] * 4, "expired"])
    hostile.items = [*hostile.items[::2], *hostile.items[1::2]]
    end, _ = harvest(small_world, HostileClient(None, hostile))
    assert (end.completeness, end.identifiers) == ("unverified", 24)


def test_deleted_records_after_the_live_ones_are_not_lost_with_a_total(small_world: World) -> None:
    """The list continues from its last datestamp. The total then shows that records are missing."""
    hostile = source(page_size=3, script=[*[""] * 4, "expired"])
    hostile.items = [*hostile.items[::2], *hostile.items[1::2]]
    end, _ = harvest(small_world, HostileClient(None, hostile))
    assert (end.completeness, end.identifiers) == ("complete", 24)


def test_a_cursor_that_expired_between_two_runs_repeats_the_list_without_a_total(small_world: World) -> None:
    """After a kill, the list begins again. Nothing proves what lies before the last datestamp."""
    hostile = source(totals=False, page_size=2, script=[*[""] * 10, *["down"] * 6, "expired"])
    with pytest.raises(SourceUnreachable):
        harvest(small_world, HostileClient(None, hostile))
    hostile.script = [*[""] * hostile.requests, "expired"]
    small_world.clock.forward(minutes=2)
    end, entries = harvest(small_world, HostileClient(None, hostile), "run 2")
    assert sub_windows(entries)[-1] == (0, 24) or sub_windows(entries)[-2:] == [(0, 12), (12, 24)]
    assert end.identifiers == 24


@pytest.mark.parametrize("count", [4, 6, 60])
def test_a_record_that_moves_between_two_pages_is_found_by_a_second_list(
    small_world: World, count: int
) -> None:
    """A small list was not requested again, and its window failed (docs/failures.md#total-counts-rows)."""
    hostile = source(count, page_size=count // 2, script=["", "moves"])
    hostile.items = [(name, WINDOW.start) for name, _ in hostile.items]
    end, entries = harvest(small_world, HostileClient(None, hostile), window=HOUR)
    assert sub_windows(entries) == [(0, 1), (0, 1)]
    assert (end.completeness, end.identifiers, hostile.requests) == ("complete", count, 4)


def test_a_total_that_counts_a_record_twice_does_not_fail_the_window(small_world: World) -> None:
    """The source lists a deleted record twice and counts both. A second look finds the same records.

    See docs/failures.md#total-counts-rows.
    """
    hostile = source(5, page_size=3, twice={"x02"})
    hostile.items = [(name, WINDOW.start) for name, _ in hostile.items]
    end, entries = harvest(small_world, HostileClient(None, hostile), window=HOUR)
    assert sub_windows(entries) == [(0, 1), (0, 1)]
    assert (end.completeness, end.identifiers, hostile.requests) == ("unverified", 5, 4)
    assert any("6 came, 5 different ones" in line for line in small_world.log_lines)


def test_shorter_lists_are_the_second_look_at_a_total_that_counts_a_record_twice(small_world: World) -> None:
    """They have other pages, so they also show whether a record is missing at the edge of a page."""
    hostile = source(23, page_size=4, twice={"x03"})
    end, entries = harvest(small_world, HostileClient(None, hostile))
    assert sub_windows(entries) == [(0, 24), (0, 12), (12, 24)]
    assert (end.completeness, end.identifiers) == ("unverified", 23)


@pytest.mark.parametrize("totals", [True, False])
def test_a_page_in_the_place_of_another_is_not_taken_for_records_that_are_listed_twice(
    small_world: World, totals: bool
) -> None:
    """The rows reach the total, but three records are missing. Shorter lists have them."""
    hostile = source(12, page_size=3, totals=totals, repeats=2)
    end, entries = harvest(small_world, HostileClient(None, hostile))
    assert len(sub_windows(entries)) > 1
    assert end.identifiers == 12


def test_a_page_in_the_place_of_another_fails_the_window_if_no_list_has_the_others(
    small_world: World,
) -> None:
    """All records have one datestamp, so that no list is shorter."""
    hostile = source(12, page_size=3, repeats=2)
    hostile.items = [(name, WINDOW.start) for name, _ in hostile.items]
    with pytest.raises(IncompleteList, match=r"^9 of 12 records of .* were delivered\."):
        harvest(small_world, HostileClient(None, hostile), window=HOUR)


def test_repeated_records_without_a_total_are_looked_at_again(small_world: World) -> None:
    """60 records came, 48 of them different, and the window was green with 12 missing.

    See docs/failures.md#order-taken-as-proof.
    """
    hostile = source(60, page_size=12, totals=False, script=["", "", "again"])
    hostile.items = [(name, WINDOW.start) for name, _ in hostile.items]
    end, entries = harvest(small_world, HostileClient(None, hostile), window=HOUR)
    assert sub_windows(entries) == [(0, 1), (0, 1)]
    assert (end.completeness, end.identifiers) == ("unverified", 60)
    assert any("60 came, 48 different ones" in line for line in small_world.log_lines)


def test_records_that_are_always_repeated_are_looked_at_twice_and_reported(small_world: World) -> None:
    """Without a total, nothing else can show what is missing. The window is never complete."""
    hostile = source(5, page_size=3, totals=False, twice={"x02"})
    hostile.items = [(name, WINDOW.start) for name, _ in hostile.items]
    end, entries = harvest(small_world, HostileClient(None, hostile), window=HOUR)
    assert sub_windows(entries) == [(0, 1), (0, 1)]
    assert (end.completeness, end.identifiers) == ("unverified", 5)
    assert any("this does not prove that the window is complete" in line for line in small_world.log_lines)


def test_a_second_look_continues_after_a_kill(small_world: World) -> None:
    """The run is killed after the list that repeats records. The next run knows it from the manifest."""
    hostile = source(6, page_size=3, totals=False, script=["", "again", *["down"] * 9])
    hostile.items = [(name, WINDOW.start) for name, _ in hostile.items]
    with pytest.raises(SourceUnreachable):
        harvest(small_world, HostileClient(None, hostile), window=HOUR)
    hostile.script = []
    small_world.clock.forward(minutes=2)
    end, _ = harvest(small_world, HostileClient(None, hostile), "run 2", HOUR)
    assert (end.completeness, end.identifiers) == ("unverified", 6)


def test_sub_windows_after_a_halved_one_keep_its_length_and_grow_if_they_have_few_records(
    small_world: World,
) -> None:
    """A cap of six records; twelve records are in the first six hours, and two in all other hours."""
    hostile = source(parts=None, cap=6)
    hours = [*(hour / 2 for hour in range(12)), 20, 23]
    hostile.items = [(f"x{hour}", WINDOW.start + timedelta(hours=hour)) for hour in hours]
    hostile.items.sort(key=lambda item: item[0])
    end, entries = harvest(small_world, HostileClient(None, hostile))
    expected = [(0, 24), (0, 12), (0, 6), (0, 3), (3, 6), (6, 9), (9, 12), (12, 18), (18, 24)]
    assert sub_windows(entries) == expected
    assert (end.completeness, end.identifiers) == ("complete", 14)


def test_recovery_steps_of_an_earlier_run_are_not_repeated(small_world: World) -> None:
    """The run fails after the first half, and the next run continues with the second."""
    hostile = source(parts=None, script=["", "expired", "", "", "", "down", "down", "down", "down", "down"])
    with pytest.raises(SourceUnreachable):
        harvest(small_world, HostileClient(None, hostile))
    small_world.clock.forward(minutes=2)
    before = hostile.requests
    end, entries = harvest(small_world, HostileClient(None, hostile), "run 2")
    assert sub_windows(entries) == [(0, 24), (0, 12), (12, 24)]
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
        RetryLater("be quiet.", seconds=600),
    ],
    ids=lambda error: f"{type(error).__name__} {getattr(error, 'status', '')}",
)
def test_an_error_that_no_request_can_avoid_ends_the_fetch(small_world: World, error: HarvestError) -> None:
    """A refusal must be respected (docs/failures.md#bot-protection), and time that is over does not come back."""

    class Refused(HostileClient):
        def pages(self, window: Window, cursor: Cursor | None = None) -> Iterator[Page]:
            yield self.session.page(window, cursor)
            raise error

    hostile = source()
    with pytest.raises(type(error)):
        harvest(small_world, Refused(None, hostile))
    (log,) = small_world.logs().values()
    assert (hostile.requests, log.counts.recoveries) == (1, 0)


def test_a_source_that_is_down_gets_five_more_requests(small_world: World) -> None:
    """The session has already repeated each of these requests."""
    hostile = source(script=["", *["down"] * 100])
    with pytest.raises(SourceUnreachable):
        harvest(small_world, HostileClient(None, hostile))
    assert hostile.requests == 6


def test_requests_are_bounded_if_each_list_breaks_at_the_same_place(small_world: World) -> None:
    """A list that breaks at every length ends with the error of its last request."""

    class Bad(HostileClient):
        def pages(self, window: Window, cursor: Cursor | None = None) -> Iterator[Page]:
            for page in super().pages(window, cursor):
                if "x13" in page.identifiers:
                    raise TruncatedResponse("it breaks off.")
                yield page

    hostile = source()
    with pytest.raises(TruncatedResponse):
        harvest(small_world, Bad(None, hostile))
    assert hostile.requests < 60


def test_records_beside_an_invalid_one_are_fetched_one_by_one(small_world: World) -> None:
    """One invalid record cost the whole day (docs/failures.md#one-invalid-record).

    The sub-window that is fetched one by one is as short as possible.
    """

    class Poisoned(HostileClient):
        def pages(self, window: Window, cursor: Cursor | None = None) -> Iterator[Page]:
            for page in super().pages(window, cursor):
                if "x13" in page.identifiers:
                    raise MalformedResponse("it is not well-formed.")
                yield page

        def one_by_one(self, window: Window) -> Iterator[Page]:
            return super().pages(window)

    hostile = source()
    end, entries = harvest(small_world, Poisoned(None, hostile))
    assert any("request the records one by one" in line for line in small_world.log_lines)
    assert (end.completeness, end.identifiers) == ("complete", 24)
    first = {entry.sub_window.window.length for entry in entries}
    assert min(first) <= timedelta(hours=6)


def test_a_list_that_repeats_its_pages_fails_and_says_so(
    small_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without this limit, a list of three pages would cost 10,000 requests."""
    monkeypatch.setattr(list_progress, "LIMITS", replace(LIMITS, stale_pages=2))

    class Circle(HostileClient):
        def pages(self, window: Window, cursor: Cursor | None = None) -> Iterator[Page]:  # noqa: ARG002
            while True:
                yield self.session.page(window, None)

    hostile = source(parts=None)
    hostile.items = [(name, WINDOW.start) for name, _ in hostile.items]
    with pytest.raises(PaginationLoop):
        harvest(small_world, Circle(None, hostile))
    assert hostile.requests < 60


def test_a_step_that_cannot_learn_the_granularity_does_not_hide_why_the_list_broke(
    small_world: World,
) -> None:
    """Otherwise the error only says that Identify failed, and no other step is tried."""

    class Silent(HostileClient):
        @property
        def smallest_window(self) -> timedelta:
            raise MalformedResponse("no granularity.")

    with pytest.raises(HttpStatusError, match="bad request"):
        harvest(small_world, Silent(None, source(script=["", *["400"] * 20])))
    end, _ = harvest(
        small_world, Silent(None, source(script=["", "400"])), "run 2", Window(WINDOW.start - DAY, MIDNIGHT)
    )
    assert end.completeness == "complete"


def test_a_list_that_only_seemed_ordered_is_halved_if_records_are_missing(
    small_world: World,
) -> None:
    """Two of three records arrive in order before a cap. The missing one is before the last datestamp."""
    hostile = source(count=3, page_size=1, cap=2)
    hostile.items[2] = (hostile.items[2][0], WINDOW.start)
    end, _ = harvest(small_world, HostileClient(None, hostile))
    assert (end.completeness, end.identifiers) == ("complete", 3)


def test_a_timeout_names_the_last_error(small_world: World) -> None:
    """A source failed at one page for three hours, and the error only said that the time was over."""

    class Slow(HostileClient):
        def pages(self, window: Window, cursor: Cursor | None = None) -> Iterator[Page]:
            if self.session.requests > 2:
                raise DeadlineExceeded("the time for this harvest is over. Raise it.")
            return super().pages(window, cursor)

    with pytest.raises(
        DeadlineExceeded, match=r"after: no answer\. the time for this harvest is over\. Raise it\."
    ):
        harvest(small_world, Slow(None, source(script=["", "", "down"])))


def test_a_recovery_step_reads_only_the_pages_of_its_sub_window(
    small_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hundred steps over ten thousand pages opened a million files."""
    opened: Counter[int] = Counter()
    read_with_body = AttemptSpool.read_with_body

    def counted(spool: AttemptSpool, number: int) -> PageManifest:
        opened[number] += 1
        return read_with_body(spool, number)

    monkeypatch.setattr(AttemptSpool, "read_with_body", counted)
    hostile = source(script=["", "", "expired"] * 4)
    run = small_world.harvest("run 1")
    with lease_guard.hold_lease(run) as lease:
        log = fetch.begin(run, WINDOW, lease, parent_id=None, limit=None)
        summary = fetch.fetch(run, HostileClient(None, hostile), log, lease, lambda: None)
    assert summary.recoveries > 1
    assert set(opened.values()) == {1}


def test_a_harvester_that_stops_before_the_last_page_fails(small_world: World) -> None:
    """With a `return` in the wrong place of a plug-in, the window would be green."""

    class Lazy(HostileClient):
        def pages(self, window: Window, cursor: Cursor | None = None) -> Iterator[Page]:
            yield self.session.page(window, cursor)

    hostile = source(totals=False)
    hostile.items = [(name, WINDOW.start) for name, _ in hostile.items]
    with pytest.raises(ProtocolError, match="ended at a page that names a next one"):
        harvest(small_world, Lazy(None, hostile))


def test_recovery_steps_are_logged_and_counted(small_world: World) -> None:
    """People see what was done about a broken list, and how often (docs/failures.md#report-without-numbers)."""
    hostile = source(script=["", "cut", "", "expired"])
    end, _ = harvest(small_world, HostileClient(None, hostile))
    (log,) = small_world.logs().values()
    assert log.counts.recoveries == end.recoveries == 2
    assert (
        "a list broke after 1 pages: it breaks off. Recovery: request the same page again"
        in small_world.log_lines
    )
    assert any(
        "it has expired. Recovery: request a new list from the last safe datestamp: [2024-04-30T07:00:00Z, 2024-05-01)"
        in line
        for line in small_world.log_lines
    )
