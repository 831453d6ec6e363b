"""Unqualified Dublin Core as OAI-PMH carries it (`oai_dc`): the fifteen elements, and what sources put beside them.

The elements: https://www.dublincore.org/specifications/dublin-core/dces/. Their container:
http://www.openarchives.org/OAI/2.0/oai_dc.xsd. Everything goes by namespace and local name, never by prefix.

What sources do, beyond the schema, and what becomes of it:

- elements without a namespace, or in that of `oai_dc` itself: read as if they were right;
- the refinements of `dcterms` (`dcterms:abstract`): read as the element that they refine, with their name as
  the role where the document has one;
- anything else (`bibo:issn`, `dc:status`): kept in `unmapped`;
- blank elements: left out, unless `rdf:resource` gives the value;
- text that was escaped twice (`&amp;amp;`): left as it is, since mark-up and what looks like it cannot be told
  apart; except in URLs, where it can.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, NamedTuple

from lxml import etree

from harvest_dagster.errors import TransformError
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
from harvest_dagster.transformers.interface import Transformer

_XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"
_XSI_TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"
_RDF_RESOURCE = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}resource"

_ELEMENTS = frozenset(
    (
        "http://purl.org/dc/elements/1.1/",
        "http://purl.org/dc/elements/1.1",
        "http://purl.org/dc/elements/1.0/",
        "http://www.openarchives.org/OAI/2.0/oai_dc/",
        "http://www.openarchives.org/OAI/2.0/",
        "",
    )
)
_TERMS = "http://purl.org/dc/terms/"

# https://www.dublincore.org/specifications/dublin-core/dcmi-terms/: what each term refines.
_REFINEMENTS = {
    term: element
    for element, terms in {
        "alternative": "alternative",
        "description": "abstract tableOfContents",
        "date": "available created dateAccepted dateCopyrighted dateSubmitted issued modified valid",
        "format": "extent medium",
        "relation": (
            "conformsTo hasFormat hasPart hasVersion isFormatOf isPartOf isReferencedBy isReplacedBy isRequiredBy "
            "isVersionOf references replaces requires"
        ),
        "coverage": "spatial temporal",
        "rights": "accessRights license",
    }.items()
    for term in terms.split()
}

# http://purl.org/eu-repo/semantics/: "info:eu-repo/semantics/article", "info:eu-repo/date/embargoEnd/2015-01-01"
_TERM_URI = re.compile(
    r"(info:eu-repo/semantics|http://purl\.org/eprint/type|https?://purl\.org/dc/dcmitype)/([A-Za-z]+)"
)
_DATE_URI = re.compile(r"info:eu-repo/date/([A-Za-z]+)/(.+)")
# https://creativecommons.org/licenses/by-nc/3.0/de/deed.en; what follows version and country is a way to show it.
_CREATIVE_COMMONS = re.compile(
    r"https?://(?:www\.)?creativecommons\.org/((?:licenses|publicdomain)/[a-z+-]+/[0-9.]*[0-9](?:/[a-z]{2,5}(?=[/\s).,;]|$))?)",
    re.IGNORECASE,
)


class Value(NamedTuple):
    """One element of a record.

    Attributes:
        text: its text, white space folded; never empty.
        role: the name of the refinement, or of the element where it is none.
        node: the XML element.
    """

    text: str
    role: str
    node: etree._Element


class OaiDcTransformer(Transformer):
    """Dublin Core in an OAI-PMH record."""

    VERSION = 1

    def transform(self, identifier: str, datum: str) -> Document:
        """The document of one OAI-PMH record whose metadata are Dublin Core.

        Raises:
            TransformError: no well-formed XML, no metadata, or metadata in another format.
        """
        fields: dict[str, list[Any]] = defaultdict(list)
        for name, value in _values(_dublin_core(_parse(datum))):
            field, read = _FIELDS[name]
            fields[field].append(read(value))
            if field == "identifiers" and (link := web_address(value.text)):
                fields["links"].append(link)
        own = identify(identifier)
        if own.scheme not in ("oai", "url", "other"):
            fields["identifiers"].append(own)
        return _document(identifier, fields)


def _document(identifier: str, fields: dict[str, list[Any]]) -> Document:
    for field in ("identifiers", "links", "related"):
        fields[field] = list(dict.fromkeys(fields[field]))
    titles, publishers = fields["titles"] + fields.pop("alternative_titles", []), fields["publishers"]
    fields["titles"] = titles
    return Document(
        id=identifier,
        title=titles[0].text if titles else None,
        publisher=publishers[0].name if publishers else None,
        **{field: tuple(entries) for field, entries in fields.items()},
    )


def _parse(datum: str) -> etree._Element:
    # One for each datum: a parser that was used keeps what it has seen, and is locked against other threads.
    parser = etree.XMLParser(
        encoding="utf-8",
        resolve_entities=False,
        load_dtd=False,
        no_network=True,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        root = etree.fromstring(datum.encode(), parser)
    except (etree.XMLSyntaxError, UnicodeEncodeError) as error:
        message = f"the datum is no well-formed XML: {error}. Look at it in raw_datum; the source has to mend the record."
        raise TransformError(message) from error
    if root.getroottree().docinfo.internalDTD is not None:
        message = "the datum has a document type declaration, which no OAI-PMH record may have. The source has to leave it out."
        raise TransformError(message)
    return root


def _dublin_core(root: etree._Element) -> etree._Element:
    """The container of the elements: `metadata/oai_dc:dc`, or the root itself."""
    if _is_container(root):
        return root
    metadata = next((child for child in root if _local_name(child) == "metadata"), None)
    if metadata is None:
        message = f"the record has no metadata; its root is <{root.tag}>. Look whether the source means it to be deleted."
        raise TransformError(message)
    found = next(iter(metadata), None)
    if found is None:
        message = "the record's metadata element is empty. The source has to mend the record."
        raise TransformError(message)
    if not _is_container(found):
        message = (
            f"the metadata are <{found.tag}>, no Dublin Core. Harvest with `metadata_prefix: oai_dc`, or name the "
            "transformer of that format in the config."
        )
        raise TransformError(message)
    return found


def _is_container(element: etree._Element) -> bool:
    """Whether it is `dc`, or `qualifieddc` as DSpace and others have it, in whatever namespace."""
    return _local_name(element).lower() in ("dc", "qualifieddc")


def _local_name(element: etree._Element) -> str:
    return str(element.tag).rpartition("}")[2]


def _values(container: etree._Element) -> Iterator[tuple[str, Value]]:
    """What the record says, in its order: for each value the key in `_FIELDS` where it belongs."""
    for node in container:
        text = " ".join((str(node.xpath("string()")) if len(node) else node.text or "").split())
        text = text or node.get(_RDF_RESOURCE, "").strip()
        if text:
            name, role = _place(str(node.tag))
            yield name, Value(text, role, node)


@lru_cache(maxsize=1024)
def _place(tag: str) -> tuple[str, str]:
    """The key in `_FIELDS`, and the role, of a tag."""
    namespace, _, name = tag.rpartition("}")
    namespace = namespace[1:]
    if namespace == _TERMS and name in _REFINEMENTS:
        return _REFINEMENTS[name], name
    known = name.lower() in _FIELDS and (namespace in _ELEMENTS or namespace == _TERMS)
    return (name.lower() if known else "unmapped"), name.lower()


def _text(value: Value) -> Text:
    if match := _TERM_URI.fullmatch(value.text):
        return Text(match[2], vocabulary=match[1])
    return Text(value.text, value.node.get(_XML_LANG), _vocabulary(value.node))


def _vocabulary(node: etree._Element) -> str | None:
    """The encoding scheme, such as `dcterms:LCSH`, without its prefix."""
    name = node.get(_XSI_TYPE)
    return name.rpartition(":")[2] if name else None


def _agent(value: Value) -> Agent:
    return Agent(value.text)


def _date(value: Value) -> Date:
    role = None if value.role == "date" else value.role
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


def _related(value: Value) -> Related:
    found = identify(value.text)
    return Related(found.scheme, found.value, value.role)


def _rights(value: Value) -> Rights:
    text = _text(value)
    return Rights(text.text, text.language, text.vocabulary, _license(value.text))


def _license(text: str) -> str | None:
    """The one Creative Commons licence that a text names; None where there are several."""
    named = {match.lower() for match in _CREATIVE_COMMONS.findall(text)}
    return f"https://creativecommons.org/{named.pop()}/" if len(named) == 1 else None


def _unmapped(value: Value) -> Unmapped:
    return Unmapped(str(value.node.tag), value.text)


_FIELDS: dict[str, tuple[str, Callable[[Value], Any]]] = {
    "title": ("titles", _text),
    "alternative": ("alternative_titles", _text),
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
    "source": ("related", _related),
    "coverage": ("coverage", _text),
    "format": ("formats", _text),
    "rights": ("rights", _rights),
    "unmapped": ("unmapped", _unmapped),
}
