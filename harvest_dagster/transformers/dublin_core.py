"""Build a document from Dublin Core elements, whatever the format of the record.

Here: the field of each element, and the parsing of its text. Not here: XML, OAI-PMH and the place of the elements in
a record (`transformers.dublin_core_xml`).

The fifteen elements: https://www.dublincore.org/specifications/dublin-core/dces/. Sources also send:

- Elements without a namespace, in the namespace of their container, or in a namespace of Dublin Core that is written
  differently (`https`, another version, no slash at the end). They are read like those in the right namespace.
- Refinements, such as `dcterms:abstract`. They are read as the element that they refine. Their name is the role of
  the item, if the item has a role. Dataverse writes them in the namespace of the fifteen elements (`dc:issued`), so
  the namespace does not decide which of the two an element is (docs/failures.md#dublin-core-in-practice).
- Other elements, such as `bibo:issn` or `dc:status`. They are kept in `unmapped`. So is
  `dcterms:bibliographicCitation`, although it refines `identifier`: CyberLeninka sends journal, volume and pages in
  one such element each.

Text that was escaped twice (`&amp;amp;`) is not changed, because it may be text about mark-up. URLs are the exception:
there, the second escaping is always a mistake.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import lru_cache, partial
from typing import Any, NamedTuple

from harvest_dagster.transformers import dates, languages
from harvest_dagster.transformers.document import (
    Agent,
    Date,
    Document,
    Identifier,
    Language,
    Related,
    Rights,
    Text,
    Unmapped,
)
from harvest_dagster.transformers.identifiers import identify, web_address

UNMAPPED = "unmapped"

# Namespaces whose elements are Dublin Core, without `https://www.` and the slash at the end, in lower case.
_NAMESPACES = re.compile(
    r"(?:purl\.(?:oclc\.)?org/dc(?:/.*)?|purl\.org/metadata/dublin_core|dublincore\.org/.*"
    r"|openarchives\.org/oai/2\.0(?:/oai_dc)?)?",
    re.DOTALL,
)
_SCHEME = re.compile(r"https?://(?:www\.)?")

# The element that each term refines: https://www.dublincore.org/specifications/dublin-core/dcmi-terms/
_REFINEMENTS = {
    **dict.fromkeys(("abstract", "tableOfContents"), "description"),
    **dict.fromkeys(("available", "created", "dateAccepted", "dateCopyrighted", "dateSubmitted"), "date"),
    **dict.fromkeys(("issued", "modified", "valid"), "date"),
    **dict.fromkeys(("extent", "medium"), "format"),
    **dict.fromkeys(
        ("conformsTo", "hasFormat", "hasPart", "hasVersion", "isFormatOf", "isPartOf"), "relation"
    ),
    **dict.fromkeys(("isReferencedBy", "isReplacedBy", "isRequiredBy", "isVersionOf"), "relation"),
    **dict.fromkeys(("references", "replaces", "requires"), "relation"),
    **dict.fromkeys(("spatial", "temporal"), "coverage"),
    **dict.fromkeys(("accessRights", "license"), "rights"),
}
_TERMS = {term.lower(): term for term in _REFINEMENTS}

# Terms that contain their vocabulary, such as info:eu-repo/semantics/openAccess (OpenAIRE guidelines 3.0,
# https://guidelines.openaire.eu/en/latest/literature/) or http://purl.org/eprint/type/JournalArticle.
_TERM_URI = re.compile(
    r"(info:eu-repo/semantics|https?://purl\.org/(?:eprint/type|dc/dcmitype))/(\w+)", re.ASCII
)
# info:eu-repo/date/embargoEnd/2015-01-01, from the same guidelines
_DATE_URI = re.compile(r"info:eu-repo/date/([A-Za-z]+)/(.+)")
# A license or dedication, its version and its jurisdiction. The rest (deed.en, legalcode) selects a page about it.
_CREATIVE_COMMONS = re.compile(
    r"https?://(?:www\.)?creativecommons\.org/"
    r"((?:licenses|publicdomain)/[a-z+-]+/[0-9]\.[0-9](?:/(?:[a-z]{2}|igo|scotland)(?![a-z]))?)",
    re.IGNORECASE | re.ASCII,
)


class Value(NamedTuple):
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


def build_document(
    identifier: str, values: Iterable[Value], namespaces: frozenset[str] = frozenset()
) -> Document:
    """Return the document of a record.

    Args:
        identifier: of the record in its source. It is also an identifier of the document, if it names the resource.
        values: the elements of the record.
        namespaces: of the containers. An element in one of them is read as Dublin Core.
    """
    fields: dict[str, list[Any]] = defaultdict(list)
    for value in values:
        field, to_item = _mapping(value.element, namespaces)
        fields[field].append(to_item(value))
        if field == "identifiers" and (link := web_address(value.text)):
            fields["links"].append(link)
    own = identify(identifier)
    if own.scheme not in ("oai", "url", "other"):
        fields["identifiers"].append(own)
    titles, publishers = fields["titles"] + fields.pop("alternative titles", []), fields["publishers"]
    fields["titles"] = titles
    return Document(
        id=identifier,
        title=titles[0].text if titles else None,
        publisher=publishers[0].name if publishers else None,
        **{
            field: tuple(dict.fromkeys(items) if field in _SETS else items) for field, items in fields.items()
        },
    )


def is_known(element: str, namespaces: frozenset[str] = frozenset()) -> bool:
    """Return whether a document has a field for an element, other than `unmapped`."""
    return field_of(element, namespaces) != UNMAPPED


def field_of(element: str, namespaces: frozenset[str] = frozenset()) -> str:
    """Return the field of a document that takes an element: UNMAPPED if no other does."""
    return _mapping(element, namespaces)[0]


def _text(value: Value) -> Text:
    if match := _TERM_URI.fullmatch(value.text):
        return Text(match[2], value.language, match[1].replace("https://", "http://"))
    return Text(value.text, value.language, value.vocabulary)


def _agent(value: Value) -> Agent:
    return Agent(value.text)


def _date(value: Value, role: str | None = None) -> Date:
    text = value.text
    if match := _DATE_URI.fullmatch(text):
        role, text = match.groups()
    date = dates.parse_parts(value.parts) or dates.parse_date(text)
    return Date(date, None if date == value.text else value.text, role)


def _language(value: Value) -> Language:
    code = languages.language_code(value.text)
    return Language(code, None if code == value.text else value.text)


def _identifier(value: Value) -> Identifier:
    return identify(value.text)


def _related(value: Value, role: str | None = None) -> Related:
    found = identify(value.text)
    return Related(found.scheme, found.value, role)


def _rights(value: Value) -> Rights:
    statement = _text(value)
    return Rights(statement.text, statement.language, statement.vocabulary, _license(value.text))


def _license(text: str) -> str | None:
    """Return the Creative Commons license that a text names; None if it names none, or several."""
    named = {match.lower() for match in _CREATIVE_COMMONS.findall(text)}
    return f"https://creativecommons.org/{named.pop()}/" if len(named) == 1 else None


def _unmapped(value: Value) -> Unmapped:
    return Unmapped(value.element, value.text)


# The field of an element, and the function that makes an item of that field.
Mapping = tuple[str, Callable[[Value], Any]]

_SETS = frozenset({"identifiers", "links", "related"})
_MAPPINGS: dict[str, Mapping] = {
    "title": ("titles", _text),
    "alternative": ("alternative titles", _text),
    "creator": ("creators", _agent),
    "contributor": ("contributors", _agent),
    "publisher": ("publishers", _agent),
    "date": ("dates", _date),
    "language": ("languages", _language),
    "type": ("types", _text),
    "subject": ("subjects", _text),
    "description": ("descriptions", _text),
    "identifier": ("identifiers", _identifier),
    "relation": ("related", _related),
    "source": ("related", partial(_related, role="source")),
    "coverage": ("coverage", _text),
    "format": ("formats", _text),
    "rights": ("rights", _rights),
}
_WITH_ROLE: dict[str, Callable[..., Any]] = {"dates": _date, "related": _related}
_UNKNOWN: Mapping = (UNMAPPED, _unmapped)


@lru_cache(maxsize=1024)
def _mapping(element: str, namespaces: frozenset[str]) -> Mapping:
    namespace, _, name = element.rpartition("}")
    if namespace[1:] not in namespaces and not _is_dublin_core(namespace[1:]):
        return _UNKNOWN
    term = _TERMS.get(name.lower())
    if term is None:
        return _MAPPINGS.get(name.lower(), _UNKNOWN)
    field, to_item = _MAPPINGS[_REFINEMENTS[term]]
    return field, partial(_WITH_ROLE[field], role=term) if field in _WITH_ROLE else to_item


def _is_dublin_core(namespace: str) -> bool:
    address = _SCHEME.sub("", namespace.strip().lower(), count=1)
    return _NAMESPACES.fullmatch(address.rstrip("/#")) is not None
