"""Compares the records that the lists of a window delivered with the totals that the source announced.

Everything here follows from the manifest, so a run that continues the fetch of a killed run knows the earlier lists.
`pipeline.fetching.recovery` decides what to do about a short list. docs/decisions/0013 explains the rules.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from harvest_dagster.errors import IncompleteList
from harvest_dagster.pipeline.fetching.identifier_index import SeenIdentifiers
from harvest_dagster.pipeline.fetching.list_progress import ListCount, ListProgress
from harvest_dagster.pipeline.fetching.recovery_limits import LIMITS
from harvest_dagster.records import Page
from harvest_dagster.spool import PageManifest, SubWindow
from harvest_dagster.windows import Window, subtract

# The values of `harvest_log.evidence` that a fetch can have. The first two mean `complete`.
TOTAL, SINGLE_RESPONSE, NONE = "total", "single_response", "none"


class CompletenessTracker:
    """The progress of all sub-windows of a window.

    Attributes:
        window: the whole window.
        history: the progress of each sub-window, in the order in which they were requested.
        source_time: the earliest time of a list page by the clock of the source; None if it gives none.
        clock_offset: how far the clock of the source is ahead of ours, negative if it is behind; None if unknown.
        asked_until: the end of the time that the source was asked for, if its granularity made that longer than the
            window.
        formats: the formats of the records of all pages.

    Args:
        window: the whole window.
        seen_identifiers: where identifiers are kept.
        parts: how many lists each sub-window has; None if unknown.
        page_sizes: lengths of full pages of this source, as far as they are known.
        is_sorted: whether it is declared that lists are ordered by datestamp.
    """

    def __init__(
        self,
        window: Window,
        seen_identifiers: SeenIdentifiers,
        parts: int | None = None,
        page_sizes: Iterable[int] = (),
        *,
        is_sorted: bool = False,
    ) -> None:
        self.window = window
        self.history: list[ListProgress] = []
        self.formats: set[str] = set()
        self._seen_identifiers = seen_identifiers
        self._parts = parts
        self._list_count = 0
        self._page_sizes = set(page_sizes)
        self._is_sorted = is_sorted
        self.source_time: datetime | None = None
        self.asked_until: datetime | None = None
        self.clock_offset: timedelta | None = None

    @property
    def records(self) -> int:
        """How many records were received; a record that was received twice counts twice."""
        return sum(progress.records for progress in self.history)

    @property
    def own_records(self) -> int:
        """How many of them belong to the window, not to its neighbours."""
        return self.records - sum(progress.neighbours for progress in self.history)

    @property
    def separate_records(self) -> int:
        """How many records came on pages of their own, whose list page has not arrived yet."""
        return self.history[-1].separate_records if self.history else 0

    @property
    def identifiers(self) -> int | None:
        """How many different records were received; None if the harvester gives no identifiers.

        Records of neighbouring windows do not count. Only lists of the whole window show how many there are: a record
        that does not belong to one sub-window may belong to another.
        """
        lists = [count for progress in self.history for count in progress.lists.values()]
        if lists and not any(count.distinct_identifiers for count in lists) and self.records:
            return None
        whole = [progress.neighbours for progress in self.history if progress.window == self.window]
        return max(0, self._count_distinct(lists) - max(whole, default=0))

    @property
    def expected(self) -> int | None:
        """The source's own total of the window; None if it gave none, or only for a part of the window.

        The records of neighbouring windows that came with the list are subtracted.
        """
        for progress in reversed(self.history):
            if progress.window == self.window and progress.own_total is not None:
                return progress.own_total
        adjacent = self._adjacent_sub_windows()
        totals = [progress.own_total for progress in adjacent if progress.own_total is not None]
        return sum(totals) if adjacent and len(totals) == len(adjacent) else None

    def progress_of(self, sub_window: SubWindow) -> ListProgress:
        """Return the progress of the latest sub-window, after adding `sub_window` if that is a new one."""
        if not self.history or self.history[-1].sub_window != sub_window:
            self.history.append(ListProgress(sub_window))
        return self.history[-1]

    def add_page(self, manifest: PageManifest) -> None:
        """Count a page."""
        progress, part = self.progress_of(manifest.sub_window), manifest.page.cursor.list_number
        if part not in progress.lists:
            progress.lists[part] = ListCount(self._list_count)
            self._list_count += 1
        new = self._seen_identifiers.add(progress.lists[part].number, manifest.fingerprints)
        progress.add_page(manifest, new)
        self._add_times(manifest.page)
        self.formats.update(manifest.page.formats)
        if (size := _full_page_size(manifest.page)) is not None:
            self._page_sizes.add(size)

    def _add_times(self, page: Page) -> None:
        """Take the times of a list page. A page that was requested for one record says nothing about the list."""
        if page.single_record is not None:
            return
        if page.source_time is not None:
            self.source_time = min(page.source_time, self.source_time or page.source_time)
            # The newest answer counts: one from a cache can only be too old.
            offset = page.source_time - page.received
            self.clock_offset = offset if self.clock_offset is None else max(offset, self.clock_offset)
        if page.requested_window is not None:
            end = page.requested_window.end
            self.asked_until = max(end, self.asked_until or end)

    def raise_if_short(self, progress: ListProgress) -> None:
        """Raise IncompleteList if a sub-window delivered fewer records than its totals announced.

        Records that other lists delivered for the same time, or for a part of it, count as well, unless the list has
        ended and has records without identifiers. A list whose total may count rows is not short: see
        `needs_second_look`.

        Raises:
            IncompleteList: with both numbers.
        """
        self._raise_if_below(progress, may_count_rows=progress.has_ended)

    def _raise_if_below(self, progress: ListProgress, *, may_count_rows: bool) -> None:
        shortfalls = [
            (count.total, received)
            for part, count in progress.lists.items()
            if count.total is not None
            and (received := self._received(progress, part)) < count.total
            and not (may_count_rows and count.counts_rows)
        ]
        if shortfalls:
            announced, received = (sum(numbers) for numbers in zip(*shortfalls, strict=True))
            message = (
                f"the source announced {announced} records for {progress.window}, but delivered {received}. Run again. "
                "If its total is known to be wrong, set trust_total: false in harvester_kwargs."
            )
            raise IncompleteList(
                message, sub_window=progress.sub_window.number, announced=announced, received=received
            )

    def raise_if_incomplete(self) -> None:
        """Raise IncompleteList if an abandoned list announced more records than its replacements delivered.

        A later list of the same time or of more, which is proven or whose total counts rows, replaces an older total.

        Raises:
            IncompleteList: with both numbers.
        """
        for index, progress in enumerate(self.history):
            later = [other for other in self.history[index + 1 :] if other.window.encloses(progress.window)]
            if not any(other.is_proven or self._counts_rows(other) for other in later):
                is_confirmed = progress.has_ended and self._is_confirmed(progress)
                self._raise_if_below(progress, may_count_rows=is_confirmed)

    def needs_second_look(self, progress: ListProgress) -> bool:
        """Return whether a list that ended must be requested again, because it repeated records.

        The repeated records may stand in the place of others: 60 records came, 48 of them different, and 12 were lost.
        The question ends if another list of this time brings nothing new, or after a few lists of the same length.
        """
        if not progress.has_doubtful_repeats or self._is_confirmed(progress, by_same_pages=False):
            return False
        if all(
            count.total is not None and self._received(progress, part) >= count.total
            for part, count in progress.lists.items()
        ):
            return False  # other lists delivered the rest
        looks = [other for other in self.history if other.window.encloses(progress.window)]
        return sum(other.has_ended and other.records == progress.records for other in looks) < LIMITS.looks

    def is_unconfirmed_empty_part(self, progress: ListProgress) -> bool:
        """Return whether a list of a part of the window was empty once, and no total shows that this is right.

        One transient empty answer for one half of a window lost its records (docs/failures.md#empty-answer). An empty
        list of the whole window is confirmed by `pipeline.fetching.empty_lists`.
        """
        is_empty = progress.has_ended and progress.records == 0 and not progress.counts_nothing
        if not is_empty or progress.window == self.window:
            return False
        others = [other for other in self.history if other is not progress]
        is_counted = any(other.total and other.window.encloses(progress.window) for other in others)
        is_second = any(other.has_ended and other.window == progress.window for other in others)
        return not is_counted and not is_second

    @property
    def has_empty_answers(self) -> bool:
        """Whether at least one list of the window, such as that of one set, was answered with an empty list."""
        return any(count.is_empty_answer for progress in self.history for count in progress.lists.values())

    def _counts_rows(self, progress: ListProgress) -> bool:
        """Return whether each of its lists is proven or counts rows, and another list brought nothing new."""
        return (
            progress.has_ended
            and bool(progress.lists)
            and all(
                count.counts_rows or count.distinct_records == count.total
                for count in progress.lists.values()
            )
            and self._is_confirmed(progress)
        )

    def _is_confirmed(self, progress: ListProgress, *, by_same_pages: bool = True) -> bool:
        """Return whether another look at the same time found the same records.

        Either the list has nothing that the lists of its time, or of more, lack. Or other lists cover its time and have
        nothing that it lacks. A list that ended before its total proves nothing: it may lack the same records.

        Args:
            progress: the list.
            by_same_pages: whether a list of another window counts that has as many records. It probably has the same
                pages, so the same records may be missing.
        """
        others = [
            other
            for other in self.history
            if other is not progress
            and other.has_all_rows
            and (by_same_pages or other.window == progress.window or other.records != progress.records)
        ]
        around = [other for other in others if other.window.encloses(progress.window)]
        within = [other for other in others if progress.window.encloses(other.window)]
        is_covered = not any(subtract(progress.window, [other.window for other in within]))
        return (bool(around) and self._adds_nothing([progress], around)) or (
            is_covered and self._adds_nothing(within, [progress])
        )

    def _adds_nothing(self, lists: list[ListProgress], known: list[ListProgress]) -> bool:
        """Return whether all identifiers of some lists are in other lists, set by set."""
        for part in {part for progress in lists for part in progress.lists}:
            before = [progress.lists[part].number for progress in known if part in progress.lists]
            added = [progress.lists[part].number for progress in lists if part in progress.lists]
            count = self._seen_identifiers.count_distinct
            if count(before) < count([*before, *added]):
                return False
        return True

    def evidence(self) -> str:
        """Return why a window without shortfalls is complete: `total`, `single_response`, or `none`.

        The sub-windows that prove something must cover the window without a gap. With `total`, its lists may also
        together have delivered what a list of the whole window had announced. An empty answer does not make it
        complete (docs/failures.md#empty-answer), unless the source itself counts 0 records. Neither does a list
        with only records of other windows, unless it is proven.
        """
        if self.own_records == 0:
            return TOTAL if self._covers(lambda one: one.counts_nothing or one.is_proven_elsewhere) else NONE
        if any(map(self._total_is_reached, self.history)) or self._covers(
            lambda progress: progress.is_proven
        ):
            return TOTAL
        return SINGLE_RESPONSE if self._covers(self._is_proven_or_whole) else NONE

    def doubt(self) -> str | None:
        """Return why the end of a list may be wrong; None if it is proven, or if there is no reason to doubt it."""
        if self.evidence() != NONE:
            return None
        if any(progress.has_doubtful_end for progress in self.history):
            return "a list ended with an answer without records, although more seemed to follow"
        for progress in self.history:
            if progress.may_be_capped and not self._is_replaced(progress):
                return (
                    f"a list of {progress.window} ended after {progress.records} records, where sources cut lists, "
                    "and no shorter list could be requested"
                )
        return None

    def _is_replaced(self, capped: ListProgress) -> bool:
        """Return whether other lists, whose lengths are not suspicious, cover the time of a list, or the rest of it.

        If lists are sorted, a later list that begins within its time continues it.
        """
        others = [other for other in self.history if other.has_ended and not other.may_be_capped]
        if self._is_sorted and any(
            other.window.start in capped.window and other.window.end == capped.window.end for other in others
        ):
            return True
        return not any(subtract(capped.window, [other.window for other in others]))

    def full_page_sizes(self) -> list[int]:
        """Return the lengths of full pages of the source: those that were known, and those of this window.

        At most `LIMITS.page_sizes`: a source whose pages all differ in length has no page size.
        """
        return sorted(self._page_sizes)[-LIMITS.page_sizes :]

    def _covers(self, is_proven: Callable[[ListProgress], bool]) -> bool:
        """Return whether the sub-windows for which `is_proven` holds cover the window without a gap."""
        return not any(
            subtract(self.window, [progress.window for progress in self.history if is_proven(progress)])
        )

    def _is_proven_or_whole(self, progress: ListProgress) -> bool:
        """Return whether a sub-window reached its totals, or each of its lists came whole in one response.

        A list as long as a page of the source may be a first page whose token is missing.
        """
        if progress.is_proven:
            return True
        counts = progress.lists.values()
        return progress.has_ended and bool(counts) and all(map(self._is_whole, counts))

    def _is_whole(self, count: ListCount) -> bool:
        if count.may_be_capped or count.records == 0:
            return False
        if count.total is not None:
            return count.total == count.distinct_records
        return count.is_whole and count.records not in self._page_sizes

    def _total_is_reached(self, progress: ListProgress) -> bool:
        """Return whether this list announced a total for the whole window, and it or later lists delivered it."""
        has_all_totals = progress.total is not None and (
            progress.has_ended or self._parts == len(progress.lists)
        )
        is_unreliable = progress.may_be_capped and not self._is_replaced(progress)
        if (
            not has_all_totals
            or progress.window != self.window
            or is_unreliable
            or self._is_outdated(progress)
        ):
            return False
        return all(
            not count.without_identifier
            and not count.is_empty_answer
            and self._received(progress, part) == count.total
            for part, count in progress.lists.items()
        )

    def _is_outdated(self, progress: ListProgress) -> bool:
        """Return whether a later list of the same window announced more records. The source has grown since."""
        later = self.history[self.history.index(progress) + 1 :]
        totals = [
            other.total for other in later if other.window == progress.window and other.total is not None
        ]
        return progress.total is not None and any(total > progress.total for total in totals)

    def _received(self, progress: ListProgress, part: int) -> int:
        """Return how many different records this list and all lists within its window delivered."""
        if progress.has_ended and progress.lists[part].without_identifier:
            return progress.lists[part].distinct_records
        within = [other for other in self.history if progress.window.encloses(other.window)]
        return self._count_distinct([other.lists[part] for other in within if part in other.lists])

    def _count_distinct(self, lists: list[ListCount]) -> int:
        if len(lists) <= 1:
            return sum(count.distinct_records for count in lists)
        without_identifier = sum(count.without_identifier for count in lists)
        return without_identifier + self._seen_identifiers.count_distinct([count.number for count in lists])

    def _adjacent_sub_windows(self) -> list[ListProgress]:
        """Return the newest ended sub-windows that cover the window side by side; none if there is a gap."""
        adjacent: list[ListProgress] = []
        for progress in self.history:
            if progress.has_ended:
                adjacent = [other for other in adjacent if other.window.end <= progress.window.start]
                adjacent.append(progress)
        return [] if any(subtract(self.window, [other.window for other in adjacent])) else adjacent


def completeness_of(evidence: str) -> str:
    """Return the completeness of a window with this evidence: `unverified` for `none`, otherwise `complete`."""
    return "unverified" if evidence == NONE else "complete"


def _full_page_size(page: Page) -> int | None:
    """Return the number of records of a list page that another page of its list follows; None for other pages."""
    is_followed = page.next is not None and page.next.token is not None
    return page.count if is_followed and page.count and page.single_record is None else None
