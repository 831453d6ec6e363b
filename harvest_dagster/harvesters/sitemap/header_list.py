"""The list of identifiers of a website: a client that requests only the sitemaps, and a parser for its pages.

The identifier of a record is the URL in the sitemap, and its datestamp is `lastmod`, so no page is requested. With
`types`, some pages have no record. Only the pages show which, so their list is the one of the harvest.
"""

from __future__ import annotations

from collections.abc import Iterator

from harvest_dagster.harvesters.sitemap.client import Batch, SitemapClient
from harvest_dagster.harvesters.sitemap.document import Entry
from harvest_dagster.harvesters.sitemap.fetched_page import FetchedPage, split_pages
from harvest_dagster.harvesters.sitemap.parser import SitemapParser
from harvest_dagster.records import InvalidRecord, Page, Record, RecordHeader
from harvest_dagster.windows import Window

_ENTRIES_IN_PAGE = 1000


class SitemapHeaderClient(SitemapClient):
    """Requests the sitemaps of one website."""

    page_size = _ENTRIES_IN_PAGE

    def _add(self, batch: Batch, entry: Entry) -> None:
        """Add an entry of a sitemap to a batch, without its page."""
        page = FetchedPage(entry.url, entry.lastmod, problem=self._requester.problem(entry.url))
        batch.pages.append(page)
        batch.found.append(_header(page))


class SitemapHeaderParser(SitemapParser):
    """Parses the pages of a SitemapHeaderClient."""

    def headers(self, page: Page, window: Window) -> Iterator[RecordHeader | InvalidRecord]:  # noqa: ARG002
        """Yield the entries of the sitemaps in their order."""
        return map(_header, split_pages(page.body))

    def records(self, page: Page, window: Window) -> Iterator[Record | InvalidRecord]:  # noqa: ARG002
        """Raise TypeError: a list of entries has no records."""
        raise TypeError("a page of the entries of sitemaps has no records. Use `headers`")


def _header(page: FetchedPage) -> RecordHeader | InvalidRecord:
    if page.problem:
        return InvalidRecord(page.to_bytes(), page.problem, page.url or None)
    return RecordHeader(page.url, page.entry.date)
