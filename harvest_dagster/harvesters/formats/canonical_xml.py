"""The canonical form of an XML element: the same content always gives the same text.

The content is the elements, the attributes and the text. A server may write the same content differently from one
day to the next: it may choose other namespace prefixes, declare them in other places, order or quote attributes
differently, use character references or CDATA, change the encoding, add comments and processing instructions, or
indent elements. None of this changes the canonical form. The rules:

- A prefix depends on its namespace only. It is the one in `PREFIXES`, or `ns_` and the first twelve hexadecimal
  digits of the SHA-256 of the URI. If that would give two namespaces of the element the same prefix, all 64 digits are
  used. There is no default namespace. The outermost element declares all namespaces that are in use, and no others.
- Attributes are sorted by their prefixed name. The value of `xsi:type` is a qualified name, so its prefix is
  replaced, too. If that prefix is not declared, and is one of ours, a colon is put before it. Other prefixes in values
  and text stay as they are: only the schema could tell them from text.
- Indentation is dropped: the texts of an element that contains elements, if each of them is empty or consists of white
  space with a line break. If one of them has another character, or white space without a line break, the element has
  mixed content and keeps all of them: `<b>Homo</b> <i>sapiens</i>` are two words. Elements without children and
  everything below `xml:space="preserve"` keep their white space, too.
- Escapes follow Canonical XML 1.0, section 2.3 (https://www.w3.org/TR/2001/REC-xml-c14n-20010315). lxml's own C14N
  does not fit: it keeps the server's prefixes, repeats declarations on every element that needs them, and fails on
  relative namespace URIs.

Every stored hash depends on `PREFIXES` and on these rules. If you change them, raise the harvesters' `VERSION`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import cast

from lxml import etree

PREFIXES = MappingProxyType(
    {
        "http://www.openarchives.org/OAI/2.0/": "oai",
        "http://www.openarchives.org/OAI/2.0/oai_dc/": "oai_dc",
        "http://www.openarchives.org/OAI/2.0/provenance": "provenance",
        "http://www.openarchives.org/OAI/2.0/rights/": "oai_rights",
        "http://purl.org/dc/elements/1.1/": "dc",
        "http://purl.org/dc/terms/": "dcterms",
        "http://www.w3.org/2001/XMLSchema-instance": "xsi",
        "http://www.w3.org/1999/xlink": "xlink",
        "http://www.w3.org/1999/02/22-rdf-syntax-ns#": "rdf",
        "http://www.loc.gov/MARC21/slim": "marc",
        "http://www.loc.gov/mods/v3": "mods",
        "http://www.loc.gov/METS/": "mets",
        "http://datacite.org/schema/kernel-3": "datacite3",
        "http://datacite.org/schema/kernel-4": "datacite4",
        "http://schema.datacite.org/oai/oai-1.0/": "oai_datacite1",
        "http://schema.datacite.org/oai/oai-1.1/": "oai_datacite",
        "http://namespace.openaire.eu/schema/oaire/": "oaire",
        "http://arxiv.org/OAI/arXiv/": "arxiv",
        "http://arxiv.org/OAI/arXivRaw/": "arxiv_raw",
        "http://www.ndltd.org/standards/metadata/etdms/1.0/": "etdms",
    }
)

_XML = "http://www.w3.org/XML/1998/namespace"
_XSI = "{http://www.w3.org/2001/XMLSchema-instance}"
XML_SPACE = f"{{{_XML}}}space"
"""The attribute that makes white space significant."""
_OUR_PREFIXES = frozenset(PREFIXES.values())
_WHITE_SPACE_RUN = re.compile(r"[ \t\r\n]+")
_MOST_NAMESPACES = 256  # in scope of an xsi:type; each such attribute costs a time that grows with them
_SHORT, _LONG = 12, 64  # digits of a generated prefix

XML_WHITE_SPACE = " \t\r\n"
"""White space as XML defines it (section 2.3). str.strip() would also remove a no-break space."""


Children = Mapping[etree._Element, Sequence[etree._Element]]
"""The children of some elements, in place of those that they have."""

_AS_IN_TREE: Children = MappingProxyType({})


def canonical_xml(element: etree._Element, children: Children = _AS_IN_TREE) -> str:
    """Return the canonical form of an element and its descendants, without its tail.

    Args:
        element: part of a tree without comments and processing instructions, as `strict_xml.parse` returns it.
        children: the children of some elements, to leave some out or to sort them. To move elements within a tree takes
            a time that grows with the square of the number of their namespaces.

    Raises:
        ValueError: the tree contains something other than elements and text, such as an unresolved entity. Or an
            `xsi:type` has too many namespaces in scope.
        RecursionError: elements are nested deeper than Python's stack allows.
    """
    used: set[str] = set()
    text = _serialize(element, children, used, _SHORT, preserve=False)
    digits = _SHORT
    if not _are_distinct(used):
        digits = _LONG
        text = _serialize(element, children, used, digits, preserve=False)
    end = len("<") + len(_name(element.tag, digits)[0])
    return f"{text[:end]}{_declarations(frozenset(used), digits)}{text[end:]}"


def start_tag(element: etree._Element) -> tuple[str, frozenset[str]]:
    """Return the start tag of an element in canonical form, without declarations, and the namespaces that it uses.

    Raises: see `canonical_xml`.
    """
    name, uri = _name(element.tag, _SHORT)
    used = {uri}
    attributes = _attributes(element, used, _SHORT)
    return f"<{name}{attributes}>", frozenset(used)


def declarations(used: frozenset[str]) -> str | None:
    """Return the declarations of these namespaces with short prefixes; None if two of them would have the same one."""
    return _declarations(used, _SHORT) if _are_distinct(used) else None


def leave_out_children(
    parent: etree._Element, children: Iterable[etree._Element], is_left_out: Callable[[etree._Element], bool]
) -> list[etree._Element]:
    """Return the children without some of them, for `canonical_xml`. The text after such a child moves before it.

    The children stay in the tree, because to move an element within a tree takes quadratic time.
    """
    kept: list[etree._Element] = []
    for child in children:
        if not is_left_out(child):
            kept.append(child)
            continue
        tail, child.tail = child.tail or "", None
        if kept:
            kept[-1].tail = (kept[-1].tail or "") + tail
        else:
            parent.text = (parent.text or "") + tail
    return kept


def prefix_of(uri: str, digits: int = _SHORT) -> str:
    """Return the prefix that the canonical form uses for a namespace."""
    return PREFIXES.get(uri) or "ns_" + hashlib.sha256(uri.encode()).hexdigest()[:digits]


def _are_distinct(used: Collection[str]) -> bool:
    """Return whether these namespaces have different short prefixes."""
    return len({prefix_of(uri) for uri in used}) == len(used)


@lru_cache(maxsize=1024)
def _declarations(used: frozenset[str], digits: int) -> str:
    return "".join(sorted(f' xmlns:{prefix_of(uri, digits)}="{_escape_value(uri)}"' for uri in used if uri))


def _serialize(
    element: etree._Element, children: Children, used: set[str], digits: int, *, preserve: bool
) -> str:
    """Return an element without namespace declarations, and add the namespaces that it needs to `used`."""
    name, uri = _name(element.tag, digits)
    used.add(uri)
    attributes = ""
    if element.keys():
        attributes = _attributes(element, used, digits)
        preserve = _preserves(element, inherited=preserve)
    has_children = len(children.get(element, element)) > 0
    content = (
        _content(element, children, used, digits, preserve=preserve)
        if has_children
        else _escape_text(element.text or "")
    )
    return f"<{name}{attributes}>{content}</{name}>"


def _content(
    element: etree._Element, children: Children, used: set[str], digits: int, *, preserve: bool
) -> str:
    """Return the content of an element that has children. Drop its text if that is only indentation."""
    texts, parts = [element.text or ""], []
    for child in children.get(element, element):
        parts.append(_serialize(child, children, used, digits, preserve=preserve))
        texts.append(child.tail or "")
    if not preserve and all(map(_is_indentation, texts)):
        return "".join(parts)
    following = zip(parts, texts[1:], strict=True)
    return _escape_text(texts[0]) + "".join(part + _escape_text(tail) for part, tail in following)


def _is_indentation(text: str) -> bool:
    return not text or ("\n" in text and not text.strip(XML_WHITE_SPACE))


def _attributes(element: etree._Element, used: set[str], digits: int) -> str:
    """Return the attributes in canonical order, each with a space before it."""
    attributes = []
    items = cast("list[tuple[str, str]]", element.items())  # lxml's stubs also allow bytes
    for key, value in items:
        name, uri = _name(key, digits)
        used.add(uri)
        canonical_value = _xsi_value(element, key, value, used, digits) if key.startswith(_XSI) else value
        attributes.append(f' {name}="{_escape_value(canonical_value)}"')
    return "".join(sorted(attributes))


def _xsi_value(element: etree._Element, key: str, value: str, used: set[str], digits: int) -> str:
    """Return the value of an `xsi:` attribute: with white space collapsed, and of `xsi:type` with our prefix."""
    value = " ".join(filter(None, _WHITE_SPACE_RUN.split(value)))
    if key != f"{_XSI}type":
        return value
    prefix, _, local = value.rpartition(":")
    namespaces = element.nsmap
    if len(namespaces) > _MOST_NAMESPACES:
        raise ValueError(
            f"an xsi:type has {len(namespaces)} namespaces in scope, more than {_MOST_NAMESPACES}"
        )
    uri = namespaces.get(prefix or None)
    if uri is None:
        return f":{value}" if _is_ours(prefix.lstrip(":")) else value
    used.add(uri)
    return f"{prefix_of(uri, digits)}:{local}"


def _is_ours(prefix: str) -> bool:
    """Return whether the canonical form may use a prefix. Without a declaration, it would look like our own."""
    return prefix.startswith("ns_") or prefix in _OUR_PREFIXES


@lru_cache(maxsize=4096)
def _name(tag: object, digits: int) -> tuple[str, str]:
    """Return the prefixed name of a `{uri}local`, and the URI to declare or an empty text."""
    if not isinstance(tag, str):  # lxml's tag of an entity, a comment or a processing instruction
        message = "the XML contains something other than elements and text, such as an unresolved entity"
        raise ValueError(message)  # noqa: TRY004 - the document is wrong, not the type of the argument
    if not tag.startswith("{"):
        return tag, ""
    uri, _, local = tag[1:].rpartition("}")
    return (f"xml:{local}", "") if uri == _XML else (f"{prefix_of(uri, digits)}:{local}", uri)


def _preserves(element: etree._Element, *, inherited: bool) -> bool:
    space = element.get(XML_SPACE)
    return inherited if space is None else space == "preserve"


def _escape_text(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\r", "&#xD;")


def _escape_value(text: str) -> str:
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
    return text.replace("\t", "&#x9;").replace("\n", "&#xA;").replace("\r", "&#xD;")
