"""The field of each property of DCAT, DCAT-AP and GeoDCAT-AP."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from harvest_dagster.transformers.builder import DocumentBuilder
from harvest_dagster.transformers.document import (
    Access,
    Container,
    Description,
    Document,
    Language,
    Related,
    Rights,
    Subject,
    Text,
    Title,
)
from harvest_dagster.transformers.formats.dcat import values
from harvest_dagster.transformers.formats.dcat.graph import DcatGraph, choose, last_part
from harvest_dagster.transformers.recognition.dates import parse_date
from harvest_dagster.transformers.recognition.identifiers import identify
from harvest_dagster.transformers.recognition.languages import language_code
from harvest_dagster.transformers.recognition.licenses import license_address
from harvest_dagster.transformers.recognition.standard_forms import date_from
from harvest_dagster.transformers.recognition.vocabularies import access_of, date_type, relation_type

Add = Callable[[DocumentBuilder, DcatGraph, Any, str, Any], bool]

# https://op.europa.eu/en/web/eu-vocabularies/concept-scheme/-/resource?uri=http://publications.europa.eu/resource/authority/access-right
_ACCESS: dict[str, Access] = {"PUBLIC": "open", "RESTRICTED": "restricted", "NON_PUBLIC": "closed"}
_TYPES = frozenset(
    {"dct:RightsStatement", "dct:LicenseDocument", "skos:Concept", "dct:LinguisticSystem", "foaf:Document"}
)
_MORE_TYPES = frozenset(
    {"dct:Standard", "dct:ProvenanceStatement", "rdfs:Resource", "dcat:CatalogRecord", "dcat:Catalog"}
)


def read_document(identifier: str, datum: str) -> Document:
    """Return the document of one record.

    Raises:
        TransformError: the datum is not RDF/XML or JSON-LD, it has no resource of DCAT, or several.
    """
    builder = DocumentBuilder(id=identifier, transformer="dcat", format="")
    graph = DcatGraph(builder, datum)
    main = choose(graph, identifier)
    if (address := graph.address(main)) is not None:
        builder.add_identifier(identify(address), address)
    for name, value in graph.properties(main):
        add = _PROPERTIES.get(name) or _BY_LOCAL_NAME.get(name)
        if add is not None and add(builder, graph, main, name, value):
            graph.take(main, name, value)
    for record in graph.subjects("foaf:primaryTopic", main):
        _add_record(builder, graph, record, main)
    for catalog in graph.subjects("dcat:dataset", main):
        _add_catalog(builder, graph, catalog, main)
    return builder.build(graph.leftovers(main))


def _literal(graph: DcatGraph, value: Any) -> tuple[str, str | None]:
    return graph.label_and_language(value)


def _title(
    builder: DocumentBuilder, graph: DcatGraph, _: Any, __: str, value: Any, role: str | None = None
) -> bool:
    text, language = _literal(graph, value)
    builder.titles += [Title(text, language, role=role)] if text else []
    return True


def _description(
    builder: DocumentBuilder, graph: DcatGraph, _: Any, __: str, value: Any, role: str | None = None
) -> bool:
    graph.take_types(value, _MORE_TYPES)
    text, language = _literal(graph, value)
    builder.descriptions += [Description(text, language, role=role)] if text else []
    return bool(text) and not graph.is_named(value)


def _agent(  # noqa: PLR0917 - the signature of all functions of the table
    builder: DocumentBuilder,
    graph: DcatGraph,
    node: Any,
    name: str,
    value: Any,
    field: str,
    role: str | None = None,
) -> bool:
    found = values.agent(graph, node, value, name, role)
    getattr(builder, field).extend([found] if found is not None else [])
    return found is not None


def _attribution(builder: DocumentBuilder, graph: DcatGraph, _: Any, __: str, value: Any) -> bool:
    """Add an agent with its role: https://www.w3.org/TR/vocab-dcat-3/#qualified-attribution."""
    graph.take_types(value, frozenset({"prov:Attribution"}))
    role = graph.text(value, "dcat:hadRole", "prov:hadRole")
    for one in graph.objects(value, "prov:agent"):
        found = values.agent(graph, value, one, "prov:agent", role)
        builder.contributors += [found] if found is not None else []
    return not graph.is_named(value)


def _date(builder: DocumentBuilder, graph: DcatGraph, _: Any, name: str, value: Any) -> bool:
    word = name.rpartition(":")[2]
    role = date_type(word)
    builder.dates.append(date_from(graph.label(value), role, None if role else word))
    return True


def _language(builder: DocumentBuilder, graph: DcatGraph, _: Any, __: str, value: Any) -> bool:
    graph.take_types(value, _TYPES)
    text = graph.address(value) or graph.label(value)
    if text:
        code = language_code(last_part(text))
        builder.languages.append(Language(code, None if code == text else text))
    return bool(text)


def _type(builder: DocumentBuilder, graph: DcatGraph, _: Any, name: str, value: Any) -> bool:
    graph.take_types(value, _TYPES)
    text = graph.label(value)
    if name == "rdf:type":
        space, separator, word = text.replace("#", "#\0").rpartition("\0") if "#" in text else ("", "", text)
        builder.add_type(Text(word, vocabulary=space or None) if separator else Text(text))
    elif text:
        builder.add_type(Text(text, _literal(graph, value)[1]))
    return bool(text)


def _subject(builder: DocumentBuilder, graph: DcatGraph, _: Any, __: str, value: Any) -> bool:
    graph.take_types(value, _TYPES)
    address = graph.address(value)
    scheme = graph.text(value, "skos:inScheme") if graph.is_described(value) else None
    text, language = _literal(graph, value)
    builder.subjects += [Subject(text, language, scheme, uri=address)] if text else []
    return bool(text)


def _identifier(builder: DocumentBuilder, graph: DcatGraph, node: Any, name: str, value: Any) -> bool:
    if name == "adms:identifier":
        builder.add_identifier(values.adms_identifier(graph, node, value))
        return True
    graph.take_types(value, _TYPES)
    text = graph.address(value) or graph.label(value)
    if text:
        builder.add_identifier(identify(text), text)
    return bool(text)


def _rights(builder: DocumentBuilder, graph: DcatGraph, _: Any, name: str, value: Any) -> bool:
    graph.take_types(value, _TYPES)
    text, language = _literal(graph, value)
    address = graph.address(value) or ""
    if not text:
        return False
    found = license_address(address or text) or (address if name.endswith("license") and address else None)
    if address and address != text and found is None:
        text = f"{text} ({address})"
    builder.rights.append(Rights(text, language, license=found))
    word = last_part(address or text)
    access = _ACCESS.get(word) if "/authority/access-right/" in address else access_of(address or text)
    builder.access = builder.access or access
    return True


def _related(
    builder: DocumentBuilder, graph: DcatGraph, _: Any, name: str, value: Any, word: str | None = None
) -> bool:
    """Add a related resource."""
    said = name.rpartition(":")[2]
    relation = relation_type(word or said)
    found = _related_at(graph, value, relation, None if relation == said else said)
    builder.related += [found] if found is not None else []
    return found is not None


def _relationship(builder: DocumentBuilder, graph: DcatGraph, _: Any, __: str, value: Any) -> bool:
    """Add a related resource with its role: https://www.w3.org/TR/vocab-dcat-3/#Class:Relationship."""
    graph.take_types(value, frozenset({"dcat:Relationship"}))
    role = graph.text(value, "dcat:hadRole")
    for one in graph.objects(value, "dct:relation"):
        found = _related_at(graph, one, relation_type(last_part(role)) if role else None, role)
        if found is not None:
            builder.related.append(found)
            graph.take(value, "dct:relation", one)
    return not graph.is_named(value)


def _related_at(graph: DcatGraph, value: Any, relation: str | None, said: str | None) -> Related | None:
    """Return a related resource with what the record says about it."""
    if not graph.is_described(value):
        text = graph.label(value)
        found = identify(text)
        known = found.scheme != "other"
        item = Related(relation, said, (found,) if known else (), text=None if known else text)
        return item if text else None
    known_types = _MORE_TYPES | _TYPES | {"dcat:Dataset", "dcat:DatasetSeries"}
    types = graph.take_types(value, known_types)
    title = graph.text(value, "dct:title", "rdfs:label", "skos:prefLabel", "foaf:name")
    kind = ", ".join(one for one in types if one in known_types) or None
    item = Related(relation, said, values.identifiers(graph, value), title=title, kind=kind)
    return item if item.identifiers or title else None


def _file(builder: DocumentBuilder, graph: DcatGraph, _: Any, __: str, value: Any) -> bool:
    found = values.file(graph, value)
    builder.files += [found] if found is not None else []
    return found is not None and (not graph.is_named(value) or found.url == graph.address(value))


def _place(builder: DocumentBuilder, graph: DcatGraph, _: Any, __: str, value: Any) -> bool:
    found = values.place(graph, value)
    builder.places += found
    return bool(found)


def _period(builder: DocumentBuilder, graph: DcatGraph, _: Any, __: str, value: Any) -> bool:
    found = values.period(graph, value)
    builder.periods += [found] if found is not None else []
    return found is not None and not graph.is_named(value)


def _text(builder: DocumentBuilder, graph: DcatGraph, _: Any, __: str, value: Any, field: str) -> bool:
    text, language = _literal(graph, value)
    getattr(builder, field).extend([Text(text, language)] if text else [])
    return bool(text)


def _version(builder: DocumentBuilder, graph: DcatGraph, _: Any, __: str, value: Any) -> bool:
    if builder.version not in (None, graph.label(value)):
        return False
    builder.version = graph.label(value) or None
    return builder.version is not None


def _add_record(builder: DocumentBuilder, graph: DcatGraph, node: Any, main: Any) -> None:
    """Add what a catalog record says: https://www.w3.org/TR/vocab-dcat-3/#Class:Catalog_Record."""
    graph.take(node, "foaf:primaryTopic", main)
    graph.take_types(node, _MORE_TYPES)
    created = graph.text(node, "dct:issued", "dcat:listingDate", "dct:created")
    updated = graph.text(node, "dct:modified")
    builder.created = (parse_date(created) or created) if created else builder.created
    builder.updated = (parse_date(updated) or updated) if updated else builder.updated
    builder.record_identifiers += values.identifiers(graph, node)
    builder.record_languages += [text for text, _ in graph.literals(node, "dct:language")]
    builder.rules += [text for text, _ in graph.literals(node, "dct:conformsTo")]
    builder.agencies += [text for text, _ in graph.literals(node, "dct:publisher")]


def _add_catalog(builder: DocumentBuilder, graph: DcatGraph, node: Any, main: Any) -> None:
    graph.take(node, "dcat:dataset", main)
    graph.take_types(node, _MORE_TYPES)
    agents = [
        values.agent(graph, node, one, "dct:publisher", "publisher")
        for one in graph.objects(node, "dct:publisher")
    ]
    found = Container(
        title=graph.text(node, "dct:title"),
        kind="repository",
        identifiers=values.identifiers(graph, node),
        agents=tuple(one for one in agents if one is not None),
    )
    if found != Container(kind="repository"):
        builder.containers.append(found)


_PROPERTIES: dict[str, Add] = {
    **dict.fromkeys(("dct:title", "dc:title"), _title),
    **dict.fromkeys(("dct:alternative", "skos:altLabel"), partial(_title, role="alternative")),
    **dict.fromkeys(("dct:creator", "dc:creator"), partial(_agent, field="creators")),
    **dict.fromkeys(("dct:contributor", "dc:contributor"), partial(_agent, field="contributors")),
    "dcat:contactPoint": partial(_agent, field="contributors", role="contactPoint"),
    "dct:rightsHolder": partial(_agent, field="contributors", role="rightsHolder"),
    **{
        f"geodcat:{role}": partial(_agent, field="contributors", role=role)
        for role in (
            "custodian",
            "distributor",
            "originator",
            "principalInvestigator",
            "processor",
            "resourceProvider",
            "user",
        )
    },
    "prov:qualifiedAttribution": _attribution,
    **dict.fromkeys(("dct:publisher", "dc:publisher"), partial(_agent, field="publishers")),
    **{f"dct:{name}": _date for name in ("issued", "modified", "created", "available", "valid", "date")},
    **{f"dct:{name}": _date for name in ("dateAccepted", "dateCopyrighted", "dateSubmitted")},
    **dict.fromkeys(("dct:language", "dc:language"), _language),
    **dict.fromkeys(("rdf:type", "dct:type"), _type),
    **dict.fromkeys(("dcat:keyword", "dcat:theme", "dct:subject", "dc:subject"), _subject),
    "dct:description": _description,
    "dct:abstract": partial(_description, role="Abstract"),
    "dct:tableOfContents": partial(_description, role="TableOfContents"),
    "adms:versionNotes": partial(_description, role="versionNotes"),
    "dct:provenance": partial(_description, role="provenance"),
    **dict.fromkeys(("dct:identifier", "dc:identifier", "adms:identifier"), _identifier),
    **dict.fromkeys(("dcat:landingPage", "foaf:homepage"), _identifier),
    **dict.fromkeys(("dct:license", "dct:rights", "dct:accessRights", "dc:rights"), _rights),
    **{
        f"dct:{name}": _related
        for name in (
            "isPartOf",
            "hasPart",
            "isVersionOf",
            "hasVersion",
            "isReplacedBy",
            "replaces",
            "references",
        )
    },
    **{
        f"dct:{name}": _related
        for name in (
            "isReferencedBy",
            "relation",
            "source",
            "requires",
            "isRequiredBy",
            "conformsTo",
            "isFormatOf",
            "hasFormat",
        )
    },
    "dcat:inSeries": partial(_related, word="IsPartOf"),
    **dict.fromkeys(("dcat:previousVersion", "dcat:prev"), partial(_related, word="IsNewVersionOf")),
    "dcat:next": partial(_related, word="IsPreviousVersionOf"),
    "dcat:hasVersion": _related,
    "dcat:isVersionOf": _related,
    "owl:sameAs": _related,
    "prov:wasDerivedFrom": partial(_related, word="IsDerivedFrom"),
    "foaf:page": partial(_related, word="IsDocumentedBy"),
    "dcat:qualifiedRelation": _relationship,
    **dict.fromkeys(("dcat:distribution", "dcat:endpointURL"), _file),
    "dct:spatial": _place,
    "dct:temporal": _period,
    **dict.fromkeys(("dct:format", "dcat:mediaType"), partial(_text, field="formats")),
    "dct:extent": partial(_text, field="sizes"),
    **dict.fromkeys(("dcat:version", "owl:versionInfo", "adms:version"), _version),
}
# Names of a JSON-LD whose context is only an address. It is not loaded.
_BY_LOCAL_NAME: dict[str, Add] = {
    name.partition(":")[2]: add for name, add in reversed(_PROPERTIES.items()) if name != "rdf:type"
}
