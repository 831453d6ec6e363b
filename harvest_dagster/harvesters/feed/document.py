"""Parse a feed document strictly: its entries, its links to other documents, and what it says about itself.

Specifications: Atom (https://www.rfc-editor.org/rfc/rfc4287), deleted entries (https://www.rfc-editor.org/rfc/rfc6721),
paged and archived feeds (https://www.rfc-editor.org/rfc/rfc5005), RSS 2.0 (https://www.rssboard.org/rss-specification),
RSS 1.0 (https://web.resource.org/rss/1.0/spec).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import urljoin

from lxml import etree

from harvest_dagster.errors import ProtocolError
from harvest_dagster.harvesters.formats.strict_xml import parse_xml
from harvest_dagster.response_limits import ResponseLimits
from harvest_dagster.texts import describe_start, shorten

ATOM = "{http://www.w3.org/2005/Atom}"
ATOM_03 = "{http://purl.org/atom/ns#}"
DELETED = "{http://purl.org/atompub/tombstones/1.0}deleted-entry"
RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
RSS_1 = ("{http://purl.org/rss/1.0/}", "{http://my.netscape.com/rdf/simple/0.9/}")

_HISTORY = "{http://purl.org/syndication/history/1.0}"
_TOTALS = (
    "{http://a9.com/-/spec/opensearch/1.1/}totalResults",
    "{http://a9.com/-/spec/opensearchrss/1.0/}totalResults",
)
_MOST_DIGITS = 9
_LONGEST_NAME = 200  # characters


@dataclass(frozen=True)
class FeedDocument:
    """A feed document.

    Attributes:
        entries: its entries and deleted entries, in order.
        next_page: the link to the next page of a paged feed (RFC 5005, section 3), resolved against `xml:base`.
        previous_archive: the link to the archive of older entries (section 4).
        is_archive: whether it is an archive document, which does not change (section 4).
        is_complete: whether it has all entries of the feed (section 2).
        total: the number of entries of the feed (OpenSearch); None if the feed gives no number.
    """

    entries: Sequence[etree._Element]
    next_page: str | None
    previous_archive: str | None
    is_archive: bool
    is_complete: bool
    total: int | None


def parse_feed(
    body: bytes, *, url: str, content_type: str = "", limits: ResponseLimits | None = None
) -> FeedDocument:
    """Parse a feed document.

    Args:
        body: the bytes after content decoding.
        url: the redacted URL, for error messages.
        content_type: the value of the Content-Type header.
        limits: what the document may cost.

    Raises:
        MalformedResponse: it is not well-formed XML, or has a document type declaration.
        ProtocolError: it is XML, but not a feed.
    """
    root = parse_xml(body, url=url, content_type=content_type, limits=limits)
    header = _header(root)
    if header is None:
        message = (
            f"{url} answered with XML that is not a feed: its root element is {shorten(root.tag, _LONGEST_NAME)}, "
            f"{describe_start(body)}. Check that base_url is the URL of an Atom or RSS feed. For a list in other XML, "
            "use another harvester."
        )
        raise ProtocolError(message)
    return FeedDocument(
        entries=list(_entries(root, header)),
        next_page=_link(header, "next"),
        previous_archive=_link(header, "prev-archive"),
        is_archive=header.find(f"{_HISTORY}archive") is not None,
        is_complete=header.find(f"{_HISTORY}complete") is not None,
        total=_total(header),
    )


def is_entry(element: etree._Element) -> bool:
    """Return whether an element is an entry or a deleted entry of a feed."""
    return element.tag in _ENTRIES


_ENTRIES = frozenset(
    {f"{ATOM}entry", f"{ATOM_03}entry", "item", DELETED, *(f"{namespace}item" for namespace in RSS_1)}
)


def _header(root: etree._Element) -> etree._Element | None:
    """Return the element that describes the feed, or None if the document is not a feed."""
    if root.tag in {f"{ATOM}feed", f"{ATOM_03}feed"}:
        return root
    if root.tag == "rss":
        return root.find("channel")
    if root.tag == f"{RDF}RDF":
        return next((child for child in root if child.tag in {f"{name}channel" for name in RSS_1}), None)
    return None


def _entries(root: etree._Element, header: etree._Element) -> Iterator[etree._Element]:
    """Yield the entries. Those of RSS 1.0 stand beside the channel, as in a few documents with the root `rss`."""
    yield from header.iterchildren(*_ENTRIES)
    if header is not root:
        yield from root.iterchildren(*_ENTRIES)


def _link(header: etree._Element, relation: str) -> str | None:
    for link in header.iterchildren(f"{ATOM}link"):
        href = link.get("href", "").strip()
        if href and link.get("rel", "").strip().lower() == relation:
            return urljoin(link.base or "", href)
    return None


def _total(header: etree._Element) -> int | None:
    for tag in _TOTALS:
        text = (header.findtext(tag) or "").strip()
        if text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS:
            return int(text)
    return None
