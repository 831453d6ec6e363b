"""One text for one piece of XML, however a server wrote it that day.

What counts is the content: elements, attributes, text. What a server may choose from one day to the next does
not: namespace prefixes and the place of their declarations, the order and quotes of attributes, character
references, CDATA, the encoding, comments, processing instructions, and white space between elements. The
rules:

- A prefix is a function of its namespace alone: `PREFIXES`, else `ns_` and the first twelve hexadecimal
  digits of the SHA-256 of its URI. There is no default namespace. All declarations stand on the outermost
  element, and only those in use.
- Attributes are sorted by their name. The value of `xsi:type` is a qualified name: its prefix is rewritten
  too. Other prefixes inside values and text cannot be told from text without the schema; they stay as they
  are.
- Text that is only white space is dropped from elements that hold elements and no other text. Mixed content,
  leaves and all below `xml:space="preserve"` keep theirs.
- Escapes are those of Canonical XML 1.0, section 2.3. lxml's own C14N keeps the prefixes of the day, puts a
  declaration on every element that needs it and fails on relative namespace URIs, hence this one.

`PREFIXES` and these rules are part of every stored hash: a change needs another `VERSION` of the harvesters.
"""

from __future__ import annotations

import hashlib
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
_WHITE = " \t\r\n"  # XML's own; str.strip() would take a no-break space, too


def canonical(element: etree._Element) -> str:
    """The canonical text of an element and all below it; its tail does not belong to it.

    Args:
        element: of a tree without comments and processing instructions, as `strict_xml.parse` gives it.

    Raises:
        ValueError: something else than elements and text, such as an entity that is not resolved.
        RecursionError: nested deeper than Python's stack.
    """
    used: set[str] = set()
    text = _written(element, used, preserve=False)
    end = len("<") + len(_name(element.tag)[0])
    return f"{text[:end]}{_declarations(frozenset(used))}{text[end:]}"


def prefix_of(uri: str) -> str:
    """The one prefix of a namespace."""
    return PREFIXES.get(uri) or "ns_" + hashlib.sha256(uri.encode()).hexdigest()[:12]


@lru_cache(maxsize=1024)
def _declarations(used: frozenset[str]) -> str:
    return "".join(sorted(f' xmlns:{prefix_of(uri)}="{_escape_value(uri)}"' for uri in used if uri))


def _written(element: etree._Element, used: set[str], *, preserve: bool) -> str:
    name, uri = _name(element.tag)
    used.add(uri)
    attributes = ""
    if element.keys():
        attributes = _attributes(element, used)
        preserve = _preserves(element, inherited=preserve)
    content = _content(element, used, preserve=preserve) if len(element) else _escape_text(element.text or "")
    return f"<{name}{attributes}>{content}</{name}>"


def _content(element: etree._Element, used: set[str], *, preserve: bool) -> str:
    """What stands in an element that holds others; white space alone goes, mixed content stays as it is."""
    between = element.text or ""
    texts, children = [between], []
    for child in element:
        children.append(_written(child, used, preserve=preserve))
        tail = child.tail or ""
        texts.append(tail)
        between += tail
    if not preserve and not between.strip(_WHITE):
        return "".join(children)
    following = zip(children, texts[1:], strict=True)
    return _escape_text(texts[0]) + "".join(child + _escape_text(tail) for child, tail in following)


def _attributes(element: etree._Element, used: set[str]) -> str:
    """The attributes in order, each with a space before it."""
    written = []
    items = cast("list[tuple[str, str]]", element.items())  # its stubs still allow for bytes
    for key, value in items:
        name, uri = _name(key)
        used.add(uri)
        said = _xsi_value(element, key, value, used) if key.startswith(_XSI) else value
        written.append(f' {name}="{_escape_value(said)}"')
    return "".join(sorted(written))


def _xsi_value(element: etree._Element, key: str, value: str, used: set[str]) -> str:
    """The value of an attribute of XML Schema: white space collapsed, the prefix of a type rewritten."""
    value = " ".join(value.split())
    if key != f"{_XSI}type":
        return value
    prefix, _, local = value.rpartition(":")
    uri = element.nsmap.get(prefix or None)
    if uri is None:
        return value
    used.add(uri)
    return f"{prefix_of(uri)}:{local}"


@lru_cache(maxsize=4096)
def _name(tag: object) -> tuple[str, str]:
    """The prefixed name of a `{uri}local`, and the URI to declare, empty where there is none."""
    if not isinstance(tag, str):  # lxml's way to tell an entity, a comment or a processing instruction
        message = "something else than elements and text, such as an entity that is not resolved"
        raise ValueError(message)  # noqa: TRY004 - of the document, not of a caller's type
    if not tag.startswith("{"):
        return tag, ""
    uri, _, local = tag[1:].rpartition("}")
    return (f"xml:{local}", "") if uri == _XML else (f"{prefix_of(uri)}:{local}", uri)


def _preserves(element: etree._Element, *, inherited: bool) -> bool:
    space = element.get(f"{{{_XML}}}space")
    return inherited if space is None else space == "preserve"


def _escape_text(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\r", "&#xD;")


def _escape_value(text: str) -> str:
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
    return text.replace("\t", "&#x9;").replace("\n", "&#xA;").replace("\r", "&#xD;")
