"""The parser of the list of identifiers: it reads identifier, datestamp and deletion of each item, and nothing else.

The list is requested by a `RestClient` with the arguments `RestArguments.of_identifiers`.
"""

from __future__ import annotations

from collections.abc import Iterator

from harvest_dagster.harvesters.rest.parser import RestParser
from harvest_dagster.harvesters.window_ends.kept_records import is_kept
from harvest_dagster.records import InvalidRecord, Page, RecordHeader
from harvest_dagster.windows import Window


class RestHeaderParser(RestParser):
    """Parses the pages of a list of identifiers."""

    def headers(self, page: Page, window: Window) -> Iterator[RecordHeader | InvalidRecord]:
        """Yield the headers of a page in the source's order, by the rules of `RestParser.records`."""
        if page.count == 0:
            return  # its body may be an error past the end of the list, or the page before again
        document = self.document(page.body, page.request.url, page.content_type)
        others = self.time_of_others(page)
        for location, item in self.find_items(document, page.request.url) or ():
            header = self.header(item)
            if isinstance(header, str):
                yield InvalidRecord(self.raw_items(page, [location])[location], header, self.identifier(item))
            elif is_kept(header.datestamp, window, others):
                yield header
