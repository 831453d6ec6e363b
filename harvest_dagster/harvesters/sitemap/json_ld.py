"""Find the JSON-LD that is embedded in an HTML page (https://www.w3.org/TR/json-ld11/#embedding-json-ld-in-html-documents).

lxml reads the HTML: it is a dependency already. extruct needs a dozen more packages for formats that are not harvested
here. Events in place of a tree keep the memory small, whatever the depth of a page.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.message import Message
from typing import Any

from lxml import etree

JSON_LD = "application/ld+json"
_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_PRESCANNED = 1024  # bytes in which HTML looks for the declaration of an encoding
_DECLARED = re.compile(rb"<meta[^>]{0,200}?\bcharset\s*=\s*[\"']?\s*([A-Za-z0-9._:-]{1,40})", re.IGNORECASE)
_END_TAG = re.compile(r"</html\s*>", re.IGNORECASE)
_INVALID_BYTE = re.compile("[\ud800-\udfff]")
_REPLACEMENT = "\ufffd"


@dataclass(frozen=True)
class HtmlPage:
    """What is in an HTML page.

    Attributes:
        blocks: the texts of its JSON-LD elements that are not empty.
        has_end: whether it has the end tag of the page.
        has_invalid_bytes: whether bytes of it are not valid in its encoding. They are U+FFFD in the texts.
    """

    blocks: tuple[str, ...]
    has_end: bool
    has_invalid_bytes: bool


def read_html(body: bytes, content_type: str = "") -> HtmlPage:
    """Read an HTML page.

    Args:
        body: the bytes after content decoding.
        content_type: the value of the Content-Type header.
    """
    text = _decode(body, content_type)
    replaced, invalid = _INVALID_BYTE.subn(_REPLACEMENT, text.replace("\0", _REPLACEMENT))
    target = _Collector()
    if replaced.strip():
        parser = etree.HTMLParser(
            target=target,  # type: ignore[arg-type]  # the stubs require methods that lxml does not
            encoding="utf-8",
            huge_tree=True,
            no_network=True,
        )
        etree.fromstring(replaced.encode(), parser)
    blocks = tuple(filter(None, ("".join(parts).strip() for parts in target.blocks)))
    return HtmlPage(blocks, _END_TAG.search(replaced) is not None, invalid > 0)


@dataclass
class _Collector:
    """Collects the texts of JSON-LD elements from the events of the parser, which may cut a text into parts."""

    blocks: list[list[str]] = field(default_factory=list)
    _is_open: bool = False

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self._is_open = tag == "script" and _media_type(attributes.get("type", "")) == JSON_LD
        if self._is_open:
            self.blocks.append([])

    def end(self, tag: str) -> None:
        self._is_open = self._is_open and tag != "script"

    def data(self, text: str) -> None:
        if self._is_open:
            self.blocks[-1].append(text)

    def close(self) -> None:
        """Do nothing: the parser requires this method."""


def _media_type(text: str) -> str:
    return text.partition(";")[0].strip().lower()


def _decode(body: bytes, content_type: str) -> str:
    """Return the text of a page. A byte that its encoding does not permit becomes a lone surrogate (PEP 383).

    The encoding comes from the first of these: the byte order mark, the Content-Type, the page itself, UTF-8.
    """
    for mark, encoding in _BOMS:
        if body.startswith(mark):
            return body[len(mark) :].decode(encoding, "surrogateescape" if encoding == "utf-8" else "replace")
    declared = _DECLARED.search(body[:_PRESCANNED])
    for name in (_charset(content_type), declared[1].decode() if declared else ""):
        if _extends_ascii(name):
            return body.decode(name, "surrogateescape")
    return body.decode("utf-8", "surrogateescape")


def _charset(content_type: str) -> str:
    header = Message()
    header["Content-Type"] = content_type
    return header.get_content_charset() or ""


def _extends_ascii(name: str) -> bool:
    try:
        return bool(name) and "<".encode(name) == b"<" and codecs.lookup(name).name != "utf-7"
    except (LookupError, ValueError):
        return False


def select_objects(value: Any, types: frozenset[str]) -> Iterator[Any]:
    """Yield the objects of JSON-LD that have one of these types: the value, members of a list, members of `@graph`.

    An object of a graph gets the context of the graph, without which its names have no meaning.
    """
    if isinstance(value, list):
        for member in value:
            yield from select_objects(member, types)
    elif isinstance(value, dict):
        if types & set(_type_names(value.get("@type"))):
            yield value
            return
        context = {"@context": value["@context"]} if "@context" in value else {}
        for found in select_objects(value.get("@graph"), types):
            yield type(found)({**context, **found})


def _type_names(value: Any) -> Iterator[str]:
    """Yield the names of types without their prefix: `Dataset` for `https://schema.org/Dataset`."""
    for member in value if isinstance(value, list) else [value]:
        if isinstance(member, str):
            yield re.split(r"[/#:]", member)[-1]
