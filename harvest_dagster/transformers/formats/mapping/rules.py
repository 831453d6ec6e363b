"""Read the rules of a mapping from YAML, and check them with the schema of the document.

A rule says from which paths of the record a field of the document gets its values:

- `titles: name`: one item for each value at the path.
- `publishers: {constant: bioRxiv}`: a text that is in no record.
- `dates: {value: issued, role: Issued}`: one rule for each key of the item.
- `creators: {each: authors, name: name}`: one item for each value at `each`. The other paths start there.
- a list of these.

`split: ";"` cuts a text into several. Keys with a vocabulary (`role`, `scheme`, `relation`, `kind`, `access`) take a
word. `{path: ...}` takes the word from the record.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from harvest_dagster.paths.syntax import PATTERN, ROOT, parse_path
from harvest_dagster.transformers.document import Document
from harvest_dagster.transformers.formats.mapping.shapes import Shape, Vocabulary, shape_of

KeyPath = tuple[str | int, ...]

_PATTERN = re.compile(PATTERN)
_BRACKETS = re.compile(r"\[\*\]|\[@[^\[\]]*\]")
_INDEX = re.compile(r"\[([0-9]+)\]")
_CONSTANT, _PATH, _EACH, _SPLIT = "constant", "path", "each", "split"
_TEXT_FORMS = "a path, {constant: TEXT} or {path: PATH}"


@dataclass(frozen=True)
class TextRule:
    """Where a text comes from: a path of the record, or a constant.

    Attributes:
        path: of the values; None for a constant.
        constant: the text.
        split: cuts each value into several.
    """

    path: str | None = None
    constant: str = ""
    split: str | None = None


@dataclass(frozen=True)
class ItemRule:
    """How items are made.

    Attributes:
        shape: of the items.
        each: the path of the values that each make one item; None for the record itself.
        texts: the sources of each key. A key that takes one text uses the first.
        items: the rules of each key that takes other items.
        only_constants: whether no value of the record is needed.
    """

    shape: Shape
    each: str | None = None
    texts: Mapping[str, tuple[TextRule, ...]] = field(default_factory=dict)
    items: Mapping[str, tuple[ItemRule, ...]] = field(default_factory=dict)
    only_constants: bool = False


@dataclass(frozen=True)
class RuleProblem:
    """One thing that the author of a mapping must correct.

    Attributes:
        location: the keys and indices that lead to it.
        message: what is wrong, and what is allowed.
        value: what is written there.
    """

    location: KeyPath
    message: str
    value: Any


def read_rules(fields: Mapping[str, Any]) -> tuple[ItemRule, list[RuleProblem]]:
    """Return the rule of the whole document, and what is wrong in it."""
    reader = _Reader()
    return reader.keys_of(shape_of(Document), fields, ()), reader.problems


class _Reader:
    """Reads rules and collects the problems."""

    def __init__(self) -> None:
        self.problems: list[RuleProblem] = []

    def keys_of(self, shape: Shape, written: Mapping[str, Any], location: KeyPath) -> ItemRule:
        """Return the rule of an item whose keys are written."""
        texts: dict[str, tuple[TextRule, ...]] = {}
        items: dict[str, tuple[ItemRule, ...]] = {}
        each = None
        for key, value in written.items():
            here = (*location, key)
            if key == _EACH and shape.main is not None:
                each = self._path(value, here)
            elif key == _SPLIT and shape.main is not None:
                self._check_split(written, here)
            elif key in shape.items:
                items[key] = self._items(shape.items[key], value, here)
            elif key in shape.words:
                texts[key] = self._word(shape.words[key], value, here)
            elif key in shape.texts or key in shape.lists:
                split = written.get(_SPLIT) if key == shape.main else None
                several = key in shape.lists or key == shape.main
                texts[key] = self._texts(value, here, split=split, several=several)
            else:
                self._unknown(shape, key, value, here)
        only_constants = each is None and not items and not _paths(texts.values())
        return ItemRule(shape, each, texts, items, only_constants)

    def _items(self, target: tuple[Shape, bool], value: Any, location: KeyPath) -> tuple[ItemRule, ...]:
        """Return the rules of a key that takes items."""
        shape, several = target
        if isinstance(value, list):
            if not several:
                self._problem(location, "takes one rule, not a list", value)
            return tuple(
                rule
                for place, one in enumerate(value)
                for rule in self._items((shape, True), one, (*location, place))
            )
        if isinstance(value, dict) and value and not value.keys() <= {_CONSTANT, _PATH, _SPLIT}:
            return (self.keys_of(shape, value, location),)
        if shape.main is None or not isinstance(value, (str, dict)) or not value:
            forms = f"a mapping with some of these keys: {_listed(shape)}"
            self._problem(
                location, f"must be {forms}{'' if shape.main is None else f'; or {_TEXT_FORMS}'}", value
            )
            return ()
        texts = {shape.main: self._texts(value, location, several=True)}
        return (ItemRule(shape, texts=texts, only_constants=not _paths(texts.values())),)

    def _texts(
        self, value: Any, location: KeyPath, *, split: str | None = None, several: bool = False
    ) -> tuple[TextRule, ...]:
        """Return the sources of a key that takes texts."""
        if isinstance(value, list) and several:
            places = enumerate(value)
            return tuple(
                rule for place, one in places for rule in self._texts(one, (*location, place), several=True)
            )
        if isinstance(value, str):
            return (TextRule(self._path(value, location), split=split),)
        match value:
            case {"constant": str(text), **rest} if text.strip() and not rest:
                return (TextRule(constant=" ".join(text.split())),)
            case {"path": str(path), **rest} if rest.keys() <= ({_SPLIT} if several else set()):
                if rest:
                    self._check_split(value, (*location, _SPLIT))
                    split = str(rest[_SPLIT])
                return (TextRule(self._path(path, (*location, _PATH)), split=split),)
        wrong = "; put a number in quotes" if isinstance(value, (int, float)) else ""
        self._problem(location, f"must be {_TEXT_FORMS}{wrong}", value)
        return ()

    def _word(self, vocabulary: Vocabulary, value: Any, location: KeyPath) -> tuple[TextRule, ...]:
        """Return the source of a key that takes a word: the word itself, or a path."""
        word = value.get(_CONSTANT) if isinstance(value, dict) and len(value) == 1 else value
        if isinstance(word, str):
            found = vocabulary.find(word) if word.strip() else None
            if found is None:
                message = f"must be {vocabulary.allowed}; or {{path: PATH}} if the record has the word"
                self._problem(location, message, value)
            return (TextRule(constant=found or ""),)
        return self._texts(value, location)

    def _path(self, value: Any, location: KeyPath) -> str:
        problem = _problem_of_path(value)
        if problem is not None:
            self._problem(location, problem, value)
        return str(value)

    def _check_split(self, written: Mapping[str, Any], location: KeyPath) -> None:
        if not isinstance(written[_SPLIT], str) or not written[_SPLIT]:
            self._problem(location, "must be the text between two values, such as ';'", written[_SPLIT])

    def _unknown(self, shape: Shape, key: str, value: Any, location: KeyPath) -> None:
        similar = difflib.get_close_matches(str(key), shape.keys, n=1)
        hint = f"; did you mean {similar[0]!r}?" if similar else ""
        what = "field of the document" if shape.main is None and len(location) == 1 else "key here"
        self._problem(location, f"is no {what} that a rule can fill; allowed: {_listed(shape)}{hint}", value)

    def _problem(self, location: KeyPath, message: str, value: Any) -> None:
        self.problems.append(RuleProblem(location, message, value))


def _listed(shape: Shape) -> str:
    extra = [_EACH, _SPLIT] if shape.main is not None else []
    return ", ".join([*shape.keys, *extra])


def _paths(rules: Iterable[tuple[TextRule, ...]]) -> bool:
    return any(rule.path is not None for group in rules for rule in group)


def _problem_of_path(value: Any) -> str | None:
    """Return what is wrong with a path, or None."""
    if not isinstance(value, str) or not value.strip():
        return "must be a path: names joined by dots (`author.name`), or JSONPath that begins with $"
    if value.startswith(ROOT):
        return _problem_of_query(value)
    problem = None
    if not _PATTERN.fullmatch(value):
        problem = "a name is missing before or after a dot"
    elif (index := _INDEX.search(value)) is not None:
        problem = f"write the number of a list member as a name, `.{index[1]}`; or use JSONPath"
    elif set("[]") & set(_BRACKETS.sub("", value)):
        problem = "in brackets, write only `*`, or `@name=value` for XML; or use JSONPath"
    return f"{value!r} is no path: {problem}" if problem else None


def _problem_of_query(path: str) -> str | None:
    try:
        parse_path(path)
    except ValueError as error:
        return str(error)
    return None
