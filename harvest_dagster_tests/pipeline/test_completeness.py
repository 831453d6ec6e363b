"""What the lists of a window prove: complete, unverified, or short."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import pytest

from harvest_dagster.errors import EndlessList, IncompleteList
from harvest_dagster.pipeline import walks
from harvest_dagster.pipeline.completeness import Ledger
from harvest_dagster.pipeline.sightings import Sightings
from harvest_dagster.records import Cursor, Page, Request
from harvest_dagster.spool import Entry, Stretch, fingerprints
from harvest_dagster.windows import DAY, Window
from harvest_dagster_tests.pipeline.world import MIDNIGHT

WHOLE = Window(MIDNIGHT - 4 * DAY, MIDNIGHT)
FIRST, SECOND = WHOLE.split(2 * DAY)


class Book:
    """A ledger that is easy to write in."""

    def __init__(self, sightings: Sightings, parts: int | None = 1) -> None:
        self.ledger = Ledger(WHOLE, sightings, parts)
        self._pages = count()
        self._stretches = count()

    def begin(self, window: Window = WHOLE) -> Stretch:
        return Stretch(next(self._stretches), window)

    def page(
        self,
        stretch: Stretch,
        names: str,
        total: int | None = None,
        *,
        last: bool = False,
        part: int = 0,
        unnamed: int = 0,
        at: Cursor | None = None,
        following: Cursor | None = None,
    ) -> walks.Walk:
        """A page on which each letter is a record."""
        page = Page(
            body=b"",
            request=Request("https://example.org/list"),
            status=200,
            received=MIDNIGHT,
            cursor=at or Cursor(part=part),
            next=None if last else following or Cursor("more", part),
            count=len(names) + unnamed,
            total=total,
        )
        self.ledger.add(Entry(next(self._pages), stretch, page, "", 0, fingerprints(names)))
        return self.ledger.walks[-1]


@pytest.fixture
def book() -> Iterator[Book]:
    with Sightings() as sightings:
        yield Book(sightings)


def verdict(book: Book) -> str:
    """Of all that came; a shortfall is one, too."""
    try:
        for walk in book.ledger.walks:
            if walk.ended:
                book.ledger.refuse_shortfall(walk)
        book.ledger.refuse_gaps()
    except IncompleteList as short:
        return f"{short.came} of {short.announced}"
    return book.ledger.verdict()


@pytest.mark.parametrize(
    ("pages", "said"),
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
def test_a_list_is_measured_by_its_different_records_and_its_largest_total(
    book: Book, pages: list[tuple[str, int | None]], said: str
) -> None:
    """Counting what came, a page that came twice would stand for one that was skipped."""
    stretch = book.begin()
    for number, (names, total) in enumerate(pages, 1):
        book.page(stretch, names, total, last=number == len(pages))
    assert verdict(book) == said


def test_records_without_a_name_count_each_for_itself(book: Book) -> None:
    """A record that cannot be read is a record of the list; a harvester may give no identifiers at all."""
    stretch = book.begin()
    book.page(stretch, "ab", 5, unnamed=1)
    book.page(stretch, "cb", 5, last=True, unnamed=1)
    assert (verdict(book), book.ledger.identifiers) == ("complete", 5)


def test_of_a_harvester_that_gives_no_identifiers_there_is_no_number_of_them(book: Book) -> None:
    """Records are not identifiers: a record may have come twice."""
    book.page(book.begin(), "", 3, last=True, unnamed=3)
    assert (verdict(book), book.ledger.identifiers) == ("complete", None)


def test_halves_that_are_proven_tile_the_window(book: Book) -> None:
    """Lesson 8: what a list left out is proven by the lists in its place."""
    book.page(book.begin(), "abc", 6)
    book.page(book.begin(FIRST), "abcd", 4, last=True)
    book.page(book.begin(SECOND), "ef", 2, last=True)
    assert (verdict(book), book.ledger.expected, book.ledger.identifiers) == ("complete", 6, 6)


def test_halves_without_totals_are_proven_by_that_of_the_whole(book: Book) -> None:
    """OAI-PMH has no place for a total where a list is one page long."""
    book.page(book.begin(), "abc", 6)
    book.page(book.begin(FIRST), "abcd", last=True)
    book.page(book.begin(SECOND), "ef", last=True)
    assert verdict(book) == "complete"


def test_halves_that_are_less_than_the_list_they_replace_had_announced_are_short(book: Book) -> None:
    """A source whose halves do not add up has not shown all it has."""
    book.page(book.begin(), "abc", 7)
    book.page(book.begin(FIRST), "abcd", 4, last=True)
    book.page(book.begin(SECOND), "ef", 2, last=True)
    assert verdict(book) == "6 of 7"


def test_a_later_list_that_proves_itself_takes_the_older_total_s_place(book: Book) -> None:
    """A record has left the window in between: there is nothing more to come."""
    book.page(book.begin(), "abc", 5, last=True)
    stretch = book.begin()
    book.page(stretch, "abcd", 4, last=True)
    with pytest.raises(IncompleteList):
        book.ledger.refuse_shortfall(book.ledger.walks[0])
    book.ledger.refuse_gaps()
    assert book.ledger.verdict() == "complete"


def test_a_list_cannot_borrow_from_an_older_one_what_its_own_total_lacks(book: Book) -> None:
    """`e` has left, and `d` slipped through both times: four different records, and four is what the second says."""
    book.page(book.begin(), "abce", 5, last=True)
    book.page(book.begin(), "abc", 4, last=True)
    assert verdict(book) == "4 of 5"


def test_sets_are_counted_each_for_itself(book: Book) -> None:
    """A record of two sets may not stand for one that is missing in the second."""
    stretch = book.begin()
    book.page(stretch, "abc", 3, part=0, following=Cursor(None, 1))
    book.page(stretch, "cd", 3, part=1, last=True)
    assert verdict(book) == "2 of 3"
    assert book.ledger.expected == 6


def test_a_list_of_sets_that_broke_says_nothing_of_the_sets_that_were_not_asked(book: Book) -> None:
    """Its first set is all there; the second was never begun."""
    book.ledger._parts = 2
    book.page(book.begin(), "abc", 3, part=0)
    book.page(book.begin(FIRST), "abc", part=0, following=Cursor(None, 1))
    book.page(Stretch(1, FIRST), "", part=1, last=True)
    book.page(book.begin(SECOND), "", part=0, last=True)
    assert verdict(book) == "unverified"


def test_a_window_that_is_not_tiled_is_unverified(book: Book) -> None:
    """The safe part of a list that broke is safe, not proven."""
    book.page(book.begin(), "abc")
    book.page(book.begin(SECOND), "cd", 2, last=True)
    assert (verdict(book), book.ledger.expected) == ("unverified", None)


@pytest.mark.parametrize("total", [3, None])
def test_a_list_as_long_as_a_cap_proves_nothing(
    book: Book, total: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lesson 8: 10,000 of 10,000, says the source."""
    monkeypatch.setattr(walks, "CAPS", {3})
    walk = book.page(book.begin(), "abc", total, last=True)
    assert walk.is_suspect
    assert verdict(book) == "unverified"


def test_pages_that_bring_nothing_new_end_a_list_that_would_not(book: Book) -> None:
    """One such page is possible where pages overlap; a cursor that stays the same while records come is no circle."""
    stretch = book.begin()
    for names in ("abc", "abc", "bc", "d", "abc", "d"):
        book.page(stretch, names).refuse_standstill()
    with pytest.raises(
        EndlessList, match="3 pages in a row brought nothing that this list did not have before"
    ):
        book.page(stretch, "a").refuse_standstill()


def test_an_empty_page_that_leads_to_itself_is_not_followed_a_thousand_times(book: Book) -> None:
    """Each asks for the same again: 583 requests, until the time for the harvest was over."""
    stretch = book.begin()
    again = Cursor("more")
    for _ in range(2):
        book.page(stretch, "", at=again, following=again).refuse_standstill()
    with pytest.raises(EndlessList, match="3 pages in a row brought nothing"):
        book.page(stretch, "", at=again, following=again).refuse_standstill()


def test_empty_pages_are_followed_but_not_for_ever(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lesson 2: an empty page with a token is no end."""
    monkeypatch.setattr(walks, "MOST_EMPTY", 3)
    stretch = book.begin()
    for names in ("a", "", "", "b", "", ""):
        book.page(stretch, names).refuse_standstill()
    with pytest.raises(EndlessList, match="3 pages in a row were empty"):
        book.page(stretch, "").refuse_standstill()


def test_a_list_of_very_many_pages_is_asked_for_in_shorter_stretches(
    book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page budget: it may never end, and nobody would notice."""
    monkeypatch.setattr(walks, "MOST_PAGES", 3)
    stretch = book.begin()
    for names in ("a", "b"):
        book.page(stretch, names).refuse_standstill()
    with pytest.raises(EndlessList, match="3 pages came of one list, and there are more"):
        book.page(stretch, "c").refuse_standstill()
    book.page(stretch, "d", last=True).refuse_standstill()
