"""Problems in the catalog, in words for the author of the YAML: file, line, key, what is allowed.

Here: the value of a problem, and the translation of pydantic's errors into such words. Not here: the search for
problems (`yaml_documents`, `arguments`, `loader`).
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

# The place of a value in a document: keys of mappings and positions in lists.
KeyPath: TypeAlias = "tuple[str | int, ...]"

# The types of pydantic's errors that concern a key and not its value.
ABOUT_KEYS = frozenset({"missing", "extra_forbidden"})

# The keys of an IngestConfig whose values are secret.
_CONFIDENTIAL = frozenset({("auth",)})

_LONGEST_SHOWN = 60
_LABELS_SUGGESTED = 3
_EXPECTED = {
    "bool_type": "true or false",
    "dict_type": "a mapping (key: value)",
    "float_type": "a number",
    "int_type": "a whole number",
    "list_type": "a list",
    "model_attributes_type": "a mapping (key: value)",
    "model_type": "a mapping (key: value)",
    "string_type": "text (put a number, true or false in quotes)",
    "tuple_type": "a list",
}


@dataclass(frozen=True)
class Place:
    """Where a source is declared.

    Attributes:
        file: path of the file.
        line: where its document begins, counted from 1.
    """

    file: str
    line: int


@dataclass(frozen=True)
class Problem:
    """One thing that the author of a file must correct.

    Attributes:
        file: its path.
        line: counted from 1; 0 if the problem concerns the whole file or directory.
        key: dotted path such as `rate_limit.calls`; empty if the problem concerns a whole document.
        message: what is wrong and what is allowed.
        label: of the document that does not load because of it; None if the document has no valid label.
    """

    file: str
    line: int
    key: str
    message: str
    label: str | None = None

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.key}: {self.message}" if self.key else f"{place}: {self.message}"


def dotted(path: KeyPath) -> str:
    """Return the text of a path: `owners[0]`, `rate_limit.calls`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")


def did_you_mean(word: str, known: Iterable[str], most: int = 1) -> str:
    """Return `; did you mean 'x'?` with some similar words, or an empty text if no known word is similar."""
    similar = difflib.get_close_matches(word, list(known), n=most)
    return f"; did you mean {' or '.join(map(repr, similar))}?" if similar else ""


def unknown_source(label: str, known: Iterable[str], searched: Collection[str] = ()) -> str:
    """Return the message that no source has a label, with similar labels, and with the places that were searched."""
    places = f"Searched: {', '.join(searched)}. " if searched else ""
    return (
        f"there is no source {label!r}{did_you_mean(label, known, _LABELS_SUGGESTED) or '.'} {places}"
        "Check the label, or add the directory of its file, or the defs.yaml of its component, to HARVEST_SOURCES."
    )


def explain_errors(
    details: Iterable[ErrorDetails], model: type[BaseModel], value: Any, *, show: bool
) -> Iterator[tuple[KeyPath, str]]:
    """Yield for each error of pydantic its path in `value`, and a message that says what is allowed there.

    Args:
        details: the errors of `model` for `value`.
        model: knows the keys that are allowed.
        value: what was validated.
        show: whether a message may repeat a part of `value`. False for arguments, which may contain a secret. `auth`
            is never repeated.
    """
    messages: dict[KeyPath, list[str]] = {}
    for detail in details:
        is_shown = show and detail["loc"][:1] not in _CONFIDENTIAL
        if detail["type"] == "default_factory_not_called":
            continue  # the field that the default depends on has its own error
        path = _path_in_document(detail["loc"], value, detail["type"])
        # A union gives one error for each of its members.
        messages.setdefault(path, []).append(_message(detail, model, path, show=is_shown))
    for path, alternatives in messages.items():
        yield path, "; or ".join(dict.fromkeys(alternatives))


def _path_in_document(loc: KeyPath, value: Any, kind: str) -> KeyPath:
    """Return the location of an error without the parts that pydantic adds: members of unions, and `[key]`."""
    path: list[str | int] = []
    for number, part in enumerate(loc, start=1):
        is_missing = kind == "missing" and number == len(loc)
        if isinstance(value, Mapping) and (part in value or is_missing):
            value = value.get(part)
        elif isinstance(value, list) and isinstance(part, int) and part < len(value):
            value = value[part]
        else:
            continue
        path.append(part)
    return tuple(path)


def _message(detail: ErrorDetails, model: type[BaseModel], path: KeyPath, *, show: bool) -> str:
    kind = detail["type"]
    if kind == "value_error":
        return str(detail["ctx"]["error"])
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        return _unknown_tag(detail, model)
    parent = _model_at(model, path[:-1], detail["loc"])
    if kind == "missing":
        return f"is missing; required here: {', '.join(_keys(parent, required=True))}"
    if kind == "extra_forbidden":
        known = _keys(parent)
        return (
            f"is not a known key; allowed: {', '.join(known) or 'none'}{did_you_mean(str(path[-1]), known)}"
        )
    # pydantic's own text begins with "Input should", "String should" and so on.
    rule = (
        f"must be {_EXPECTED[kind]}" if kind in _EXPECTED else re.sub(r"^\w+ should", "must", detail["msg"])
    )
    return f"{rule}{_but_not(detail['input']) if show else ''}"


def _unknown_tag(detail: ErrorDetails, model: type[BaseModel]) -> str:
    """Return what is allowed for the key that chooses among several models, such as `kind` in `auth`."""
    field = model.model_fields[str(detail["loc"][-1])]
    key = str(field.discriminator)
    tags = [str(tag) for member in _models_of(field) for tag in get_args(member.model_fields[key].annotation)]
    tag = str(detail.get("ctx", {}).get("tag", ""))
    return f"needs the key {key} with one of these values: {', '.join(tags)}{did_you_mean(tag, tags)}"


def _but_not(written: object) -> str:
    """Return `, not 'x'` for the value that the author wrote."""
    if isinstance(written, (dict, list)):
        return f", not a {'mapping' if isinstance(written, dict) else 'list'}"
    text = {"None": "nothing", "True": "true", "False": "false"}.get(repr(written), repr(written))
    return f", not {text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + '…'}"


def _model_at(model: type[BaseModel], path: KeyPath, loc: KeyPath) -> type[BaseModel] | None:
    """Return the model of the mapping at `path`; None if it is not exactly one model.

    If a key of the mapping chooses among several models, `loc` contains its value.
    """
    found: type[BaseModel] | None = model
    for part in path:
        field = found.model_fields.get(str(part)) if found else None
        if field is None:
            return None
        models = _models_of(field)
        if isinstance(field.discriminator, str):
            key = field.discriminator
            models = [each for each in models if {*get_args(each.model_fields[key].annotation)} & {*loc}]
        found = models[0] if len(models) == 1 else None
    return found


def _models_of(field: FieldInfo) -> list[type[BaseModel]]:
    members = (field.annotation, *get_args(field.annotation))
    return [member for member in members if isinstance(member, type) and issubclass(member, BaseModel)]


def _keys(model: type[BaseModel] | None, *, required: bool = False) -> list[str]:
    fields = model.model_fields if model else {}
    return [field.alias or name for name, field in fields.items() if field.is_required() or not required]
