"""From the elements of a list to Records and Headers, one by one.

The blob is the whole `record` element: header, metadata, `about`. Its header goes without the datestamp,
because sources stamp records anew without a change (Lesson 28), and its setSpecs in order.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from lxml import etree

from harvest_dagster.harvesters.canonical_xml import canonical
from harvest_dagster.harvesters.oai_response import OAI
from harvest_dagster.harvesters.source_dates import lenient_instant
from harvest_dagster.records import Record, Unreadable

_RECORD = f"{OAI}record"
_HEADER = f"{OAI}header"
_IDENTIFIER = f"{OAI}identifier"
_SET_SPEC = f"{OAI}setSpec"
_DATESTAMPS = (f"{OAI}datestamp", f"{OAI}dateStamp")  # the second one is pycsw's


@dataclass(frozen=True)
class Header:
    """The header of a record, section 2.5.

    Attributes:
        identifier: stripped of white space; None where it is missing or empty.
        datestamp: in UTC; None where it is missing or no date.
        deleted: whether its status says so.
    """

    identifier: str | None
    datestamp: datetime | None
    deleted: bool


def read_header(element: etree._Element) -> Header:
    """The header that an element is."""
    texts: dict[str, list[str]] = {}
    for child in element:
        texts.setdefault(str(child.tag), []).append((child.text or "").strip())
    datestamps = [text for tag in _DATESTAMPS for text in texts.get(tag, ())]
    return Header(
        identifier=texts.get(_IDENTIFIER, [""])[0] or None,
        datestamp=lenient_instant(datestamps[0]) if datestamps else None,
        deleted=element.get("status", "").strip() == "deleted",
    )


def identifier_of(element: etree._Element) -> str | None:
    """The identifier of an element of a list, a record or a header; None where it has none."""
    header = element if element.tag == _HEADER else _first(element, _HEADER)
    found = None if header is None else _first(header, _IDENTIFIER)
    return None if found is None else (found.text or "").strip() or None


def _first(element: etree._Element, tag: str) -> etree._Element | None:
    """The first child of a name. It nearly always is the first of all, and `find` would take five times as long."""
    child = element[0] if len(element) else None
    return child if child is None or child.tag == tag else next(element.iterchildren(tag), None)


def read_record(element: etree._Element) -> Record | Unreadable:
    """The record that an element of a list is, or why it is none.

    The element is changed on the way: what does not belong to the blob is taken out of its header.
    """
    header = element.find(_HEADER) if element.tag == _RECORD else None
    if header is None:
        return unreadable(
            element, f"a {etree.QName(element).localname} that is no OAI-PMH record with a header"
        )
    read = read_header(header)
    if read.identifier is None:
        return unreadable(element, "a record without identifier")
    whole = list(header)
    try:
        return Record(read.identifier, read.datestamp, read.deleted, _blob(element, header))
    except (ValueError, RecursionError) as error:
        header[:] = whole
        return unreadable(element, f"a record that has no canonical form: {error}", read.identifier)


def record_around(header: etree._Element) -> etree._Element:
    """The record that a header alone makes: that of a deleted one, section 2.5.1."""
    record = etree.Element(_RECORD)
    record.append(header)
    return record


def unreadable(element: etree._Element, error: str, identifier: str | None = None) -> Unreadable:
    """An element as bytes, with what is wrong with it."""
    return Unreadable(etree.tostring(element, encoding="utf-8", with_tail=False), error, identifier)


def _blob(record: etree._Element, header: etree._Element) -> str:
    kept = [child for child in header if child.tag not in _DATESTAMPS]
    header[:] = sorted(kept, key=_sets_last)
    return canonical(record)


def _sets_last(part: etree._Element) -> tuple[bool, str]:
    """Where a part of a header goes: setSpecs in order, after all else in the order it came."""
    return (True, part.text or "") if part.tag == _SET_SPEC else (False, "")
