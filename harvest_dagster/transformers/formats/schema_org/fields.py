"""The field of each property of schema.org: https://schema.org/CreativeWork and the types below it."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

from harvest_dagster.transformers.builder import DocumentBuilder
from harvest_dagster.transformers.document import (
    Container,
    Description,
    Document,
    File,
    Funding,
    Place,
    Related,
    Rights,
    Subject,
    Text,
    Title,
)
from harvest_dagster.transformers.formats.schema_org import values
from harvest_dagster.transformers.formats.schema_org.graph import Graph, Node, Value
from harvest_dagster.transformers.recognition.dates import parse_date
from harvest_dagster.transformers.recognition.identifiers import identify, identify_declared
from harvest_dagster.transformers.recognition.licenses import license_address
from harvest_dagster.transformers.recognition.standard_forms import language_from
from harvest_dagster.transformers.recognition.vocabularies import access_of

Add = Callable[[DocumentBuilder, Graph, Node, str], None]

_VOCABULARY = "schema.org"
# The relation to a resource that names this one.
_INVERSE = {
    "citation": "IsCitedBy",
    "exampleOfWork": "HasVersion",
    "hasPart": "IsPartOf",
    "isBasedOn": "IsSourceOf",
    "isPartOf": "HasPart",
    "translationOfWork": "HasTranslation",
}


def read_document(identifier: str, datum: str) -> Document:
    """Return the document of one record.

    Raises:
        TransformError: the datum is not JSON-LD, or it has no object with properties of schema.org.
    """
    graph = Graph(datum)
    builder = DocumentBuilder(id=identifier, transformer="schema_org", format="schema.org")
    node = graph.main
    for one, text in values.own_identifier(graph, node):
        builder.add_identifier(one, text)
    for key in list(node):
        add = _PROPERTIES.get(key)
        if add is not None:
            add(builder, graph, node, key)
    _add_pages(builder, graph, node)
    _in_order(builder)
    if _is_described(builder):
        # Types alone are no description: a page of an organization has one, too.
        for name in graph.types(node):
            builder.add_type(Text(name, vocabulary=_VOCABULARY))
        graph.take(node, "@type")
    return builder.build(graph.leftovers())


def _is_described(builder: DocumentBuilder) -> bool:
    return any((builder.titles, builder.descriptions, builder.creators, builder.files, builder.dates))


def _in_order(builder: DocumentBuilder) -> None:
    """Put `name` before `headline`, and remove what two properties say alike. Canonical JSON has sorted keys."""
    main = next((one for one in builder.titles if one.role is None), None)
    headlines = [one for one in builder.titles if one.role == "headline"]
    if main is None and headlines:
        builder.titles = [
            Title(one.text, one.language) if one is headlines[0] else one for one in builder.titles
        ]
    elif main is not None:
        builder.titles = [one for one in builder.titles if one.role != "headline" or one.text != main.text]
    builder.creators = list(dict.fromkeys(builder.creators))
    builder.dates.sort(key=lambda date: date.role != "Issued")


def _title(builder: DocumentBuilder, graph: Graph, node: Node, key: str, role: str | None = None) -> None:
    builder.titles += [Title(one.text, one.language, role=role) for one in graph.texts(node, key)]


def _creator(builder: DocumentBuilder, graph: Graph, node: Node, key: str) -> None:
    builder.creators += values.agents(graph, node, key)


def _contributor(
    builder: DocumentBuilder, graph: Graph, node: Node, key: str, role: str | None = None
) -> None:
    builder.contributors += values.agents(graph, node, key, role or key)


def _publisher(builder: DocumentBuilder, graph: Graph, node: Node, key: str) -> None:
    builder.publishers += values.agents(graph, node, key)


def _date(builder: DocumentBuilder, graph: Graph, node: Node, key: str, role: str | None = None) -> None:
    builder.dates += [values.date(one.text, role, key) for one in graph.texts(node, key)]


def _language(builder: DocumentBuilder, graph: Graph, node: Node, key: str) -> None:
    for entry in graph.entries(node, key):
        if isinstance(entry, Value):
            text: str | None = entry.text
        else:
            graph.take_types(entry, frozenset({"Language"}))
            text = graph.text(entry, "alternateName", "identifier", "name")
        if text:
            builder.languages.append(language_from(text))


def _type(builder: DocumentBuilder, graph: Graph, node: Node, key: str) -> None:
    for one in graph.texts(node, key):
        builder.add_type(Text(one.text, one.language))


def _keywords(builder: DocumentBuilder, graph: Graph, node: Node, key: str) -> None:
    """Add keywords. In one text, they are separated by commas: https://schema.org/keywords."""
    for entry in graph.entries(node, key):
        if isinstance(entry, Value):
            parts = re.split(r";" if ";" in entry.text else r",", entry.text)
            builder.subjects += [Subject(part.strip(), entry.language) for part in parts if part.strip()]
        else:
            _add_term(builder, graph, entry)


def _subject(builder: DocumentBuilder, graph: Graph, node: Node, key: str) -> None:
    for entry in graph.entries(node, key):
        if isinstance(entry, Value):
            builder.subjects.append(Subject(entry.text, entry.language))
        else:
            _add_term(builder, graph, entry)


def _add_term(builder: DocumentBuilder, graph: Graph, node: Node) -> None:
    """Add a term of a vocabulary: https://schema.org/DefinedTerm."""
    text = graph.text(node, "name", "termCode", "@id", "url")
    if text is None:
        return
    graph.take_types(node, frozenset({"DefinedTerm", "CategoryCode", "Thing"}))
    mark = graph.mark()
    vocabularies = graph.texts(node, "inDefinedTermSet") or graph.texts(node, "inCodeSet")
    graph.keep_only(mark, [one.text for one in vocabularies[:1]])
    builder.subjects.append(
        Subject(
            text,
            graph.language,
            vocabularies[0].text if vocabularies else None,
            code=graph.text(node, "termCode", "codeValue"),
            uri=graph.text(node, "@id", "url", "sameAs"),
        )
    )


def _description(
    builder: DocumentBuilder, graph: Graph, node: Node, key: str, role: str | None = None
) -> None:
    builder.descriptions += [Description(one.text, one.language, role=role) for one in graph.texts(node, key)]


def _identifier(builder: DocumentBuilder, graph: Graph, node: Node, key: str) -> None:
    for one, text in values.identifiers(graph, node, key):
        builder.add_identifier(one, text)


def _numbered(builder: DocumentBuilder, graph: Graph, node: Node, key: str) -> None:
    for one in graph.texts(node, key):
        builder.add_identifier(identify_declared(key, one.text), one.text)


def _page(builder: DocumentBuilder, graph: Graph, node: Node, key: str) -> None:
    """Add the address of the page, which may be an object that only has an `@id`."""
    for entry in graph.entries(node, key):
        if isinstance(entry, Value):
            if identify(entry.text).scheme != "other":
                builder.add_identifier(identify(entry.text), entry.text)
            continue
        graph.take_types(entry, frozenset({"WebPage", "ItemPage"}))
        for one, text in values.own_identifier(graph, entry):
            builder.add_identifier(one, text)


def _part(builder: DocumentBuilder, graph: Graph, node: Node, key: str) -> None:
    for entry in graph.entries(node, key):
        if isinstance(entry, dict) and values.is_container(graph, entry):
            found = values.container(graph, entry)
            builder.containers += [found] if found != Container() else []
        elif (other := values.related(graph, entry, key)) is not None:
            builder.related.append(other)


def _catalog(builder: DocumentBuilder, graph: Graph, node: Node, key: str) -> None:
    for entry in graph.entries(node, key):
        if isinstance(entry, Value):
            builder.containers.append(Container(entry.text, "repository"))
        else:
            builder.containers.append(values.container(graph, {"isPartOf": entry, "@type": "DataCatalog"}))


def _add_pages(builder: DocumentBuilder, graph: Graph, node: Node) -> None:
    """Add the pages, which schema.org gives to the article, to its journal or book."""
    found = values.pages(graph, node)
    if found == Container():
        return
    place = next((at for at, one in enumerate(builder.containers) if one.kind != "repository"), None)
    if place is None:
        builder.containers.append(found)
    else:
        builder.containers[place] = values.merged(builder.containers[place], found)


def _reverse(builder: DocumentBuilder, graph: Graph, node: Node, key: str) -> None:
    """Add resources that name this one: https://www.w3.org/TR/json-ld11/#reverse-properties."""
    properties = node[key]
    for name in list(properties) if isinstance(properties, dict) else ():
        for entry in graph.entries(properties, name):
            found = values.related(graph, entry, f"{key} {name}", _INVERSE.get(name))
            builder.related += [found] if found is not None else []


def _funding(builder: DocumentBuilder, graph: Graph, node: Node, key: str, *, is_grant: bool) -> None:
    found = (values.funding(graph, entry, is_grant=is_grant) for entry in graph.entries(node, key))
    builder.funding += [one for one in found if isinstance(one, Funding)]


def _rights(builder: DocumentBuilder, graph: Graph, node: Node, key: str) -> None:
    for entry in graph.entries(node, key):
        if isinstance(entry, Value):
            text, address = entry.text, license_address(entry.text)
            language = None if identify(text).scheme == "url" else entry.language
            is_address = key == "license" and identify(text).scheme == "url"
            builder.rights.append(Rights(text, language, license=address or (text if is_address else None)))
            builder.access = builder.access or access_of(text)
            continue
        url = graph.text(entry, "url", "@id", "license")
        code = graph.text(entry, "identifier")
        name = graph.text(entry, "name") or url or code
        graph.take_types(entry, frozenset({"CreativeWork", "URL"}))
        if name:
            # An address is kept: that of the license, or of a page about it.
            address = license_address(url or code or name) or url or license_address(name)
            builder.rights.append(Rights(name, license=address, code=code))


def _free(builder: DocumentBuilder, graph: Graph, node: Node, key: str) -> None:
    """Set the access: https://schema.org/isAccessibleForFree. False does not say who may read it."""
    if node[key] is True or str(node[key]).lower() == "true":
        builder.access = builder.access or "open"
        graph.take(node, key)


def _related(builder: DocumentBuilder, graph: Graph, node: Node, key: str, word: str | None = None) -> None:
    found = (values.related(graph, entry, word or key) for entry in graph.entries(node, key))
    builder.related += [one for one in found if isinstance(one, Related)]


def _file(builder: DocumentBuilder, graph: Graph, node: Node, key: str, word: str | None = None) -> None:
    found = (values.file(graph, entry, word) for entry in graph.entries(node, key))
    builder.files += [one for one in found if isinstance(one, File)]


def _place(builder: DocumentBuilder, graph: Graph, node: Node, key: str) -> None:
    for entry in graph.entries(node, key):
        builder.places += [one for one in values.place(graph, entry) if isinstance(one, Place)]


def _period(builder: DocumentBuilder, graph: Graph, node: Node, key: str) -> None:
    builder.periods += [values.date(one.text, None) for one in graph.texts(node, key)]


def _format(builder: DocumentBuilder, graph: Graph, node: Node, key: str) -> None:
    builder.formats += [Text(one.text, one.language) for one in graph.texts(node, key)]


def _size(builder: DocumentBuilder, graph: Graph, node: Node, key: str) -> None:
    builder.sizes += [Text(one.text, one.language) for one in graph.texts(node, key)]


def _version(builder: DocumentBuilder, graph: Graph, node: Node, key: str) -> None:
    if builder.version is None:
        builder.version = graph.text(node, key)


def _record_created(builder: DocumentBuilder, graph: Graph, node: Node, key: str) -> None:
    if (text := graph.text(node, key)) is not None:
        builder.created = parse_date(text) or text


def _record_agency(builder: DocumentBuilder, graph: Graph, node: Node, key: str) -> None:
    mark = graph.mark()
    names = [agent.name for agent in values.agents(graph, node, key)]
    graph.keep_only(mark, names)
    builder.agencies += names


def _record_rule(builder: DocumentBuilder, graph: Graph, node: Node, key: str) -> None:
    builder.rules += [one.text for one in graph.texts(node, key)]


_PROPERTIES: dict[str, Add] = {
    "name": _title,
    "headline": partial(_title, role="headline"),
    **dict.fromkeys(("alternateName", "alternativeHeadline"), partial(_title, role="alternative")),
    **dict.fromkeys(("author", "creator"), _creator),
    **dict.fromkeys(
        ("contributor", "editor", "translator", "illustrator", "provider", "sponsor", "producer"),
        _contributor,
    ),
    **dict.fromkeys(
        ("maintainer", "accountablePerson", "sourceOrganization", "publisherImprint", "inker"), _contributor
    ),
    "copyrightHolder": partial(_contributor, role="copyright holder"),
    "publisher": _publisher,
    "datePublished": partial(_date, role="Issued"),
    "dateCreated": partial(_date, role="Created"),
    "dateModified": partial(_date, role="Updated"),
    "copyrightYear": partial(_date, role="Copyrighted"),
    **dict.fromkeys(("expires", "uploadDate", "contentReferenceTime"), _date),
    "inLanguage": _language,
    **dict.fromkeys(("additionalType", "genre", "learningResourceType"), _type),
    "keywords": _keywords,
    **dict.fromkeys(("about", "articleSection"), _subject),
    "description": _description,
    "abstract": partial(_description, role="Abstract"),
    **dict.fromkeys(("measurementTechnique", "measurementMethod"), partial(_description, role="Methods")),
    "disambiguatingDescription": partial(_description, role="Other"),
    **dict.fromkeys(("identifier", "url"), _identifier),
    **dict.fromkeys(("isbn", "issn"), _numbered),
    "mainEntityOfPage": _page,
    "isPartOf": _part,
    "includedInDataCatalog": _catalog,
    "funding": partial(_funding, is_grant=True),
    "funder": partial(_funding, is_grant=False),
    **dict.fromkeys(
        ("license", "copyrightNotice", "usageInfo", "conditionsOfAccess", "creditText", "acquireLicensePage"),
        _rights,
    ),
    "isAccessibleForFree": _free,
    **dict.fromkeys(
        ("citation", "hasPart", "sameAs", "exampleOfWork", "workExample", "relatedLink"), _related
    ),
    **dict.fromkeys(("isBasedOn", "isBasedOnUrl"), partial(_related, word="isBasedOn")),
    "translationOfWork": partial(_related, word="IsTranslationOf"),
    "workTranslation": partial(_related, word="HasTranslation"),
    "subjectOf": partial(_related, word="IsDescribedBy"),
    "dataset": partial(_related, word="HasPart"),
    **dict.fromkeys(("distribution", "encoding", "encodings", "associatedMedia"), _file),
    **{
        key: partial(_file, word=key) for key in ("codeRepository", "downloadUrl", "contentUrl", "installUrl")
    },
    **dict.fromkeys(("spatialCoverage", "spatial", "contentLocation"), _place),
    **dict.fromkeys(("temporalCoverage", "temporal"), _period),
    **dict.fromkeys(("encodingFormat", "fileFormat", "programmingLanguage", "bookFormat"), _format),
    **dict.fromkeys(("size", "contentSize", "numberOfPages", "duration"), _size),
    **dict.fromkeys(("version", "softwareVersion", "bookEdition"), _version),
    "@reverse": _reverse,
    "sdDatePublished": _record_created,
    "sdPublisher": _record_agency,
    **dict.fromkeys(("sdLicense", "schemaVersion"), _record_rule),
}
