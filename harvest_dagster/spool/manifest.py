"""The values that the spool writes: manifests of pages, parsed pages, summaries. `spool.attempt_spool` writes them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b

from harvest_dagster.records import InvalidRecord, Page, Record
from harvest_dagster.windows import Window

FINGERPRINT = 8  # bytes: of ten million identifiers, two have the same in one of 370,000 harvests


@dataclass(frozen=True)
class SubWindow:
    """The part of a window that one list covers. Usually it is the whole window.

    Attributes:
        number: from 0. Each new list of a window or of a part of it has the next number.
        window: the time that the source was asked for.
    """

    number: int
    window: Window


@dataclass(frozen=True)
class PageManifest:
    """The manifest of a page.

    Attributes:
        number: number of the page in its fetch attempt, from 0.
        sub_window: the sub-window of the page.
        page: the page without body and identifiers.
        digest: SHA-256 of the body as it was received, in hexadecimal.
        size: size of the body in bytes.
        fingerprints: the fingerprints of its identifiers, concatenated.
    """

    number: int
    sub_window: SubWindow
    page: Page
    digest: str
    size: int
    fingerprints: bytes = b""


@dataclass(frozen=True)
class ParsedPage:
    """The valid and the invalid records of a page."""

    records: list[Record]
    invalid: list[InvalidRecord]


@dataclass(frozen=True)
class FetchSummary:
    """The result of the fetch step: the whole window was fetched, or its `limit` was reached.

    Attributes:
        pages: number of pages in all sub-windows.
        records: number of records on these pages; a record that was received twice counts twice.
        completeness: `complete`, `unverified`, or `short` if the source announced more records than it delivered.
        expected: the source's own total of the window, None if it gives none.
        identifiers: number of different identifiers, None if the harvester gives none.
        sub_windows: number of sub-windows.
        recoveries: number of recovery steps.
        evidence: why it is complete: `total`, `single_response`, or `none`.
        doubt: why an empty answer, or the end of a list, may be wrong; None if there is no doubt.
        source_time: the earliest time of a list page by the clock of the source; None if it gives none.
        clock_offset: seconds by which the clock of the source is ahead of ours, negative if behind; None if unknown.
        asked_until: end of the time that the source was asked for, if that is longer than the window.
        lists_everything: whether a list of the whole source has all its records (`harvesters.interface.Client`).
    """

    pages: int
    records: int
    completeness: str
    expected: int | None = None
    identifiers: int | None = None
    sub_windows: int = 1
    recoveries: int = 0
    evidence: str = "none"
    doubt: str | None = None
    source_time: datetime | None = None
    asked_until: datetime | None = None
    clock_offset: float | None = None
    lists_everything: bool = True


@dataclass(frozen=True)
class ParsedIndex:
    """The result of the step split: all pages are parsed.

    Attributes:
        summary: the result of the fetch step.
        first_pages: the number of the first page of each file, ascending.
        counts: the numbers of valid and of invalid records of each page.
    """

    summary: FetchSummary
    first_pages: tuple[int, ...]
    counts: tuple[tuple[int, int], ...]

    def file_of(self, number: int) -> int:
        """Return the first page of the file that has a page."""
        return self.first_pages[bisect_right(self.first_pages, number) - 1]


def fingerprints(identifiers: Iterable[str]) -> bytes:
    """Return eight bytes for each identifier, concatenated."""
    return b"".join(
        blake2b(identifier.encode("utf-8", "surrogatepass"), digest_size=FINGERPRINT).digest()
        for identifier in identifiers
    )
