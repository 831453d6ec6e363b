"""What is wrong with a catalogue, in words for the one who wrote the YAML: file, line, key, what is allowed.

Here: the value, and pydantic's errors put that way. Not here: finding problems (`documents`, `arguments`,
`loader`).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, get_args

from pydantic import BaseModel
from pydantic_core import ErrorDetails

# Where a value stands in a document: keys of mappings and positions in lists.
KeyPath: TypeAlias = "tuple[str | int, ...]"

# The types of pydantic's errors that are about a key and not about its value.
ABOUT_KEYS = frozenset({"missing", "extra_forbidden"})

_LONGEST_SHOWN = 60
_EXPECTED = {
    "bool_type": "true or false",
    "dict_type": "a mapping (key: value)",
    "float_type": "a number",
    "int_type": "a whole number",
    "list_type": "a list",
    "model_type": "a mapping (key: value)",
    "string_type": "text (a number, true or false in quotes)",
    "tuple_type": "a list",
}


@dataclass(frozen=True)
class Problem:
    """One thing to mend.

    Attributes:
        file: as it was found.
        line: counted from 1; 0 where it is about the whole file or directory.
        key: dotted path such as `rate_limit.calls`; empty where it is about a whole document.
        message: what is wrong and what is allowed.
        label: of the document that it keeps from loading, where that could be read.
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
    """`owners[0]`, `rate_limit.calls`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?`, or nothing where nothing is close."""
    close = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def explain(
    details: Iterable[ErrorDetails], model: type[BaseModel], value: Any, *, show: bool
) -> Iterator[tuple[KeyPath, str]]:
    """Where in `value` each error of pydantic is, and what is allowed there.

    Args:
        details: what `model` said of `value`.
        model: knows the keys that are allowed.
        value: what was validated.
        show: whether the messages may repeat what was written; not for arguments, which may hold a secret.
    """
    messages: dict[KeyPath, list[str]] = {}
    for detail in details:
        if detail["type"] == "default_factory_not_called":
            continue  # the field that the default is made from has its own error
        path = _written(detail["loc"], value, detail["type"])
        # A union gives one error for each of its members.
        messages.setdefault(path, []).append(_message(detail, model, path, show=show))
    for path, found in messages.items():
        yield path, "; or ".join(dict.fromkeys(found))


def _written(loc: KeyPath, value: Any, kind: str) -> KeyPath:
    """The part of pydantic's place that stands in the document: it adds the members of unions and `[key]`."""
    path: list[str | int] = []
    for part in loc:
        if isinstance(value, Mapping) and (part in value or kind == "missing"):
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
    holder = _model_at(model, path[:-1])
    if kind == "missing":
        return f"is missing; required here: {', '.join(_keys(holder, required=True))}"
    if kind == "extra_forbidden":
        known = _keys(holder)
        return f"is no key here; allowed: {', '.join(known) or 'none'}{did_you_mean(str(path[-1]), known)}"
    said = (
        f"must be {_EXPECTED[kind]}" if kind in _EXPECTED else detail["msg"].replace("Input should", "must")
    )
    return f"{said}{_but_not(detail['input']) if show else ''}"


def _but_not(written: object) -> str:
    if isinstance(written, (dict, list)):
        return f", not a {'mapping' if isinstance(written, dict) else 'list'}"
    text = {"None": "nothing", "True": "true", "False": "false"}.get(repr(written), repr(written))
    return f", not {text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + '…'}"


def _model_at(model: type[BaseModel], path: KeyPath) -> type[BaseModel] | None:
    """The model that holds the keys of `path`, where that is one model and no union of several."""
    found: type[BaseModel] | None = model
    for part in path:
        field = found.model_fields.get(str(part)) if found else None
        if field is None:
            return None
        members = (field.annotation, *get_args(field.annotation))
        models = [member for member in members if isinstance(member, type) and issubclass(member, BaseModel)]
        found = models[0] if len(models) == 1 else None
    return found


def _keys(model: type[BaseModel] | None, *, required: bool = False) -> list[str]:
    fields = model.model_fields if model else {}
    return [field.alias or name for name, field in fields.items() if field.is_required() or not required]
