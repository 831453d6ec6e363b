"""Find values at paths of a record, and remember which were taken.

A value may go into several fields. So nothing is removed from the record before all rules have been followed.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from harvest_dagster.errors import ProtocolError, TransformError
from harvest_dagster.paths.syntax import ROOT, Location, parse_path
from harvest_dagster.transformers.document import Unmapped
from harvest_dagster.transformers.reading import json_tree, xml_tree

if TYPE_CHECKING:
    from lxml.etree import _Element

    from harvest_dagster.paths.xml_path import Step, XmlPath

_EVERY = "[*]"


class Found(NamedTuple):
    """One value of a record.

    Attributes:
        value: the value; the element, for XML.
        parent: the object or list of JSON that contains it; None for the record itself, and for XML.
        key: its name or index in the parent; the qualified name of an attribute of XML, or None.
    """

    value: Any
    parent: Any = None
    key: Any = None


class Tree(ABC):
    """A record.

    Attributes:
        roots: where paths start; more than one if an OAI-PMH record has several metadata elements.
    """

    roots: tuple[Found, ...]

    def __init__(self) -> None:
        self.taken: list[Found] = []

    @abstractmethod
    def find(self, start: Found, path: str) -> list[Found]:
        """Return the values at a path, in their order. A list gives each of its members."""

    @abstractmethod
    def text(self, found: Found) -> str | None:
        """Return a value as a text with single spaces; None if it is empty or has no text."""

    @abstractmethod
    def leftovers(self) -> Iterator[Unmapped]:
        """Yield the values that were not taken."""


_MISSING = object()


class JsonTree(Tree):
    """A record of JSON; a row of CSV, too."""

    def __init__(self, datum: str) -> None:
        super().__init__()
        self._record = json_tree.parse(datum)
        self.roots = (Found(self._record),)

    def find(self, start: Found, path: str) -> list[Found]:
        """Return the values at a path, in their order. A list gives each of its members."""
        if path == ROOT:
            return [start]
        if not path.startswith(ROOT):
            names, value = _names(path), start.value
            if len(names) == 1 and isinstance(value, dict):
                found = value.get(names[0], _MISSING)
                if not isinstance(found, list):
                    return [] if found is _MISSING else [Found(found, value, names[0])]
            return _single(start, names) or list(_descend(start, names))
        return [member for found in _matches(start, path) for member in _members(found)]

    def text(self, found: Found) -> str | None:
        """Return a value as a text with single spaces; None if it is empty or has no text."""
        value = found.value
        if isinstance(value, str):
            return " ".join(value.split()) or None
        if value is None or isinstance(value, (dict, list)):
            return None
        return ("false", "true")[value] if isinstance(value, bool) else str(value)

    def leftovers(self) -> Iterator[Unmapped]:
        """Yield the values that were not taken."""
        for found in self.taken:
            # The places of other members of a list must not move: a path names them.
            if found.parent is not None and found.key is not None:
                found.parent[found.key] = None
        return json_tree.leftovers(self._record)


class XmlTree(Tree):
    """A record of XML. Its paths start inside the root element; they may name the root element first."""

    def __init__(self, elements: Iterable[_Element]) -> None:
        super().__init__()
        self._elements = tuple(elements)
        self.roots = tuple(Found(element) for element in self._elements)

    def find(self, start: Found, path: str) -> list[Found]:
        """Return the values at a path, in their order. A list gives each of its members."""
        if path == ROOT:
            return [start]
        if start.key is not None:
            return []
        parsed = _xml_path(path)
        found = list(_elements(start.value, parsed.steps))
        if not found and start in self.roots and parsed.steps[:1]:
            first, *steps = parsed.steps
            if first.name == xml_tree.local_name(start.value):
                found = list(_elements(start.value, steps))
        if parsed.attribute is None:
            return [Found(element) for element in found]
        return [
            Found(element, key=name) for element in found for name in _attributes(element, parsed.attribute)
        ]

    def text(self, found: Found) -> str | None:
        """Return a value as a text with single spaces; None if it is empty or has no text."""
        if found.key is not None:
            return xml_tree.fold(str(found.value.get(found.key, ""))) or None
        element = found.value
        return (
            xml_tree.fold(element.text or "" if not len(element) else xml_tree.joined_text(element)) or None
        )

    def leftovers(self) -> Iterator[Unmapped]:
        """Yield the values that were not taken."""
        for found in self.taken:
            if found.key is None:
                xml_tree.take_all_text(found.value)
            else:
                found.value.attrib.pop(found.key, None)
        for element in self._elements:
            yield from xml_tree.leftovers(element)


@lru_cache(maxsize=1024)
def _names(path: str) -> tuple[str, ...]:
    return tuple(name.removesuffix(_EVERY) for name in path.split("."))


def _members(found: Found) -> Iterator[Found]:
    if isinstance(found.value, list):
        for index, member in enumerate(found.value):
            yield from _members(Found(member, found.value, index))
    else:
        yield found


def _single(start: Found, names: tuple[str, ...]) -> list[Found]:
    """Return the value at a dotted path of objects only; nothing if a list is on the way. Most paths are so."""
    value, parent = start.value, None
    for name in names:
        if not isinstance(value, dict) or name not in value:
            return []
        parent, value = value, value[name]
    return [] if isinstance(value, list) else [Found(value, parent, names[-1])]


def _descend(start: Found, names: tuple[str, ...]) -> Iterator[Found]:
    """Yield the values at a dotted path. A name applies to each member of a list; a number is the index of one."""
    value = start.value
    if not names:
        yield from _members(start)
    elif isinstance(value, dict):
        yield from _of_object(value, names)
    elif isinstance(value, list) and names[0].isdecimal():
        for found in _at(start, (int(names[0]),)):
            yield from _descend(found, names[1:])
    elif isinstance(value, list):
        for index, member in enumerate(value):
            yield from _descend(Found(member, value, index), names)


def _of_object(value: dict[str, Any], names: tuple[str, ...]) -> Iterator[Found]:
    """Yield the values at a dotted path. A key may contain dots, too: `dc.title` of a CSV file."""
    for length in range(1, len(names) + 1):
        key = names[0] if length == 1 else ".".join(names[:length])
        if key in value:
            found = list(_descend(Found(value[key], value, key), names[length:]))
            if found:
                yield from found
                return


def _matches(start: Found, path: str) -> Iterator[Found]:
    """Yield the values at a JSONPath.

    Raises:
        TransformError: the record is nested too deeply for `..`.
    """
    parsed = parse_path(path)
    if parsed.query is None:
        yield from _at(start, parsed.location or ())
        return
    try:
        for location, _ in parsed.query.matches(start.value):
            yield from _at(start, location)
    except ProtocolError as error:
        raise TransformError(str(error)) from error


def _at(start: Found, location: Location) -> Iterator[Found]:
    """Yield the value at a location, if there is one."""
    found = start
    try:
        for key in location:
            found = Found(found.value[key], found.value, key)
    except (KeyError, IndexError, TypeError):
        return
    yield found


def _xml_path(path: str) -> XmlPath:
    """Return a parsed path.

    Raises:
        TransformError: it is no path into XML.
    """
    from harvest_dagster.paths.xml_path import parse_xml_path  # noqa: PLC0415 - records of JSON need it not

    try:
        return parse_xml_path(path.replace(_EVERY, ""))
    except ValueError as error:
        message = f"the record is XML: {error}. Correct the path in `transformer_kwargs`."
        raise TransformError(message) from error


def _elements(element: _Element, steps: Iterable[Step]) -> Iterator[_Element]:
    first, *rest = steps or (None,)
    if first is None:
        yield element
        return
    for child in element:
        if first.name in (xml_tree.local_name(child), "*") and _fits(child, first):
            yield from _elements(child, rest)


def _fits(element: _Element, step: Step) -> bool:
    return step.attribute is None or any(
        element.get(key) == step.value for key in _attributes(element, step.attribute)
    )


def _attributes(element: _Element, name: str) -> list[str]:
    """Return the qualified names of the attributes with a local name."""
    return [str(key) for key in element.attrib if str(key).rpartition("}")[2] == name]
