"""Read the nodes of DCAT that become items of the document: agents, places, periods and distributions."""

from __future__ import annotations

import re
from typing import Any

from harvest_dagster.transformers.document import Affiliation, Agent, AgentKind, Date, File, Identifier, Place
from harvest_dagster.transformers.formats.dcat.graph import DcatGraph, last_part
from harvest_dagster.transformers.recognition.dates import parse_date
from harvest_dagster.transformers.recognition.identifiers import identify, identify_as
from harvest_dagster.transformers.recognition.licenses import license_address
from harvest_dagster.transformers.recognition.standard_forms import date_from, full_name
from harvest_dagster.transformers.recognition.vocabularies import relator

_PEOPLE = frozenset({"foaf:Person", "vcard:Individual", "prov:Person", "schema:Person"})
_ORGANIZATIONS = frozenset(
    {
        "foaf:Organization",
        "vcard:Organization",
        "org:Organization",
        "prov:Organization",
        "schema:Organization",
    }
)
_AGENTS = _PEOPLE | _ORGANIZATIONS | {"foaf:Agent", "vcard:Kind", "vcard:VCard", "prov:Agent", "vcard:Group"}
_NAMES = (
    "foaf:name",
    "vcard:fn",
    "vcard:organization-name",
    "schema:name",
    "skos:prefLabel",
    "rdfs:label",
    "dct:title",
)
_PLACES = frozenset({"dct:Location", "locn:Geometry", "skos:Concept"})
_PERIODS = frozenset({"dct:PeriodOfTime", "time:ProperInterval", "time:Instant"})
_FILES = frozenset(
    {"dcat:Distribution", "dct:MediaTypeOrExtent", "dct:MediaType", "dct:LicenseDocument", "spdx:Checksum"}
)
_STARTS = ("dcat:startDate", "schema:startDate", "time:hasBeginning")
_ENDS = ("dcat:endDate", "schema:endDate", "time:hasEnd")
_INSTANTS = ("time:inXSDDate", "time:inXSDDateTime", "time:inXSDDateTimeStamp", "time:inXSDgYear")
_WKT = re.compile(
    r"(?:<[^<>]+>\s*)?((?:POINT|POLYGON|MULTIPOLYGON|MULTIPOINT|LINESTRING|ENVELOPE)\s*\(.*\))", re.IGNORECASE
)


def identifiers(graph: DcatGraph, node: Any) -> tuple[Identifier, ...]:
    """Return the address of a node and its `dct:identifier`."""
    found = [identify(address)] if (address := graph.address(node)) is not None else []
    found += [identify(text) for text, _ in graph.literals(node, "dct:identifier")]
    for one in graph.objects(node, "adms:identifier"):
        found += [adms_identifier(graph, node, one)]
    for name in ("foaf:homepage", "vcard:hasURL", "foaf:workplaceHomepage", "vcard:hasUID"):
        found += [identify(text) for text, _ in graph.literals(node, name)]
    return tuple(dict.fromkeys(found))


def adms_identifier(graph: DcatGraph, node: Any, value: Any) -> Identifier:
    """Return an identifier with its agency: https://www.w3.org/TR/vocab-adms/#identifier."""
    graph.take(node, "adms:identifier", value)
    graph.take_types(value, frozenset({"adms:Identifier"}))
    scheme = graph.text(value, "adms:schemaAgency", "dct:creator") if graph.is_described(value) else None
    text = graph.label(value)
    return identify_as(scheme, text) if scheme else identify(text)


def agent(graph: DcatGraph, node: Any, value: Any, name: str, role: str | None = None) -> Agent | None:
    """Return the agent at a property, and take it: foaf:Agent, vcard:Kind, a text or an address."""
    code = relator(last_part(role)) if role else None
    roles: dict[str, Any] = {"role": code, "role_text": None if code == role else role}
    if not graph.is_described(value):
        graph.take(node, name, value)
        text = graph.label(value)
        found = identify(text)
        return Agent(text, identifiers=() if found.scheme == "other" else (found,), **roles) if text else None
    types = graph.take_types(value, _AGENTS)
    given, family = (
        graph.text(value, "foaf:givenName", "vcard:given-name"),
        graph.text(value, "foaf:familyName", "vcard:family-name"),
    )
    text = graph.text(value, *_NAMES) or full_name(family, given)
    named = identifiers(graph, value)
    text = text or next((one.value for one in named), "")
    if not text:
        return None
    graph.take(node, name, value)
    return Agent(
        text,
        kind=_kind(types),
        given=given,
        family=family,
        identifiers=named,
        affiliations=_affiliations(graph, value),
        **roles,
    )


def _affiliations(graph: DcatGraph, node: Any) -> tuple[Affiliation, ...]:
    names = ("vcard:organization-name", "org:memberOf", "schema:affiliation", "vcard:organization-unit")
    return tuple(Affiliation(text) for name in names for text, _ in graph.literals(node, name))


def _kind(types: list[str]) -> AgentKind | None:
    if not _PEOPLE.isdisjoint(types):
        return "person"
    return None if _ORGANIZATIONS.isdisjoint(types) else "organization"


def place(graph: DcatGraph, value: Any) -> list[Place]:
    """Return the place of a node, and its geometries: https://www.w3.org/TR/vocab-dcat-3/#Class:Location."""
    if not graph.is_described(value):
        text = graph.label(value)
        wkt = _WKT.fullmatch(text)
        address = graph.address(value)
        named = (identify(address),) if address else ()
        return (
            [Place(geometry=wkt[1]) if wkt else Place(None if named else text, identifiers=named)]
            if text
            else []
        )
    graph.take_types(value, _PLACES)
    shapes = []
    for name in ("dcat:bbox", "locn:geometry", "dcat:centroid"):
        shapes += _shapes(graph, value, name)
    label = graph.text(value, "skos:prefLabel", "rdfs:label", "locn:geographicName", "dct:title", "foaf:name")
    address = graph.address(value)
    named = (identify(address),) if address else ()
    found = (
        [Place(label, identifiers=named, geometry=shapes[0] if shapes else None)]
        if label or named or shapes
        else []
    )
    return [*found, *(Place(geometry=shape) for shape in shapes[1:])]


def _shapes(graph: DcatGraph, node: Any, name: str) -> list[str]:
    """Return the geometries in well-known text. Other forms, such as GML and GeoJSON, stay."""
    shapes = []
    for one in graph.objects(node, name):
        described = graph.is_described(one)
        for value in graph.objects(one, "geo:asWKT") if described else [one]:
            if match := _WKT.fullmatch(" ".join(str(value).split())):
                graph.take(node, name, one)
                graph.take_types(one, _PLACES)
                if described:
                    graph.take(one, "geo:asWKT", value)
                shapes.append(match[1])
    return shapes


def period(graph: DcatGraph, value: Any) -> Date | None:
    """Return the period of a node: https://www.w3.org/TR/vocab-dcat-3/#Class:Period_of_Time."""
    if not graph.is_described(value):
        text = graph.label(value)
        return date_from(text) if text else None
    graph.take_types(value, _PERIODS)
    start, end = _edge(graph, value, _STARTS), _edge(graph, value, _ENDS)
    if start or end:
        edges = [parse_date(one) if one else ".." for one in (start, end)]
        text = "/".join((start or "..", end or ".."))
        value_text = "/".join(filter(None, edges)) if all(edges) else None
        return Date(value_text, None if value_text == text else text)
    text = graph.label(value)
    return date_from(text) if text else None


def _edge(graph: DcatGraph, node: Any, names: tuple[str, ...]) -> str | None:
    for name in names:
        for one in graph.objects(node, name):
            if graph.is_described(one):
                graph.take_types(one, _PERIODS)
                text = graph.text(one, *_INSTANTS)
            else:
                text = graph.label(one)
            if text:
                graph.take(node, name, one)
                return text
    return None


def file(graph: DcatGraph, value: Any) -> File | None:
    """Return a distribution: https://www.w3.org/TR/vocab-dcat-3/#Class:Distribution."""
    if not graph.is_described(value):
        return File(url=graph.label(value)) if graph.label(value) else None
    graph.take_types(value, _FILES)
    url = graph.text(value, "dcat:downloadURL", "dcat:accessURL") or graph.address(value)
    license_text = graph.text(value, "dct:license")
    found = File(
        url=url,
        name=graph.text(value, "dct:title"),
        format=graph.text(value, "dcat:mediaType", "dct:format"),
        size=graph.text(value, "dcat:byteSize", "dct:extent"),
        checksum=_checksum(graph, value),
        license=(license_address(license_text) or license_text) if license_text else None,
        description=graph.text(value, "dct:description"),
    )
    return found if found != File() else None


def _checksum(graph: DcatGraph, node: Any) -> str | None:
    """Return the checksum, `algorithm:value`: https://spdx.org/rdf/terms/#Checksum."""
    for one in graph.objects(node, "spdx:checksum"):
        text = graph.text(one, "spdx:checksumValue")
        if text:
            graph.take(node, "spdx:checksum", one)
            graph.take_types(one, _FILES)
            algorithm = graph.text(one, "spdx:algorithm") or ""
            return f"{algorithm.rpartition('checksumAlgorithm_')[2]}:{text}"
    return None
