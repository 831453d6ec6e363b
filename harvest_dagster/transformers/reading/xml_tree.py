"""Read an XML record so that nothing is lost.

A transformer takes texts and attributes out of the tree. What remains when it has finished has no field in the
document: `leftovers` yields it. Elements are identified by namespace and local name, never by prefix.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import chain
from typing import TYPE_CHECKING

from harvest_dagster.errors import TransformError
from harvest_dagster.transformers.document import Origin, Rights, Unmapped
from harvest_dagster.transformers.recognition.licenses import license_address

if TYPE_CHECKING:
    from lxml.etree import XMLParser, _Element

    from harvest_dagster.transformers.builder import DocumentBuilder

OAI = "{http://www.openarchives.org/OAI/2.0/}"
XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"
XSI = "{http://www.w3.org/2001/XMLSchema-instance}"
XLINK_HREF = "{http://www.w3.org/1999/xlink}href"
_PROVENANCE = "{http://www.openarchives.org/OAI/2.0/provenance}"
_RIGHTS = "{http://www.openarchives.org/OAI/2.0/rights/}"
_OF_HEADERS = frozenset({"identifier", "datestamp", "setSpec"})
# They tell a validator where the schema is, and say nothing about the resource.
_OF_SCHEMAS = frozenset({f"{XSI}schemaLocation", f"{XSI}noNamespaceSchemaLocation", f"{XSI}nil"})

# Elements of HTML, JATS and TEI that mark up a part of a sentence, even where no other text stands beside them.
_INLINE_NAMES = """
a abbr b bdi bdo big bold cite code del dfn em emph emphasis font hi i inf ins italic kbd mark monospace
overline q roman s samp sc scp small span strike strong sub sup tt u underline var
"""
# Elements that end a line or a paragraph, even between other text.
_BLOCK_NAMES = """
abstract address article blockquote body br break caption dd div dl dt fig footer h1 h2 h3 h4 h5 h6 header hr
label lb li list list-item ol p para sec section table td th title tr ul
"""
_INLINE = frozenset(_INLINE_NAMES.split())
_BLOCKS = frozenset(_BLOCK_NAMES.split())
_MATHML = "{http://www.w3.org/1998/Math/MathML}"


@dataclass(frozen=True)
class XmlRecord:
    """The parts of a record.

    Attributes:
        metadata: the elements inside `metadata`; the root itself if the record is not one of OAI-PMH.
        sets: the setSpecs of the header.
        about: the `about` elements.
        unknown: the elements of the record and of its header that OAI-PMH does not have there.
    """

    metadata: tuple[_Element, ...]
    sets: tuple[str, ...] = ()
    about: tuple[_Element, ...] = ()
    unknown: tuple[_Element, ...] = ()


@cache
def _parser() -> XMLParser:
    from lxml import etree  # noqa: PLC0415 - loading the catalog needs no parser

    return etree.XMLParser(
        encoding="utf-8",
        resolve_entities=False,
        load_dtd=False,
        no_network=True,
        remove_comments=True,
        remove_pis=True,
        collect_ids=False,
    )


def parse(datum: str) -> _Element:
    """Return the root element of a canonical blob.

    Raises:
        TransformError: the datum is not well-formed XML.
    """
    from lxml import etree  # noqa: PLC0415 - loading the catalog needs no parser

    # The text and the attributes of a canonical blob contain no unescaped <.
    if "<!DOCTYPE" in datum:
        message = (
            "the datum has a document type declaration, which is not allowed. The source must remove it."
        )
        raise TransformError(message)
    try:
        return etree.fromstring(datum.encode(), _parser())
    except (etree.XMLSyntaxError, UnicodeEncodeError) as error:
        message = f"the datum is not well-formed XML: {error}. The source must correct the record."
        raise TransformError(message) from error


def read_record(datum: str) -> XmlRecord:
    """Return the parts of a record.

    Raises:
        TransformError: the datum is not well-formed XML, or it is an OAI-PMH record without metadata.
    """
    root = parse(datum)
    record = split_envelope(root)
    if not record.metadata:
        message = f"no metadata in <{root.tag}>. Ask the source whether the record is deleted."
        raise TransformError(message)
    return record


def split_envelope(root: _Element) -> XmlRecord:
    """Return the parts of an OAI-PMH record, or the root as the metadata.

    The namespace does not matter, because some sources write it with `https`.
    """
    if local_name(root) == "metadata":
        return XmlRecord(_content(root))
    parts: dict[str, list[_Element]] = {"header": [], "metadata": [], "about": []}
    for part in root:
        parts.setdefault(local_name(part), []).append(part)
    if local_name(root) != "record" or not (parts["header"] or parts["metadata"]):
        return XmlRecord((root,))
    metadata = tuple(element for part in parts["metadata"] for element in _content(part))
    inside = [one for header in parts.pop("header") for one in header]
    set_specs = (joined_text(one) for one in inside if local_name(one) == "setSpec")
    about = tuple(parts.pop("about"))
    del parts["metadata"]
    unknown = (
        *(one for one in inside if local_name(one) not in _OF_HEADERS),
        *chain.from_iterable(parts.values()),
    )
    return XmlRecord(metadata, tuple(filter(None, map(fold, set_specs))), about, unknown)


def _content(metadata: _Element) -> tuple[_Element, ...]:
    """Return the elements inside `metadata`, and inside `metadata` in it (docs/failures.md#dublin-core-in-practice)."""
    return tuple(
        element
        for part in metadata
        for element in (_content(part) if local_name(part) == "metadata" else (part,))
    )


def add_envelope(builder: DocumentBuilder, record: XmlRecord) -> None:
    """Add the sets of a record, and what its `about` elements say: the provenance, the rights, and the rest."""
    builder.sets += record.sets
    for about in record.about:
        for origin in about.iter(f"{_PROVENANCE}originDescription"):
            builder.origins.append(_origin(origin))
        for reference in about.iter(f"{_RIGHTS}rightsReference"):
            address = take_attribute(reference, "ref") or take_text(reference)
            if address:
                builder.rights.append(Rights(address, license=license_address(address) or address))
        for definition in about.iter(f"{_RIGHTS}rightsDefinition"):
            if text := take_all_text(definition):
                builder.rights.append(Rights(text, license=license_address(text)))
        builder.unmapped += leftovers(about)
    for unknown in record.unknown:
        builder.unmapped += leftovers(unknown)


def _origin(element: _Element) -> Origin:
    """Return one step of the way of a record: http://www.openarchives.org/OAI/2.0/guidelines-provenance.htm."""
    texts = {local_name(part): take_text(part) for part in element if not len(part)}
    return Origin(
        base_url=texts.get("baseURL"),
        identifier=texts.get("identifier"),
        datestamp=texts.get("datestamp"),
        harvested=take_attribute(element, "harvestDate"),
        namespace=texts.get("metadataNamespace"),
        altered=take_attribute(element, "altered"),
    )


@lru_cache(maxsize=4096)
def _local(tag: str) -> str:
    return tag.rpartition("}")[2]


@lru_cache(maxsize=4096)
def _space(tag: str) -> str:
    return tag[1:].partition("}")[0] if tag.startswith("{") else ""


def local_name(element: _Element) -> str:
    """Return the name of an element without its namespace."""
    return _local(str(element.tag))


def namespace(element: _Element) -> str:
    """Return the namespace of an element; empty if it has none."""
    return _space(str(element.tag))


def fold(text: str) -> str:
    """Return a text in which each run of white space is one space, and none at the ends."""
    return " ".join(text.split())


def take_attribute(element: _Element, name: str) -> str | None:
    """Take an attribute out of an element. Return its text, or None if it is missing or empty."""
    value = element.get(name)
    if value is None:
        return None
    del element.attrib[name]
    return " ".join(value.split()) or None


def take_language(element: _Element) -> str | None:
    """Take the `xml:lang` of an element."""
    return take_attribute(element, XML_LANG)


def take_text(element: _Element) -> str | None:
    """Take the text of an element that has no elements inside, or the text before the first of them."""
    text = element.text
    if text is None:
        return None
    element.text = None
    return " ".join(text.split()) or None


def take_all_text(element: _Element) -> str | None:
    """Take the text of an element and of all elements in it. Where these are not part of a sentence, add spaces."""
    if not len(element):
        return take_text(element)
    text = fold(joined_text(element))
    for inner in element.iter():
        inner.text = None
        if inner is not element:
            inner.tail = None
    return text or None


def joined_text(element: _Element) -> str:
    """Return the text of an element and of all elements in it. Where these are not part of a sentence, add spaces."""
    from lxml import etree  # noqa: PLC0415 - loading the catalog needs no parser

    texts: list[str] = []
    mixed: list[bool] = []  # of the open elements: whether each has text of its own
    for event, node in etree.iterwalk(element, events=("start", "end")):
        separator = (
            " " if node is not element and _is_separate(node, mixed=mixed[-1 - (event == "end")]) else ""
        )
        if event == "start":
            mixed.append(bool(own_text(node)))
            texts += [separator, node.text or ""]
        else:
            mixed.pop()
            texts += [separator, (node.tail or "") if node is not element else ""]
    return "".join(texts)


def own_text(element: _Element) -> str:
    """Return the text of an element that is in none of its elements."""
    return fold(" ".join([element.text or "", *(part.tail or "" for part in element)]))


def _is_separate(element: _Element, *, mixed: bool) -> bool:
    """Return whether the text of an element is separate from the text beside it.

    Args:
        element: an element inside another.
        mixed: whether the other has text of its own. Then only a paragraph or a line break is separate.
    """
    name = local_name(element).lower()
    inline = name in _INLINE or str(element.tag).startswith(_MATHML)
    return name in _BLOCKS if mixed else not inline


def leftovers(element: _Element) -> Iterator[Unmapped]:
    """Yield the texts and attributes that are still in a tree, each with its path from the element on."""
    paths: dict[_Element, str] = {element: local_name(element)}
    for node in element.iter():
        for name, value in node.items():
            if name not in _OF_SCHEMAS and (text := fold(str(value))):
                yield Unmapped(f"{_path(paths, node)}/@{name!s}", text)
        inside, after = node.text, node.tail
        if inside and (text := fold(inside)):
            yield Unmapped(_path(paths, node), text)
        # A tail is text of the parent.
        if after and node is not element and (text := fold(after)):
            yield Unmapped(_path(paths, _parent(node)), text)


def _path(paths: dict[_Element, str], node: _Element) -> str:
    """Return the path of an element, from the root on. The names of all children of a parent are found at once."""
    found = paths.get(node)
    if found is not None:
        return found
    parent = _parent(node)
    path, inside = _path(paths, parent), _space(str(parent.tag))
    tags = [str(part.tag) for part in parent]
    several = len(set(tags)) < len(tags)
    places: dict[str, int] = {}
    totals = Counter(tags) if several else places
    for part, tag in zip(parent, tags, strict=True):
        name = f"{path}/{tag if _space(tag) != inside else _local(tag)}"
        if several and totals[tag] > 1:
            place = places[tag] = places.get(tag, 0) + 1
            name = f"{name}[{place}]"
        paths[part] = name
    return paths[node]


def _parent(node: _Element) -> _Element:
    parent = node.getparent()
    if parent is None:  # pragma: no cover - only the root has none, and it is not asked for
        message = f"<{node.tag}> has no parent"
        raise LookupError(message)
    return parent
