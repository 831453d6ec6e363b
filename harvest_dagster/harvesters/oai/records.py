"""Parse a `record` or `header` element into a Record or a Header.

The blob is the whole `record` element with header, metadata and `about`. The blob's header has no datestamp, and its
setSpecs are sorted: sources change datestamps without changing the record, one of them for 96 % of its records
(docs/failures.md#noise-counts-as-change).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from lxml import etree

from harvest_dagster.harvesters.formats.canonical_xml import XML_WHITE_SPACE, canonical_xml
from harvest_dagster.harvesters.formats.dates import lenient_instant
from harvest_dagster.harvesters.oai.flat_records import FlatRecord, parse_flat_record
from harvest_dagster.harvesters.oai.response import OAI
from harvest_dagster.records import InvalidRecord, Record, RecordHeader
from harvest_dagster.texts import shorten

Item = etree._Element | FlatRecord
"""A `record` or `header` element, or a record that is parsed already."""

_RECORD = f"{OAI}record"
_HEADER = f"{OAI}header"
_METADATA = f"{OAI}metadata"
_IDENTIFIER = f"{OAI}identifier"
_SET_SPEC = f"{OAI}setSpec"
_LONGEST_STATUS = 100  # characters
_DELETED = "deleted"
# The values of `status` that some sources give to live records. Section 2.5 permits only `deleted`.
_LIVE = frozenset({"", "active", "available", "current", "existing", "live", "modified", "new", "updated"})
_DATESTAMPS = (f"{OAI}datestamp", f"{OAI}dateStamp")  # pycsw writes the second one


@dataclass(frozen=True)
class Header:
    """The header of a record (section 2.5).

    Attributes:
        identifier: without surrounding white space as XML defines it; None if it is missing or empty.
        datestamp: in UTC; None if it is missing or not a date.
        status: the attribute `status` in lower case, without surrounding white space; empty if it is missing.
        sets: its different setSpecs, sorted.
    """

    identifier: str | None
    datestamp: datetime | None
    status: str
    sets: tuple[str, ...] = ()

    @property
    def deleted(self) -> bool:
        """Whether the record is deleted."""
        return self.status == _DELETED

    @property
    def fault(self) -> str | None:
        """Why it is not clear whether the record is deleted; None if it is clear."""
        if self.deleted or self.status in _LIVE:
            return None
        # To store it as a live record would hide a deletion.
        return f"a record whose status is {shorten(self.status, _LONGEST_STATUS)!r} and not `deleted`"


def parse_header(element: etree._Element) -> Header:
    """Parse a header element."""
    texts: dict[str, list[str]] = {}
    for child in element:
        texts.setdefault(str(child.tag), []).append((child.text or "").strip(XML_WHITE_SPACE))
    datestamps = [text for tag in _DATESTAMPS for text in texts.get(tag, ())]
    return Header(
        identifier=texts.get(_IDENTIFIER, [""])[0] or None,
        datestamp=lenient_instant(datestamps[0]) if datestamps else None,
        status=_status(element),
        sets=tuple(sorted(set(filter(None, texts.get(_SET_SPEC, ()))))),
    )


def _status(header: etree._Element) -> str:
    values = (str(text) for name, text in header.items() if etree.QName(name).localname.lower() == "status")
    return next(values, "").strip().lower()


def identifier_of(element: Item) -> str | None:
    """Return the identifier of a record or header element, or None if it has none."""
    if isinstance(element, FlatRecord):
        return element.record.identifier
    header = element if element.tag == _HEADER else _first_child(element, _HEADER)
    identifier = None if header is None else _first_child(header, _IDENTIFIER)
    return None if identifier is None else (identifier.text or "").strip(XML_WHITE_SPACE) or None


def format_of(element: Item) -> str | None:
    """Return the format of a record: the namespace of its metadata, or the name of its root element without one.

    None for a record without metadata, such as a deleted one. A namespace with https is that with http
    (docs/failures.md#wrong-labels).
    """
    if isinstance(element, FlatRecord):
        return element.format.replace("https://", "http://", 1)
    metadata = _first_child(element, _METADATA)
    if metadata is None or not len(metadata):
        return None
    namespace, _, name = str(metadata[0].tag).rpartition("}")
    return namespace.removeprefix("{").replace("https://", "http://", 1) or name


def datestamp_of(element: Item) -> datetime | None:
    """Return the datestamp of a record or header element in UTC, or None if it has none or it is not a date."""
    if isinstance(element, FlatRecord) and element.record.datestamp is not None:
        return element.record.datestamp
    return lenient_instant(datestamp_text_of(element))


def datestamp_text_of(element: Item) -> str:
    """Return the datestamp of a record or header element as the source wrote it. It is empty if there is none."""
    if isinstance(element, FlatRecord):
        return element.datestamp
    header = element if element.tag == _HEADER else _first_child(element, _HEADER)
    for child in () if header is None else header:
        if child.tag in _DATESTAMPS:
            return (child.text or "").strip()
    return ""


def _first_child(element: etree._Element, tag: str) -> etree._Element | None:
    """Return the first child with a tag. Nearly always it is the first child; `find` takes five times as long."""
    child = element[0] if len(element) else None
    return child if child is None or child.tag == tag else next(element.iterchildren(tag), None)


def parse_record(element: Item) -> Record | InvalidRecord:
    """Parse an item of ListRecords. Return an InvalidRecord if it is not a record with an identifier."""
    item = parse_if_flat(element)
    return item.record if isinstance(item, FlatRecord) else parse_general_record(item)


def parse_if_flat(element: Item) -> Item:
    """Return a flat record parsed, and any other item as it is."""
    if isinstance(element, FlatRecord):
        return element
    flat = parse_flat_record(element)
    return element if flat is None else flat


def parse_general_record(element: etree._Element) -> Record | InvalidRecord:
    """Parse an item of ListRecords of any kind. `parse_record` returns the same, and sooner if the record is flat."""
    header_element = element.find(_HEADER) if element.tag == _RECORD else None
    if header_element is None:
        name = etree.QName(element).localname
        return invalid_record(element, f"a {name} element that is not an OAI-PMH record with a header")
    return _parse_record(element, header_element)


def _parse_record(element: etree._Element, header_element: etree._Element) -> Record | InvalidRecord:
    """Parse a record. An element without children is a record that has only this header."""
    header, is_whole = parse_header(header_element), len(element) > 0
    source = element if is_whole else header_element
    if header.identifier is None:
        return invalid_record(source, "a record without identifier")
    if header.fault is not None:
        return invalid_record(source, header.fault, header.identifier)
    children = {header_element: _children_of_header(header_element)}
    try:
        blob = canonical_xml(element, children if is_whole else {**children, element: [header_element]})
        return Record(header.identifier, header.datestamp, header.deleted, blob, sets=header.sets)
    except (ValueError, RecursionError) as error:
        return invalid_record(source, f"a record without canonical form: {error}", header.identifier)


def parse_record_header(element: etree._Element) -> RecordHeader | InvalidRecord:
    """Parse an item of ListIdentifiers by the rules for records."""
    if element.tag != _HEADER:
        name = etree.QName(element).localname
        return invalid_record(element, f"a {name} element that is not an OAI-PMH header")
    header = parse_header(element)
    if header.identifier is None:
        return invalid_record(element, "a header without identifier")
    if header.fault is not None:
        return invalid_record(element, header.fault, header.identifier)
    return RecordHeader(header.identifier, header.datestamp, header.deleted, header.sets)


def parse_deleted_record(header: etree._Element) -> Record | InvalidRecord:
    """Parse the header of a deleted record, which has nothing else (section 2.5.1)."""
    return _parse_record(etree.Element(_RECORD), header)


def invalid_record(element: etree._Element, error: str, identifier: str | None = None) -> InvalidRecord:
    """Return an InvalidRecord with the element's bytes."""
    return InvalidRecord(etree.tostring(element, encoding="utf-8", with_tail=False), error, identifier)


def _children_of_header(header: etree._Element) -> list[etree._Element]:
    """Return the children of a header in the blob: without its datestamp, and with its setSpecs sorted."""
    children = [child for child in header if child.tag not in _DATESTAMPS]
    return sorted(children, key=_header_order)


def _header_order(child: etree._Element) -> tuple[bool, str]:
    """Return the sort key of a header's child: setSpecs come last, sorted; the others keep their order."""
    return (True, child.text or "") if child.tag == _SET_SPEC else (False, "")
