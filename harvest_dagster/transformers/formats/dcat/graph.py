"""Parse a DCAT record to a graph, and remember which triples were taken.

rdflib would load contexts and external entities from their addresses. So a JSON-LD record gets a context of ours in
place of each address, and a document type declaration is refused before (`xml_tree.parse`).
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any
from urllib.parse import urljoin

import rdflib
from lxml import etree
from rdflib import BNode, Literal, URIRef
from rdflib.namespace import RDF
from rdflib.parser import StringInputSource
from rdflib.plugins.parsers.jsonld import to_rdf
from rdflib.plugins.parsers.rdfxml import RDFXMLHandler, create_parser

from harvest_dagster.errors import TransformError
from harvest_dagster.transformers.builder import DocumentBuilder
from harvest_dagster.transformers.document import Unmapped
from harvest_dagster.transformers.reading import json_tree, xml_tree

Term = URIRef | BNode | Literal
Triple = tuple[Any, Any, Any]

# Each literal keeps its text: 1.10 is not 1.1. Nothing else in this program uses rdflib.
rdflib.NORMALIZE_LITERALS = False
# It logs a traceback for each date that is none.
logging.getLogger("rdflib.term").setLevel(logging.ERROR)

PREFIXES = {
    "adms": "http://www.w3.org/ns/adms#",
    "dc": "http://purl.org/dc/elements/1.1/",
    "dcat": "http://www.w3.org/ns/dcat#",
    "dcatap": "http://data.europa.eu/r5r/",
    "dct": "http://purl.org/dc/terms/",
    "foaf": "http://xmlns.com/foaf/0.1/",
    "geo": "http://www.opengis.net/ont/geosparql#",
    "geodcat": "http://data.europa.eu/930/",
    "gsp": "http://www.opengis.net/ont/geosparql#",
    "locn": "http://www.w3.org/ns/locn#",
    "odrl": "http://www.w3.org/ns/odrl/2/",
    "org": "http://www.w3.org/ns/org#",
    "owl": "http://www.w3.org/2002/07/owl#",
    "prov": "http://www.w3.org/ns/prov#",
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
    "schema": "http://schema.org/",
    "skos": "http://www.w3.org/2004/02/skos/core#",
    "spdx": "http://spdx.org/rdf/terms#",
    "time": "http://www.w3.org/2006/time#",
    "vcard": "http://www.w3.org/2006/vcard/ns#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
}
# Names without a known meaning, of a JSON-LD whose context is only an address: `title`.
BARE = "urn:bare:"
_CONTEXT = {**PREFIXES, "dcterms": PREFIXES["dct"], "@vocab": BARE}
# Relative addresses get it, and lose it again.
_BASE = "http://record.invalid/"
_NAMES = {address: prefix for prefix, address in reversed(PREFIXES.items())} | {BARE: ""}
_LABELS = ("skos:prefLabel", "rdfs:label", "dct:title", "foaf:name", "vcard:fn", "skos:notation", "rdf:value")
_SHOWN = 5
_LONGEST_CACHED = 200


@lru_cache(maxsize=1024)
def uri(name: str) -> URIRef:
    """Return the address of a name with a prefix: `dct:title`."""
    prefix, _, rest = name.partition(":")
    return URIRef(PREFIXES[prefix] + rest)


@lru_cache(maxsize=1024)
def _bare(name: str) -> URIRef:
    return URIRef(BARE + name.rpartition(":")[2])


def last_part(address: str) -> str:
    """Return the last part of an address of a vocabulary: `DEU`."""
    return address.rstrip("/").replace("#", "/").rpartition("/")[2]


@lru_cache(maxsize=1024)
def name_of(address: str) -> str:
    """Return the name with a prefix of an address; the address itself if its namespace has no prefix here."""
    start = max(address.rfind("#"), address.rfind("/"), address.rfind(":")) + 1
    prefix = _NAMES.get(address[:start])
    if prefix is None:
        return address
    return f"{prefix}:{address[start:]}" if prefix else address[start:]


class DcatGraph:
    """The triples of one record."""

    def __init__(self, builder: DocumentBuilder, datum: str) -> None:
        self._taken: set[Triple] = set()
        # Dicts take a third of the time of the graph's own index.
        self._objects: dict[Any, dict[Any, list[Any]]] = {}
        self._subjects: dict[Any, list[tuple[Any, Any]]] = {}
        for subject, predicate, value in _parse(builder, datum):
            self._objects.setdefault(subject, {}).setdefault(predicate, []).append(value)
            self._subjects.setdefault(value, []).append((subject, predicate))

    def objects(self, node: Any, name: str) -> list[Any]:
        """Return the objects of a property, without taking them. A list gives its members."""
        known = self._objects.get(node)
        if known is None:
            return []
        values = [*known.get(uri(name), ()), *known.get(_bare(name), ())]
        return [member for one in values for member in self._members(one)]

    def _members(self, node: Any) -> list[Any]:
        """Return the members of a list (https://www.w3.org/TR/rdf-schema/#ch_list), or the node itself."""
        if RDF.first not in self._objects.get(node, ()):
            return [node]
        found: list[Any] = []
        seen: set[Any] = set()
        while node not in seen and (part := self._objects.get(node)):
            seen.add(node)
            found += part.get(RDF.first, ())
            node = next(iter(part.get(RDF.rest, ())), RDF.nil)
        return found

    def subjects(self, name: str, node: Any) -> list[Any]:
        """Return the subjects with an object at a property."""
        names = (uri(name), _bare(name))
        return list(
            dict.fromkeys(one for one, predicate in self._subjects.get(node, ()) if predicate in names)
        )

    def of_type(self, *names: str) -> list[Any]:
        """Return the subjects with one of these types, in the order of the record."""
        forms = (form for name in names for form in (uri(name), _bare(name)))
        pairs = (pair for form in forms for pair in self._subjects.get(form, ()))
        return list(dict.fromkeys(one for one, predicate in pairs if predicate == RDF.type))

    def properties(self, node: Any) -> list[tuple[str, Any]]:
        """Return the properties of a node with their objects, in the order of the record."""
        return [(name_of(str(predicate)), value) for predicate, value in self._pairs(node)]

    def _pairs(self, node: Any) -> list[tuple[Any, Any]]:
        known = self._objects.get(node, {})
        return [(predicate, value) for predicate, values in known.items() for value in values]

    def is_described(self, node: Any) -> bool:
        """Return whether the record says anything about a node."""
        return node in self._objects

    def take(self, node: Any, name: str, value: Any) -> None:
        """Take a triple."""
        predicate = uri(name) if ":" in name and name.partition(":")[0] in PREFIXES else URIRef(name)
        self._taken.add((node, predicate, value))
        self._taken.add((node, _bare(name), value))

    def is_named(self, node: Any) -> bool:
        """Return whether a node has an address and properties. An item without identifiers would lose the address."""
        return self.is_described(node) and self.address(node) is not None

    def take_types(self, node: Any, known: frozenset[str]) -> list[str]:
        """Return the types of a node. Take those that its place already says."""
        found = []
        for value in self._objects.get(node, {}).get(RDF.type, ()):
            name = name_of(str(value))
            found.append(name)
            if name in known:
                self._taken.add((node, RDF.type, value))
        return found

    def text(self, node: Any, *names: str) -> str | None:
        """Return the first text of the first of these properties that has one, and take it."""
        for name in names:
            for value in self.objects(node, name):
                if text := self.label(value):
                    self.take(node, name, value)
                    return text
        return None

    def literals(self, node: Any, name: str) -> list[tuple[str, str | None]]:
        """Return the texts of a property with their languages, and take them."""
        found = []
        for value in self.objects(node, name):
            if text := self.label(value):
                self.take(node, name, value)
                found.append((text, value.language if isinstance(value, Literal) else None))
        return found

    def label(self, value: Any) -> str:
        """Return the text of a literal, the label of a node, or its address."""
        return self.label_and_language(value)[0]

    def label_and_language(self, value: Any) -> tuple[str, str | None]:
        """Return the text of a literal, the label of a node, or its address; and the language of the text."""
        if isinstance(value, Literal):
            return " ".join(str(value).split()), value.language
        for name in _LABELS if self.is_described(value) else ():
            for one in self.objects(value, name):
                if isinstance(one, Literal):
                    self.take(value, name, one)
                    return " ".join(str(one).split()), one.language
        return self.address(value) or "", None

    def address(self, node: Any) -> str | None:
        """Return the address of a node; None for a blank node and a text."""
        if not isinstance(node, URIRef):
            return None
        return str(node).removeprefix(_BASE) or None

    def leftovers(self, main: Any) -> Iterator[Unmapped]:
        """Yield the triples that were not taken: those of the resource, of the nodes below it, and of all others."""
        seen: set[Any] = set()
        yield from self._below(main, "", seen)
        for node, properties in self._objects.items():
            if node not in seen and (isinstance(node, URIRef) or node not in self._subjects):
                types = [name_of(str(one)) for one in properties.get(RDF.type, ())]
                yield from self._below(node, types[0] if types else "", seen)
        for node in self._objects:
            if node not in seen:  # blank nodes in a circle
                yield from self._below(node, "", seen)

    def _below(self, node: Any, path: str, seen: set[Any]) -> Iterator[Unmapped]:
        stack: list[tuple[Any, str]] = [(node, path)]
        while stack:
            node, path = stack.pop()
            if node in seen:
                continue
            seen.add(node)
            inner: list[tuple[Any, str]] = []
            for predicate, value in self._pairs(node):
                here = "/".join(filter(None, (path, name_of(str(predicate)))))
                text = self.address(value) if not isinstance(value, Literal) else " ".join(str(value).split())
                is_end = predicate == RDF.rest and value == RDF.nil
                if text and not is_end and (node, predicate, value) not in self._taken:
                    yield Unmapped(here, text)
                if self.is_described(value):
                    inner.append((value, here))
            stack += reversed(inner)


class _Triples:
    """A graph for rdflib's parser of RDF/XML that can only be added to, without the indexes of rdflib's own.

    Its triples come in the order of rdflib's: by subject, then by predicate, each once.
    """

    def __init__(self) -> None:
        self._known: dict[Any, dict[Any, dict[Any, None]]] = {}

    def add(self, triple: Triple) -> None:
        """Add a triple."""
        subject, predicate, value = triple
        self._known.setdefault(subject, {}).setdefault(predicate, {})[value] = None

    def bind(self, prefix: str | None, namespace: str, *, override: bool = True) -> None:
        """Do nothing: no name is written with the prefixes of the record."""

    def __iter__(self) -> Iterator[Triple]:
        for subject, properties in self._known.items():
            for predicate, values in properties.items():
                for value in values:
                    yield subject, predicate, value


class _Handler(RDFXMLHandler):
    """rdflib's handler of RDF/XML, which spends a fifth of its time on addresses that it has seen before."""

    def absolutize(self, uri: str) -> URIRef:
        """Return an absolute address."""
        base = self.current.base
        return _absolute(base, uri) if len(uri) <= _LONGEST_CACHED else _resolved(base, uri)


def _resolved(base: str | None, address: str) -> URIRef:
    result = urljoin(base or "", address)
    return URIRef(f"{result}#" if address.endswith("#") and not result.endswith("#") else result)


_absolute = lru_cache(maxsize=4096)(_resolved)


def _parse_rdf_xml(data: bytes) -> _Triples:
    source, triples = StringInputSource(data), _Triples()
    source.setPublicId(_BASE)
    # mypy: the parser only needs `add` and `bind`.
    parser = create_parser(source, triples)  # type: ignore[arg-type]
    handler = _Handler(triples)  # type: ignore[arg-type]
    handler.setDocumentLocator(source)  # type: ignore[arg-type]
    parser.setContentHandler(handler)  # type: ignore[arg-type]
    parser.parse(source)
    return triples


def _parse(builder: DocumentBuilder, datum: str) -> Iterable[Triple]:
    """Return the triples of a datum.

    Raises:
        TransformError: it is not RDF/XML or JSON-LD.
    """
    is_xml = datum.lstrip().startswith("<")
    builder.format = "DCAT (RDF/XML)" if is_xml else "DCAT (JSON-LD)"
    source: Any = _rdf_xml(builder, datum) if is_xml else _json_ld(datum)
    try:
        if is_xml:
            return _parse_rdf_xml(source)
        # `Graph.parse` makes a graph of a deprecated class. All graphs of a record are one here.
        graph = rdflib.Graph(store="SimpleMemory", bind_namespaces="none")
        to_rdf(source, graph, base=_BASE)
    except Exception as error:  # the parsers raise many kinds, also AttributeError and KeyError
        kind = "RDF/XML" if is_xml else "JSON-LD"
        message = f"the datum is not {kind}: {type(error).__name__}: {str(error)[:200]}. The source must correct it."
        raise TransformError(message) from error
    return graph


def _rdf_xml(builder: DocumentBuilder, datum: str) -> bytes:
    """Return the RDF of a record, without its envelope of OAI-PMH."""
    record = xml_tree.read_record(datum)
    root = next(
        (one for one in record.metadata if xml_tree.namespace(one) == PREFIXES["rdf"]), record.metadata[0]
    )
    if xml_tree.namespace(root) not in PREFIXES.values():
        message = (
            f"the metadata is <{root.tag}>, not DCAT in RDF/XML. Name a transformer that reads this format, or request "
            "DCAT."
        )
        raise TransformError(message)
    xml_tree.add_envelope(builder, record)
    for other in record.metadata:
        if other is not root:
            builder.unmapped += xml_tree.leftovers(other)
    return etree.tostring(root, encoding="utf-8", with_tail=False)


def _json_ld(datum: str) -> dict[str, Any]:
    """Return the JSON-LD of a record with a context of ours before its own, and without addresses of contexts."""
    is_list = datum.lstrip()[:1] == "["
    tree = json_tree.parse(f'{{"@graph":{datum}}}' if is_list else datum)
    try:
        local = _localized(tree)
    except RecursionError as error:
        raise TransformError("the JSON-LD is nested too deeply. The source must correct it.") from error
    own = local.pop("@context", [])
    return {"@context": [_CONTEXT, *(own if isinstance(own, list) else [own])], **local}


def _localized(value: Any) -> Any:
    """Return a value without the addresses of contexts."""
    if isinstance(value, list):
        return [_localized(member) for member in value]
    if not isinstance(value, dict):
        return value
    found: dict[str, Any] = {}
    for key, member in value.items():
        if key == "@context":
            parts = member if isinstance(member, list) else [member]
            inline = [_localized(part) for part in parts if isinstance(part, dict)]
            if inline:  # an empty one would remove the prefixes
                found[key] = inline
        elif key not in ("@import", "@version"):
            found[key] = _localized(member)
    return found


def choose(graph: DcatGraph, identifier: str) -> Any:
    """Return the resource of a record.

    Raises:
        TransformError: it has none, or several.
    """
    datasets = graph.of_type("dcat:Dataset", "dcat:DatasetSeries") or graph.of_type("dcat:DataService")
    named = [one for one in datasets if graph.address(one) == identifier]
    topics = [one for one in datasets if graph.subjects("foaf:primaryTopic", one)]
    free = [one for one in datasets if not _is_referred(graph, one, datasets)]
    for found in (named, datasets, topics, free):
        if len(found) == 1:
            return found[0]
    if len(datasets) > 1:
        shown = ", ".join(graph.address(one) or "a blank node" for one in datasets[:_SHOWN])
        message = (
            f"the record has {len(datasets)} datasets: {shown}. A document describes one. Harvest each of them as a "
            "record of its own."
        )
        raise TransformError(message)
    catalogs = graph.of_type("dcat:Catalog", "dcat:Resource")
    if catalogs:
        return catalogs[0]
    raise TransformError(
        "the record has no dcat:Dataset, dcat:DataService or dcat:Catalog. Name another transformer."
    )


def _is_referred(graph: DcatGraph, node: Any, others: list[Any]) -> bool:
    return any(value == node for one in others if one != node for _, value in graph.properties(one))
