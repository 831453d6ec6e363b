"""Writes the records of the pages of a fetch attempt, in order."""

from __future__ import annotations

from collections.abc import Iterator

from harvest_dagster.spool.attempt_spool import AttemptSpool
from harvest_dagster.spool.manifest import FetchSummary, ParsedIndex, ParsedPage
from harvest_dagster.spool.parsed_file import encode_page


class ParsedPageWriter:
    """Writes parsed pages. Small pages share a file in an object store. A kill costs the pages of one file at most."""

    def __init__(self, spool: AttemptSpool) -> None:
        self._spool = spool
        self._first_pages: list[int] = []
        self._counts: list[tuple[int, int]] = []
        self._waiting: list[bytes] = []

    @property
    def pages(self) -> int:
        """The number of pages that are added."""
        return len(self._counts)

    def add_earlier_pages(self, most: int) -> Iterator[int]:
        """Add the pages that are parsed already, up to the first missing or damaged file. Yield the records of each.

        Args:
            most: the number of pages of the attempt.

        Raises:
            SpoolUnreachable: the object store cannot be reached now.
        """
        while self.pages < most:
            counts = self._spool.count_parsed_pages(self.pages)
            if counts is None or self.pages + len(counts) > most:
                return
            self._first_pages.append(self.pages)
            self._counts += counts
            yield from (valid for valid, _ in counts)

    def add(self, page: ParsedPage) -> None:
        """Add the next page.

        Raises:
            SpoolError: it cannot be written.
            SpoolUnreachable: the object store cannot be reached now.
        """
        self._waiting.append(encode_page(page))
        self._counts.append((len(page.records), len(page.invalid)))
        if sum(map(len, self._waiting)) > self._spool.most_bytes_together:
            self._write_waiting()

    def end(self, summary: FetchSummary) -> None:
        """Write what waits, and record that all pages are parsed.

        Raises: see `add`.
        """
        self._write_waiting()
        index = ParsedIndex(summary, tuple(self._first_pages), tuple(self._counts))
        self._spool.write_parsed_index(index)

    def _write_waiting(self) -> None:
        if self._waiting:
            first = self.pages - len(self._waiting)
            self._spool.write_parsed_file(first, b"".join(self._waiting))
            self._first_pages.append(first)
            self._waiting.clear()
