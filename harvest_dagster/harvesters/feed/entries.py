"""The identifier and the datestamp of an entry, and its blob.

The identifier is `atom:id`, `guid` or `rdf:about`; without one of them, the link. The datestamp is the first of
`_CHANGED` and `_PUBLISHED` that is a date. The blob is the element in its canonical form, without the elements of
`_CHANGED`: sources change them without changing the entry (docs/failures.md#noise-counts-as-change). A deleted entry
(RFC 6721) has its identifier and its datestamp in the attributes `ref` and `when`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from lxml import etree

from harvest_dagster.harvesters.feed.dates import parse_dates
from harvest_dagster.harvesters.feed.document import ATOM, ATOM_03, DELETED, RDF, RSS_1
from harvest_dagster.harvesters.formats.canonical_xml import (
    XML_WHITE_SPACE,
    canonical_xml,
    leave_out_children,
)
from harvest_dagster.records import InvalidRecord, Record

_DC, _DCTERMS = "{http://purl.org/dc/elements/1.1/}", "{http://purl.org/dc/terms/}"
_CHANGED = (f"{ATOM}updated", f"{ATOM_03}modified", f"{_DCTERMS}modified")
_PUBLISHED = (
    f"{ATOM}published",
    f"{ATOM_03}issued",
    f"{ATOM_03}created",
    "pubDate",
    f"{_DC}date",
    f"{_DCTERMS}issued",
)
_IDENTIFIERS = (f"{ATOM}id", f"{ATOM_03}id", "guid")
_LINKS = ("link", *(f"{namespace}link" for namespace in RSS_1))


def identifier_of(entry: etree._Element) -> str | None:
    """Return the identifier of an entry, or None if it has neither an identifier nor a link."""
    if entry.tag == DELETED:
        return _stripped(entry.get("ref"))
    texts = [entry.findtext(tag) for tag in _IDENTIFIERS]
    links = [entry.findtext(tag) for tag in _LINKS]
    candidates = (*texts, entry.get(f"{RDF}about"), *links, _atom_link(entry))
    return next(filter(None, map(_stripped, candidates)), None)


def datestamps_of(entries: Sequence[etree._Element]) -> list[datetime | None]:
    """Return the datestamp of each entry in UTC; None for one without a date."""
    candidates = [_date_texts(entry) for entry in entries]
    dates = iter(parse_dates([text for texts in candidates for text in texts]))
    found = [[next(dates) for _ in texts] for texts in candidates]
    return [next((date for date in own if date is not None), None) for own in found]


def parse_entry(entry: etree._Element, datestamp: datetime | None) -> Record | InvalidRecord:
    """Return the record of an entry. The element is changed: the text after the dates of changes moves before them.

    Args:
        entry: the element.
        datestamp: its datestamp, from `datestamps_of`.
    """
    datum = etree.tostring(entry, encoding="utf-8", with_tail=False)
    identifier = identifier_of(entry)
    if identifier is None:
        return InvalidRecord(datum, "an entry without identifier and without link")
    children = _without_change_dates(entry)
    try:
        return Record(identifier, datestamp, entry.tag == DELETED, canonical_xml(entry, {entry: children}))
    except (ValueError, RecursionError) as error:
        return InvalidRecord(datum, f"an entry without canonical form: {error}", identifier)


def _date_texts(entry: etree._Element) -> list[str]:
    if entry.tag == DELETED:
        return list(filter(None, [_stripped(entry.get("when"))]))
    texts = (_stripped(entry.findtext(tag)) for tag in (*_CHANGED, *_PUBLISHED))
    return list(filter(None, texts))


def _without_change_dates(entry: etree._Element) -> list[etree._Element]:
    """Return the children without the dates of changes. The text after such a date moves before it.

    The dates stay in the tree: see `canonical_xml` about the time to move an element.
    """
    if entry.tag == DELETED:
        entry.attrib.pop("when", "")
    return leave_out_children(entry, entry, lambda child: child.tag in _CHANGED)


def _atom_link(entry: etree._Element) -> str | None:
    """Return the link to the page of an entry. A link without `rel` is one (RFC 4287, section 4.2.7.2)."""
    for link in entry.iterchildren(f"{ATOM}link", f"{ATOM_03}link"):
        if link.get("rel", "alternate") == "alternate":
            return link.get("href")
    return None


def _stripped(text: str | None) -> str | None:
    return (text or "").strip(XML_WHITE_SPACE) or None
