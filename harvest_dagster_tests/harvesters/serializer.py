"""Write the same XML content in every way that a server may choose. None of them changes the canonical form.

A `Node` is the content of an element. `write` serializes it. A `random.Random` decides on prefixes, places of
declarations, order of attributes, quotes, escapes, CDATA, comments, white space and encoding.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

XSI_TYPE = ("http://www.w3.org/2001/XMLSchema-instance", "type")

Name = tuple[str, str]  # namespace, empty for none, and local name


@dataclass(frozen=True)
class TypeName:
    """The value of an xsi:type: a qualified name. The server chooses its prefix."""

    uri: str
    local: str


@dataclass(frozen=True)
class Node:
    """An element. Two texts are never neighbours among its children."""

    name: Name
    attributes: tuple[tuple[Name, str | TypeName], ...] = ()
    children: tuple[str | Node, ...] = ()


@dataclass(frozen=True)
class Style:
    """The choices that are the same for a whole document."""

    encoding: str = "utf-8"
    default_namespace: bool = True


def write(node: Node, random: Random, style: Style | None = None) -> bytes:
    """Return the node as a document."""
    style = style or Style()
    text = _Writer(random, style).element(node, {}, preserve=False)
    declaration = (
        "" if style.encoding == "utf-8" and random.random() < 0.5 else f' encoding="{style.encoding}"'
    )
    return f'<?xml version="1.0"{declaration}?>{text}'.encode(style.encoding, "xmlcharrefreplace")


class _Writer:
    def __init__(self, random: Random, style: Style) -> None:
        self.random = random
        self.style = style
        self.count = 0

    def element(self, node: Node, scope: dict[str, str], *, preserve: bool) -> str:
        """Return the element. `scope` maps the prefixes that its parent knows to their namespaces."""
        declared: dict[str, str] = {}
        for uri in self._needless(node):
            self._declare(uri, declared)
        tag = self._qualified(node.name, scope, declared, default=True)
        attributes = [self._attribute(*pair, scope, declared) for pair in node.attributes]
        attributes += [f"xmlns{':' if p else ''}{p}={self._quoted(u)}" for p, u in declared.items()]
        self.random.shuffle(attributes)
        head = tag + "".join(self.random.choice([" ", "\n  ", "\t"]) + text for text in attributes)
        inner = self._children(node, {**scope, **declared}, preserve=preserve or _preserves(node))
        if not inner and self.random.random() < 0.5:
            return f"<{head}/>"
        return f"<{head}>{inner}</{tag}>"

    def _needless(self, node: Node) -> list[str]:
        """Return namespaces to declare here although only a descendant needs them, or no element does."""
        candidates = sorted({uri for uri in _namespaces(node) if uri} | {"urn:unused"})
        return [uri for uri in candidates if self.random.random() < 0.3]

    def _declare(self, uri: str, declared: dict[str, str]) -> str:
        self.count += 1
        prefix = self.random.choice(["a", "b", "dc", "oai", "xs", "ns0"]) + str(self.count)
        declared[prefix] = uri
        return prefix

    def _qualified(
        self, name: Name, scope: dict[str, str], declared: dict[str, str], *, default: bool
    ) -> str:
        uri, local = name
        in_force = {**scope, **declared}
        if not uri:
            if default and in_force.get(""):
                declared[""] = ""
            return local
        known = [prefix for prefix, bound in in_force.items() if bound == uri and (prefix or default)]
        if known and self.random.random() < 0.8:
            prefix = self.random.choice(known)
        elif default and "" not in declared and self.random.random() < 0.4:
            prefix, declared[""] = "", uri
        else:
            prefix = self._declare(uri, declared)
        return f"{prefix}:{local}" if prefix else local

    def _attribute(
        self, name: Name, value: str | TypeName, scope: dict[str, str], declared: dict[str, str]
    ) -> str:
        prefix = "xml" if name[0] == "xml" else None
        written = f"{prefix}:{name[1]}" if prefix else self._qualified(name, scope, declared, default=False)
        if isinstance(value, TypeName):
            value = self._qualified((value.uri, value.local), scope, declared, default=False)
        return f"{written}={self._quoted(value)}"

    def _quoted(self, value: str) -> str:
        quote = self.random.choice("'\"")
        text = "".join(self._character(c, must="&<\t\n\r" + quote) for c in value)
        return f"{quote}{text}{quote}"

    def _children(self, node: Node, scope: dict[str, str], *, preserve: bool) -> str:
        elements_only = all(isinstance(child, Node) for child in node.children)
        written = [
            self._text(child) if isinstance(child, str) else self.element(child, scope, preserve=preserve)
            for child in node.children
        ]
        gap = self._gap if elements_only and written and not preserve else self._comment
        return gap() + "".join(text + gap() for text in written) if written else ""

    def _gap(self) -> str:
        return self.random.choice(
            ["", "\n", "\n    ", "\n\t", "\r\n", "\n <!-- a comment --> ", "&#10;", "<?php echo ?>"]
        )

    def _comment(self) -> str:
        return self.random.choice(["", "", "<!-- a comment -->", "<?target data?>"])

    def _text(self, text: str) -> str:
        if "]]>" not in text and "\r" not in text and self._encodes(text) and self.random.random() < 0.3:
            return f"<![CDATA[{text}]]>"
        cut = self.random.randint(0, len(text))
        must = "&<>\r"
        parts = ("".join(self._character(c, must=must) for c in part) for part in (text[:cut], text[cut:]))
        return self._comment().join(parts)

    def _encodes(self, text: str) -> bool:
        try:
            text.encode(self.style.encoding)
        except UnicodeEncodeError:
            return False
        return True

    def _character(self, character: str, *, must: str) -> str:
        names = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&apos;"}
        if character in must or self.random.random() < 0.05:
            return self.random.choice(
                [f"&#{ord(character)};", f"&#x{ord(character):X};", names.get(character)]
            ) or (names[character] if character in names else f"&#{ord(character)};")
        return character


def _namespaces(node: Node) -> set[str]:
    below = {uri for child in node.children if isinstance(child, Node) for uri in _namespaces(child)}
    return below | {node.name[0]}


def _preserves(node: Node) -> bool:
    return (("xml", "space"), "preserve") in node.attributes
