"""What one stretch of a window gave so far: its lists, counted. What they prove together is `pipeline.completeness`."""

from __future__ import annotations

from dataclasses import dataclass, field

from harvest_dagster.errors import EndlessList, ProtocolError
from harvest_dagster.records import Cursor, Page
from harvest_dagster.spool import Entry, Stretch
from harvest_dagster.spool.manifest import FINGERPRINT
from harvest_dagster.windows import Window

# Where sources end a list politely though they have more (Lesson 8): 10,000 is Elasticsearch's.
CAPS = frozenset({10_000, 50_000, 100_000})

MOST_PAGES = 10_000  # of a list; what is longer is asked for in shorter stretches
MOST_EMPTY = 1_000  # in a row; a source that filters behind its paging sends some (Lesson 2)
MOST_STALE = 3  # in a row; one is possible where pages overlap


@dataclass
class Tally:
    """One list of a stretch; a harvester that walks several, one for each set, has several.

    Attributes:
        number: its key in the sightings.
        records: on its pages, those included that cannot be read.
        distinct: different identifiers.
        unnamed: records whose identifier is not given; each counts for itself.
        total: the largest that the source announced. Where that changes from page to page, the list changed while
            it was read, and one record that leaves moves another over the edge of a page: both must be there.
    """

    number: int
    records: int = 0
    distinct: int = 0
    unnamed: int = 0
    total: int | None = None

    @property
    def came(self) -> int:
        """How many different records came, as far as that is known."""
        return self.distinct + self.unnamed

    @property
    def is_as_long_as_a_cap(self) -> bool:
        """Whether its length, and its total if it has one, is one at which sources cut their lists."""
        return self.came in CAPS and self.total in (None, self.came)


@dataclass
class Walk:
    """A stretch as far as it came.

    Attributes:
        stretch: what was asked for.
        lists: by part.
        entries: the numbers of its pages in the manifest, which stand there one after the other.
        pages: how many; those that answer for a single record stand beside the list and do not count.
        last: the last page, without its body.
        ended: the source said that its lists end.
        stale: so many pages in a row, up to the last, brought nothing that their list did not have.
        empty: so many pages in a row, up to the last, had no records.
        in_step: the source counts the places of its pages as they came.
    """

    stretch: Stretch
    lists: dict[int, Tally] = field(default_factory=dict)
    entries: range = range(0)
    pages: int = 0
    last: Page | None = None
    ended: bool = False
    stale: int = 0
    empty: int = 0
    in_step: bool = True

    @property
    def window(self) -> Window:
        """Of the stretch."""
        return self.stretch.window

    @property
    def next(self) -> Cursor | None:
        """Where it goes on; None for the first page."""
        return self.last.next if self.last else None

    @property
    def records(self) -> int:
        """On all its pages."""
        return sum(tally.records for tally in self.lists.values())

    @property
    def total(self) -> int | None:
        """The source's own count of all its lists; None where one has none."""
        totals = [tally.total for tally in self.lists.values() if tally.total is not None]
        return sum(totals) if totals and len(totals) == len(self.lists) else None

    @property
    def is_suspect(self) -> bool:
        """Whether it may have been cut at a cap, although the source says that it is all."""
        return self.ended and any(tally.is_as_long_as_a_cap for tally in self.lists.values())

    @property
    def is_proven(self) -> bool:
        """Whether each list gave by itself as many different records as the source had announced, and no more."""
        exact = all(tally.came == tally.total for tally in self.lists.values())
        return self.ended and bool(self.lists) and exact and not self.is_suspect

    def note(self, entry: Entry, new: int) -> None:
        """Count a page, of whose identifiers so many are new to its list."""
        page, named = entry.page, len(entry.fingerprints) // FINGERPRINT
        self.entries = range(self.entries.start if self.entries else entry.number, entry.number + 1)
        tally = self.lists[page.cursor.part]
        self.in_step = self.in_step and page.position in (None, tally.records)
        tally.records += page.count
        tally.distinct += new
        tally.unnamed += max(0, page.count - named)
        if page.total is not None:
            tally.total = max(page.total, tally.total or 0)
        if page.alone is None:
            self.pages += 1
            self.empty = 0 if page.count else self.empty + 1
            # What leads to itself leads nowhere: 583 such pages came before the deadline ended them.
            is_circle = page.count == 0 and page.next == page.cursor
            is_known = 0 < page.count <= named and not new
            self.stale = self.stale + 1 if is_circle or is_known else 0
        self.last, self.ended = page, page.next is None

    def end(self) -> None:
        """No more pages come.

        Raises:
            ProtocolError: the last one had named a next.
        """
        if self.next is not None:
            message = (
                "the harvester's list ended at a page that names a next one. Tell its author: a list ends only where "
                "the source says so."
            )
            raise ProtocolError(message)
        self.ended = True

    def refuse_standstill(self) -> None:
        """Refuse a list that does not go forward.

        Raises:
            EndlessList: pages bring nothing new, or nothing at all, or there are too many.
        """
        for found, most, what in (
            (self.stale, MOST_STALE, "pages in a row brought nothing that this list did not have before"),
            (self.empty, MOST_EMPTY, "pages in a row were empty"),
            (self.pages, MOST_PAGES, "pages came of one list, and there are more"),
        ):
            if found >= most and self.last is not None and not self.ended:
                message = f"{self.last.request.url}: {found} {what}. Tell the operator of the source."
                raise EndlessList(message)
