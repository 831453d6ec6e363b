"""What the pages of a list have shown so far, and the content of one page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from harvest_dagster.harvesters.rest.paths import members_of
from harvest_dagster.observations import Observations
from harvest_dagster.paths.syntax import Location

_OBSERVATION = "rest_pages"
PAGES_DIFFER = "pages differ"
"""The observation that the source reads the number of the page: two pages of a list had different records."""

NULL = "NoneType"
"""The kind of null in `shape_of`."""


def shape_of(document: Any) -> dict[str, str]:
    """Return the keys of a page, each with the kind of its value."""
    return {key: type(value).__name__ for key, value in members_of(document).items()}


@dataclass(frozen=True)
class PageContent:
    """The content of one page.

    Attributes:
        url: the redacted URL of the page.
        document: its JSON value, or its XML.
        items: its records, each with its location.
        count: the number of its records.
        records: identifier and datestamp of its records that have an identifier.
        invalid_lines: the number of its lines or rows that cannot be parsed. `count` includes them.
        total: the source's own count of the list; None if the page has none.
        more: the flag that says whether there are more records; None if the page has none.
        found_paths: the configured paths that the page has, by their keys in the YAML.
        next_link: the URL in the header Link with rel="next"; None if there is none.
    """

    url: str
    document: Any
    count: int
    records: tuple[tuple[str, datetime | None], ...] = ()
    invalid_lines: int = 0
    total: int | None = None
    more: bool | None = None
    found_paths: frozenset[str] = frozenset()
    next_link: str | None = None
    items: Sequence[tuple[Location, Any]] = field(default=(), repr=False)

    @property
    def identifiers(self) -> tuple[str, ...]:
        """The identifiers of its records that have one."""
        return tuple(identifier for identifier, _ in self.records)

    @property
    def distinct_records(self) -> int:
        """The number of different records that the page certainly has. Each one without an identifier counts.

        A line that cannot be parsed may be a message of the server, and no record.
        """
        return self.count - self.invalid_lines - len(self.records) + len(set(self.identifiers))

    @property
    def datestamps(self) -> list[datetime]:
        """The datestamps of its records that have an identifier and a datestamp."""
        return [datestamp for _, datestamp in self.records if datestamp is not None]

    @property
    def is_comparable(self) -> bool:
        """Whether the page has records, and all of them have an identifier."""
        return 0 < self.count == len(self.records)


@dataclass(frozen=True)
class ListState:
    """The state of a list between two pages.

    Attributes:
        is_from_start: whether the list was read from its first page. If not, another run has read the pages before.
        pages: number of pages.
        records: number of records on these pages, without pages that only repeat the page before.
        total: the largest total of a page; None if there was none.
        more: the flag of the last page.
        last_page: number of records of the last page.
        largest_page: number of records of the largest page.
        pages_differ: whether two pages in a row had no record in common. If only some records differ, the source may
            have sent the same page, after a change.
        last_identifiers: the identifiers of the last page; None if it had no comparable records.
        found_paths: the configured paths that a page had, in this list or in an earlier one.
        shape: the keys of the last page that is an object, each with the kind of its value.
        last_datestamp: the last datestamp of the pages; None if there was none.
    """

    is_from_start: bool
    found_paths: frozenset[str]
    pages_differ: bool
    pages: int = 0
    records: int = 0
    total: int | None = None
    more: bool | None = None
    last_page: int = 0
    largest_page: int = 0
    last_identifiers: tuple[str, ...] | None = None
    shape: Mapping[str, str] = field(default_factory=dict)
    last_datestamp: datetime | None = None

    @classmethod
    def begin(cls, observations: Observations, *, is_from_start: bool) -> ListState:
        """Return the state before the first page of a client's list."""
        known = frozenset(observations.find(_OBSERVATION) or ())
        return cls(is_from_start, known - {PAGES_DIFFER}, PAGES_DIFFER in known)

    @property
    def total_is_reached(self) -> bool | None:
        """Whether as many records came as the source counts; None if one of the numbers is not known.

        Records that came twice count twice, because some totals count them so. A page that only repeats the page before
        does not count: the source may ignore the cursor.
        """
        if self.total is None or not self.is_from_start:
            return None
        return self.records >= self.total

    def repeats(self, page: PageContent) -> bool:
        """Return whether a page has exactly the records of the page before."""
        return page.is_comparable and page.identifiers == self.last_identifiers

    def with_total(self, total: int | None) -> ListState:
        """Return the state after a total was read."""
        return self if total is None else replace(self, total=max(total, self.total or 0))

    def after(self, page: PageContent) -> ListState:
        """Return the state after a page whose records count."""
        differs = page.is_comparable and frozenset(self.last_identifiers or page.identifiers).isdisjoint(
            page.identifiers
        )
        return replace(
            self.with_total(page.total),
            pages=self.pages + 1,
            records=self.records + (0 if self.repeats(page) else page.count),
            more=page.more,
            last_page=page.count,
            largest_page=max(self.largest_page, page.count),
            pages_differ=self.pages_differ or differs,
            last_identifiers=page.identifiers if page.is_comparable else None,
            found_paths=self.found_paths | page.found_paths,
            shape=shape_of(page.document) if page.count else self.shape,
            last_datestamp=page.datestamps[-1] if page.datestamps else self.last_datestamp,
        )

    def observe(self, observations: Observations) -> None:
        """Record what later harvests can use."""
        facts: Iterable[str] = (*self.found_paths, *([PAGES_DIFFER] if self.pages_differ else []))
        if facts:
            observations.record(_OBSERVATION, sorted(facts))
