"""Counts of the pages and records of one sub-window. `pipeline.fetching.completeness` decides what they prove."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from harvest_dagster.errors import PaginationLoop, ProtocolError
from harvest_dagster.pipeline.fetching.recovery_limits import LIMITS
from harvest_dagster.records import Cursor, Page
from harvest_dagster.spool import PageManifest, SubWindow
from harvest_dagster.spool.manifest import FINGERPRINT
from harvest_dagster.windows import Window


@dataclass
class ListCount:
    """Counts of one list of a sub-window. A harvester may fetch several lists, for example one for each set.

    Attributes:
        number: the list's key in `SeenIdentifiers`.
        records: records on its pages, invalid ones included.
        distinct_identifiers: different identifiers.
        without_identifier: records whose identifier is unknown. Each counts as a different record.
        longest_page: records on its longest page.
        previous_page: records on the page before its last one.
        last_page: records on its last page.
        ends_without_records: whether its last page is an error or an empty list, and nothing follows.
        pages: list pages with records.
        repeated_pages: those of them with several records, which all came before.
        is_whole: whether the protocol says that its one page is the whole list (`Page.is_whole_list`).
        may_be_cut: whether it ended in a way that also occurs in the middle of a list (`Page.may_be_cut`).
        ends_at_limit: whether the source refused the rest of it as too long (`Page.ends_at_limit`).
        total: the largest total that the source announced; None if it announced none. A total that changes from page
            to page means that the list changed during the fetch. A record that leaves the list moves another one
            across the edge of a page, so both must have been received.
    """

    number: int
    records: int = 0
    distinct_identifiers: int = 0
    without_identifier: int = 0
    longest_page: int = 0
    previous_page: int = 0
    last_page: int = 0
    ends_without_records: bool = False
    pages: int = 0
    repeated_pages: int = 0
    is_whole: bool = False
    may_be_cut: bool = False
    ends_at_limit: bool = False
    total: int | None = None

    @property
    def distinct_records(self) -> int:
        """How many different records were received, as far as that is known."""
        return self.distinct_identifiers + self.without_identifier

    @property
    def is_empty_answer(self) -> bool:
        """Whether it is an answer without records and without a count, such as noRecordsMatch. It proves nothing."""
        return self.records == 0 and self.is_whole

    @property
    def has_announced_records(self) -> bool:
        """Whether it contained exactly as many different records as the source announced."""
        return self.distinct_records == self.total and not self.is_empty_answer

    @property
    def counts_rows(self) -> bool:
        """Whether repeated records explain why it has fewer different records than its total.

        Some sources list a record twice and count both (docs/failures.md#total-counts-rows). A page that only repeats
        records explains nothing: it may stand in the place of another one.
        """
        return (
            self.total is not None
            and self.distinct_records < self.total <= self.records
            and not self.repeated_pages
        )

    @property
    def has_doubtful_repeats(self) -> bool:
        """Whether records were repeated, perhaps in the place of others, and no total shows that all have come."""
        if self.total is None:
            return self.pages > 1 and self.records > self.distinct_records
        return self.counts_rows

    @property
    def may_be_capped(self) -> bool:
        """Whether its length is one at which sources cut lists, or its end is doubtful without a total."""
        return self.is_at_limit or (self.total is None and self.may_be_cut)

    @property
    def is_at_limit(self) -> bool:
        """Whether its length is one at which sources cut lists, and no other total contradicts that.

        If the source refused the rest of the list, its total may be the limit itself.
        """
        if self.ends_at_limit or (self.total is None and self.distinct_records in LIMITS.uncounted_caps):
            return True
        return self.distinct_records in LIMITS.result_caps and self.total in (None, self.distinct_records)


@dataclass
class ListProgress:
    """How far the lists of one sub-window were fetched.

    Attributes:
        sub_window: what was requested.
        lists: counts by part (`Cursor.list_number`).
        page_numbers: the numbers of its pages in the manifest, which are consecutive.
        pages: number of list pages. Pages for a single record (`Page.single_record`) are no list pages.
        last_page: the last page, without its body.
        has_ended: whether the source ended its lists.
        stale_pages: how many pages in a row, up to the last, contained nothing new for their list.
        empty_pages: how many pages of one list in a row, up to the last, had no records.
        neighbours: how many of its records belong to neighbouring windows (`Page.neighbours`).
        positions_agree: whether each position that the source gave equals our own count of records.
        separate_records: pages for single records since the last list page, which will count their records.
    """

    sub_window: SubWindow
    lists: dict[int, ListCount] = field(default_factory=dict)
    page_numbers: range = range(0)
    pages: int = 0
    last_page: Page | None = None
    has_ended: bool = False
    stale_pages: int = 0
    empty_pages: int = 0
    positions_agree: bool = True
    neighbours: int = 0
    separate_records: int = 0

    @property
    def window(self) -> Window:
        """The window of the sub-window."""
        return self.sub_window.window

    @property
    def next_cursor(self) -> Cursor | None:
        """The cursor of the next page; None for the first page and after the last."""
        return self.last_page.next if self.last_page else None

    @property
    def records(self) -> int:
        """Records on all its pages."""
        return sum(count.records for count in self.lists.values())

    @property
    def total(self) -> int | None:
        """The sum of the source's totals; None if one list has none."""
        totals = [count.total for count in self.lists.values() if count.total is not None]
        return sum(totals) if totals and len(totals) == len(self.lists) else None

    @property
    def own_total(self) -> int | None:
        """The total without the records of neighbouring windows that came with the lists; None if there is none."""
        return None if self.total is None else max(0, self.total - self.neighbours)

    @property
    def may_be_capped(self) -> bool:
        """Whether the source may have cut one of its lists although it ended them."""
        return self.has_ended and any(count.may_be_capped for count in self.lists.values())

    @property
    def is_at_limit(self) -> bool:
        """Whether one of its lists ended at a length at which sources cut lists."""
        return self.has_ended and any(count.is_at_limit for count in self.lists.values())

    @property
    def has_all_rows(self) -> bool:
        """Whether it ended, and each of its lists has as many records as it announced, repeated ones included."""
        return self.has_ended and all(
            count.total is None or count.records >= count.total for count in self.lists.values()
        )

    @property
    def has_doubtful_repeats(self) -> bool:
        """Whether it ended, and one of its lists repeated records without a proof that all have come."""
        return self.has_ended and any(count.has_doubtful_repeats for count in self.lists.values())

    @property
    def distinct_records(self) -> int:
        """Different records of each of its lists, added."""
        return sum(count.distinct_records for count in self.lists.values())

    @property
    def is_proven(self) -> bool:
        """Whether each list contained exactly as many different records as the source announced."""
        agree = all(count.has_announced_records for count in self.lists.values())
        return self.has_ended and bool(self.lists) and agree and not self.may_be_capped

    @property
    def counts_nothing(self) -> bool:
        """Whether the source announced a total of 0 for each list. `noRecordsMatch` announces no total."""
        return (
            self.has_ended
            and bool(self.lists)
            and all(count.total == 0 and not count.is_whole for count in self.lists.values())
        )

    @property
    def is_proven_elsewhere(self) -> bool:
        """Whether each record that the source announced came, and all of them belong to other windows."""
        return self.records > 0 and self.is_proven

    def is_doubtful_end(self, page: Page) -> bool:
        """Return whether a page without records would end a list without a total, although more seemed to follow.

        commons.mla.org ends each list with a token that leads to noRecordsMatch. After a full page, the same error may
        also be transient: it ended a list at 30 of 60 records (docs/failures.md#empty-answer). The same is true of a
        list whose pages were all empty: its token announced records.
        """
        count = self.lists.get(page.cursor.list_number)
        if count is None or count.total is not None:
            return False
        return page.ends_after_full_page or (
            page.ends_without_records and count.last_page == count.longest_page
        )

    @property
    def has_doubtful_end(self) -> bool:
        """Whether one of its lists ended in a way that its protocol does not have, although more seemed to follow."""
        return any(
            count.ends_without_records and count.total is None and count.previous_page == count.longest_page
            for count in self.lists.values()
        )

    def add_page(self, manifest: PageManifest, new_identifiers: int) -> None:
        """Count a page.

        Args:
            manifest: the page.
            new_identifiers: how many of its identifiers are new to its list.
        """
        page, identifiers = manifest.page, len(manifest.fingerprints) // FINGERPRINT
        first = self.page_numbers.start if self.page_numbers else manifest.number
        self.page_numbers = range(first, manifest.number + 1)
        count = self.lists[page.cursor.list_number]
        self.positions_agree = self.positions_agree and page.position in (None, count.records)
        count.records += page.count
        self.neighbours += page.neighbours
        count.distinct_identifiers += new_identifiers
        count.without_identifier += max(0, page.count - identifiers)
        count.pages += page.count > 0
        count.repeated_pages += 1 < page.count <= identifiers and not new_identifiers
        count.is_whole = count.is_whole or page.is_whole_list
        count.may_be_cut = count.may_be_cut or page.may_be_cut
        count.ends_at_limit = count.ends_at_limit or page.ends_at_limit
        if page.total is not None:
            count.total = max(page.total, count.total or 0)
        self.separate_records = self.separate_records + 1 if page.single_record is not None else 0
        if page.single_record is None:
            self.pages += 1
            count.previous_page, count.last_page = count.last_page, page.count
            count.ends_without_records = page.ends_without_records
            count.longest_page = max(count.longest_page, page.count)
            # A thousand lists may be empty.
            is_same = (
                self.last_page is not None and self.last_page.cursor.list_number == page.cursor.list_number
            )
            self.empty_pages = 0 if page.count else self.empty_pages * is_same + 1
            # An empty page whose cursor leads to itself: a source sent 583 of them until the deadline.
            is_circle = page.count == 0 and page.next == page.cursor
            has_nothing_new = 0 < page.count <= identifiers and not new_identifiers
            self.stale_pages = self.stale_pages + 1 if is_circle or has_nothing_new else 0
        self.last_page, self.has_ended = page, page.next is None

    def end(self) -> None:
        """Mark the lists as ended.

        Raises:
            ProtocolError: the last page has a next cursor.
        """
        if self.next_cursor is not None:
            message = (
                "the harvester's list ended at a page that names a next one. Report this to the author of the "
                "harvester: a list ends only where the source says so."
            )
            raise ProtocolError(message)
        self.has_ended = True

    def raise_if_stuck(self) -> None:
        """Raise PaginationLoop if the list makes no progress.

        Raises:
            PaginationLoop: too many pages without new records, too many empty pages, or too many pages.
        """
        last = self.last_page
        present = None if last is None else self.lists.get(last.cursor.list_number)
        for found, limit, problem in (
            (self.stale_pages, LIMITS.stale_pages, "pages in a row contained nothing new for this list"),
            (self.empty_pages, LIMITS.empty_pages, "pages in a row were empty"),
            (
                0 if present is None else present.pages,
                LIMITS.pages,
                "pages of one list were fetched, and there are more",
            ),
        ):
            if found >= limit and last is not None and not self.has_ended:
                message = f"{last.request.url}: {found} {problem}. Report this to the operator of the source."
                raise PaginationLoop(message)


def count_own_records(pages: Iterable[Page]) -> int:
    """Return how many records of the window pages have, those included whose list page has not arrived yet."""
    counted = separate = 0
    for page in pages:
        separate = separate + 1 if page.single_record is not None else 0
        counted += page.count - page.neighbours
    return counted + separate
