"""What Dublin Core says of a resource, as a document; whatever carried it.

Here: which element goes into which field, and how its text is read. Not here: XML, OAI-PMH and where in a
record the elements stand (`transformers.oai_dc`).

The fifteen elements: https://www.dublincore.org/specifications/dublin-core/dces/. Sources put more there:

- elements without a namespace, or in that of their container: read as if they were right;
- the refinements in `dcterms` (`dcterms:abstract`): read as the element that they refine, with their name as
  the role where the document has one;
- anything else (`bibo:issn`, `dc:status`): kept in `unmapped`. So is `dcterms:bibliographicCitation`, though
  it refines `identifier`: CyberLeninka sends journal, volume and pages in one each.

Text that was escaped twice (`&amp;amp;`) stays as it is, since mark-up and text about mark-up cannot be told
apart; except in URLs, where they can.
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

_TERMS = "http://purl.org/dc/terms/"
_NAMESPACES = frozenset(
    {
        "http://purl.org/dc/elements/1.1/",
        "http://purl.org/dc/elements/1.1",
        "http://purl.org/dc/elements/1.0/",
        "http://www.openarchives.org/OAI/2.0/oai_dc/",
        "http://www.openarchives.org/OAI/2.0/",
        "",
        _TERMS,
    }
)

# What each term refines: https://www.dublincore.org/specifications/dublin-core/dcmi-terms/
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

# Terms that bring their vocabulary along, such as info:eu-repo/semantics/openAccess (OpenAIRE guidelines 3.0,
# https://guidelines.openaire.eu/en/latest/literature/) or http://purl.org/eprint/type/JournalArticle.
_TERM_URI = re.compile(
    r"(info:eu-repo/semantics|http://purl\.org/eprint/type|http://purl\.org/dc/dcmitype)/(\w+)", re.ASCII
)
# info:eu-repo/date/embargoEnd/2015-01-01, from the same guidelines
_DATE_URI = re.compile(r"info:eu-repo/date/([A-Za-z]+)/(.+)")
# A licence or dedication, its version, its jurisdiction; what follows (deed.en, legalcode) only shows it.
_CREATIVE_COMMONS = re.compile(
    r"https?://(?:www\.)?creativecommons\.org/"
    r"((?:licenses|publicdomain)/[a-z+-]+/[0-9]\.[0-9](?:/(?:[a-z]{2}|igo|scotland)(?![a-z]))?)",
    re.IGNORECASE | re.ASCII,
)


class Value(NamedTuple):
    """One element of a record.

    Attributes:
        element: its whole name, `{namespace}name`.
        text: its text, white space folded; not empty.
        language: its BCP 47 tag, if it has one.
        vocabulary: the name of its encoding scheme, if it has one.
    """

    element: str
    text: str
    language: str | None = None
    vocabulary: str | None = None


def read(identifier: str, values: Iterable[Value]) -> Document:
    """The document of a record with this identifier in its source, and these elements."""
    fields: dict[str, list[Any]] = defaultdict(list)
    for value in values:
        field, entry = _place(value.element)
        fields[field].append(entry(value))
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
        **{field: _once(entries) if field in _SETS else tuple(entries) for field, entries in fields.items()},
    )


def _once(entries: list[Any]) -> tuple[Any, ...]:
    return tuple(dict.fromkeys(entries))


def _text(value: Value) -> Text:
    if match := _TERM_URI.fullmatch(value.text):
        return Text(match[2], value.language, match[1])
    return Text(value.text, value.language, value.vocabulary)


def _agent(value: Value) -> Agent:
    return Agent(value.text)


def _date(value: Value, role: str | None = None) -> Date:
    text = value.text
    if match := _DATE_URI.fullmatch(text):
        role, text = match.groups()
    date = dates.recognise(text)
    return Date(date, None if date == value.text else value.text, role)


def _language(value: Value) -> Language:
    code = languages.recognise(value.text)
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
    """The one Creative Commons licence that a text names; None where it names several."""
    named = {match.lower() for match in _CREATIVE_COMMONS.findall(text)}
    return f"https://creativecommons.org/{named.pop()}/" if len(named) == 1 else None


def _unmapped(value: Value) -> Unmapped:
    return Unmapped(value.element, value.text)


# Which field an element goes into, and how an entry is made of it.
Place = tuple[str, Callable[[Value], Any]]

_SETS = frozenset({"identifiers", "links", "related"})
_PLACES: dict[str, Place] = {
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
_NOWHERE: Place = ("unmapped", _unmapped)


@lru_cache(maxsize=1024)
def _place(element: str) -> Place:
    namespace, _, name = element.rpartition("}")
    namespace = namespace[1:]
    if namespace == _TERMS and name in _REFINEMENTS:
        field, entry = _PLACES[_REFINEMENTS[name]]
        return field, partial(_WITH_ROLE[field], role=name) if field in _WITH_ROLE else entry
    return _PLACES.get(name.lower(), _NOWHERE) if namespace in _NAMESPACES else _NOWHERE
