"""The list of headers of a repository: a client that requests ListIdentifiers, and a parser for its pages.

A header is a tenth of a record or less. A sweep compares the headers of the whole source with the stored records.

Specification: http://www.openarchives.org/OAI/openarchivesprotocol.html#ListIdentifiers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from harvest_dagster.harvesters.oai.client import OaiClient
from harvest_dagster.harvesters.oai.pages import parse_header_page
from harvest_dagster.harvesters.oai.parser import OaiParser
from harvest_dagster.harvesters.window_ends.kept_records import is_kept
from harvest_dagster.records import Cursor, InvalidRecord, Page, Record, RecordHeader
from harvest_dagster.windows import Window


class OaiHeaderClient(OaiClient):
    """Requests the pages of ListIdentifiers, with the arguments and the protections of ListRecords."""

    list_verb = "ListIdentifiers"

    def _list(self, window: Window, cursor: Cursor) -> Iterator[Page]:
        """Yield the pages of one list of headers. No record is requested, whatever a page is like."""
        for dated in self._lists.replies(window, replace(cursor, one_by_one=True)):
            yield self._list_page(dated, cursor, window)

    def one_by_one(self, window: Window) -> None:  # noqa: ARG002
        """Return None: the records of a list of headers are not requested."""
        return


class OaiHeaderParser(OaiParser):
    """Parses the pages of an OaiHeaderClient."""

    def headers(self, page: Page, window: Window) -> Iterator[RecordHeader | InvalidRecord]:
        """Yield the headers of a page in the source's order, by the rules of `OaiParser.records`."""
        for header in parse_header_page(page, self._limits):
            if isinstance(header, InvalidRecord) or is_kept(header.datestamp, window, page.widened_window):
                yield header

    def records(self, page: Page, window: Window) -> Iterator[Record | InvalidRecord]:  # noqa: ARG002
        """Raise TypeError: a list of headers has no records."""
        raise TypeError("a page of ListIdentifiers has no records. Use `headers`")
