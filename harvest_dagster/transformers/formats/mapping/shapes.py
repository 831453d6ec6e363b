"""What a rule may say about each field of the document. It is read from the schema, `transformers.document`.

Here: the keys of each item, and the words that they accept. Not here: the YAML of a rule (`mapping.rules`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, get_args, get_origin, get_type_hints

import msgspec

from harvest_dagster.transformers import document
from harvest_dagster.transformers.recognition import vocabularies
from harvest_dagster.transformers.recognition.identifier_schemes import scheme_named

Word = Callable[[str], "str | None"]

# The key that a rule means if it is only a path.
MAIN_KEYS = {
    "Affiliation": "name",
    "Agent": "name",
    "Container": "title",
    "Date": "value",
    "Description": "text",
    "File": "url",
    "Funding": "funder",
    "Identifier": "value",
    "Language": "code",
    "Origin": "base_url",
    "Place": "name",
    "Related": "value",
    "Rights": "text",
    "Subject": "text",
    "Text": "text",
    "Title": "text",
    "Version": "label",
}
# Fields that follow from other fields, or that the transformer fills in itself.
_DERIVED = {
    "Date": ("text", "role_text"),
    "Document": ("id", "schema_version", "title", "publisher", "issued", "links", "unmapped"),
    "Identifier": ("scheme_text",),
    "Language": ("text",),
    "Agent": ("role_text",),
    "Provenance": ("transformer", "format"),
    "Related": ("relation_text",),
}
# Keys that the schema lacks: parts from which a field is composed.
_PARTS = {
    "Date": ("year", "month", "day", "start", "end"),
    "Place": ("longitude", "latitude", "west", "south", "east", "north"),
    "Related": ("value",),
}


@dataclass(frozen=True)
class Shape:
    """What a rule for an item may contain.

    Attributes:
        type: the class of the item.
        main: the key of a rule that is only a path; None if the rule must name its keys.
        texts: keys that take one text.
        lists: keys that take several texts.
        items: keys that take other items, and whether each takes several.
        words: keys that take a word of a vocabulary.
    """

    type: type[Any]
    main: str | None
    texts: frozenset[str] = frozenset()
    lists: frozenset[str] = frozenset()
    items: Mapping[str, tuple[Shape, bool]] = field(default_factory=dict)
    words: Mapping[str, Vocabulary] = field(default_factory=dict)

    @property
    def keys(self) -> list[str]:
        """All keys, in alphabetical order."""
        return sorted((*self.texts, *self.lists, *self.items, *self.words))


@dataclass(frozen=True)
class Vocabulary:
    """The words that a key accepts.

    Attributes:
        find: returns the standard form of a word, or None.
        allowed: what is allowed, for an error message.
        read: returns the standard form of a word of a record, or None. If it is None, any word of a record is kept
            beside its standard form.
    """

    find: Word
    allowed: str
    read: Word | None = None


_PEOPLE = {"personal": "person", "organizational": "organization", "organisation": "organization"}


def _one_of(literal: Any, read: Word | None = None) -> Vocabulary:
    words = get_args(literal)
    return Vocabulary(lambda text: text if text in words else None, f"one of: {', '.join(words)}", read)


def _agent_kind(text: str) -> str | None:
    word = text.lower()
    return word if word in get_args(document.AgentKind) else _PEOPLE.get(word)


def _scheme(text: str) -> str:
    found = scheme_named(text)
    return text if found in (None, "other") else str(found)


def _container_kind(text: str) -> str | None:
    return text.lower() if text.lower() in get_args(document.ContainerKind) else None


_ANY = Vocabulary(lambda text: text, "any word")
_VOCABULARIES: dict[tuple[str, str], Vocabulary] = {
    ("Agent", "kind"): _one_of(document.AgentKind, _agent_kind),
    ("Agent", "role"): Vocabulary(
        vocabularies.relator, "a MARC relator: a code such as aut, or its name such as editor"
    ),
    ("Container", "kind"): _one_of(document.ContainerKind, _container_kind),
    ("Date", "role"): Vocabulary(
        vocabularies.date_type,
        "one of: Accepted, Available, Collected, Copyrighted, Created, Issued, Submitted, Updated, Valid, "
        "Withdrawn, Other",
    ),
    ("Description", "role"): _ANY,
    ("Document", "access"): _one_of(document.Access),
    ("Document", "kind"): Vocabulary(
        vocabularies.resource_type, "a general type of DataCite: JournalArticle, Dataset, Preprint, ..."
    ),
    ("File", "access"): _one_of(document.Access, vocabularies.access_of),
    ("Identifier", "scheme"): _one_of(document.Scheme, _scheme),
    ("Related", "kind"): _ANY,
    ("Related", "relation"): Vocabulary(
        vocabularies.relation_type, "a relation type of DataCite: IsPartOf, References, IsVersionOf, ..."
    ),
    ("Title", "role"): _ANY,
}


@cache
def shape_of(struct: type[Any]) -> Shape:
    """Return the shape of a class of the schema."""
    name = struct.__name__
    texts, lists = set(_PARTS.get(name, ())), set[str]()
    items: dict[str, tuple[Shape, bool]] = {}
    words: dict[str, Vocabulary] = {}
    for key, hint in get_type_hints(struct).items():
        if key in _DERIVED.get(name, ()):
            continue
        inner, several = _unpack(hint)
        if (name, key) in _VOCABULARIES:
            words[key] = _VOCABULARIES[name, key]
        elif issubclass(inner, msgspec.Struct):
            items[key] = (shape_of(inner), several)
        else:
            (lists if several else texts).add(key)
    return Shape(struct, MAIN_KEYS.get(name), frozenset(texts), frozenset(lists), items, words)


def _unpack(hint: Any) -> tuple[type[Any], bool]:
    """Return the class in an annotation, and whether it is a list of them. A literal is a text."""
    if get_origin(hint) is tuple:
        return _unpack(get_args(hint)[0])[0], True
    members = [member for member in get_args(hint) if member is not type(None)]
    if isinstance(hint, type) and not members:
        return hint, False
    return (members[0], False) if members and isinstance(members[0], type) else (str, False)
