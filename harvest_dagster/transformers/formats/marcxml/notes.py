"""Read the notes and the physical description of a MARC record: fields 254 to 258, 3XX and 5XX."""

from __future__ import annotations

from harvest_dagster.transformers.document import (
    Agent,
    Description,
    Funding,
    Identifier,
    Place,
    Related,
    Rights,
    Text,
)
from harvest_dagster.transformers.formats.marcxml.punctuation import without_full_stop
from harvest_dagster.transformers.formats.marcxml.reading import Handler, Reading
from harvest_dagster.transformers.formats.marcxml.record import MarcField
from harvest_dagster.transformers.recognition.identifiers import identify_declared
from harvest_dagster.transformers.recognition.licenses import license_address
from harvest_dagster.transformers.recognition.vocabularies import access_of

# The first indicator of field 520.
_SUMMARIES = {"0": "subject", "1": "review", "2": "scope and content", "3": "Abstract", "4": "content advice"}
# The roles are those of DataCite where it has one, then the types of notes of MODS:
# https://www.loc.gov/standards/mods/mods-notes.html
_NOTES = {
    "255": "TechnicalInfo",
    "254": "music presentation",
    "256": "TechnicalInfo",
    "310": "frequency",
    "321": "former frequency",
    "351": "arrangement",
    "362": "date/sequential designation",
    "501": "with",
    "504": "bibliography",
    "505": "TableOfContents",
    "507": "scale",
    "508": "creation/production credits",
    "511": "performers",
    "513": "report type",
    "514": "data quality",
    "515": "numbering",
    "516": "type of file",
    "518": "venue",
    "524": "preferred citation",
    "525": "supplement",
    "526": "study program",
    "530": "additional physical form",
    "533": "reproduction",
    "535": "original location",
    "538": "TechnicalInfo",
    "541": "acquisition",
    "544": "related archival materials",
    "545": "biographical/historical",
    "546": "language",
    "547": "former title",
    "550": "issuing body",
    "552": "entity and attribute information",
    "555": "index",
    "556": "documentation",
    "561": "ownership",
    "562": "copy and version identification",
    "563": "binding",
    "565": "case file characteristics",
    "567": "Methods",
    "580": "linking entry complexity",
    "583": "action",
    "584": "accumulation",
    "585": "exhibitions",
    "586": "awards",
    "588": "source of description",
}
_DEFAULT_ROLE = "Other"


def _read_note(reading: Reading, field: MarcField) -> None:
    _add_note(reading, field, _NOTES.get(field.tag, _DEFAULT_ROLE))


def _add_note(reading: Reading, field: MarcField, role: str) -> None:
    if text := field.take_notes("0124568uw7" if role != "TableOfContents" else "014568uw7"):
        reading.builder.descriptions.append(Description(text, role=role))


def _read_summary(reading: Reading, field: MarcField) -> None:
    """Field 520. Without an indicator it is a summary."""
    _add_note(reading, field, _SUMMARIES.get(field.take_indicator(1) or "", "Abstract"))


def _read_thesis(reading: Reading, field: MarcField) -> None:
    """Field 502: the degree, the institution and the year, as one text or apart."""
    institutions = [without_full_stop(text) for text in field.field.get_subfields("c")]
    reading.builder.contributors += [Agent(name, kind="organization", role="dgg") for name in institutions]
    for text in field.take_each("o"):
        reading.builder.add_identifier(identify_declared("dissertation identifier", text), text)
    _add_note(reading, field, "thesis")


def _read_access(reading: Reading, field: MarcField) -> None:
    """Field 506: restrictions on access. Its first indicator is 0 if there are none."""
    open_to_all = field.take_indicator(1) == "0"
    link = license_address(" ".join(field.field.get_subfields("u")))
    text = field.take_text("abcdefg3")
    access = "open" if open_to_all else access_of(text or "")
    builder = reading.builder
    builder.access = builder.access or access
    _add_rights(reading, field, text, link)


def _read_terms_of_use(reading: Reading, field: MarcField) -> None:
    """Field 540. Repositories also write the access there, as a term of `info:eu-repo`."""
    text = field.take_text("abcdfg3")
    builder = reading.builder
    builder.access = builder.access or access_of(text or "")
    _add_rights(reading, field, text, None)


def _add_rights(reading: Reading, field: MarcField, text: str | None, link: str | None) -> None:
    addresses = field.take_each("u")
    for at, address in enumerate(addresses or [None]):
        shown = text if at == 0 and text else address
        license_url = (
            (license_address(address) or address) if address else license_address(text or "") or link
        )
        if shown:
            reading.builder.rights.append(Rights(shown, license=license_url))


def _read_copyright(reading: Reading, field: MarcField) -> None:
    """Field 542: facts about the copyright. Subfield d is who holds it, l its state."""
    status = field.field.get("l")
    builder = reading.builder
    builder.access = builder.access or access_of(status or "")
    holders = field.take_each("d")
    builder.contributors += [Agent(without_full_stop(name), role="cph") for name in holders]
    if text := field.take_notes("0124568u7"):
        builder.rights.append(Rights(text, license=license_address(text)))


def _read_funding(reading: Reading, field: MarcField) -> None:
    """Field 536: a note, and the numbers of the grant (c) or contract (b)."""
    award = field.take("c") or field.take("b")
    project = field.take("f")
    address = field.take_each("u01")
    identifiers = tuple(identify_declared(None, one) for one in address)
    text, program = field.take("a"), field.take("e")
    if any((award, project, text, program, identifiers)):
        reading.builder.funding.append(
            Funding(award=award or project, award_identifiers=identifiers, program=program, text=text)
        )
        if award and project:
            field.put_back("f", project)


def _related(relation: str | None, word: str | None = None) -> Handler:
    """Return the handler of a note about another resource."""

    def read(reading: Reading, field: MarcField) -> None:
        issn = tuple(identify_declared("issn", text) for text in field.take_each("x"))
        isbn = tuple(identify_declared("isbn", text) for text in field.take_each("z"))
        links = tuple(identify_declared(None, text) for text in field.take_each("u"))
        identifiers: tuple[Identifier, ...] = issn + isbn + links
        text = field.take_notes("01245678")
        if text or identifiers:
            reading.builder.related.append(Related(relation, word, identifiers, text))

    return read


def _read_extent(reading: Reading, field: MarcField) -> None:
    """Field 300. The punctuation between its parts is kept: it tells them apart."""
    if text := field.take_text("3abcefg"):
        reading.builder.sizes.append(Text(text))


def _read_duration(reading: Reading, field: MarcField) -> None:
    reading.builder.sizes += [Text(text) for text in field.take_each("a")]


def _read_content_type(reading: Reading, field: MarcField) -> None:
    """Fields 336 and 380: the type of the content, and the form of the work."""
    _add_terms(reading.builder.types, field)


def _read_carrier(reading: Reading, field: MarcField) -> None:
    """Fields 337, 338, 340 and 344 to 348: medium, carrier and other technical characteristics."""
    _add_terms(reading.builder.formats, field, "abcdefghijklmnopqr")


def _add_terms(target: list[Text], field: MarcField, codes: str = "a") -> None:
    """Add terms with their vocabulary. A field that has only a code (subfield b) gives the code."""
    terms = field.take_each(codes if field.has("a") and field.tag not in ("337", "338") else "a")
    if not terms:
        terms = field.take_each("b")
    vocabulary = field.take("2") if terms else None
    target += [Text(text, vocabulary=vocabulary) for text in terms]


def _read_covered_place(reading: Reading, field: MarcField) -> None:
    """Field 522: a note about the places that the resource covers."""
    reading.builder.places += [Place(without_full_stop(text)) for text in field.take_each("a")]


HANDLERS: dict[str, Handler] = {
    **dict.fromkeys([*_NOTES, "500"], _read_note),
    "300": _read_extent,
    "306": _read_duration,
    "336": _read_content_type,
    "337": _read_carrier,
    "338": _read_carrier,
    **dict.fromkeys(("340", "344", "345", "346", "347", "348"), _read_carrier),
    "380": _read_content_type,
    "502": _read_thesis,
    "506": _read_access,
    "510": _related("IsReferencedBy"),
    "520": _read_summary,
    "522": _read_covered_place,
    "534": _related("IsVariantFormOf", "original version"),
    "536": _read_funding,
    "540": _read_terms_of_use,
    "542": _read_copyright,
    "581": _related("IsDescribedBy"),
}
