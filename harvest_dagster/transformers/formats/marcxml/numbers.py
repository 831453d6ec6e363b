"""Read the numbers and codes of a MARC record: fields 010 to 088."""

from __future__ import annotations

import re

from harvest_dagster.transformers.document import Date, Place, Subject
from harvest_dagster.transformers.formats.marcxml.imprint import dated
from harvest_dagster.transformers.formats.marcxml.reading import Handler, Reading
from harvest_dagster.transformers.formats.marcxml.record import MarcField
from harvest_dagster.transformers.recognition.authorities import identify_authority
from harvest_dagster.transformers.recognition.identifiers import identify_declared
from harvest_dagster.transformers.recognition.languages import language_code
from harvest_dagster.transformers.recognition.standard_forms import language_from

# The first indicator of field 024.
_STANDARD = {"0": "isrc", "1": "upc", "2": "ismn", "3": "ean", "4": "sici"}
_ISBN_WITH_NOTE = re.compile(r"([0-9][0-9 -]{8,16}[0-9Xx])\b[ :]*(.*)")
_PACKED = re.compile(r"(?:[a-z]{3}){2,}", re.ASCII)
_CLASSIFICATIONS = {
    "050": "LCC",
    "060": "NLM",
    "070": "NAL",
    "080": "UDC",
    "082": "DDC",
    "083": "DDC",
    "090": "LCC",
    "086": "SuDocs",
}
_DEGREES = re.compile(r"([NSEW+-])?([0-9]{3})([0-9]{2})([0-9]{2})|([NSEW+-])?([0-9]{1,3}\.[0-9]+)", re.ASCII)
_DAY = re.compile(r"([0-9]{4})([0-9-]{2})?([0-9-]{2})?.*", re.ASCII)


def _numbers(declared: str, codes: str = "a") -> Handler:
    """Return the handler of a field with identifiers of one kind. Subfield 2 names another kind."""

    def read(reading: Reading, field: MarcField) -> None:
        source = (field.take("2") if field.has(codes) else None) or declared
        for text in field.take_each(codes):
            reading.builder.add_identifier(identify_declared(source, text), text)
            if declared == "lccn" and "/" in text:
                field.put_back("a", text)  # the normal form has no revision date: 86754802 /R/r98

    return read


def _read_isbn(reading: Reading, field: MarcField) -> None:
    """Field 020. Before 2013 a note about the binding stood in subfield a: `0123456789 (pbk.)`."""
    for text in field.take_each("a"):
        match = _ISBN_WITH_NOTE.fullmatch(text)
        reading.builder.add_identifier(identify_declared("isbn", match[1] if match else text))
        if match and match[2]:
            field.put_back("a", text)


def _read_other_number(reading: Reading, field: MarcField) -> None:
    """Field 024."""
    kind = field.take_indicator(1)
    declared = (field.take("2") if kind == "7" or field.has("2") else None) or _STANDARD.get(kind or "")
    for text in field.take_each("ad"):
        reading.builder.add_identifier(identify_declared(declared, text), text)


def _read_publisher_number(reading: Reading, field: MarcField) -> None:
    """Fields 028 and 037: a number of a publisher or a distributor, whose name is subfield b."""
    if field.has("a"):
        declared = field.take("b") or ("publisher number" if field.tag == "028" else "stock number")
        for text in field.take_each("a"):
            reading.builder.add_identifier(identify_declared(declared, text), text)


def _read_record_number(reading: Reading, field: MarcField) -> None:
    """Fields 016 and 035: numbers of the record in other systems, `(OCoLC)1234`."""
    source = field.take("2") if field.has("a") else None
    for text in field.take_each("a"):
        found = identify_declared(source, text) if source else identify_authority(text)
        reading.builder.record_identifiers.append(found)


def _read_agencies(reading: Reading, field: MarcField) -> None:
    """Field 040."""
    builder = reading.builder
    builder.agencies[:] = dict.fromkeys((*builder.agencies, *field.take_each("acd")))
    builder.record_languages += [language_code(text) or text for text in field.take_each("b")]
    builder.rules += field.take_each("e")


def _read_rules(reading: Reading, field: MarcField) -> None:
    """Field 042."""
    reading.builder.rules += field.take_each("a")


def _read_languages(reading: Reading, field: MarcField) -> None:
    """Field 041: the languages of the text and of the sound. Before 2002 they stood in one subfield: `engfre`."""
    for text in field.take_each("ad"):
        is_packed = _PACKED.fullmatch(text) is not None
        for code in re.findall("...", text) if is_packed else [text]:
            add_language(reading, code)
        if is_packed:
            field.put_back("a", text)


def add_language(reading: Reading, text: str) -> None:
    """Add a language, if the record has not named it before."""
    language = language_from(text)
    if language not in reading.builder.languages:
        reading.builder.languages.append(language)


def _read_country(reading: Reading, field: MarcField) -> None:
    """Field 044: the countries of the publisher."""
    reading.countries.append(field)


def _read_areas(reading: Reading, field: MarcField) -> None:
    """Fields 043 and 052: codes of the places that the resource covers."""
    reading.builder.places += [Place(text, vocabulary="marcgac", code=text) for text in field.take_each("a")]
    reading.builder.places += [Place(text, vocabulary="iso3166", code=text) for text in field.take_each("c")]


def _read_period(reading: Reading, field: MarcField) -> None:
    """Field 045, subfield b: `d19140804`. Two of them with the first indicator 2 are a range."""
    dates = [_formatted(text) for text in field.take_each("b")]
    if field.take_indicator(1) == "2" and len(dates) == 2 and dates[0].value and dates[1].value:  # noqa: PLR2004
        text = f"{dates[0].text}/{dates[1].text}"
        dates = [Date(f"{dates[0].value}/{dates[1].value}", text)]
    reading.builder.periods += dates


def _formatted(text: str) -> Date:
    """Return the date of `d` (after Christ) and `yyyymmddhh`."""
    match = _DAY.fullmatch(text[1:]) if text[:1] == "d" else None
    value = "-".join(part for part in match.groups() if part and part.isdigit()) if match else None
    return Date(value, text)


def _read_special_dates(reading: Reading, field: MarcField) -> None:
    """Field 046."""
    for code, role in (("k", "Created"), ("j", "Updated"), ("m", "Valid")):
        first = field.take(code)
        last = field.take({"k": "l", "m": "n"}.get(code, "")) if first else None
        if first:
            reading.builder.dates.append(dated(f"{first}/{last}" if last else first, role))


def _read_box(reading: Reading, field: MarcField) -> None:
    """Field 034: the west, east, north and south limits of a map."""
    texts = [field.field.get(code, "") for code in "defg"]
    west, east, north, south = (_degrees(text) for text in texts)
    if west and east and north and south:
        reading.builder.places.append(Place(geometry=_geometry(west, east, north, south)))
        # Degrees and minutes are in the document only as decimal degrees, so the texts are kept, too.
        if all("." in text for text in texts):
            field.take_each("defg")


def _geometry(west: str, east: str, north: str, south: str) -> str:
    if west == east and north == south:
        return f"POINT ({west} {north})"
    corners = ((west, south), (east, south), (east, north), (west, north), (west, south))
    return f"POLYGON (({', '.join(f'{x} {y}' for x, y in corners)}))"


def _degrees(text: str) -> str | None:
    """Return the decimal degrees of `W0800530` (degrees, minutes, seconds) or `-080.0917`."""
    match = _DEGREES.fullmatch(text)
    if match is None:
        return None
    if match[6]:
        sign, number = match[5], match[6].lstrip("0") if not match[6].startswith("0.") else match[6]
        number = f"0{number}" if number.startswith(".") else number
    else:
        sign = match[1]
        number = f"{int(match[2]) + int(match[3]) / 60 + int(match[4]) / 3600:.6f}".rstrip("0").rstrip(".")
    return f"-{number}" if sign in ("W", "S", "-") else number


def _read_class(reading: Reading, field: MarcField) -> None:
    """Fields 050 to 090: classes. Subfield b is the number of the item in the class, 2 the edition or the scheme."""
    scheme = _CLASSIFICATIONS.get(field.tag)
    edition = field.take("2") if field.has("a") else None
    vocabulary = " ".join(filter(None, (scheme, edition))) or None
    classes, item = field.take_each("a"), field.take("b")
    for at, text in enumerate(classes):
        whole = f"{text} {item}" if item and at == 0 else text
        reading.builder.subjects.append(Subject(whole, vocabulary=vocabulary, code=text))
    if item and not classes:
        field.put_back("b", item)


def _read_event_date(reading: Reading, field: MarcField) -> None:
    """Field 033: when the content was captured."""
    for text in field.take_each("a"):
        match = _DAY.fullmatch(text)
        value = "-".join(part for part in match.groups() if part and part.isdigit()) if match else None
        reading.builder.dates.append(Date(value, None if value == text else text, "Collected"))


HANDLERS: dict[str, Handler] = {
    "010": _numbers("lccn"),
    "013": _numbers("patent"),
    "015": _numbers("national bibliography number"),
    "016": _read_record_number,
    "017": _numbers("copyright number"),
    "020": _read_isbn,
    "022": _numbers("issn", "al"),
    "024": _read_other_number,
    "027": _numbers("report number"),
    "028": _read_publisher_number,
    "030": _numbers("coden"),
    "033": _read_event_date,
    "034": _read_box,
    "035": _read_record_number,
    "037": _read_publisher_number,
    "040": _read_agencies,
    "041": _read_languages,
    "042": _read_rules,
    "043": _read_areas,
    "044": _read_country,
    "045": _read_period,
    "046": _read_special_dates,
    "050": _read_class,
    "060": _read_class,
    "070": _read_class,
    "074": _numbers("GPO item number"),
    "080": _read_class,
    "082": _read_class,
    "083": _read_class,
    "084": _read_class,
    "086": _read_class,
    "088": _numbers("report number"),
    "090": _read_class,
}
