"""A harvester of paged Atom feeds with totals and deleted entries; the renderer is in docs/plugins.md."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

from lxml import etree

from harvest_dagster.errors import ProtocolError
from harvest_dagster.harvesters.formats.canonical_xml import canonical_xml
from harvest_dagster.harvesters.formats.strict_xml import parse_xml
from harvest_dagster.harvesters.interface import Arguments, Client, Harvester, Parser, Session
from harvest_dagster.records import Cursor, InvalidRecord, Page, Record, Request
from harvest_dagster.windows import Window, parse_instant

_ATOM = "{http://www.w3.org/2005/Atom}"
_DELETED = "{http://purl.org/atompub/tombstones/1.0}deleted-entry"
_TOTAL = "{http://a9.com/-/spec/opensearch/1.1/}totalResults"
_INSTANT = "%Y-%m-%dT%H:%M:%SZ"


class FeedArguments(Arguments):
    url: str


class FeedClient(Client):
    def pages(self, window: Window, cursor: Cursor | None = None) -> Iterator[Page]:
        cursor = cursor or Cursor()
        while cursor:
            page = self._request(window, cursor)
            yield page
            cursor = page.next

    def _request(self, window: Window, cursor: Cursor) -> Page:
        last = window.end - timedelta(seconds=1)
        dates = {"since": window.start.strftime(_INSTANT), "until": last.strftime(_INSTANT)}
        response = self.session.get(self.arguments.url, {"page": cursor.token} if cursor.token else dates)
        feed = parse_xml(response.body, url=response.url, content_type=response.content_type)
        if feed.tag != f"{_ATOM}feed":
            raise ProtocolError(f"{response.url} returned {feed.tag}, not a feed. Check the URL.")
        entries = list(_entries(feed))
        link = feed.find(f"{_ATOM}link[@rel='next']")
        token = None if link is None else parse_qs(urlsplit(link.get("href", "")).query)["page"][0]
        total = feed.findtext(_TOTAL, "")
        return Page(
            body=response.body,
            request=Request(response.url),
            status=response.status,
            received=response.received,
            cursor=cursor,
            next=Cursor(token) if token else None,
            count=len(entries),
            total=int(total) if total.isdecimal() else None,
            identifiers=tuple(map(_identifier, entries)),
            content_type=response.content_type,
        )


class FeedParser(Parser):
    def records(self, page: Page, window: Window) -> Iterator[Record | InvalidRecord]:  # noqa: ARG002
        feed = parse_xml(page.body, url=page.request.url, content_type=page.content_type)
        for entry in _entries(feed):
            deleted = entry.tag == _DELETED
            when = str(entry.attrib.pop("when")) if deleted else entry.findtext(f"{_ATOM}updated", "")
            for updated in entry.findall(f"{_ATOM}updated"):
                entry.remove(updated)
            yield Record(_identifier(entry), parse_instant(when), deleted, canonical_xml(entry))


def _entries(feed: etree._Element) -> Iterator[etree._Element]:
    return feed.iterchildren(f"{_ATOM}entry", _DELETED)


def _identifier(entry: etree._Element) -> str:
    return entry.get("ref", "") or entry.findtext(f"{_ATOM}id", "")


class Feed(Harvester):
    Arguments = FeedArguments

    def client(self, session: Session) -> FeedClient:
        return FeedClient(self.arguments, session)

    def parser(self) -> FeedParser:
        return FeedParser(self.arguments)
