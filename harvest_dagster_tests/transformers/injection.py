"""Put a value that is nowhere else into each place of a record, one after the other, and look for it in the document.

This finds a place whose value a transformer takes out of the record and then drops, even if the value of the test is
also at another place.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

from lxml import etree

from harvest_dagster.errors import TransformError
from harvest_dagster.transformers.interface import Transformer

TEXT = "zq81734x"
NUMBER = 817342911


def lost_in_json(transformer: Transformer, record: dict[str, Any]) -> Iterator[str]:
    """Yield the path of each value that is not in the document. A number is replaced by a number."""
    for path in _paths(record, ()):
        changed: Any = deepcopy(record)
        node = changed
        for key in path[:-1]:
            node = node[key]
        value = NUMBER if isinstance(node[path[-1]], (int, float)) else TEXT
        node[path[-1]] = value
        if not _has(transformer, json.dumps(changed), str(value)):
            yield ".".join(map(str, path))


def lost_in_xml(transformer: Transformer, datum: str) -> Iterator[str]:
    """Yield the place of each text and attribute that is not in the document."""
    for number in range(len(list(etree.fromstring(datum).iter()))):
        element = list(etree.fromstring(datum).iter())[number]
        for place in ("", *map(str, element.keys())):
            root = etree.fromstring(datum)
            changed = list(root.iter())[number]
            if place:
                changed.set(place, TEXT)
            else:
                changed.text = TEXT
            if not _has(transformer, etree.tostring(root, encoding="unicode"), TEXT):
                yield f"{changed.tag}/@{place}" if place else str(changed.tag)


def _has(transformer: Transformer, datum: str, text: str) -> bool:
    try:
        return text in transformer.transform("1", datum).to_json()
    except TransformError:
        return True  # the value decides whether the record has this format


def _paths(value: Any, path: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _paths(inner, (*path, key))
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from _paths(inner, (*path, place))
    else:
        yield path
