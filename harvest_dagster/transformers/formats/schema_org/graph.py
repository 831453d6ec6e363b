"""Read the objects of a JSON-LD record, and remember which values were taken.

An object may be the value of several properties, by a reference (https://www.w3.org/TR/json-ld11/#node-identifiers).
So nothing is removed before all have been read. Contexts are not loaded: only the names of schema.org in them matter.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from functools import lru_cache
from typing import Any, NamedTuple

from harvest_dagster.errors import TransformError
from harvest_dagster.transformers.document import Identifier, Unmapped
from harvest_dagster.transformers.reading import json_tree
from harvest_dagster.transformers.recognition.identifiers import identify

Node = dict[str, Any]

_SCHEMA = re.compile(r"https?://(?:www\.)?schema\.org/?#?")
_NAME = re.compile(r"(?:https?://(?:www\.)?schema\.org/|schema:)(\w+)")
_LANGUAGE = re.compile(r"[a-zA-Z]{2,3}(?:-[a-zA-Z0-9]{2,8})*")
_DEEPEST = 100

# The types of the objects that are the resource. If a page has several objects, the first of these lists decides.
_WORK_NAMES = """
Article AdvertiserContentArticle APIReference Chapter Course CreativeWork DataFeed Dataset DigitalDocument Drawing
LearningResource Legislation Manuscript Map Movie MusicRecording NewsArticle Painting Photograph Poster
PresentationDigitalDocument Report Review ScholarlyArticle MedicalScholarlyArticle SoftwareApplication
SoftwareSourceCode TechArticle Thesis VisualArtwork BlogPosting
"""
_WORKS = frozenset(_WORK_NAMES.split())
_BOOKS = frozenset({"Book"})
_PAGES = frozenset({"WebPage", "ItemPage", "AboutPage", "CollectionPage"})
_CONTAINERS = frozenset({"Collection", "DataCatalog", "Periodical", "PublicationIssue", "PublicationVolume"})
_MEDIA = frozenset({"AudioObject", "ImageObject", "MediaObject", "VideoObject"})
_ENTITIES = _WORKS | _BOOKS | _CONTAINERS | _MEDIA


class Value(NamedTuple):
    """A text of the record.

    Attributes:
        text: with single spaces, not empty.
        language: the tag of its language, if it has one.
    """

    text: str
    language: str | None = None


class Graph:
    """The objects of one record.

    Attributes:
        main: the object that is the resource.
        language: the tag of the texts without one, from `@language` of the context.
        depth: of the agents that are being read.
    """

    def __init__(self, datum: str) -> None:
        self.depth = 0
        self._taken: list[tuple[Any, Any]] = []
        self._root = _parse(datum)
        # Most records have one context. Only it, and not each object, has to be searched for prefixes.
        nodes = [self._root] if datum.count('"@context"') <= 1 and "@context" in self._root else None
        prefixes = set(_prefixes(_all_nodes(self._root) if nodes is None else nodes))
        self._nodes: list[Node] = []
        try:
            self._root = _normalized(self._root, prefixes, self._nodes)
        except RecursionError as error:
            raise TransformError(
                "the JSON-LD is nested too deeply. The source must correct the page."
            ) from error
        self.language = next(_context_languages(self._nodes), None)
        self._by_id: dict[str, Node] = {}
        for node in self._nodes:
            name = node.get("@id")
            if isinstance(name, str) and len(node) > 1:
                self._by_id.setdefault(name, node)
        self.main = self._main()

    def types(self, node: Node) -> list[str]:
        """Return the names of the types of an object, without address and prefix. Nothing is taken."""
        written = node.get("@type")
        if isinstance(written, str):
            return [_type_name(written)]
        return (
            [_type_name(name) for name in written if isinstance(name, str)]
            if isinstance(written, list)
            else []
        )

    def take_types(self, node: Node, expected: frozenset[str]) -> list[str]:
        """Return the types of an object. Take those that its place already says, such as Person of an author."""
        names = self.types(node)
        if names and expected.issuperset(names):
            self._taken.append((node, "@type"))
        return names

    def entries(self, node: Node, key: str) -> Iterator[Value | Node]:
        """Yield the values of a property: texts, which are taken, and objects. References are followed."""
        if key in node:
            yield from self._entries(node[key], node, key)

    def texts(self, node: Node, key: str) -> list[Value]:
        """Return the texts of a property, and take them. Of an object, it is the name."""
        found: list[Value] = []
        for entry in self.entries(node, key) if key in node else ():
            if isinstance(entry, Value):
                found.append(entry)
            elif (name := self.text(entry, "name") or self.text(entry, "@id")) is not None:
                self.take_types(entry, frozenset(self.types(entry)))
                found.append(Value(name))
        return found

    def text(self, node: Node, *keys: str) -> str | None:
        """Return the first text of the first property that has one, and take it."""
        for key in keys:
            value = node.get(key)
            if isinstance(value, (str, int)) and (text := _text(value)):
                self._taken.append((node, key))
                return text
            if isinstance(value, (dict, list)):
                for entry in self._entries(value, node, key):
                    if isinstance(entry, Value):
                        return entry.text
        return None

    def take(self, node: Node, key: str) -> None:
        """Take a value of a property."""
        self._taken.append((node, key))

    def mark(self) -> int:
        """Return the number of values that are taken, for `keep_only`."""
        return len(self._taken)

    def keep_only(self, mark: int, texts: Collection[str], identifiers: Collection[Identifier] = ()) -> None:
        """Give back the values that were taken since a mark and that the document does not have.

        Args:
            mark: what `mark` returned.
            texts: those that the document has.
            identifiers: those that the document has, in their normal form.
        """
        values = [one.value for one in identifiers]

        def is_kept(container: Any, key: Any) -> bool:
            text = str(_text(container[key]))
            return (
                key in ("@type", "@language", "propertyID")
                or text.startswith(("#", "_:"))  # a name that has no meaning outside of the page
                or text in texts
                or identify(text) in identifiers
                or any(value in text for value in values)
            )

        self._taken[mark:] = [one for one in self._taken[mark:] if is_kept(*one)]

    def leftovers(self) -> Iterator[Unmapped]:
        """Yield the values that were not taken."""
        for container, key in self._taken:
            container[key] = None
        for node in self._nodes:
            if "@context" in node and all(map(_SCHEMA.fullmatch, _strings(node["@context"]))):
                node["@context"] = None
        root = self._root
        return json_tree.leftovers(root["@graph"] if root.keys() == {"@graph"} else root)

    def _entries(self, value: Any, container: Any, key: Any) -> Iterator[Value | Node]:
        if isinstance(value, list):
            for index, member in enumerate(value):
                yield from self._entries(member, value, index)
        elif isinstance(value, dict):
            yield from self._of_object(value)
        elif value is not None and (text := _text(value)):
            self._taken.append((container, key))
            yield Value(text, self.language)

    def _of_object(self, value: Node) -> Iterator[Value | Node]:
        if "@value" in value:
            yield from self._of_value_object(value)
        elif "@list" in value or "@set" in value:
            for key in ("@list", "@set"):
                yield from self._entries(value.get(key), value, key)
        elif _is_language_map(value):
            for language, texts in value.items():
                for entry in self._entries(texts, value, language):
                    yield entry._replace(language=language) if isinstance(entry, Value) else entry
        elif value.keys() == {"@id"} and (target := self._by_id.get(str(value["@id"]))) is not None:
            self._taken.append((value, "@id"))
            yield target
        else:
            yield value

    def _of_value_object(self, value: Node) -> Iterator[Value]:
        """Yield the text of a value object: https://www.w3.org/TR/json-ld11/#value-objects."""
        language = value.get("@language")
        if text := _text(value["@value"]):
            self._taken += [(value, key) for key in ("@value", "@language", "@type") if key in value]
            yield Value(text, language if isinstance(language, str) else None)

    def _main(self) -> Node:
        """Return the object that is the resource.

        Raises:
            TransformError: there is none.
        """
        root = self._root
        graph = root.get("@graph")
        nodes = [node for node in graph if isinstance(node, dict)] if isinstance(graph, list) else []
        nodes = [inner for node in nodes for inner in _with_graph(node)]
        if root.keys() - {"@graph", "@context", "@id"} or not nodes:
            nodes.insert(0, root)
        for wanted in (_WORKS, _BOOKS, _PAGES, _CONTAINERS, _MEDIA):
            for node in nodes:
                if not wanted.isdisjoint(self.types(node)):
                    found = self._entity_of(node) if wanted is _PAGES else node
                    if found is not None:
                        return found
        named = (node for node in nodes if node.keys() & {"name", "headline"})
        return next(named, nodes[0])

    def _entity_of(self, page: Node) -> Node | None:
        """Return the main object of a page, or None."""
        for key in ("mainEntity", "about"):
            for entry in self.entries(page, key):
                if isinstance(entry, dict) and not _ENTITIES.isdisjoint(self.types(entry)):
                    return entry
        return None


@lru_cache(maxsize=1024)
def _type_name(written: str) -> str:
    return re.split(r"[/#:]", written)[-1]


def _parse(datum: str) -> Node:
    """Return the record. Several values on one page are a list: it becomes a graph."""
    if datum.lstrip()[:1] == "[":
        return json_tree.parse(f'{{"@graph":{datum}}}')
    return json_tree.parse(datum)


def _prefixes(nodes: Iterable[Node]) -> Iterator[str]:
    """Yield the prefixes that the contexts of some objects define for schema.org."""
    for node in nodes:
        context = node.get("@context")
        for part in context if isinstance(context, list) else [context]:
            if isinstance(part, dict):
                for prefix, address in part.items():
                    if isinstance(address, str) and _SCHEMA.fullmatch(address):
                        yield prefix


def _context_languages(nodes: Iterable[Node]) -> Iterator[str]:
    for node in nodes:
        context = node.get("@context")
        for part in context if isinstance(context, list) else [context]:
            if isinstance(part, dict) and isinstance(part.get("@language"), str):
                yield part.pop("@language")


def _normalized(value: Any, prefixes: set[str], nodes: list[Node]) -> Any:
    """Return a value whose keys lack the prefix or the address of schema.org. Its objects are added to `nodes`."""
    if isinstance(value, list):
        return [
            _normalized(member, prefixes, nodes) if isinstance(member, (dict, list)) else member
            for member in value
        ]
    if not isinstance(value, dict):
        return value
    found: Node = {}
    nodes.append(found)
    for key, member in value.items():
        name = key
        if ":" in key:
            prefix, _, rest = key.partition(":")
            match = _NAME.fullmatch(key)
            name = match[1] if match else rest if prefix in prefixes else key
        inner = member
        if key != "@context" and isinstance(member, (dict, list)):
            inner = _normalized(member, prefixes, nodes)
        found[key if name in value and name != key else name] = inner
    return found


def _all_nodes(value: Any, depth: int = 0) -> Iterator[Node]:
    """Yield the objects of a record."""
    if depth > _DEEPEST:
        return
    if isinstance(value, dict):
        yield value
        for key, member in value.items():
            if key != "@context" and isinstance(member, (dict, list)):
                yield from _all_nodes(member, depth + 1)
    elif isinstance(value, list):
        for member in value:
            yield from _all_nodes(member, depth + 1)


def _with_graph(node: Node) -> Iterator[Node]:
    """Yield an object, or the members of its graph: several blocks of a page may each have one."""
    graph = node.get("@graph")
    if isinstance(graph, list) and not node.keys() - {"@graph", "@context", "@id"}:
        yield from (member for member in graph if isinstance(member, dict))
    else:
        yield node


def _is_language_map(value: Node) -> bool:
    return (
        bool(value)
        and all(_LANGUAGE.fullmatch(key) and isinstance(member, (str, list)) for key, member in value.items())
        and not value.keys() & {"name", "url", "geo", "isbn", "text", "size"}
    )


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, dict)):
        for member in value if isinstance(value, list) else value.values():
            yield from _strings(member)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return " ".join(str(value).split()) if isinstance(value, (str, int)) else ""
