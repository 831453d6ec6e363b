"""The client of a sitemap: it requests the pages of a window one by one.

A sitemap cannot be asked for a window. The client reads the whole list for each window, and requests only the pages
whose date is in it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from harvest_dagster.errors import HttpStatusError, SourceError, SourceRefused, TruncatedResponse, WebPage
from harvest_dagster.harvesters.interface import Session
from harvest_dagster.harvesters.sitemap.arguments import SitemapArguments
from harvest_dagster.harvesters.sitemap.document import Entry
from harvest_dagster.harvesters.sitemap.fetched_page import FetchedPage, join_pages
from harvest_dagster.harvesters.sitemap.parser import GONE, NOT_FOUND, SitemapParser
from harvest_dagster.harvesters.sitemap.requester import Requester
from harvest_dagster.harvesters.sitemap.traversal import Position, SitemapTraversal
from harvest_dagster.harvesters.undivided import UndividedClient
from harvest_dagster.http.html.page_detection import detect_page, web_page_error
from harvest_dagster.records import Cursor, InvalidRecord, Page, Record, RecordHeader, Request
from harvest_dagster.response_limits import ResponseLimits
from harvest_dagster.windows import Window

_SITEMAPS_IN_PAGE = 100  # after so many sitemaps, an empty page keeps the position
_MISSING = frozenset({NOT_FOUND, GONE})
_CONTENT_TYPE = "application/octet-stream"


@dataclass
class Batch:
    """The pages of the website that come together in a page of the list.

    Attributes:
        cursor: the position of the first one.
        pages: the pages.
        found: what the parser found in them.
        sitemaps: the number of sitemaps that were read.
    """

    cursor: Cursor
    pages: list[FetchedPage] = field(default_factory=list)
    found: list[Record | RecordHeader | InvalidRecord] = field(default_factory=list)
    sitemaps: int = 0


class SitemapClient(UndividedClient):
    """Requests the pages of one website."""

    arguments: SitemapArguments

    def __init__(
        self, arguments: SitemapArguments, session: Session, limits: ResponseLimits | None = None
    ) -> None:
        super().__init__(arguments, session)
        self._limits = limits or ResponseLimits()
        self._parser = SitemapParser(arguments, self._limits)
        self._requester = Requester(arguments, session)

    @property
    def page_size(self) -> int:
        """The number of pages of the website in a page of the list."""
        return self.arguments.page_size

    def pages(self, window: Window, cursor: Cursor | None = None) -> Iterator[Page]:
        """Yield the pages of the list: `page_size` pages of the website in each.

        Raises:
            CursorRefused: the sitemaps have changed (`changed`).
            SourceRefused: a page of the website is not available now (`pageUnavailable`), or a sitemap must not be
                requested (`notAllowed`).
            SourceError: a sitemap or a page of the website has no usable response.
        """
        traversal = SitemapTraversal(self.arguments, self._requester, self._limits)
        batch, seen = Batch(cursor or Cursor()), set[bytes]()  # several sitemaps may list a page
        for step in traversal.steps(window, Position.of(batch.cursor)):
            if len(batch.pages) >= self.page_size or batch.sitemaps >= _SITEMAPS_IN_PAGE:
                page = self._page(batch, traversal, step.position.cursor)
                yield page
                batch = Batch(step.position.cursor)
            if step.entry is None:
                batch.sitemaps += 1
            elif (digest := _digest(step.entry)) not in seen:
                seen.add(digest)
                self._add(batch, step.entry)
        yield self._page(batch, traversal, None)

    def _page(self, batch: Batch, traversal: SitemapTraversal, following: Cursor | None) -> Page:
        """Return a page of the list. Its times are those of the first sitemap, because later changes may be missing."""
        first = traversal.first
        assert first is not None  # noqa: S101  # a traversal without a sitemap raises an error
        return Page(
            body=join_pages(batch.pages),
            request=Request(first.url),
            status=first.status,
            received=first.received,
            cursor=batch.cursor,
            next=following,
            count=len(batch.found),
            content_type=_CONTENT_TYPE,
            # Sessions of tests and tools may not have it.
            source_time=getattr(first, "date", None) or first.received,
            identifiers=tuple(found.identifier for found in batch.found if found.identifier),
            may_be_cut=following is None and traversal.may_be_cut,
        )

    def _add(self, batch: Batch, entry: Entry) -> None:
        """Request a page of the website and add it to a batch. If it has no valid record, request it once more."""
        page = self._fetch(entry)
        found = self._parser.parse(page)
        if isinstance(found, InvalidRecord) and page.status:
            page = self._fetch(entry)
            found = self._parser.parse(page)
            self._raise_if_blocked(page, found)
        batch.pages.append(page)
        batch.found += [found] if found is not None else []

    def _fetch(self, entry: Entry) -> FetchedPage:
        if problem := self._requester.problem(entry.url):
            return FetchedPage(entry.url, entry.lastmod, problem=problem)
        try:
            response = self._requester.get(entry.url, allow_status=_MISSING)
        except HttpStatusError as error:
            if error.transient:
                raise _page_unavailable(error) from error
            raise
        page = FetchedPage(
            entry.url, entry.lastmod, response.status, response.content_type, body=response.body
        )
        self._raise_if_cut(page, response.url)
        return page

    def _raise_if_cut(self, page: FetchedPage, url: str) -> None:
        """Raise TruncatedResponse if the end of a page is missing. The JSON-LD after the cut would be lost."""
        is_html = not page.content_type or "html" in page.content_type.lower()
        if page.status in _MISSING or not is_html or not self.arguments.end_tag:
            return
        try:
            has_end = self._parser.read(page).has_end
        except SourceError:
            return  # the parser makes an invalid record of it
        if not has_end:
            message = (
                f"{url} answered with a page that is cut off: its end tag </html> is missing after {len(page.body)} "
                "bytes. If the site leaves out this tag, set end_tag: false in harvester_kwargs."
            )
            raise TruncatedResponse(message)

    def _raise_if_blocked(self, page: FetchedPage, found: Record | InvalidRecord | None) -> None:
        """Raise the error of a bot challenge, login page or maintenance page that came in place of a page."""
        if not isinstance(found, InvalidRecord) or page.status in _MISSING:
            return
        if detect_page(page.body, page.content_type) not in {None, WebPage}:
            blocked = web_page_error(page.body, url=page.url, expected="a page with JSON-LD")
            blocked.args = (f"{blocked} If the page is no record, exclude its URL with `match`.",)
            raise blocked


def _digest(entry: Entry) -> bytes:
    return hashlib.blake2b(entry.url.encode(), digest_size=16).digest()


def _page_unavailable(error: HttpStatusError) -> SourceRefused:
    """Return the error for a page that is not available after the retries of the session.

    It is transient, so a later run continues with this page. A recovery step would request all pages of the window
    again.
    """
    message = f"{error} The window fails, because the record of this page would be missing. Run again later."
    unavailable = SourceRefused(message, code="pageUnavailable")
    unavailable.transient = True
    return unavailable
