"""Ways into a JSON value, written with dots: `message.items`, `messages.0.total`, `authors.*.score`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import Field

PATTERN = r"^[^.]+(\.[^.]+)*$"
Path = Annotated[str, Field(pattern=PATTERN)]
"""Names of members joined by dots; in a list a number from 0."""


def keys(path: str) -> tuple[str, ...]:
    """Its steps."""
    return tuple(path.split("."))


def find(value: Any, path: str) -> Any:
    """What is there; None where nothing is, or null."""
    for found in along(value, path):
        value = found
    return value


def along(value: Any, path: str) -> Iterator[Any]:
    """The value itself, what each step leads to, and last what is there."""
    yield value
    for key in keys(path):
        value = _step(value, key)
        yield value


def remove(value: Any, path: str) -> None:
    """Take out what is there; `*` stands for every member on the way."""
    *way, last = keys(path)
    for holder in _all(value, way):
        if isinstance(holder, dict):
            holder.pop(last, None)


def _step(value: Any, key: str) -> Any:
    if isinstance(value, dict):
        return value.get(key)
    is_there = isinstance(value, list) and key.isdecimal() and int(key) < len(value)
    return value[int(key)] if is_there else None


def _all(value: Any, way: list[str]) -> Iterator[Any]:
    if not way:
        yield value
    elif way[0] == "*":
        for member in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            yield from _all(member, way[1:])
    else:
        yield from _all(_step(value, way[0]), way[1:])
