"""Read the Dublin Core elements from the XML of an OAI-PMH record. `elements` interprets them.

The container of the elements: http://www.openarchives.org/OAI/2.0/oai_dc.xsd. Elements are identified by namespace
and local name, never by prefix. Sources also send, and this module reads (docs/failures.md#dublin-core-in-practice):

- A container in another namespace, or with the name `qualifieddc`, which DSpace gives to the container of qualified
  Dublin Core.
- Several containers in one record. All are read, in their order.
- `metadata` inside `metadata`, with a container in it or only the elements.
- Elements inside an element. They are the parts of its text, or a list of values. The parts are separated by a space,
  unless they are mark-up inside a sentence (`H<sub>2</sub>O`).

Metadata in another format beside the Dublin Core has no field, and is kept in `unmapped`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache

from lxml import etree

from harvest_dagster.errors import TransformError
from harvest_dagster.transformers.builder import DocumentBuilder
from harvest_dagster.transformers.document import Document
from harvest_dagster.transformers.formats.oai_dc import elements as dublin_core
from harvest_dagster.transformers.formats.oai_dc.canonical_record import (
    CONTAINERS,
    METADATA,
    WRAPPERS,
    CanonicalRecord,
    read_canonical,
)
from harvest_dagster.transformers.formats.oai_dc.elements import Value
from harvest_dagster.transformers.reading.xml_tree import (
    XSI,
    add_envelope,
    fold,
    joined_text,
    leftovers,
    namespace,
    own_text,
    parse,
    split_envelope,
    take_attribute,
    take_language,
)

_XSI_TYPE = f"{XSI}type"
_RDF_RESOURCE = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}resource"
_RDF_LISTS = frozenset({"bag", "seq", "alt"})
_NAMES_SHOWN = 5
_TEXT_SHOWN = 80


def read_document(identifier: str, datum: str) -> Document:
    """Return the document of one record.

    Raises:
        TransformError: the datum is not well-formed XML, has no metadata, has metadata in another format, or has
            no value in any element of Dublin Core.
    """
    canonical = read_canonical(datum)
    return _read_tree(identifier, datum) if canonical is None else _document(identifier, canonical)


def _document(identifier: str, record: CanonicalRecord) -> Document:
    builder = DocumentBuilder(identifier, "oai_dc", _format(record.namespace))
    dublin_core.add_values(builder, record.values, frozenset((record.namespace,)))
    builder.sets += record.sets
    return builder.build()


def _format(namespace_of_container: str) -> str:
    return namespace_of_container.replace("https://", "http://", 1)


def _read_tree(identifier: str, datum: str) -> Document:
    root = parse(datum)
    containers = _containers(root)
    namespaces = frozenset(namespace(container) for container in containers)
    values = [value for container in containers for value in _values(container, namespaces)]
    if not any(dublin_core.is_known(value.element, namespaces) for value in values):
        raise TransformError(_nothing_recognized(values))
    for container in containers:
        _take_texts(container)
    builder = DocumentBuilder(identifier, "oai_dc", _format(namespace(containers[0])))
    dublin_core.add_values(builder, values, namespaces)
    record = split_envelope(root)
    add_envelope(builder, record)
    return builder.build(rest for metadata in record.metadata for rest in leftovers(metadata))


def _nothing_recognized(values: Sequence[Value]) -> str:
    if not values:
        return (
            "the Dublin Core of the record is empty. The source must correct the record. Ask the source whether it is "
            "deleted."
        )
    names = list(dict.fromkeys(value.element for value in values))
    shown = ", ".join(f"<{name}>" for name in names[:_NAMES_SHOWN]) + (
        ", ..." if names[_NAMES_SHOWN:] else ""
    )
    return (
        f"the record has no element of Dublin Core, only {shown}, beginning '{values[0].text[:_TEXT_SHOWN]}'. If the "
        "source sends another format, harvest with `metadata_prefix: oai_dc`, or name a transformer that reads this "
        "format. Otherwise the source must correct the record."
    )


def _containers(root: etree._Element) -> list[etree._Element]:
    """Return the elements that contain the Dublin Core elements, in their order. There is at least one.

    They are usually one `metadata/oai_dc:dc`. The root itself may be a container, too.
    """
    metadata = [root] if _local_name(root.tag) in WRAPPERS else _children_named(root, METADATA)
    if not metadata:
        message = f"no <metadata> in <{root.tag}>. Ask the source whether the record is deleted."
        raise TransformError(message)
    containers = [container for element in metadata for container in _find_containers(element)]
    if not containers:
        raise TransformError(_no_container(metadata))
    return containers


def _no_container(metadata: Sequence[etree._Element]) -> str:
    content = [child for element in metadata for child in _content(element)]
    if not content:
        return "the record's <metadata> is empty. The source must correct the record."
    return (
        f"the metadata is <{content[0].tag}>, not Dublin Core. Harvest with `metadata_prefix: oai_dc`, or "
        "name a transformer that reads this format."
    )


def _content(metadata: etree._Element) -> Iterator[etree._Element]:
    """Yield the elements inside `metadata` and inside `metadata` in it."""
    for child in metadata:
        if _local_name(child.tag) == METADATA:
            yield from _content(child)
        else:
            yield child


def _find_containers(element: etree._Element, *, inside: bool = False) -> Iterator[etree._Element]:
    """Yield this container or `metadata` element, if values stand directly in it, and those inside it.

    Args:
        element: a container or `metadata`.
        inside: whether it is inside a container, so that everything in it is a value.
    """
    is_container = _local_name(element.tag) in CONTAINERS
    found = inside or is_container or any(dublin_core.is_known(str(child.tag)) for child in element)
    if found:
        yield element
    for child in element:
        if _local_name(child.tag) in WRAPPERS:
            yield from _find_containers(child, inside=found)


def _children_named(element: etree._Element, name: str) -> list[etree._Element]:
    return [child for child in element if _local_name(child.tag) == name]


@lru_cache(maxsize=1024)
def _local_name(tag: object) -> str:
    return str(tag).rpartition("}")[2].lower()


def _values(container: etree._Element, namespaces: frozenset[str]) -> Iterator[Value]:
    """Yield the elements that have a text, in their order, and then the text beside them."""
    own_texts = [container.text or ""]
    for node in container:
        if node.tail:
            own_texts.append(node.tail)
        if _local_name(node.tag) in WRAPPERS:
            continue
        if len(node) or node.keys():
            yield from _values_of(node, str(node.tag), namespaces)
        elif text := fold(node.text or ""):
            yield Value(str(node.tag), text)
    if text := fold(" ".join(own_texts)):
        yield Value(str(container.tag), text)


def _values_of(
    node: etree._Element, element: str, namespaces: frozenset[str], language: str | None = None
) -> Iterator[Value]:
    """Yield the value of a node as that of an element, or the values in it if it is a list."""
    has_texts = bool(node.keys()) and dublin_core.has_texts(element, namespaces)
    language = (take_language(node) if has_texts else None) or language
    beside = own_text(node) if len(node) else ""
    if len(node) and not beside and (items := _list_items(node, element, namespaces)):
        for item, name in items:
            yield from _values_of(item, name, namespaces, language)
        return
    text = fold(joined_text(node) if len(node) else node.text or "")
    if not text and node.keys():
        text = _take_attribute(node, _RDF_RESOURCE)
    if text:
        scheme = _take_attribute(node, _XSI_TYPE).rpartition(":")[2] if has_texts else ""
        parts = () if beside or not len(node) else _parts(node)
        yield Value(element, text, language, scheme or None, parts)


def _list_items(
    node: etree._Element, element: str, namespaces: frozenset[str]
) -> list[tuple[etree._Element, str]]:
    """Return the nodes inside a node that are values of their own, each with its element; none if it is one value.

    A list is `rdf:Bag`, `rdf:Seq` or `rdf:Alt`, or elements of the same field: `dcterms:issued` in `dc:date`.
    """
    if len(node) == 1 and _local_name(node[0].tag) in _RDF_LISTS and not own_text(node[0]):
        items = list(node[0])
        is_list = all(_local_name(item.tag) == "li" for item in items)
        return [(item, element) for item in items] if is_list else []
    field = dublin_core.field_of(element, namespaces)
    tags = [str(child.tag) for child in node]
    if field == dublin_core.UNMAPPED or any(dublin_core.field_of(tag, namespaces) != field for tag in tags):
        return []
    return list(zip(node, tags, strict=True))


def _parts(node: etree._Element) -> tuple[tuple[str, str], ...]:
    """Return the name and the text of each element in a node."""
    return tuple((_local_name(child.tag), fold(joined_text(child))) for child in node)


def _take_attribute(node: etree._Element, name: str) -> str:
    """Take the value of an attribute, also if its namespace is written with `https`; empty if it is missing."""
    return take_attribute(node, name) or take_attribute(node, name.replace("http://", "https://", 1)) or ""


def _take_texts(container: etree._Element) -> None:
    """Take the texts in a container and in its elements. `_values` has read all of them."""
    container.text = None
    for node in container.iterdescendants():
        node.text = node.tail = None
