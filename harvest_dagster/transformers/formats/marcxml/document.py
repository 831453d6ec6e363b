"""Make the document of one MARCXML record (https://www.loc.gov/standards/marcxml/)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import msgspec
from lxml.etree import _Element
from pymarc import Field, RawField, Record

from harvest_dagster.errors import TransformError
from harvest_dagster.transformers.builder import DocumentBuilder
from harvest_dagster.transformers.document import Document, Identifier, Text, Unmapped
from harvest_dagster.transformers.formats.marcxml import (
    codes,
    imprint,
    links,
    notes,
    numbers,
    subjects,
    titles,
)
from harvest_dagster.transformers.formats.marcxml.reading import Handler, Reading
from harvest_dagster.transformers.formats.marcxml.record import MarcField, fields_of, read_record
from harvest_dagster.transformers.reading.xml_tree import (
    add_envelope,
    leftovers,
    local_name,
    namespace,
    take_attribute,
)
from harvest_dagster.transformers.reading.xml_tree import read_record as read_envelope

_HANDLERS: dict[str, Handler] = {
    **numbers.HANDLERS,
    **titles.HANDLERS,
    **imprint.HANDLERS,
    **notes.HANDLERS,
    **subjects.HANDLERS,
    **links.HANDLERS,
}
_SLIM = "http://www.loc.gov/MARC21/slim"
_CHANGED = re.compile(
    r"([0-9]{4})([0-9]{2})([0-9]{2})(?:([0-9]{2})([0-9]{2})([0-9]{2}(?:\.[0-9])?))?", re.ASCII
)
# Positions 06 and 07 of a leader without one.
_NO_LEADER = " " * 24
_SEMANTICS = "info:eu-repo/semantics/"


def read_document(identifier: str, datum: str) -> Document:
    """Return the document of one record.

    Raises:
        TransformError: the datum is not well-formed XML, is no bibliographic record of MARC 21, or has no value that
            is recognized.
    """
    envelope = read_envelope(datum)
    element = _find_record(envelope.metadata)
    space = namespace(element).replace("https://", "http://", 1) or _SLIM
    if (take_attribute(element, "format") or "").upper() == "UNIMARC":
        raise TransformError(_UNIMARC)
    kind = take_attribute(element, "type")
    record = read_record(element)
    _refuse_others(record, kind)
    builder = DocumentBuilder(identifier, "marcxml", space)
    builder.rules += [kind] if kind and kind != "Bibliographic" else []
    fields = fields_of(record)
    _read_fields(builder, record, fields)
    add_envelope(builder, envelope)
    rest = [*_unmapped(record, fields), *(one for part in envelope.metadata for one in leftovers(part))]
    return builder.build(rest)


_UNIMARC = (
    "the record is UNIMARC, in which the numbers of the fields have other meanings than in MARC 21. Ask the source for "
    "MARC 21 or for another metadata format, such as oai_dc, or name a transformer that reads UNIMARC."
)


def _find_record(metadata: tuple[_Element, ...]) -> _Element:
    """Return the bibliographic record: the first one of a collection that is not of another type."""
    records = [
        one
        for part in metadata
        for one in (
            [part] if local_name(part) == "record" else part if local_name(part) == "collection" else ()
        )
        if local_name(one) == "record" and any(local_name(inner) in _PARTS for inner in one)
    ]
    if not records:
        message = (
            f"the metadata is <{metadata[0].tag}>, not a MARCXML record. Harvest with the metadata_prefix of MARCXML, "
            "such as marcxml or marc21, or name a transformer that reads this format."
        )
        raise TransformError(message)
    return next((one for one in records if one.get("type", "Bibliographic") == "Bibliographic"), records[0])


_PARTS = frozenset({"leader", "controlfield", "datafield"})


def _refuse_others(record: Record, kind: str | None) -> None:
    """Raise if a record is UNIMARC, or is not bibliographic."""
    tags = {one.tag for one in record.fields}
    if "200" in tags and "245" not in tags:
        raise TransformError(_UNIMARC)
    other = codes.not_bibliographic(str(record.leader))
    if other is None and kind in ("Authority", "Holdings", "Classification", "Community"):
        other = f"a record of the type {kind}"
    if other:
        message = (
            f"the record is {other}, not a bibliographic one. Exclude such records, for example by their set."
        )
        raise TransformError(message)


def _read_fields(builder: DocumentBuilder, record: Record, fields: list[MarcField]) -> None:
    leader = str(record.leader)
    cataloged = leader != _NO_LEADER and leader[18] != "u"
    reading = Reading(builder, leader, cataloged)
    if any(one.tag == "502" for one in fields):
        builder.kind = "Dissertation"
    for field in fields:
        # The alternates of a name are read with it.
        if field.is_alternate and field.tag in titles.WITH_NAMES and _is_linked(field, fields):
            continue
        if handler := _HANDLERS.get(field.tag):
            handler(reading, field)
        elif field.tag == "980":
            _read_local_type(builder, field)
    _read_control_fields(reading, record)


def _is_linked(field: MarcField, fields: list[MarcField]) -> bool:
    return any(field in one.alternates for one in fields if one.alternates)


def _read_local_type(builder: DocumentBuilder, field: MarcField) -> None:
    """Field 980 is local. Invenio writes the type there, as a term of `info:eu-repo`, which has one meaning only."""
    for one in [one for one in field.field.subfields if one.value.startswith(_SEMANTICS)]:
        field.field.subfields.remove(one)
        builder.add_type(Text(one.value.removeprefix(_SEMANTICS), vocabulary=_SEMANTICS.rstrip("/")))


def _read_control_fields(reading: Reading, record: Record) -> None:
    """Read the leader and the fields 001 to 008. What other fields say comes first."""
    builder, data = reading.builder, {one.tag: one for one in record.fields if one.control_field}
    source = _take_control(data, "003")
    if number := _take_control(data, "001"):
        builder.record_identifiers.insert(0, Identifier("other", number, source))
    elif source:
        builder.agencies.append(source)
    if changed := _CHANGED.fullmatch((data["005"].data or "").strip() if "005" in data else ""):
        data["005"].data = ""
        day, clock = changed.group(1, 2, 3), changed.group(4, 5, 6)
        builder.updated = "-".join(day) + (f"T{':'.join(clock)}" if clock[0] else "")
    fixed = (data["008"].data if "008" in data else None) or ""
    _read_fixed_field(reading, fixed)
    builder.types += [Text(word, vocabulary="MARC leader") for word in codes.types_of(reading.leader)]
    if builder.kind is None:
        builder.kind = codes.kind_of(reading.leader, fixed)


def _take_control(data: Mapping[str, Field | RawField], tag: str) -> str | None:
    field = data.get(tag)
    text = (field.data or "").strip() if field else ""
    if field:
        field.data = ""
    return text or None


def _read_fixed_field(reading: Reading, fixed: str) -> None:
    builder, decoded = reading.builder, codes.decode(fixed, reading.leader)
    builder.created = decoded.created
    if decoded.language:
        numbers.add_language(reading, decoded.language)
    known = {(date.value, date.role) for date in builder.dates}
    builder.dates += [date for date in decoded.dates if (date.value, date.role) not in known]
    if decoded.form:
        builder.formats.append(Text(decoded.form, vocabulary="MARC form of item"))
    if not builder.publishers:
        return
    countries = [code for field in reading.countries for code in field.take_each("abc")]
    if decoded.place and decoded.place not in countries:
        countries.append(decoded.place)
    if countries:
        first = builder.publishers[0]
        builder.publishers[0] = msgspec.structs.replace(first, places=(*first.places, *countries))


def _unmapped(record: Record, fields: list[MarcField]) -> Iterator[Unmapped]:
    """Yield the leader, the control fields and what is left of the other fields."""
    if (leader := str(record.leader)) != _NO_LEADER:
        yield Unmapped("leader", leader)
    for one in record.fields:
        if one.control_field and one.data and one.data.strip():
            yield Unmapped(one.tag, one.data)
    for field in fields:
        yield from field.leftovers()
