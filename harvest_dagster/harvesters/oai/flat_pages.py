"""Parse a page of ListRecords without a tree of its flat records: in a third of the time, with the same result.

The page is cut at the tags of its records. `flat_records` proves of each flat record that it is well-formed, from its
own text and the namespaces around it. The page without the flat records is parsed strictly, with the same rules and
errors as a whole page. It shows that the envelope is well-formed, what the token is, and that the records are where
records must be.

Why the result is the same: a well-formed element between two records may be left out of a page, and what remains is
well-formed if and only if the page was. A part from `<record>` to the next `</record>`, without another start tag of a
record between them, is a single element if the rest is well-formed. So each part is a child of the list if the first
one is. Where any of this is not certain, the page is parsed as a whole (`page_recovery`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import quoteattr

from lxml import etree

from harvest_dagster.errors import SourceError
from harvest_dagster.harvesters.formats.page_limits import raise_if_costly_xml
from harvest_dagster.harvesters.oai.flat_records import FlatRecord, parse_flat_text
from harvest_dagster.harvesters.oai.response import OAI, OaiResponse
from harvest_dagster.response_limits import ResponseLimits

# With such a declaration, the Content-Type does not matter (`strict_xml`).
_DECLARATION = re.compile(rb"<\?xml\s+version=[\"']1\.0[\"']\s+encoding=[\"'](?i:utf-8)[\"'][^<>]*\?>")
_LIST = re.compile(rb"<ListRecords(?:\s[^<>]*)?>[ \t\n]*(?=<record[ \t\n/>])")
_NEXT_RECORD = re.compile(rb"[ \t\n]*(<record[ \t\n/>])")
_START, _END = b"<record>", b"</record>"
_START_OR_END = re.compile(rb"<(/?)record[ \t\n/>]")
_SECTIONS = {b"<![CDATA[": b"]]>", b"<!--": b"-->", b"<?": b"?>"}
_SECTION = re.compile(b"|".join(map(re.escape, _SECTIONS)))
# All but angle brackets, and the control characters that XML does not permit (XML 1.0, section 2.2).
_USUAL = bytes({*range(ord(" "), 0x100), *b"\t\n\r"} - {*b"<>"})
_LONGEST_RECORD = 1_000_000  # bytes; libxml2 refuses a text of 10 MB


@dataclass(frozen=True)
class _Parts:
    """The parts of a page: what is before its records, the records, and what is after them."""

    head: bytes
    records: Sequence[bytes]
    tail: bytes

    def with_records(self, records: Sequence[bytes]) -> bytes:
        """Return the page with these records only."""
        return b"".join((self.head, *records, self.tail))


def parse_flat_page(
    body: bytes, parse_strictly: Callable[[bytes], OaiResponse], limits: ResponseLimits | None = None
) -> tuple[OaiResponse, list[etree._Element | FlatRecord]] | None:
    """Return a parsed page of ListRecords and all its items; None if it must be parsed as a whole.

    The `items` of the response are not complete.

    Args:
        body: the page.
        parse_strictly: parses a page as a whole.
        limits: what the page may cost; the defaults of ResponseLimits if they are left out.
    """
    try:
        raise_if_costly_xml(body, url="", limits=limits or ResponseLimits())
        parts = _split(body)
        return None if parts is None else _parse(parts, parse_strictly)
    except (SourceError, UnicodeDecodeError):
        return None  # the whole page gives the right error


def _parse(
    parts: _Parts, parse_strictly: Callable[[bytes], OaiResponse]
) -> tuple[OaiResponse, list[etree._Element | FlatRecord]] | None:
    """Parse the flat records one by one, and the page with its other records as a whole."""
    response = _parse_list(parts, parts.records[:1], parse_strictly)
    if response is None:
        return None
    start = _start_tag(response.content)
    has_only_tags = _has_only_tags(b"".join(parts.records))
    flat = [_parse_if_flat(record, start, has_only_tags=has_only_tags) for record in parts.records]
    others = [raw for raw, record in zip(parts.records, flat, strict=True) if record is None]
    if len(others) == len(flat):
        return None
    if others:
        response = _parse_list(parts, others, parse_strictly)
    if response is None:
        return None
    elements = iter(response.items)
    return response, [next(elements) if record is None else record for record in flat]


def _parse_list(
    parts: _Parts, records: Sequence[bytes], parse_strictly: Callable[[bytes], OaiResponse]
) -> OaiResponse | None:
    """Parse the page with some of its records. Return None if they are perhaps not all children of its list."""
    if not all(map(_is_single, records)):
        return None
    response = parse_strictly(parts.with_records(records))
    is_list = response.content.tag == f"{OAI}ListRecords" and response.content.prefix is None
    return response if is_list and len(response.items) == len(records) else None


def _split(body: bytes) -> _Parts | None:
    """Split a page at the tags of its records; return None if it is uncertain where they are."""
    declaration = _DECLARATION.match(body)
    if declaration is None:
        return None
    if b"\r" in body:  # a parser does the same first (XML 1.0, section 2.11)
        body = body.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    start = _LIST.search(body, declaration.end())
    if start is None or not _is_only_list(body[declaration.end() : start.end()], start[0]):
        return None
    records, position = [], start.end()
    while following := _NEXT_RECORD.match(body, position):
        position = body.find(_END, following.start(1)) + len(_END)
        if position < len(_END):
            return None
        records.append(body[following.start(1) : position])
    return _Parts(body[: start.end()], records, body[position:])


def _is_only_list(head: bytes, tag: bytes) -> bool:
    """Return whether the start tag of the list is no part of a comment."""
    tags = _without_sections(head)
    return tags is not None and tags.endswith(tag) and tags.count(b"<ListRecords") == 1


def _is_single(record: bytes) -> bool:
    """Return whether a part has one start tag of a record and one end tag, and no section that goes on after it."""
    tags = _without_sections(record)
    return tags is not None and tags.endswith(_END) and _START_OR_END.findall(tags) == [b"", b"/"]


def _without_sections(part: bytes) -> bytes | None:
    """Return a part without comments, CDATA and processing instructions; None if one of them goes on after it.

    The search for the end of a section is not repeated, so that many sections without an end take no quadratic time.
    """
    pieces, position = [], 0
    while section := _SECTION.search(part, position):
        end = part.find(_SECTIONS[section[0]], section.end())
        if end < 0:
            return None
        pieces.append(part[position : section.start()])
        position = end + len(_SECTIONS[section[0]])
    pieces.append(part[position:])
    tags = b"".join(pieces)
    return None if b"<!" in tags else tags


def _start_tag(content: etree._Element) -> str:
    """Return the start tag of a record in this list, with all namespaces that are declared around it."""
    declared = (
        f" xmlns{f':{prefix}' if prefix else ''}={quoteattr(uri)}" for prefix, uri in content.nsmap.items()
    )
    return f"<record{''.join(declared)}>"


def _parse_if_flat(record: bytes, start: str, *, has_only_tags: bool) -> FlatRecord | None:
    if not record.startswith(_START) or len(record) > _LONGEST_RECORD:
        return None
    if not has_only_tags and not _has_only_tags(record):
        return None
    return parse_flat_text(record.decode(), start)


def _has_only_tags(part: bytes) -> bool:
    """Return whether each `<` is followed by a `>` and no other `<`, and the part has no forbidden control character.

    This is the fastest way: to count both characters takes longer than to delete all others.
    """
    brackets = part.translate(None, _USUAL)
    return brackets == b"<>" * (len(brackets) // 2)
