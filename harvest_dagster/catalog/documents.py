"""YAML text to documents: plain values, and the line of each.

YAML as version 1.2's core schema and editors read it: `no`, `on` and `2005-09-16` are text, true and false
the only booleans, 1:30 is no number to the base of 60. What PyYAML swallows is a problem here: a key twice,
keys that are no text, tags of any kind. Not here: what the values should be (`schema`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from harvest_dagster.catalog.problems import KeyPath, Problem, dotted
from harvest_dagster.texts import is_keepable

try:
    from yaml import CSafeLoader as _Base
except ImportError:  # PyYAML without libyaml: slower, the same otherwise
    from yaml import SafeLoader as _Base  # type: ignore[assignment]

_TAG = "tag:yaml.org,2002:"
_UNPRINTABLE = yaml.reader.Reader.NON_PRINTABLE
# A NUL or half a surrogate pair can be written as an escape, and PostgreSQL stores neither.


class _Loader(_Base):
    """Composes nodes under YAML 1.2's core schema; nothing is ever constructed by PyYAML."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - as PyYAML has it


_NUMBER = list("-+.0123456789")
_Loader.add_implicit_resolver(f"{_TAG}null", re.compile(r"^(~|null|Null|NULL|)$"), ["~", "n", "N", ""])
_Loader.add_implicit_resolver(
    f"{_TAG}bool", re.compile(r"^(true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)
# 18 digits: what a 64-bit column holds. A longer number is text, as any identifier.
_Loader.add_implicit_resolver(f"{_TAG}int", re.compile(r"^[-+]?[0-9]{1,18}$"), _NUMBER)
_Loader.add_implicit_resolver(
    f"{_TAG}float",
    re.compile(r"^[-+]?(\.[0-9]+|[0-9]+\.[0-9]*|[0-9]+(?=[eE]))([eE][-+]?[0-9]+)?$"),
    _NUMBER,
)


def _float(text: str) -> float | str:
    """1e999 is no JSON either: it stays text, and the field says what it wants."""
    number = float(text)
    return number if math.isfinite(number) else text


_SCALARS: dict[str, Callable[[str], Any]] = {
    f"{_TAG}str": str,
    f"{_TAG}null": lambda _: None,
    f"{_TAG}bool": lambda text: {"true": True, "false": False}[text.lower()],
    f"{_TAG}int": int,
    f"{_TAG}float": _float,
}
_UNDER_WAY = object()


@dataclass(frozen=True)
class Document:
    """One YAML document.

    Attributes:
        file: where it stands.
        first_line: where its text begins, counted from 0.
        node: what the parser made of it; knows the lines.
        value: its plain value.
        problems: what is wrong with it as YAML.
    """

    file: str
    first_line: int
    node: yaml.Node
    value: Any
    problems: tuple[Problem, ...]

    def line(self, path: KeyPath) -> int:
        """The line of a key, counted from 1; where there is none, that of what should hold it."""
        node, line = self.node, self.node.start_mark.line
        for part in path:
            found = _child(node, part)
            if found is None:
                break
            node, line = found
        return self.first_line + line + 1


def read_documents(text: str, file: str) -> Iterator[Document | Problem]:
    """The documents of a file, in order, empty ones left out; a Problem for each that is no YAML."""
    lines = text.splitlines(keepends=True)
    unprintable = list(_unprintable(lines, file))
    yield from unprintable
    if unprintable:
        return  # the parser would stop at the first of them
    for first, last in _stretches(lines):
        yield from _read("".join(lines[first:last]), file, first)


def _stretches(lines: list[str]) -> Iterator[tuple[int, int]]:
    """The lines of each document, `[first, last)`: one that is no YAML does not take the next ones with it.

    Nothing but a marker can begin a line with `---` or `...` (YAML 1.2.2, 9.1.2). Directives and comments
    before a `---` belong to the document that it starts.
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


def _read(text: str, file: str, first_line: int) -> Iterator[Document | Problem]:
    try:
        for node in yaml.compose_all(text, Loader=_Loader):
            converter = _Converter(file, first_line)
            value = converter.value(node, ())
            if value is not None or converter.problems:
                yield Document(file, first_line, node, value, tuple(converter.problems))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        said = ", ".join(part for part in (error.context, error.problem) if part)
        yield Problem(
            file, first_line + (mark.line if mark else 0) + 1, "", f"is no YAML: {said}; correct it there"
        )
    except RecursionError:
        yield Problem(file, first_line + 1, "", "is nested too deeply; no config needs that")


def _unprintable(lines: list[str], file: str) -> Iterator[Problem]:
    for number, line in enumerate(lines, start=1):
        if found := _UNPRINTABLE.search(line):
            message = f"the character U+{ord(found.group()):04X} is not allowed in YAML; remove it"
            yield Problem(file, number, "", message)


def _child(node: yaml.Node, part: str | int) -> tuple[yaml.Node, int] | None:
    """The last one of that name, so that of a key twice the second is found."""
    if isinstance(node, yaml.MappingNode):
        pairs = [(value, key.start_mark.line) for key, value in node.value if key.value == part]
        return pairs[-1] if pairs else None
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part], node.value[part].start_mark.line
    return None


@dataclass
class _Converter:
    """Nodes of one document to plain values; `problems` fills while it works."""

    file: str
    first_line: int
    problems: list[Problem] = field(default_factory=list)
    _done: dict[int, Any] = field(default_factory=dict)

    def value(self, node: yaml.Node, path: KeyPath) -> Any:
        """The value of a node; an alias gives the same object as its anchor."""
        if id(node) not in self._done:
            self._done[id(node)] = _UNDER_WAY
            self._done[id(node)] = self._convert(node, path)
        elif self._done[id(node)] is _UNDER_WAY:
            return self._report(node, path, "holds itself through its anchor; write it out")
        return self._done[id(node)]

    def _convert(self, node: yaml.Node, path: KeyPath) -> Any:
        if isinstance(node, yaml.MappingNode) and node.tag == f"{_TAG}map":
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode) and node.tag == f"{_TAG}seq":
            return [self.value(member, (*path, index)) for index, member in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode) and node.tag in _SCALARS:
            return self._scalar(node, path)
        return self._report(node, path, f"the tag {node.tag} is not allowed here; write a plain value")

    def _mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = self.value(key_node, path)
            if not isinstance(key, str):
                self._report(key_node, path, f"the key {key!r} is no text; put it in quotes")
                continue
            if key in mapping:
                self._report(key_node, (*path, key), "stands twice in this mapping; remove one of them")
            mapping[key] = self.value(value_node, (*path, key))
        return mapping

    def _scalar(self, node: yaml.ScalarNode, path: KeyPath) -> Any:
        if not is_keepable(node.value):
            return self._report(node, path, "holds a NUL or half a surrogate pair; no database stores it")
        try:
            return _SCALARS[node.tag](node.value)
        except (ValueError, KeyError):  # the tag was written out, and is wrong
            return self._report(node, path, f"{node.value!r} is no {node.tag.removeprefix(_TAG)}")

    def _report(self, node: yaml.Node, path: KeyPath, message: str) -> None:
        line = self.first_line + node.start_mark.line + 1
        self.problems.append(Problem(self.file, line, dotted(path), message))
