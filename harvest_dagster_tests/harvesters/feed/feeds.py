"""Feeds without a network: documents by URL, and a client together with the parser of its documents."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from xml.sax.saxutils import escape

from harvest_dagster.harvesters.feed.arguments import FeedArguments
from harvest_dagster.harvesters.feed.client import FeedClient
from harvest_dagster.harvesters.feed.parser import FeedParser
from harvest_dagster.records import Cursor, InvalidRecord, Page, Record
from harvest_dagster.windows import Window, parse_instant
from harvest_dagster_tests.harvesters.sources import Answered, GetOnly

URL = "http://journal.test/feed"
NAMESPACES = (
    'xmlns="http://www.w3.org/2005/Atom" xmlns:at="http://purl.org/atompub/tombstones/1.0" '
    'xmlns:os="http://a9.com/-/spec/opensearch/1.1/" xmlns:fh="http://purl.org/syndication/history/1.0"'
)


def window(start: str, end: str) -> Window:
    return Window(parse_instant(start), parse_instant(end))


def entry(identifier: str, updated: str | None, more: str = "<title>A title</title>") -> str:
    date = "" if updated is None else f"<updated>{updated}</updated>"
    return f"<entry><id>{escape(identifier)}</id>{date}{more}</entry>"


def link(relation: str, href: str) -> str:
    return f'<link rel="{relation}" href="{escape(href)}"/>'


def atom(*content: str) -> str:
    return f"<feed {NAMESPACES}><title>A journal</title>{''.join(content)}</feed>"


def rss(*content: str, namespaces: str = 'xmlns:atom="http://www.w3.org/2005/Atom"') -> str:
    return f'<rss version="2.0" {namespaces}><channel><title>News</title>{"".join(content)}</channel></rss>'


class DocumentSession(GetOnly):
    """Answers each request with the document of its URL, and records the URLs."""

    def __init__(self, documents: Mapping[str, str | bytes], received: str) -> None:
        self._documents = documents
        self._received = parse_instant(received)
        self.asked: list[str] = []

    def get(
        self,
        url: str,
        params: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
        *,
        allow_status: frozenset[int] = frozenset(),
        repeatable: bool = True,
    ) -> Answered:
        assert params is None
        assert headers is None
        assert not allow_status
        assert repeatable
        self.asked.append(url)
        document = self._documents[url]
        body = document.encode() if isinstance(document, str) else document
        return Answered(body, url, received=self._received)


class FeedSource(FeedClient):
    """A client with the parser of its documents."""

    session: DocumentSession

    def read(
        self, asked: Window, cursor: Cursor | None = None
    ) -> tuple[list[Page], list[Record | InvalidRecord]]:
        """Return the pages and the records of a window."""
        pages = list(self.pages(asked, cursor))
        return pages, [found for page in pages for found in self._records(page, asked)]

    def identifiers(self, asked: Window) -> list[str | None]:
        return [record.identifier for record in self.read(asked)[1]]

    def _records(self, page: Page, asked: Window) -> Iterator[Record | InvalidRecord]:
        return FeedParser(self.arguments).records(page, asked)


def feed(document: str | bytes, *, received: str = "2024-03-10T12:00:00Z", **arguments: Any) -> FeedSource:
    """Return a feed of one document."""
    return feeds({URL: document}, received=received, **arguments)


def feeds(
    documents: Mapping[str, str | bytes], *, received: str = "2024-03-10T12:00:00Z", **arguments: Any
) -> FeedSource:
    """Return a feed of several documents. The first one is at `URL`."""
    kwargs = FeedArguments.model_validate({"base_url": URL, **arguments})
    return FeedSource(kwargs, DocumentSession(documents, received))
