"""Make the items of a document from the rules of a mapping.

Dates, languages, identifiers, licenses and access conditions are recognized as in the other transformers. An item needs
a value of the record: a role or another constant alone makes none, unless the rule has only constants.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from harvest_dagster.transformers.document import (
    Agent,
    Date,
    Identifier,
    Language,
    Place,
    Related,
    Rights,
)
from harvest_dagster.transformers.formats.mapping.rules import ItemRule, TextRule
from harvest_dagster.transformers.formats.mapping.values import Found, Tree
from harvest_dagster.transformers.recognition.dates import parse_date, parse_parts
from harvest_dagster.transformers.recognition.identifiers import identify, identify_as
from harvest_dagster.transformers.recognition.licenses import license_address
from harvest_dagster.transformers.recognition.standard_forms import language_from
from harvest_dagster.transformers.recognition.vocabularies import access_of, date_type, relation_type, relator

Values = dict[str, Any]
_DATE_PARTS = ("year", "month", "day", "start", "end")
_BOX = ("west", "south", "east", "north")


class Made(NamedTuple):
    """An item, and the text of its main key as the source writes it."""

    item: Any
    text: str | None


class _Piece(NamedTuple):
    text: str
    found: Found | None


_NO_PIECE: tuple[None] = (None,)


class ItemMaker:
    """Makes the items of one record.

    Args:
        tree: the record.
        empty: texts that mean that there is no value.
    """

    def __init__(self, tree: Tree, empty: frozenset[str] = frozenset()) -> None:
        self._tree = tree
        self._empty = empty

    def items(self, rule: ItemRule, start: Found) -> list[Made]:
        """Return the items of a rule, in the order of the record."""
        if rule.each is None:
            return self._items_at(rule, start)
        return [made for one in self._tree.find(start, rule.each) for made in self._items_at(rule, one)]

    def texts(self, rules: tuple[TextRule, ...], start: Found) -> list[str]:
        """Return all texts of some rules, and take them."""
        return [self._take(piece) for piece in self._all(rules, start)]

    def first(self, rules: tuple[TextRule, ...], start: Found) -> str | None:
        """Return the first text of some rules, and take it."""
        for rule in rules:
            if pieces := self._pieces(rule, start):
                return self._take(pieces[0])
        return None

    def _items_at(self, rule: ItemRule, start: Found) -> list[Made]:
        """Return an item for each value of the main key, or one without it. They share the other values."""
        main, taken = rule.shape.main or "", self._tree.taken
        mark = len(taken)
        values = self._others(rule, start)
        if rule.items:
            values |= self._nested(rule, start)
        has_values = len(taken) > mark or rule.only_constants
        pieces = self._all(rule.texts.get(main, ()), start)
        made: list[Made] = []
        for piece in pieces or (_NO_PIECE if has_values else ()):
            if piece is not None:
                values[main] = piece.text
            if not has_values and (piece is None or piece.found is None):
                continue
            item = _finish(rule, values)
            if item is not None:
                if piece is not None:
                    self._take(piece)
                made.append(Made(item, piece.text if piece is not None else None))
        if not made:  # what it would have contained is left over
            del taken[mark:]
        return made

    def _others(self, rule: ItemRule, start: Found) -> Values:
        """Return the texts of the keys other than the main key, and take them."""
        found: Values = {}
        shape = rule.shape
        for key, sources in rule.texts.items():
            if key in shape.lists:
                found[key] = tuple(self.texts(sources, start))
            elif key != shape.main and (text := self._single(rule, key, start)) is not None:
                found[key] = text
        return found

    def _single(self, rule: ItemRule, key: str, start: Found) -> str | None:
        """Return the text of a key that takes one. A word that is replaced by another stays in the record."""
        read = rule.shape.words[key].read if key in rule.shape.words else None
        if read is None:
            return self.first(rule.texts[key], start)
        for piece in self._all(rule.texts[key], start):
            word = read(piece.text)
            if word is not None and word.lower() == piece.text.lower():
                self._take(piece)
            return word
        return None

    def _nested(self, rule: ItemRule, start: Found) -> Values:
        """Return the items of the keys that take items."""
        found: Values = {}
        for key, rules in rule.items.items():
            made = tuple(dict.fromkeys(one.item for inner in rules for one in self.items(inner, start)))
            if made:
                found[key] = made if rule.shape.items[key][1] else made[0]
        return found

    def _all(self, rules: tuple[TextRule, ...], start: Found) -> list[_Piece]:
        if len(rules) == 1:
            return self._pieces(rules[0], start)
        return [piece for rule in rules for piece in self._pieces(rule, start)]

    def _pieces(self, rule: TextRule, start: Found) -> list[_Piece]:
        if rule.path is None:
            return [_Piece(rule.constant, None)]
        pieces: list[_Piece] = []
        for found in self._tree.find(start, rule.path):
            text = self._tree.text(found)
            if text is None or text in self._empty:
                continue
            if rule.split is None:
                pieces.append(_Piece(text, found))
            else:
                parts = map(str.strip, text.split(rule.split.strip() or " "))
                pieces += [_Piece(part, found) for part in parts if part]
        return pieces

    def _take(self, piece: _Piece) -> str:
        if piece.found is not None:
            self._tree.taken.append(piece.found)
        return piece.text


def _finish(rule: ItemRule, values: Values) -> Any:
    """Return the item that some values make; None if a value that it needs is missing."""
    finish = _FINISH.get(rule.shape.type.__name__)
    if finish is not None:
        return finish(values)
    if rule.shape.main in ("text", "name") and rule.shape.main not in values:
        return None
    return rule.shape.type(**values)


def _identifier(values: Values) -> Identifier | None:
    value = values.get("value")
    scheme = values.get("scheme")
    if value is None:
        return None
    if scheme == "other":
        return Identifier("other", value)
    return identify_as(scheme, value) if scheme else identify(value)


def _agent(values: Values) -> Agent | None:
    parts = [values[key] for key in ("family", "given") if key in values]
    name = values.get("name") or ", ".join(parts)
    if not name:
        return None
    return Agent(**{**values, "name": name, **_word(values, "role", relator)})


def _date(values: Values) -> Date | None:
    role = _word(values, "role", date_type)
    parts: list[tuple[str, str]] = [
        (key, values[key]) for key in ("year", "month", "day", "start", "end") if key in values
    ]
    text = values.get("value")
    if text is not None:
        value = parse_date(text)
    elif parts:
        separator = "/" if parts[0][0] in ("start", "end") else "-"
        text = separator.join(part for _, part in parts)
        value = parse_parts(parts) or _part_of_date(parts)
    else:
        return None
    return Date(value, None if value == text else text, **role)


def _part_of_date(parts: list[tuple[str, str]]) -> str | None:
    """Return the year alone if the month or the day is none, or an open range if one end is missing."""
    named = dict(parts)
    if "year" in named:
        return parse_date(named["year"])
    start, end = (parse_date(named.get(name, "")) for name in ("start", "end"))
    if start and end:
        return None
    return f"{start or '..'}/{end or '..'}" if start or end else None


def _language(values: Values) -> Language | None:
    text = values.get("code")
    if text is None:
        return None
    return language_from(text)


def _related(values: Values) -> Related | None:
    values = {**values, **_word(values, "relation", relation_type)}
    text = values.pop("value", None)
    if text is not None:
        found = identify(text)
        if found.scheme == "other":
            values["text"] = values.get("text") or text
        else:
            values["identifiers"] = (found, *values.get("identifiers", ()))
    known = any(values.get(key) for key in ("text", "title", "identifiers"))
    return Related(**values) if known else None


def _rights(values: Values) -> Rights | None:
    text = values.get("text") or values.get("license") or values.get("code")
    if text is None:
        return None
    written = values.get("license")
    named = (license_address(values[key]) for key in ("code", "text") if key in values)
    # An address is kept: that of the license, or of a page about it.
    address = license_address(written) or written if written else next(filter(None, named), None)
    start = values.get("start")
    more = {"start": parse_date(start) or start} if start else {}
    return Rights(**{**values, "text": text, "license": address, **more})


def _place(values: Values) -> Place | None:
    box = [values.pop(key, None) for key in _BOX]
    point = [values.pop(key, None) for key in ("longitude", "latitude")]
    if all(point):
        values["geometry"] = f"POINT ({point[0]} {point[1]})"
    elif all(box):
        west, south, east, north = box
        corners = ((west, south), (east, south), (east, north), (west, north), (west, south))
        values["geometry"] = f"POLYGON (({', '.join(f'{x} {y}' for x, y in corners)}))"
    elif any(box) or any(point):
        return None
    return Place(**values) if values.get("name") or values.get("geometry") else None


def _word(values: Values, key: str, find: Callable[[str], str | None]) -> dict[str, str | None]:
    """Return a word in its standard form, and as the source writes it if the two differ."""
    word = values.get(key)
    if word is None:
        return {}
    found = find(word)
    return {key: found, f"{key}_text": None if found == word else word}


def access_and_rights(text: str) -> tuple[Any, Rights | None]:
    """Return the access that a text names, and the text as a statement about rights if it is another word."""
    access = access_of(text)
    return access, None if access == text else Rights(text, license=license_address(text))


_FINISH: dict[str, Callable[[Values], Any]] = {
    "Agent": _agent,
    "Date": _date,
    "Identifier": _identifier,
    "Language": _language,
    "Place": lambda values: _place(dict(values)),
    "Related": _related,
    "Rights": _rights,
}
