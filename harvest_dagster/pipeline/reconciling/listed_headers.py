"""The headers of a sweep, sorted, and what the comparison with the stored records says about each day.

Memory depends on the number of days, not on the number of records.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import islice

from harvest_dagster.pipeline.context import HarvestContext
from harvest_dagster.pipeline.fetching.completeness import NONE
from harvest_dagster.pipeline.reconciling.comparison import ComparedRecords, Difference, compare
from harvest_dagster.pipeline.reconciling.header_sort import HeaderSort
from harvest_dagster.pipeline.reconciling.known_invalid import mark_invalid
from harvest_dagster.pipeline.reconciling.listing import spool_of
from harvest_dagster.records import InvalidRecord, Page, RecordHeader
from harvest_dagster.storage.raw_data.known_records import KnownRecord, stream_known_records
from harvest_dagster.storage.sweeps import Sweep
from harvest_dagster.texts import is_storable, make_storable

_MOST_EXAMPLES = 10
_MOST_ABSENT = 10_000  # kept in memory; more are read again
_MOST_UNSORTED = 10_000  # kept in memory; more are not counted


@dataclass
class Comparison:
    """What one comparison of all headers with all stored records found.

    Attributes:
        lists_everything: whether the lists have all records of the source. Otherwise a record that they lack is not
            counted as gone, but its day still differs.
        counts: how many records were compared.
        found: the number of differences of each kind.
        examples: a few identifiers of each kind.
        days_to_harvest: days that have a missing or changed record, or a record that the source marks as deleted.
        undated: missing or changed records without a datestamp. No harvest of a day brings them.
        differing_days: days on which the two sides differ, and those with a record that cannot be stored.
        has_undated_difference: whether a record without a datestamp is missing or gone. It may belong to any day.
        listed_days: days that have at least one live record in the lists.
        absent: the first of the stored live records that no list contains.
        absent_count: the number of these records.
    """

    lists_everything: bool = True
    counts: ComparedRecords = field(default_factory=ComparedRecords)
    found: dict[str, int] = field(default_factory=dict)
    examples: dict[str, list[str]] = field(default_factory=dict)
    days_to_harvest: set[date] = field(default_factory=set)
    undated: int = 0
    differing_days: set[date] = field(default_factory=set)
    has_undated_difference: bool = False
    listed_days: set[date] = field(default_factory=set)
    absent: list[KnownRecord] = field(default_factory=list)
    absent_count: int = 0

    def count(self, *kinds: str) -> int:
        """Return the number of differences of these kinds."""
        return sum(self.found.get(kind, 0) for kind in kinds)

    def add(self, difference: Difference) -> None:
        """Count a difference."""
        kind, header, known = difference.kind, difference.header, difference.known
        if self.lists_everything or kind != "gone" or header is not None:
            self._count(kind, difference.identifier)
        if kind in ("missing", "changed", "gone", "quarantined"):
            self.add_days(header, known)
        if kind in ("missing", "changed") or (kind == "gone" and header is not None):
            self._add_day_to_harvest(header)
        if kind == "gone" and header is None and known is not None:
            self.absent_count += 1
            if len(self.absent) < _MOST_ABSENT:
                self.absent.append(known)

    def _count(self, kind: str, identifier: str) -> None:
        self.found[kind] = self.found.get(kind, 0) + 1
        examples = self.examples.setdefault(kind, [])
        if len(examples) < _MOST_EXAMPLES:
            examples.append(identifier)

    def add_days(self, header: RecordHeader | None, known: KnownRecord | None) -> None:
        """Add the days of a difference to those that are not proven."""
        stamps = [side.datestamp for side in (header, known) if side is not None]
        self.differing_days.update(stamp.date() for stamp in stamps if stamp is not None)
        self.has_undated_difference = self.has_undated_difference or not any(stamps)

    def _add_day_to_harvest(self, header: RecordHeader | None) -> None:
        if header is not None and header.datestamp is not None:
            self.days_to_harvest.add(header.datestamp.date())
        else:
            self.undated += 1


@dataclass(frozen=True)
class ListedHeaders:
    """All headers of a sweep, sorted in temporary files. `sort_headers` creates it.

    Attributes:
        harvest: the harvest.
        sweep: the sweep.
        invalid: number of headers that cannot be read. A record may seem to be gone because of them.
        invalid_windows: the numbers of the windows that have such headers, or identifiers that no database stores.
        end_days: the days with which lists without a proof end. Such a list may have been cut there.
    """

    harvest: HarvestContext
    sweep: Sweep
    invalid: int
    invalid_windows: frozenset[int]
    end_days: frozenset[date]
    _sort: HeaderSort
    _is_listed_again: bool
    _unsorted: frozenset[RecordHeader]

    def compare(self) -> Comparison:
        """Compare the headers with the records that are stored now.

        A record that changed here after the sweep began is left out: the lists may be older than the change.
        """
        comparison = Comparison(self.sweep.lists_everything)
        for header in self._unsorted:
            comparison.add(Difference("quarantined", make_storable(header.identifier), header, None))
        for difference in mark_invalid(self.harvest, self._differences(comparison)):
            if self._is_too_old(difference):
                comparison.add_days(difference.header, difference.known)
            else:
                comparison.add(difference)
        return comparison

    def _is_too_old(self, difference: Difference) -> bool:
        """Return whether a record was never stored because it is older than `earliest_date`.

        A list without dates has such records. A snapshot stores them, a harvest by date does not.
        """
        config, header = self.harvest.config, difference.header
        if not config.selective or difference.known is not None or header is None or header.datestamp is None:
            return False
        return difference.kind == "missing" and header.datestamp.date() < config.earliest_date

    def absent(self, comparison: Comparison) -> Iterator[KnownRecord]:
        """Yield the stored live records that no list contains, as a comparison found them."""
        if comparison.absent_count <= len(comparison.absent):
            yield from comparison.absent
            return
        for difference in self._differences(Comparison()):
            if difference.kind == "gone" and difference.header is None and difference.known is not None:
                yield difference.known

    def find_live(self) -> str | None:
        """Return the identifier of a record that the source lists as live, None if there is none."""
        return next((header.identifier for header in self._headers() if not header.deleted), None)

    def _differences(self, comparison: Comparison) -> Iterator[Difference]:
        listed = _count_days(self._headers(), comparison.listed_days)
        with self.harvest.run.database.read() as connection:
            known = stream_known_records(connection, self.sweep.ingest_config_id)
            yield from compare(listed, known, self.sweep.date_started, comparison.counts)

    def _headers(self) -> Iterator[RecordHeader]:
        return _without_repetitions(self._sort.merged(), self.sweep.date_started, equal=self._is_listed_again)


@contextmanager
def sort_headers(harvest: HarvestContext, sweep: Sweep) -> Iterator[ListedHeaders]:
    """Sort the headers of all pages of a sweep.

    Raises:
        SpoolError: pages are missing or damaged.
    """
    is_listed_again, read = False, _ReadPages()
    with HeaderSort() as sort:
        for number, window in enumerate(sweep.windows):
            spool = spool_of(harvest, sweep, number)
            summary = spool.require_fetched()
            is_listed_again = is_listed_again or summary.sub_windows > 1
            for page_number in range(summary.pages):
                page = spool.read_page(page_number)
                headers = list(harvest.source.header_parser.headers(page, window))
                sort.add(read.add(number, page, headers, is_proven=summary.evidence != NONE))
                is_listed_again = is_listed_again or page.cursor.list_number > 0
        yield ListedHeaders(
            harvest,
            sweep,
            read.invalid,
            frozenset(read.invalid_windows),
            frozenset(read.end_days),
            sort,
            is_listed_again,
            frozenset(read.unsorted),
        )


@dataclass
class _ReadPages:
    """What the pages show that the sorted headers no longer do. See `ListedHeaders` for the attributes."""

    invalid: int = 0
    invalid_windows: set[int] = field(default_factory=set)
    end_days: set[date] = field(default_factory=set)
    unsorted: set[RecordHeader] = field(default_factory=set)
    _last_day: date | None = None

    def add(
        self, window_number: int, page: Page, found: list[RecordHeader | InvalidRecord], *, is_proven: bool
    ) -> list[RecordHeader]:
        """Return the valid headers of a page, which follows the pages before in the order of the lists."""
        readable = [header for header in found if not isinstance(header, InvalidRecord)]
        headers = [header for header in readable if is_storable(header.identifier)]
        self.invalid += len(found) - len(readable)
        if len(headers) < len(
            found
        ):  # an identifier that no database stores: its record is in the quarantine
            self.invalid_windows.add(window_number)
            self.unsorted.update(_unsortable(readable, _MOST_UNSORTED - len(self.unsorted)))
        if headers and headers[-1].datestamp is not None:
            self._last_day = headers[-1].datestamp.date()
        is_last = page.next is None or page.next.list_number != page.cursor.list_number
        if is_last:
            if self._last_day is not None and not is_proven:
                self.end_days.add(self._last_day)
            self._last_day = None
        return headers


def _unsortable(headers: Iterable[RecordHeader], most: int) -> Iterator[RecordHeader]:
    """Return the live headers that `HeaderSort` leaves out, because no database stores their identifiers."""
    found = (header for header in headers if not header.deleted and not is_storable(header.identifier))
    return islice(found, max(0, most))


def _count_days(headers: Iterable[RecordHeader], days: set[date]) -> Iterator[RecordHeader]:
    """Yield the headers, and add the days of the live ones."""
    for header in headers:
        if not header.deleted and header.datestamp is not None:
            days.add(header.datestamp.date())
        yield header


def _without_repetitions(
    headers: Iterable[RecordHeader], began: datetime, *, equal: bool
) -> Iterator[RecordHeader]:
    """Yield sorted headers without repetitions that are no duplicates of the source.

    Args:
        headers: the headers, by identifier and datestamp.
        began: when the sweep began. A record that changed since may be in an old window, and then in a new one.
        equal: whether equal headers are one record: a broken list was requested again, or there are several lists.
    """
    last: RecordHeader | None = None
    for header in headers:
        if last is not None and not _replaces(header, last, began, equal=equal):
            yield last
        last = header
    if last is not None:
        yield last


def _replaces(header: RecordHeader, last: RecordHeader, began: datetime, *, equal: bool) -> bool:
    if header.identifier != last.identifier:
        return False
    if header == last:
        return equal
    return header.datestamp is not None and header.datestamp >= began
