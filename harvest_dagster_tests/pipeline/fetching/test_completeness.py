"""What the lists of a window prove: it is complete, unverified, or short."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import count

import pytest

from harvest_dagster.errors import IncompleteList, PaginationLoop
from harvest_dagster.pipeline.fetching import list_progress
from harvest_dagster.pipeline.fetching.completeness import CompletenessTracker, completeness_of
from harvest_dagster.pipeline.fetching.identifier_index import SeenIdentifiers
from harvest_dagster.pipeline.fetching.recovery_limits import LIMITS
from harvest_dagster.records import Cursor, Page, Request
from harvest_dagster.spool import PageManifest, SubWindow, fingerprints
from harvest_dagster.windows import DAY, Window
from harvest_dagster_tests.pipeline.world import MIDNIGHT

WINDOW = Window(MIDNIGHT - 4 * DAY, MIDNIGHT)
FIRST, SECOND = WINDOW.split(2 * DAY)


class TrackerBuilder:
    """Fills a CompletenessTracker with pages."""

    def __init__(self, seen_identifiers: SeenIdentifiers, parts: int | None = 1) -> None:
        self.tracker = CompletenessTracker(WINDOW, seen_identifiers, parts, page_sizes=[4])
        self._pages = count()
        self._sub_windows = count()

    def begin(self, window: Window = WINDOW) -> SubWindow:
        return SubWindow(next(self._sub_windows), window)

    def page(
        self,
        sub_window: SubWindow,
        names: str,
        total: int | None = None,
        *,
        last: bool = False,
        part: int = 0,
        unnamed: int = 0,
        whole: bool = False,
        at: Cursor | None = None,
        following: Cursor | None = None,
    ) -> list_progress.ListProgress:
        """Add a page on which each letter is a record."""
        page = Page(
            body=b"",
            request=Request("https://example.org/list"),
            status=200,
            received=MIDNIGHT,
            cursor=at or Cursor(list_number=part),
            next=None if last else following or Cursor("more", part),
            count=len(names) + unnamed,
            total=total,
            is_whole_list=whole,
        )
        self.tracker.add_page(PageManifest(next(self._pages), sub_window, page, "", 0, fingerprints(names)))
        return self.tracker.history[-1]


@pytest.fixture
def builder() -> Iterator[TrackerBuilder]:
    with SeenIdentifiers() as seen_identifiers:
        yield TrackerBuilder(seen_identifiers)


def completeness(builder: TrackerBuilder) -> str:
    """Return the completeness of the window, or both numbers of a shortfall."""
    try:
        for progress in builder.tracker.history:
            if progress.has_ended:
                builder.tracker.raise_if_short(progress)
        builder.tracker.raise_if_incomplete()
    except IncompleteList as error:
        return f"{error.received} of {error.announced}"
    return completeness_of(builder.tracker.evidence())


@pytest.mark.parametrize(
    ("pages", "expected"),
    [
        ([("abc", 5), ("de", 5)], "complete"),
        ([("abc", 5), ("cde", 5)], "complete"),
        ([("abc", 5), ("bcd", 5)], "4 of 5"),
        ([("abc", None), ("de", None)], "unverified"),
        ([("abc", 4), ("de", 4)], "unverified"),
        ([("abc", 6), ("de", 5)], "5 of 6"),
        ([("abc", 5), ("de", 6)], "5 of 6"),
        ([("abc", 5), ("de", None)], "complete"),
        ([("", 0)], "complete"),
    ],
)
def test_a_list_is_complete_if_it_has_as_many_different_records_as_its_largest_total(
    builder: TrackerBuilder, pages: list[tuple[str, int | None]], expected: str
) -> None:
    """If all records were counted, a page that arrived twice would hide one that was skipped."""
    sub_window = builder.begin()
    for number, (names, total) in enumerate(pages, 1):
        builder.page(sub_window, names, total, last=number == len(pages))
    assert completeness(builder) == expected


def test_each_record_without_an_identifier_counts_as_a_different_record(builder: TrackerBuilder) -> None:
    """An invalid record is a record of the list, too, and a harvester may give no identifiers at all."""
    sub_window = builder.begin()
    builder.page(sub_window, "ab", 5, unnamed=1)
    builder.page(sub_window, "cb", 5, last=True, unnamed=1)
    assert (completeness(builder), builder.tracker.identifiers) == ("complete", 5)


def test_the_number_of_identifiers_is_unknown_if_the_harvester_gives_none(builder: TrackerBuilder) -> None:
    """The number of records would be wrong: a record may have arrived twice."""
    builder.page(builder.begin(), "", 3, last=True, unnamed=3)
    assert (completeness(builder), builder.tracker.identifiers) == ("complete", None)


def test_a_window_is_complete_if_both_halves_are_complete(builder: TrackerBuilder) -> None:
    """The lists that replace a capped list prove what it left out (docs/failures.md#result-cap)."""
    builder.page(builder.begin(), "abc", 6)
    builder.page(builder.begin(FIRST), "abcd", 4, last=True)
    builder.page(builder.begin(SECOND), "ef", 2, last=True)
    assert (completeness(builder), builder.tracker.expected, builder.tracker.identifiers) == (
        "complete",
        6,
        6,
    )


def test_the_total_of_the_whole_window_proves_halves_without_totals(builder: TrackerBuilder) -> None:
    """OAI-PMH gives no total for a list of one page."""
    builder.page(builder.begin(), "abc", 6)
    builder.page(builder.begin(FIRST), "abcd", last=True)
    builder.page(builder.begin(SECOND), "ef", last=True)
    assert completeness(builder) == "complete"


def test_halves_are_incomplete_if_the_list_that_they_replace_announced_more_records(
    builder: TrackerBuilder,
) -> None:
    """If the halves do not add up, the source has not delivered everything."""
    builder.page(builder.begin(), "abc", 7)
    builder.page(builder.begin(FIRST), "abcd", 4, last=True)
    builder.page(builder.begin(SECOND), "ef", 2, last=True)
    assert completeness(builder) == "6 of 7"


def test_a_later_proven_list_replaces_an_older_total(builder: TrackerBuilder) -> None:
    """A record left the window in between, so no more records exist."""
    builder.page(builder.begin(), "abc", 5, last=True)
    sub_window = builder.begin()
    builder.page(sub_window, "abcd", 4, last=True)
    with pytest.raises(IncompleteList):
        builder.tracker.raise_if_short(builder.tracker.history[0])
    builder.tracker.raise_if_incomplete()
    assert builder.tracker.evidence() == "total"


def test_records_of_an_older_list_do_not_complete_a_short_list(builder: TrackerBuilder) -> None:
    """`e` has left, and both lists lost `d`. Together they have four different records, as the second announced."""
    builder.page(builder.begin(), "abce", 5, last=True)
    builder.page(builder.begin(), "abc", 4, last=True)
    assert completeness(builder) == "4 of 5"


def test_each_set_is_counted_separately(builder: TrackerBuilder) -> None:
    """A record in two sets must not hide one that is missing in the second set."""
    sub_window = builder.begin()
    builder.page(sub_window, "abc", 3, part=0, following=Cursor(None, 1))
    builder.page(sub_window, "cd", 3, part=1, last=True)
    assert completeness(builder) == "2 of 3"
    assert builder.tracker.expected == 6


def test_a_broken_list_of_sets_proves_nothing_about_sets_that_were_not_requested(
    builder: TrackerBuilder,
) -> None:
    """The first set is complete, but the second was never requested."""
    builder.tracker._parts = 2
    builder.page(builder.begin(), "abc", 3, part=0)
    builder.page(builder.begin(FIRST), "abc", part=0, following=Cursor(None, 1))
    builder.page(SubWindow(1, FIRST), "", part=1, last=True)
    builder.page(builder.begin(SECOND), "", part=0, last=True)
    assert completeness(builder) == "unverified"


def test_a_window_is_unverified_if_no_list_proves_a_part_of_it(builder: TrackerBuilder) -> None:
    """The part of a broken list before its last safe datestamp is not proven."""
    builder.page(builder.begin(), "abc")
    builder.page(builder.begin(SECOND), "cd", 2, last=True)
    assert (completeness(builder), builder.tracker.expected) == ("unverified", None)


@pytest.mark.parametrize("total", [3, None])
def test_a_list_that_is_as_long_as_a_cap_proves_nothing(
    builder: TrackerBuilder, total: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The source reports 10,000 of 10,000 records although it has more (docs/failures.md#result-cap)."""
    monkeypatch.setattr(list_progress, "LIMITS", replace(LIMITS, result_caps=frozenset({3})))
    progress = builder.page(builder.begin(), "abc", total, last=True)
    assert progress.may_be_capped
    assert completeness(builder) == "unverified"
    assert "ended after 3 records, where sources cut lists" in (builder.tracker.doubt() or "")


def test_a_list_that_is_as_long_as_a_cap_is_no_doubt_after_shorter_lists(
    builder: TrackerBuilder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise each halved window would be harvested twice."""
    monkeypatch.setattr(list_progress, "LIMITS", replace(LIMITS, uncounted_caps=frozenset({3})))
    builder.page(builder.begin(), "abc", last=True)
    builder.page(builder.begin(FIRST), "ab", last=True)
    assert builder.tracker.doubt() is not None
    builder.page(builder.begin(SECOND), "cd", last=True)
    assert builder.tracker.doubt() is None


def test_pages_without_new_records_end_an_endless_list(builder: TrackerBuilder) -> None:
    """One such page is possible where pages overlap. A constant cursor is no circle while records arrive."""
    sub_window = builder.begin()
    for names in ("abc", "abc", "bc", "d", "abc", "d"):
        builder.page(sub_window, names).raise_if_stuck()
    with pytest.raises(PaginationLoop, match="3 pages in a row contained nothing new for this list"):
        builder.page(sub_window, "a").raise_if_stuck()


def test_an_empty_page_whose_cursor_leads_to_itself_is_not_requested_a_thousand_times(
    builder: TrackerBuilder,
) -> None:
    """Such a source received 583 requests, until the time for the harvest was over."""
    sub_window = builder.begin()
    again = Cursor("more")
    for _ in range(2):
        builder.page(sub_window, "", at=again, following=again).raise_if_stuck()
    with pytest.raises(PaginationLoop, match="3 pages in a row contained nothing"):
        builder.page(sub_window, "", at=again, following=again).raise_if_stuck()


def test_empty_pages_are_followed_up_to_a_limit(
    builder: TrackerBuilder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An empty page with a token is not the end (docs/failures.md#empty-page-with-token)."""
    monkeypatch.setattr(list_progress, "LIMITS", replace(LIMITS, empty_pages=3))
    sub_window = builder.begin()
    for names in ("a", "", "", "b", "", ""):
        builder.page(sub_window, names).raise_if_stuck()
    with pytest.raises(PaginationLoop, match="3 pages in a row were empty"):
        builder.page(sub_window, "").raise_if_stuck()


def test_many_lists_may_be_empty_or_have_a_page(
    builder: TrackerBuilder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A source with a thousand parents has as many lists in each window. They counted as one list without an end."""
    monkeypatch.setattr(list_progress, "LIMITS", replace(LIMITS, empty_pages=3, pages=3))
    sub_window = builder.begin()
    for part in range(9):
        builder.page(sub_window, "a" if part > 4 else "", part=part).raise_if_stuck()


def test_a_list_of_too_many_pages_breaks(builder: TrackerBuilder, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may never end, and nobody would notice."""
    monkeypatch.setattr(list_progress, "LIMITS", replace(LIMITS, pages=3))
    sub_window = builder.begin()
    for names in ("a", "b"):
        builder.page(sub_window, names).raise_if_stuck()
    with pytest.raises(PaginationLoop, match="3 pages of one list were fetched, and there are more"):
        builder.page(sub_window, "c").raise_if_stuck()
    builder.page(sub_window, "d", last=True).raise_if_stuck()


def test_a_list_in_one_response_is_complete(builder: TrackerBuilder) -> None:
    """Small daily windows have no token, so no total. Without this rule, each of them would stay unverified."""
    builder.page(builder.begin(), "abc", last=True, whole=True)
    assert builder.tracker.evidence() == "single_response"


def test_a_list_as_long_as_a_page_of_the_source_proves_nothing(builder: TrackerBuilder) -> None:
    """It may be a first page whose token is missing: earlier windows of this source had full pages of four records."""
    builder.page(builder.begin(), "abcd", last=True, whole=True)
    assert builder.tracker.evidence() == "none"


def test_a_full_page_of_the_same_window_is_a_page_size(builder: TrackerBuilder) -> None:
    """The first half has pages of two records, and the second half ends after two records without a token."""
    first = builder.begin(FIRST)
    builder.page(first, "ab", 3)
    builder.page(first, "c", 3, last=True)
    builder.page(builder.begin(SECOND), "de", last=True, whole=True)
    assert builder.tracker.evidence() == "none"
    assert builder.tracker.full_page_sizes() == [2, 4]


def test_a_page_that_the_protocol_does_not_call_whole_proves_nothing(builder: TrackerBuilder) -> None:
    """A JSON page without a next cursor may be the whole list, or the API has renamed its key."""
    builder.page(builder.begin(), "abc", last=True)
    assert builder.tracker.evidence() == "none"


@pytest.mark.parametrize(("total", "whole"), [(None, False), (0, True), (None, True)])
def test_an_empty_answer_alone_proves_nothing(
    builder: TrackerBuilder, total: int | None, whole: bool
) -> None:
    """One transient noRecordsMatch, or one empty JSON page, made a window complete."""
    builder.page(builder.begin(), "", total, last=True, whole=whole)
    assert builder.tracker.evidence() == "none"


def test_an_empty_list_is_complete_if_the_source_counts_nothing(builder: TrackerBuilder) -> None:
    """A JSON API announces a total of 0. For noRecordsMatch, which is a whole list, the total of 0 is ours."""
    builder.page(builder.begin(), "", 0, last=True, whole=False)
    assert builder.tracker.evidence() == "total"


def test_the_weaker_evidence_counts_if_sub_windows_differ(builder: TrackerBuilder) -> None:
    """One half has a total, the other half came in one response."""
    builder.page(builder.begin(FIRST), "abc", 3, last=True)
    builder.page(builder.begin(SECOND), "de", last=True, whole=True)
    assert builder.tracker.evidence() == "single_response"


def test_a_single_response_with_a_total_is_proven_by_the_total(builder: TrackerBuilder) -> None:
    """A total that disagrees must not be replaced by the weaker rule."""
    builder.page(builder.begin(), "abc", 3, last=True, whole=True)
    assert builder.tracker.evidence() == "total"
    builder.page(builder.begin(), "abc", 2, last=True, whole=True)
    assert builder.tracker.evidence() == "total"


def test_a_list_longer_than_its_total_is_not_proven_by_its_single_response(builder: TrackerBuilder) -> None:
    """The source contradicts itself."""
    builder.page(builder.begin(), "abc", 2, last=True, whole=True)
    assert builder.tracker.evidence() == "none"


def test_an_empty_answer_for_one_of_several_lists_proves_nothing(builder: TrackerBuilder) -> None:
    """One set was empty once, by mistake. The window had 15 of 30 records and was complete."""
    sub_window = builder.begin()
    builder.page(sub_window, "abc", 3, last=True)
    builder.page(sub_window, "", 0, last=True, part=1, whole=True)
    assert builder.tracker.evidence() == "none"


def test_an_empty_answer_for_a_part_of_the_window_proves_nothing(builder: TrackerBuilder) -> None:
    """The second half of a day was empty once, by mistake. The day had 18 of 35 records and was complete."""
    builder.page(builder.begin(FIRST), "abc", None, last=True, whole=True)
    builder.page(builder.begin(SECOND), "", 0, last=True, whole=True)
    assert builder.tracker.evidence() == "none"


def test_a_total_does_not_prove_a_window_whose_later_list_announced_more(builder: TrackerBuilder) -> None:
    """The list grew at its front while it was fetched. 37 of 39 records had come, and the first total was 37."""
    builder.page(builder.begin(), "abb", 3, last=True)
    builder.page(builder.begin(), "bcc", 4, last=True)
    assert builder.tracker.evidence() == "none"
