"""Read a JSON record so that nothing is lost.

A transformer takes values out of the record. What remains in the record when it has finished has no field in the
document: `leftovers` yields it. Objects and lists stay in their place; only texts, numbers and truth values are taken.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import msgspec

from harvest_dagster.errors import TransformError
from harvest_dagster.transformers.document import Unmapped

Node = dict[str, Any]

# A float keeps its digits: 1.10 is not 1.1.
_decoder = msgspec.json.Decoder(float_hook=str)


def parse(datum: str) -> Node:
    """Return the record.

    Raises:
        TransformError: the datum is not a JSON object.
    """
    try:
        record = _decoder.decode(datum)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
        message = f"the datum is not JSON: {error}. Name a transformer that reads this format."
        raise TransformError(message) from error
    if not isinstance(record, dict):
        message = (
            f"the datum is a JSON {type(record).__name__}, not an object. Name a transformer that reads it."
        )
        raise TransformError(message)
    return record


def take(node: Node, key: str) -> str | None:
    """Take a text, a number or a truth value out of an object. Return it as a text, with single spaces.

    Return None, and take nothing, if there is none, if it is empty, or if it is an object or a list.
    """
    value = node.get(key)
    if value is None or isinstance(value, (dict, list)):
        return None
    del node[key]
    return _text(value) or None


def take_texts(node: Node, key: str) -> list[str]:
    """Take all texts, numbers and truth values of a list, or a single one, out of an object.

    Objects and lists in the list stay.
    """
    value = node.get(key)
    if not isinstance(value, list):
        single = take(node, key)
        return [] if single is None else [single]
    texts = [_text(item) for item in value if item is not None and not isinstance(item, (dict, list))]
    # The places of the others must not move: a path names them.
    node[key] = [item if isinstance(item, (dict, list)) else None for item in value]
    return [text for text in texts if text]


def child(node: Node, key: str) -> Node:
    """Return the object at a key, in its place; an empty one if there is none."""
    value = node.get(key)
    return value if isinstance(value, dict) else {}


def children(node: Node, key: str) -> list[Node]:
    """Return the objects in a list, or the single object, in their place."""
    value = node.get(key)
    if isinstance(value, dict):
        return [value]
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def leftovers(node: Any, path: str = "") -> Iterator[Unmapped]:
    """Yield the values that are still in the record, each with its path, such as `author[0].name`."""
    found: list[Unmapped] = []
    _collect(node, path, found)
    yield from found


def _collect(node: Any, path: str, found: list[Unmapped]) -> None:
    """Add the values of a part of the record. A list is faster than a generator for each value."""
    if isinstance(node, dict):
        for key, value in node.items():
            # Most values are taken: their path is not needed.
            if value is not None:
                _collect(value, path + _step(key, first=not path), found)
    elif isinstance(node, list):
        for place, value in enumerate(node):
            if value is not None:
                _collect(value, f"{path}[{place}]", found)
    elif node is not None and (text := _text(node)):
        found.append(Unmapped(path or "$", text))


@lru_cache(maxsize=4096)
def _step(key: str, *, first: bool) -> str:
    """Return the part of a path that a key of an object is."""
    if key.isidentifier() or key.replace("-", "_").isidentifier():
        return key if first else f".{key}"
    return f"[{key!r}]"


def _text(value: Any) -> str:
    if isinstance(value, str):
        return " ".join(value.split())
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
