"""Parse a sitemap or an index of sitemaps (https://www.sitemaps.org/protocol.html), also in gzip.

The protocol allows 50,000 URLs and 50 MB in a file. A larger one is read, too: the limits of the source bound it.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from lxml import etree

from harvest_dagster.errors import MalformedResponse, ProtocolError, ResponseTooLarge, TruncatedResponse
from harvest_dagster.harvesters.formats.canonical_xml import XML_WHITE_SPACE
from harvest_dagster.harvesters.formats.dates import lenient_instant
from harvest_dagster.harvesters.formats.strict_xml import parse_xml
from harvest_dagster.response_limits import ResponseLimits, raise_limit
from harvest_dagster.texts import describe_start, shorten

MOST_URLS = 50_000
"""The URLs that the protocol allows in a file."""

_GZIP = b"\x1f\x8b"
_WITH_GZIP_HEADER = 31  # zlib's wbits
_ENTRIES = {"urlset": "url", "sitemapindex": "sitemap"}
_LONGEST_NAME = 200  # characters


@dataclass(frozen=True)
class Entry:
    """An entry of a sitemap or of an index.

    Attributes:
        url: the text of `loc`; empty if it is missing.
        lastmod: the text of `lastmod` if that is a date; otherwise empty.
    """

    url: str
    lastmod: str = ""

    @property
    def date(self) -> datetime | None:
        """The time of the last change in UTC; None if it is not known. A date without a time is midnight."""
        return lenient_instant(self.lastmod)


@dataclass(frozen=True)
class SitemapDocument:
    """A sitemap or an index.

    Attributes:
        is_index: whether its entries are sitemaps; if not, they are pages.
        entries: its entries, in order.
    """

    is_index: bool
    entries: tuple[Entry, ...]


def parse_sitemap(
    body: bytes, *, url: str, content_type: str = "", limits: ResponseLimits | None = None
) -> SitemapDocument:
    """Parse a sitemap or an index.

    Args:
        body: the bytes after content decoding. They may be a gzip file.
        url: the redacted URL, for error messages.
        content_type: the value of the Content-Type header.
        limits: what the document may cost.

    Raises:
        MalformedResponse: it is not well-formed XML, has a document type declaration, or is cut off.
        ProtocolError: it is XML, but neither a sitemap nor an index, or it has only other elements than entries. A
            window of it would be empty.
        ResponseTooLarge: it has more bytes or elements than the limits allow.
    """
    limits = limits or ResponseLimits()
    body = _decompress(body, url, limits)
    root = parse_xml(body, url=url, content_type=content_type, limits=limits)
    name = etree.QName(root)
    if name.localname not in _ENTRIES:
        message = (
            f"{url} answered with XML that is not a sitemap: its root element is {shorten(root.tag, _LONGEST_NAME)}, "
            f"{describe_start(body)}. Check that base_url is the URL of a sitemap. For a feed, use the harvester "
            "`feed`."
        )
        raise ProtocolError(message)
    prefix = f"{{{name.namespace}}}" if name.namespace else ""
    entries = tuple(_entries(root, f"{prefix}{_ENTRIES[name.localname]}", prefix))
    if len(root) and not entries:
        message = (
            f"{url} answered with a sitemap that has no element {_ENTRIES[name.localname]}, but others, such as "
            f"{shorten(root[0].tag, _LONGEST_NAME)}. Tell the operator of the source."
        )
        raise ProtocolError(message)
    return SitemapDocument(is_index=name.localname == "sitemapindex", entries=entries)


def _entries(root: etree._Element, tag: str, prefix: str) -> Iterator[Entry]:
    for element in root.iterchildren(tag):
        url = _text(element, f"{prefix}loc")
        lastmod = _text(element, f"{prefix}lastmod")
        yield Entry(url, lastmod if lenient_instant(lastmod) else "")


def _text(element: etree._Element, tag: str) -> str:
    return (element.findtext(tag) or "").strip(XML_WHITE_SPACE)


def _decompress(body: bytes, url: str, limits: ResponseLimits) -> bytes:
    """Return the content of a gzip file, which may have several members; any other body as it is."""
    parts: list[bytes] = []
    rest, size = body, 0
    while rest.startswith(_GZIP):
        member = zlib.decompressobj(_WITH_GZIP_HEADER)
        try:
            parts.append(member.decompress(rest, limits.response_bytes - size + 1))
        except zlib.error as error:
            message = (
                f"{url} answered with a gzip file that is damaged: {error}. Tell the operator of the source."
            )
            raise MalformedResponse(message) from error
        size += len(parts[-1])
        if size > limits.response_bytes:
            raise ResponseTooLarge(
                f"{url}: the sitemap is too large after decompression, and {limits.describe('response_bytes')}. "
                f"Check base_url, or {raise_limit('response_bytes')}."
            )
        if not member.eof:
            message = (
                f"{url} answered with a gzip file that is cut off after {len(body)} bytes. Try again later."
            )
            raise TruncatedResponse(message)
        rest = member.unused_data
    return b"".join(parts) if parts else body
