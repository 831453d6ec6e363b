"""Read the subjects of a MARC record: fields 600 to 662 (https://www.loc.gov/marc/bibliographic/bd6xx.html)."""

from __future__ import annotations

from harvest_dagster.transformers.document import Identifier, Place, Subject, Text
from harvest_dagster.transformers.formats.marcxml.agents import take_identifiers
from harvest_dagster.transformers.formats.marcxml.imprint import dated
from harvest_dagster.transformers.formats.marcxml.punctuation import without_full_stop
from harvest_dagster.transformers.formats.marcxml.reading import Handler, Reading
from harvest_dagster.transformers.formats.marcxml.record import MarcField
from harvest_dagster.transformers.recognition.authorities import identify_authority

# The second indicator; 4 says that no vocabulary is named, and 7 that subfield 2 names it.
_VOCABULARIES = {"0": "LCSH", "1": "LCSHAC", "2": "MeSH", "3": "NAL", "5": "CSH", "6": "RVM"}
_SUBDIVISIONS = "vxyz"
_NAMES = {
    "600": "abcdfghjklmnopqrstu",
    "610": "abcdfghklmnoprstu",
    "611": "acdefghklnpqstu",
    "630": "adfghklmnoprst",
}


def _take_vocabulary(field: MarcField) -> str | None:
    kind = field.take_indicator(2)
    return (field.take("2") if kind == "7" or field.has("2") else None) or _VOCABULARIES.get(kind or "")


def _take_subdivisions(field: MarcField) -> list[str]:
    """Take the subdivisions: form, topic, time and place."""
    return [without_full_stop(text) for text in field.take_each(_SUBDIVISIONS)]


def _subject(text: str, vocabulary: str | None, identifiers: tuple[Identifier, ...]) -> Subject:
    """Return a subject with the address and the number of its authority record."""
    uri = next((one.value for one in identifiers if one.scheme == "url"), None)
    code = next((one.value for one in identifiers if one.scheme != "url"), None)
    return Subject(text, vocabulary=vocabulary, code=code, uri=uri)


def _take_authority(field: MarcField) -> tuple[Identifier, ...]:
    """Take one address and one number, as a subject has room for. The others stay in the field."""
    if not field.has("01"):
        return ()
    kept: dict[bool, Identifier] = {}
    for one in [one for one in field.field.subfields if one.code in "01"]:
        found = identify_authority(one.value)
        if kept.setdefault(found.scheme == "url", found) is found:
            field.field.subfields.remove(one)
    return tuple(kept.values())


def _read_heading(reading: Reading, field: MarcField) -> None:
    """Fields 600 to 630, 650 and 656 to 658: a heading with its subdivisions, `Art -- History -- France`."""
    vocabulary = _take_vocabulary(field)
    if field.tag in ("600", "610", "611"):
        field.take_indicator(1)
    # The comma between a name and its dates is part of the heading.
    name = field.take_text(_NAMES.get(field.tag, "abcd"))
    parts = [without_full_stop(name)] if name else []
    parts += _take_subdivisions(field)
    if parts:
        authority = _take_authority(field)
        reading.builder.subjects.append(_subject(" -- ".join(parts), vocabulary, authority))


def _read_place(reading: Reading, field: MarcField) -> None:
    """Fields 651 and 662. With a subdivision it is also a subject: `France -- History`."""
    vocabulary = _take_vocabulary(field)
    names = [without_full_stop(text) for text in field.take_each("a" if field.tag == "651" else "abcdfgh")]
    subdivisions = _take_subdivisions(field)
    if not names:
        for text in subdivisions:
            reading.builder.subjects.append(Subject(text, vocabulary=vocabulary))
        return
    name = " -- ".join(names)
    identifiers = take_identifiers(field)
    reading.builder.places.append(Place(name, vocabulary=vocabulary, identifiers=identifiers))
    if subdivisions:
        text = " -- ".join([name, *subdivisions])
        reading.builder.subjects.append(Subject(text, vocabulary=vocabulary))


def _read_period(reading: Reading, field: MarcField) -> None:
    """Field 648: a time. With a subdivision it is also a subject."""
    texts = [without_full_stop(text) for text in field.take_each("a")]
    reading.builder.periods += [dated(text) for text in texts]
    if subdivisions := _take_subdivisions(field):
        text = " -- ".join(texts + subdivisions)
        reading.builder.subjects.append(Subject(text, vocabulary=_take_vocabulary(field)))


def _read_uncontrolled(reading: Reading, field: MarcField) -> None:
    """Field 653: a keyword. The second indicator says what it names."""
    kind, builder = field.take_indicator(2), reading.builder
    texts = field.take_each("a")
    if kind == "4":
        builder.periods += [dated(without_full_stop(text)) for text in texts]
    elif kind == "5":
        builder.places += [Place(without_full_stop(text)) for text in texts]
    elif kind == "6":
        for text in texts:
            builder.add_type(Text(without_full_stop(text)))
    else:
        builder.subjects += [Subject(without_full_stop(text)) for text in texts]


def _read_faceted(reading: Reading, field: MarcField) -> None:
    """Field 654: a topic whose parts belong to facets."""
    if parts := [without_full_stop(text) for text in field.take_each("abvyz")]:
        vocabulary = _take_vocabulary(field)
        reading.builder.subjects.append(_subject(" -- ".join(parts), vocabulary, _take_authority(field)))


def _read_genre(reading: Reading, field: MarcField) -> None:
    """Field 655: what the resource is, `Detective and mystery fiction`."""
    vocabulary = _take_vocabulary(field)
    parts = [without_full_stop(text) for text in field.take_each("ab" + _SUBDIVISIONS)]
    if parts:
        reading.builder.add_type(Text(" -- ".join(parts), vocabulary=vocabulary))


HANDLERS: dict[str, Handler] = {
    **dict.fromkeys(("600", "610", "611", "630", "650", "656", "657", "658"), _read_heading),
    "648": _read_period,
    "651": _read_place,
    "653": _read_uncontrolled,
    "654": _read_faceted,
    "655": _read_genre,
    "662": _read_place,
}
