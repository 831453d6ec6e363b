"""An XML element as a value with paths, for `rest.paths`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from lxml import etree

from harvest_dagster.harvesters.formats.canonical_xml import (
    XML_WHITE_SPACE,
    canonical_xml,
    leave_out_children,
)
from harvest_dagster.harvesters.rest.paths import MISSING, PathTarget
from harvest_dagster.paths.xml_path import Step, XmlPath, parse_xml_path


class XmlElement(PathTarget):
    """An element of a page.

    Attributes:
        element: the element.
        is_page: whether it is the root of a page, so that paths begin with its name.
    """

    def __init__(self, element: etree._Element, *, is_page: bool = False) -> None:
        self.element = element
        self.is_page = is_page

    def look_up(self, path: str) -> Any:
        """Return the first text at a path, None if it is empty, or MISSING if nothing is there."""
        return next(self._texts(parse_xml_path(path)), MISSING)

    def elements(self, steps: Sequence[Step]) -> Iterator[etree._Element]:
        """Yield the elements at the steps of a path, in the order of the page."""
        if not self.is_page:
            yield from _descend(self.element, steps)
        elif steps and steps[0].name == local_name(self.element) and _has_attribute(self.element, steps[0]):
            yield from _descend(self.element, steps[1:])

    def as_object(self) -> dict[str, Any]:
        """Return the children by their paths: the texts of those without children, and empty objects for the others."""
        prefix = f"{local_name(self.element)}." if self.is_page else ""
        found: dict[str, Any] = {}
        for child in self.element:
            found.setdefault(f"{prefix}{local_name(child)}", {} if len(child) else _text(child))
        return found or {prefix.removesuffix("."): _text(self.element)}

    def canonical_form(self, volatile: Sequence[str]) -> str:
        """Return the canonical XML without the elements and attributes at these paths. The element is changed.

        Elements stay in the tree: see `canonical_xml` about the time to move an element.
        """
        children: dict[etree._Element, Sequence[etree._Element]] = {}
        for path in map(parse_xml_path, volatile):
            found = list(self.elements(path.steps))
            if path.attribute is None:
                _leave_out(found, children)
            for element in found if path.attribute is not None else ():
                for key in _attributes(element, path.attribute or ""):
                    del element.attrib[key]
        return canonical_xml(self.element, children)

    def _texts(self, path: XmlPath) -> Iterator[str | None]:
        for element in self.elements(path.steps):
            if path.attribute is None:
                yield _text(element)
            else:
                yield from (_stripped(element.get(key)) for key in _attributes(element, path.attribute))


def local_name(element: etree._Element) -> str:
    """Return the name of an element without its namespace."""
    return str(element.tag).rpartition("}")[2]


def _descend(element: etree._Element, steps: Sequence[Step]) -> Iterator[etree._Element]:
    if not steps:
        yield element
        return
    for child in element.iterchildren(f"{{*}}{steps[0].name}"):
        if _has_attribute(child, steps[0]):
            yield from _descend(child, steps[1:])


def _has_attribute(element: etree._Element, step: Step) -> bool:
    return step.attribute is None or any(
        element.get(key) == step.value for key in _attributes(element, step.attribute)
    )


def _attributes(element: etree._Element, name: str) -> list[str]:
    """Return the qualified names of the attributes with a local name."""
    return [str(key) for key in element.keys() if str(key).rpartition("}")[2] == name]  # noqa: SIM118 - no mapping


def _leave_out(
    elements: Sequence[etree._Element], children: dict[etree._Element, Sequence[etree._Element]]
) -> None:
    """Leave elements out of the children of their parents. The text after such an element moves before it."""
    left_out = set(elements)
    parents = [parent for element in elements if (parent := element.getparent()) is not None]
    for parent in dict.fromkeys(parents):
        kept = leave_out_children(parent, children.get(parent, parent), left_out.__contains__)
        if not kept and "\n" in (parent.text or "") and _stripped(parent.text) is None:
            parent.text = None  # indentation around what was left out
        children[parent] = kept


def _text(element: etree._Element) -> str | None:
    return _stripped("".join(map(str, element.itertext())))


def _stripped(text: str | None) -> str | None:
    return (text or "").strip(XML_WHITE_SPACE) or None
