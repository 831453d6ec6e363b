"""Add Dublin Core elements to a document, whatever the format of the record.

Here: the field of each element, and the parsing of its text. Not here: XML, OAI-PMH and the place of the elements in
a record (`transformers.formats.oai_dc.record`).

The fifteen elements: https://www.dublincore.org/specifications/dublin-core/dces/. Sources also send:

- Elements without a namespace, in the namespace of their container, or in a namespace of Dublin Core that is written
  differently (`https`, another version, no slash at the end). They are read like those in the right namespace.
- Refinements, such as `dcterms:abstract` and `dcterms:issued`. They have a field of their own, or they are read as
  the element that they refine, with their name as the role. Dataverse writes them in the namespace of the fifteen
  elements (`dc:issued`), so the namespace does not decide which of the two an element is
  (docs/failures.md#dublin-core-in-practice).
- Other elements, such as `bibo:issn` or `dc:status`. They are kept in `unmapped`. So is
  `dcterms:bibliographicCitation`, although it refines `identifier`: CyberLeninka sends journal, volume and pages in
  one such element each.

Text that was escaped twice (`&amp;amp;`) is not changed, because it may be text about mark-up. URLs are the exception:
there, the second escaping is always a mistake.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import lru_cache, partial

import msgspec

from harvest_dagster.transformers.builder import DocumentBuilder
from harvest_dagster.transformers.document import (
    Agent,
    Date,
    Description,
    Language,
    Place,
    Related,
    Rights,
    Subject,
    Text,
    Title,
    Unmapped,
)
from harvest_dagster.transformers.recognition import dates, languages
from harvest_dagster.transformers.recognition.identifiers import identify
from harvest_dagster.transformers.recognition.licenses import license_address
from harvest_dagster.transformers.recognition.vocabularies import access_of, date_type, relation_type

UNMAPPED = "unmapped"

# Namespaces whose elements are Dublin Core, without `https://www.` and the slash at the end, in lower case.
_NAMESPACES = re.compile(
    r"(?:purl\.(?:oclc\.)?org/dc(?:/.*)?|purl\.org/metadata/dublin_core|dublincore\.org/.*"
    r"|openarchives\.org/oai/2\.0(?:/oai_dc)?)?",
    re.DOTALL,
)
_SCHEME = re.compile(r"https?://(?:www\.)?")

# The element that each term refines, for those with a role:
# https://www.dublincore.org/specifications/dublin-core/dcmi-terms/
_REFINEMENTS = {
    **dict.fromkeys(("available", "created", "dateAccepted", "dateCopyrighted", "dateSubmitted"), "date"),
    **dict.fromkeys(("issued", "modified", "valid"), "date"),
    **dict.fromkeys(
        ("conformsTo", "hasFormat", "hasPart", "hasVersion", "isFormatOf", "isPartOf"), "relation"
    ),
    **dict.fromkeys(("isReferencedBy", "isReplacedBy", "isRequiredBy", "isVersionOf"), "relation"),
    **dict.fromkeys(("references", "replaces", "requires"), "relation"),
}
_TERMS = {term.lower(): term for term in _REFINEMENTS}

# Terms that contain their vocabulary, such as info:eu-repo/semantics/openAccess (OpenAIRE guidelines 3.0,
# https://guidelines.openaire.eu/en/latest/literature/) or http://purl.org/eprint/type/JournalArticle.
_TERM_BEGINNINGS = ("info:eu-repo/", "http")
_TERM_URI = re.compile(
    r"(info:eu-repo/semantics|https?://purl\.org/(?:eprint/type|dc/dcmitype))/(\w+)", re.ASCII
)
# info:eu-repo/date/embargoEnd/2015-01-01, from the same guidelines
_DATE_URI = re.compile(r"info:eu-repo/date/([A-Za-z]+)/(.+)")


class Value(msgspec.Struct, frozen=True, gc=False):
    """One element of a record.

    Attributes:
        element: its name, `{namespace}name`.
        text: its text, not empty. Each run of white space is one space.
        language: the BCP 47 tag of its language, if it has one.
        vocabulary: the name of its encoding scheme, if it has one.
        parts: the elements inside it, if all of its text is in them: the name of each without namespace in lower
            case, and its text.
    """

    element: str
    text: str
    language: str | None = None
    vocabulary: str | None = None
    parts: tuple[tuple[str, str], ...] = ()


def add_values(
    builder: DocumentBuilder, values: Iterable[Value], namespaces: frozenset[str] = frozenset()
) -> None:
    """Add the elements of a record to its document.

    Args:
        builder: of the document.
        values: the elements of the record.
        namespaces: of the containers. An element in one of them is read as Dublin Core.
    """
    for value in values:
        _mapping(value.element, namespaces)[1](builder, value)


def is_known(element: str, namespaces: frozenset[str] = frozenset()) -> bool:
    """Return whether a document has a field for an element, other than `unmapped`."""
    return field_of(element, namespaces) != UNMAPPED


def has_texts(element: str, namespaces: frozenset[str] = frozenset()) -> bool:
    """Return whether the items of an element's field have a language and a vocabulary."""
    return field_of(element, namespaces) in _OF_TEXTS


def field_of(element: str, namespaces: frozenset[str] = frozenset()) -> str:
    """Return the field of a document that takes an element: UNMAPPED if no other does."""
    return _mapping(element, namespaces)[0]


def _term(value: Value) -> tuple[str, str | None, str | None]:
    """Return a term, its language and its vocabulary."""
    text = value.text
    # Most texts do not begin so, and are long.
    if text.startswith(_TERM_BEGINNINGS) and (match := _TERM_URI.fullmatch(text)):
        return match[2], value.language, match[1].replace("https://", "http://")
    return text, value.language, value.vocabulary


def _title(builder: DocumentBuilder, value: Value, role: str | None = None) -> None:
    builder.titles.append(Title(*_term(value), role=role))


def _creator(builder: DocumentBuilder, value: Value) -> None:
    builder.creators.append(Agent(value.text))


def _contributor(builder: DocumentBuilder, value: Value) -> None:
    builder.contributors.append(Agent(value.text))


def _publisher(builder: DocumentBuilder, value: Value) -> None:
    builder.publishers.append(Agent(value.text))


def _date_of(value: Value, role: str | None = None) -> Date:
    text = value.text
    if match := _DATE_URI.fullmatch(text):
        role, text = match.groups()
    date = (dates.parse_parts(value.parts) if value.parts else None) or dates.parse_date(text)
    kind = date_type(role) if role else None
    return Date(date, None if date == value.text else value.text, kind, None if role == kind else role)


def _date(builder: DocumentBuilder, value: Value, role: str | None = None) -> None:
    builder.dates.append(_date_of(value, role))


def _language(builder: DocumentBuilder, value: Value) -> None:
    code = languages.language_code(value.text)
    builder.languages.append(Language(code, None if code == value.text else value.text))


def _identifier(builder: DocumentBuilder, value: Value) -> None:
    builder.add_identifier(identify(value.text), value.text)


def _related(builder: DocumentBuilder, value: Value, role: str | None = None) -> None:
    relation = relation_type(role) if role else None
    found = identify(value.text)
    known = found.scheme != "other"
    builder.related.append(
        Related(
            relation,
            None if role == relation else role,
            identifiers=(found,) if known else (),
            text=None if known else value.text,
        )
    )


def _rights(builder: DocumentBuilder, value: Value) -> None:
    builder.rights.append(Rights(*_term(value), license=license_address(value.text)))
    builder.access = builder.access or access_of(value.text)


def _subject(builder: DocumentBuilder, value: Value) -> None:
    builder.subjects.append(Subject(*_term(value)))


def _description(builder: DocumentBuilder, value: Value, role: str | None = None) -> None:
    builder.descriptions.append(Description(*_term(value), role=role))


def _type(builder: DocumentBuilder, value: Value) -> None:
    builder.add_type(Text(*_term(value)))


def _coverage(builder: DocumentBuilder, value: Value) -> None:
    builder.coverage.append(Text(*_term(value)))


def _place(builder: DocumentBuilder, value: Value) -> None:
    text, language, vocabulary = _term(value)
    builder.places.append(Place(text, language, vocabulary))


def _period(builder: DocumentBuilder, value: Value) -> None:
    builder.periods.append(_date_of(value))


def _format(builder: DocumentBuilder, value: Value) -> None:
    builder.formats.append(Text(*_term(value)))


def _size(builder: DocumentBuilder, value: Value) -> None:
    builder.sizes.append(Text(*_term(value)))


def _unmapped(builder: DocumentBuilder, value: Value) -> None:
    builder.unmapped.append(Unmapped(value.element, value.text))


Add = Callable[[DocumentBuilder, Value], None]
# The field of an element, and the function that adds a value to it.
Mapping = tuple[str, Add]

_MAPPINGS: dict[str, Mapping] = {
    "title": ("titles", _title),
    "alternative": ("titles", partial(_title, role="alternative")),
    "creator": ("creators", _creator),
    "contributor": ("contributors", _contributor),
    "publisher": ("publishers", _publisher),
    "date": ("dates", _date),
    "language": ("languages", _language),
    "type": ("types", _type),
    "subject": ("subjects", _subject),
    "description": ("descriptions", _description),
    "abstract": ("descriptions", partial(_description, role="Abstract")),
    "tableofcontents": ("descriptions", partial(_description, role="TableOfContents")),
    "identifier": ("identifiers", _identifier),
    "relation": ("related", _related),
    "source": ("related", partial(_related, role="source")),
    "coverage": ("coverage", _coverage),
    "spatial": ("places", _place),
    "temporal": ("periods", _period),
    "format": ("formats", _format),
    "medium": ("formats", _format),
    "extent": ("sizes", _size),
    "rights": ("rights", _rights),
    "accessrights": ("rights", _rights),
    "license": ("rights", _rights),
}
_OF_TEXTS = frozenset(
    {"titles", "types", "subjects", "descriptions", "coverage", "places", "formats", "sizes", "rights"}
)
_WITH_ROLE: dict[str, Callable[..., None]] = {"date": _date, "relation": _related}
_UNKNOWN: Mapping = (UNMAPPED, _unmapped)


@lru_cache(maxsize=1024)
def _mapping(element: str, namespaces: frozenset[str]) -> Mapping:
    namespace, _, name = element.rpartition("}")
    if namespace[1:] not in namespaces and not _is_dublin_core(namespace[1:]):
        return _UNKNOWN
    if (mapping := _MAPPINGS.get(name.lower())) is not None:
        return mapping
    term = _TERMS.get(name.lower())
    if term is None:
        return _UNKNOWN
    refined = _REFINEMENTS[term]
    return _MAPPINGS[refined][0], partial(_WITH_ROLE[refined], role=term)


def _is_dublin_core(namespace: str) -> bool:
    address = _SCHEME.sub("", namespace.strip().lower(), count=1)
    return _NAMESPACES.fullmatch(address.rstrip("/#")) is not None
