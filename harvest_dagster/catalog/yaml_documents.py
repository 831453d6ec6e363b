"""Parse YAML text into documents: plain values, and the line of each value.

Scalars are resolved by the core schema of YAML 1.2, as editors do: `no`, `on` and `2005-09-16` are text, `true`
and `false` are the only booleans, and `1:30` is not a number in base 60. Some YAML that PyYAML accepts silently is
a problem here: duplicate keys, keys that are not text, and most tags. Not here: which values are allowed
(`schema`). See docs/decisions/0006.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import yaml

from harvest_dagster.catalog.problems import KeyPath, Place, Problem, dotted
from harvest_dagster.texts import is_storable

try:
    from yaml import CSafeLoader as _Base
except ImportError:  # PyYAML without libyaml: slower, same result
    from yaml import SafeLoader as _Base  # type: ignore[assignment]

_TAG = "tag:yaml.org,2002:"
_TEXT = f"{_TAG}str"
_UNPRINTABLE = yaml.reader.Reader.NON_PRINTABLE


class _Loader(_Base):
    """Compose nodes and resolve scalars by the core schema of YAML 1.2. PyYAML constructs no Python object."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - the declaration of PyYAML

    def resolve(self, kind: type[yaml.Node], value: str, implicit: tuple[bool, bool]) -> str:
        """Return the tag of a node without an explicit one. That of most scalars shows in their first character."""
        if kind is yaml.ScalarNode and (not implicit[0] or value[:1] not in self.yaml_implicit_resolvers):
            return _TEXT
        return str(super().resolve(kind, value, implicit))  # type: ignore[no-untyped-call]


_NUMBER = list("-+.0123456789")
_Loader.add_implicit_resolver(f"{_TAG}null", re.compile(r"^(~|null|Null|NULL|)$"), ["~", "n", "N", ""])
_Loader.add_implicit_resolver(
    f"{_TAG}bool", re.compile(r"^(true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)
# 18 digits fit into a 64-bit column. A longer number is text, like any identifier.
_Loader.add_implicit_resolver(f"{_TAG}int", re.compile(r"^[-+]?[0-9]{1,18}$"), _NUMBER)
_Loader.add_implicit_resolver(
    f"{_TAG}float",
    re.compile(r"^[-+]?(\.[0-9]+|[0-9]+\.[0-9]*|[0-9]+(?=[eE]))([eE][-+]?[0-9]+)?$"),
    _NUMBER,
)


def _float(text: str) -> float | str:
    """Return the number; the text itself if it is too large for a float, such as 1e999, which JSON cannot hold."""
    number = float(text)
    return number if math.isfinite(number) else text


_SCALARS: dict[str, Callable[[str], Any]] = {
    f"{_TAG}str": str,
    f"{_TAG}null": lambda _: None,
    f"{_TAG}bool": lambda text: {"true": True, "false": False}[text.lower()],
    f"{_TAG}int": int,
    f"{_TAG}float": _float,
}
_IN_PROGRESS = object()
MOST_VALUES = 100_000
"""The most values that a document may have after its aliases are expanded. Real sources have some dozens.

Nine aliases of nine aliases, nine times, are a billion values in one kilobyte.
"""


@dataclass(frozen=True)
class YamlDocument:
    """One YAML document.

    Attributes:
        file: its path.
        first_line: the line where its text begins, counted from 0.
        node: the root of the parsed tree; its nodes know their lines.
        value: its plain value.
        problems: what is wrong with it as YAML.
        base: the document that it extends, None if it extends none. Its value lacks what is not taken over.
        own: the value of a document that extends another one, before the keys of the base are added.
    """

    file: str
    first_line: int
    node: yaml.Node
    value: Any
    problems: tuple[Problem, ...]
    base: YamlDocument | None = None
    own: Any = None

    def line(self, path: KeyPath) -> int:
        """Return the line of a key, counted from 1; if the key is missing, the line of the nearest parent."""
        node, line = self.node, self.node.start_mark.line
        for part in path:
            child = _child(node, part)
            if child is None:
                break
            node, line = child
        return self.first_line + line + 1

    def place(self, path: KeyPath) -> Place:
        """Return where the value of a key is written: in this file, or in the file of the base."""
        if isinstance(self.own, dict) and path and path[0] in self.own and self.own[path[0]] is None:
            return Place(self.file, self.line(path))  # `null` removes the value of the base
        for depth in (1, 2):  # mappings are merged one level deep
            if self.base is None or _contains(self.own, path[:depth]):
                continue
            if _contains(self.base.value, path[:depth]):
                return self.base.place(path)
            break
        return Place(self.file, self.line(path))

    def problem(self, path: KeyPath, message: str, label: str | None = None) -> Problem:
        """Return a problem with the value of a key."""
        place = self.place(path)
        return Problem(place.file, place.line, dotted(path), message, label)

    def member(self, path: KeyPath, value: Any) -> YamlDocument | None:
        """Return a value within the document as a document of its own; None if the path does not exist.

        Args:
            path: where it is.
            value: what to take instead of its value. It may differ if a program has filled in a template.
        """
        node: yaml.Node | None = self.node
        for part in path:
            child = _child(node, part) if node is not None else None
            node = child[0] if child else None
        return None if node is None else replace(self, node=node, value=value, problems=())

    def members(self, path: KeyPath) -> list[YamlDocument]:
        """Return the members of a list within the document, as documents of their own."""
        value = self.value
        for part in path:
            value = value.get(part) if isinstance(value, dict) else None
        found = [
            self.member((*path, index), one)
            for index, one in enumerate(value if isinstance(value, list) else ())
        ]
        return [one for one in found if one is not None]


def _contains(value: Any, path: KeyPath) -> bool:
    for part in path:
        if not (isinstance(value, dict) and part in value):
            return False
        value = value[part]
    return True


def plain_document(value: Any, file: str) -> YamlDocument:
    """Return a value that was not read from YAML as a document. Its lines are 0, which means that none is known."""
    before = yaml.Mark(file, 0, -1, 0, None, 0)
    return YamlDocument(file, 0, yaml.ScalarNode(f"{_TAG}null", "", before, before), value, ())


def parse_documents(text: str, file: str, first_line: int = 0) -> Iterator[YamlDocument | Problem]:
    """Yield the documents of a text in order, without empty ones; a Problem for each that is not valid YAML.

    Args:
        text: the text of a file, or of one of its documents.
        file: its path.
        first_line: the line of the file where the text begins, counted from 0.
    """
    lines = text.splitlines(keepends=True)
    unprintable = list(_unprintable(lines, file, first_line))
    yield from unprintable
    if unprintable:
        return  # the parser would stop at the first of them
    for first, last in _document_ranges(lines):
        yield from _parse("".join(lines[first:last]), file, first_line + first)


def split_documents(text: str) -> Iterator[tuple[int, str]]:
    """Yield the text of each document of a file, and the line where it begins, counted from 0."""
    lines = text.splitlines(keepends=True)
    for first, last in _document_ranges(lines):
        yield first, "".join(lines[first:last])


def _document_ranges(lines: list[str]) -> Iterator[tuple[int, int]]:
    """Yield the lines of each document, `[first, last)`.

    Each document is parsed alone, so that a syntax error in one does not affect the next ones. Only a marker can
    begin a line with `---` or `...` (YAML 1.2.2, section 9.1.2). Directives and comments before a `---` belong to
    the document that it starts.
    """
    first, content = 0, False
    for number, line in enumerate(lines):
        if _is_marker("---", line) and content:
            yield first, number
            first, content = number, False
        elif _is_marker("...", line):
            yield first, number
            first, content = number + 1, False
            continue
        content = content or not (line.isspace() or line.startswith(("#", "%")))
    yield first, len(lines)


def _is_marker(marker: str, line: str) -> bool:
    return line.startswith(marker) and (len(line) == len(marker) or line[len(marker)].isspace())


def _parse(text: str, file: str, first_line: int) -> Iterator[YamlDocument | Problem]:
    try:
        for node in yaml.compose_all(text, Loader=_Loader):
            converter = _Converter(file, first_line)
            value = converter.document(node)
            if value is not None or converter.problems:
                yield YamlDocument(file, first_line, node, value, tuple(converter.problems))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = first_line + (mark.line if mark else 0) + 1
        reason = ", ".join(part for part in (error.context, error.problem) if part)
        yield Problem(file, line, "", f"is not valid YAML: {reason}; {_remedy(text, mark)}")
    except RecursionError:
        yield Problem(file, first_line + 1, "", "is nested too deeply; remove levels of nesting")


def _remedy(text: str, mark: yaml.Mark | None) -> str:
    line = text.splitlines()[mark.line] if mark and mark.line < len(text.splitlines()) else ""
    if "\t" in line[: len(line) - len(line.lstrip())]:
        return "indent with spaces instead of tabs"
    return "correct the syntax at this line or before it"


def _unprintable(lines: list[str], file: str, first_line: int) -> Iterator[Problem]:
    for number, line in enumerate(lines, start=first_line + 1):
        if found := _UNPRINTABLE.search(line):
            message = f"the character U+{ord(found.group()):04X} is not allowed in YAML; remove it"
            yield Problem(file, number, "", message)


def _child(node: yaml.Node, part: str | int) -> tuple[yaml.Node, int] | None:
    """Return a member of a node and its line. Of a duplicate key, return the last."""
    if isinstance(node, yaml.MappingNode):
        pairs = [(value, key.start_mark.line) for key, value in node.value if key.value == part]
        return pairs[-1] if pairs else None
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part], node.value[part].start_mark.line
    return None


@dataclass
class _Converter:
    """Convert the nodes of one document into plain values, and collect problems in `problems`."""

    file: str
    first_line: int
    problems: list[Problem] = field(default_factory=list)
    _done: dict[int, Any] = field(default_factory=dict)
    _sizes: dict[int, int] = field(default_factory=dict)
    _expanded: int = 0

    def document(self, node: yaml.Node) -> Any:
        """Return the value of the root, or None if it has too many values for a program to walk through."""
        value = self.value(node, ())
        if self._expanded <= MOST_VALUES:
            return value
        message = (
            f"has {self._expanded:,} values after its aliases are expanded, and at most {MOST_VALUES:,} are allowed; "
            "write fewer aliases"
        )
        return self._report(node, (), message)

    def value(self, node: yaml.Node, path: KeyPath) -> Any:
        """Return the value of a node. An alias gives the same object as its anchor."""
        if node.tag == _TEXT and isinstance(node, yaml.ScalarNode):
            self._expanded += 1
            return self._scalar(node, path)
        key = id(node)
        if key not in self._done:
            self._done[key] = _IN_PROGRESS
            before = self._expanded
            self._expanded += 1
            self._done[key] = self._convert(node, path)
            self._sizes[key] = self._expanded - before
        elif self._done[key] is _IN_PROGRESS:
            return self._report(node, path, "contains itself through an alias; write the value out instead")
        else:
            self._expanded += self._sizes[key]
        return self._done[key]

    def _convert(self, node: yaml.Node, path: KeyPath) -> Any:
        if isinstance(node, yaml.MappingNode) and node.tag == f"{_TAG}map":
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode) and node.tag == f"{_TAG}seq":
            return [self.value(member, (*path, index)) for index, member in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode) and node.tag in _SCALARS:
            return self._scalar(node, path)
        return self._report(
            node, path, f"the tag {node.tag} is not allowed here; write a plain value without a tag"
        )

    def _mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = self.value(key_node, path)
            if not isinstance(key, str):
                self._report(key_node, path, f"the key {key!r} is not text; put it in quotes")
                continue
            if key in mapping:
                self._report(key_node, (*path, key), "is a duplicate key in this mapping; remove one of them")
            mapping[key] = self.value(value_node, (*path, key))
        return mapping

    def _scalar(self, node: yaml.ScalarNode, path: KeyPath) -> Any:
        if not is_storable(node.value):
            return self._report(
                node,
                path,
                "contains a NUL or half of a surrogate pair, which PostgreSQL cannot store; remove it",
            )
        try:
            return _SCALARS[node.tag](node.value)
        except (ValueError, KeyError):  # the author wrote a tag that does not fit the value
            message = (
                f"{node.value!r} is not a valid {node.tag.removeprefix(_TAG)}; correct it, or remove the tag"
            )
            return self._report(node, path, message)

    def _report(self, node: yaml.Node, path: KeyPath, message: str) -> None:
        line = self.first_line + node.start_mark.line + 1
        self.problems.append(Problem(self.file, line, dotted(path), message))
