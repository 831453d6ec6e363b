"""The client of a feed: it requests the documents of the feed, page by page and archive by archive.

A feed cannot be asked for a window. The client requests the whole feed for each window, and `parser` keeps the entries
of the window.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

from harvest_dagster.errors import ProtocolError
from harvest_dagster.harvesters.feed.arguments import FeedArguments
from harvest_dagster.harvesters.feed.document import FeedDocument, parse_feed
from harvest_dagster.harvesters.feed.entries import datestamps_of, identifier_of
from harvest_dagster.harvesters.feed.position import FeedPosition
from harvest_dagster.harvesters.feed.reach import (
    first_reached,
    has_only_older_entries,
    raise_if_out_of_reach,
)
from harvest_dagster.harvesters.formats.page_limits import raise_if_long_token
from harvest_dagster.harvesters.interface import Response, Session
from harvest_dagster.harvesters.undivided import UndividedClient
from harvest_dagster.harvesters.window_ends.kept_records import is_kept
from harvest_dagster.rate_limits import host_of
from harvest_dagster.records import Cursor, Page, Request
from harvest_dagster.response_limits import ResponseLimits
from harvest_dagster.texts import MASK
from harvest_dagster.windows import ALL_TIME, Window


@dataclass(frozen=True)
class _Received:
    """A document with the response that it came in, and the datestamps of its entries."""

    response: Response
    document: FeedDocument
    dates: list[datetime | None]


class FeedClient(UndividedClient):
    """Requests the documents of one feed."""

    arguments: FeedArguments
    lists_everything = False  # older entries leave a feed, but their records still exist

    def __init__(
        self, arguments: FeedArguments, session: Session, limits: ResponseLimits | None = None
    ) -> None:
        super().__init__(arguments, session)
        self._limits = limits or ResponseLimits()

    def pages(self, window: Window, cursor: Cursor | None = None) -> Iterator[Page]:
        """Yield the documents of the feed in the order of their links, which begin at `base_url`.

        `next` leads from page to page, and `prev-archive` to the archives (RFC 5005). A document without either ends
        the list. An archive that is older than the window ends it, too, because archives do not change. With
        `newest_first`, so does a page.

        Raises:
            SourceRefused: days of the window are before the oldest entry (`outOfReach`).
            SourceError: a document is missing or is not a feed. The pages yielded before are complete.
        """
        following = cursor or Cursor()
        while True:
            page = self._page(window, following)
            yield page
            if page.next is None:
                return
            following = page.next

    def _page(self, window: Window, cursor: Cursor) -> Page:
        before = FeedPosition.of(cursor)
        received = self._request(before)
        position = before.after(received.document, received.dates)
        page = self._page_of(received, window, cursor)
        link = self._following_link(received, before, window)
        if link is None:
            return self._last_page(page, received, window, position)
        return replace(page, next=replace(position, link=link).cursor)

    def _request(self, position: FeedPosition) -> _Received:
        response = self.session.get(self._url(position.link), headers=self.arguments.headers or None)
        document = parse_feed(
            response.body, url=response.url, content_type=response.content_type, limits=self._limits
        )
        return _Received(response, document, datestamps_of(document.entries))

    def _page_of(self, received: _Received, window: Window, cursor: Cursor) -> Page:
        response, entries = received.response, received.document.entries
        return Page(
            body=response.body,
            request=Request(response.url),
            status=response.status,
            received=response.received,
            cursor=cursor,
            next=None,
            count=len(entries),
            content_type=response.content_type,
            source_time=getattr(response, "date", None),  # sessions of tests and tools may not have it
            identifiers=tuple(filter(None, map(identifier_of, entries))),
            overlap=ALL_TIME,
            neighbours=sum(not is_kept(date, window, ALL_TIME) for date in received.dates),
        )

    def _last_page(self, page: Page, received: _Received, window: Window, position: FeedPosition) -> Page:
        """Return the last page. Only this page may have the feed's total, because now the whole feed is read.

        Raises:
            SourceRefused: the feed does not reach back to the window.
        """
        total = position.total if self.arguments.trust_total else None
        document = received.document
        if self._link(document) is not None:
            return page  # older documents were not requested
        if document.is_complete:
            return replace(page, total=total, is_whole_list=page.cursor.token is None)
        if document.is_archive:
            return replace(page, total=total)
        first = first_reached(position, page.received)
        self._raise_if_out_of_reach(window, first, page.request.url)
        if window.start < first:
            return replace(page, may_be_cut=True)
        return replace(page, total=total)

    def _raise_if_out_of_reach(self, window: Window, first: datetime, url: str) -> None:
        raise_if_out_of_reach(window, first, url=url)

    def _link(self, document: FeedDocument) -> str | None:
        return document.next_page or document.previous_archive

    def _following_link(self, received: _Received, before: FeedPosition, window: Window) -> str | None:
        """Return the link to the next document as an absolute URL; None if the list ends here."""
        link, document = self._link(received.document), received.document
        is_ordered = self.arguments.newest_first or document.is_archive
        if link is None or (is_ordered and has_only_older_entries(received.dates, before, window)):
            return None
        raise_if_long_token(link, "link", url=received.response.url, limits=self._limits)
        return self._absolute(link, received.response.url)

    def _absolute(self, link: str, url: str) -> str:
        """Return a link with the scheme of base_url, and without user and password.

        A source behind a proxy that terminates TLS writes http into its links.

        Raises:
            ProtocolError: the link leads to another host.
        """
        base = self.arguments.base_url
        try:
            found = urlsplit(urljoin(url, link))
            is_same_host = found.scheme in {"http", "https"} and host_of(found.geturl()) == host_of(base)
        except ValueError:  # such as a port that is not a number
            is_same_host = False
        if not is_same_host:
            message = (
                f"{url} answered with a link to its next document that is not on {host_of(base)}. Only that host is "
                "asked, because the headers may contain a key. Check base_url, or tell the operator of the source."
            )
            raise ProtocolError(message)
        netloc = found.netloc.rpartition("@")[2]
        return found._replace(scheme=urlsplit(base).scheme, netloc=netloc, fragment="").geturl()

    def _url(self, link: str | None) -> str:
        """Return the URL of a request: with our user, our password, and the values that the session has masked."""
        if link is None:
            return self.arguments.base_url
        base, found = urlsplit(self.arguments.base_url), urlsplit(link)
        user, at, _ = base.netloc.rpartition("@")
        query = found.query
        if MASK in link:
            own = dict(parse_qsl(base.query, keep_blank_values=True))
            pairs = parse_qsl(query, keep_blank_values=True)
            query = urlencode(
                [(name, own.get(name, value) if MASK in value else value) for name, value in pairs]
            )
        return found._replace(netloc=f"{user}{at}{found.netloc}", query=query).geturl()


class FeedHeaderClient(FeedClient):
    """Requests the whole feed for a comparison with what is stored, however far the feed reaches back."""

    def _raise_if_out_of_reach(self, window: Window, first: datetime, url: str) -> None:
        """Accept a feed that begins after the start of the window. `lists_everything` is False for that reason."""

    def has_all_lists(self) -> bool:
        """Return False: whatever total the feed gives, older entries may have left it."""
        return False
