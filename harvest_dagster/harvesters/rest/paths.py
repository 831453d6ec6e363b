"""Find values at paths in a page: names joined by dots (`message.items`, `messages.0.total`), or JSONPath (RFC 9535).

Most paths name one place. They are followed here, which takes less than a microsecond; only a path that may match
several values needs the library (`paths.json_path`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from enum import Enum
from typing import Any, Final

from harvest_dagster.paths.syntax import ROOT, Location, parse_path


class Missing(Enum):
    """The type of `MISSING`."""

    MISSING = "missing"


MISSING: Final = Missing.MISSING
"""What is found at a path that leads nowhere. A path can also lead to null, which is None."""


class PathTarget(ABC):
    """A value that is no JSON, and finds values at paths itself: an element of XML (`rest.responses`)."""

    @abstractmethod
    def look_up(self, path: str) -> Any:
        """Return the first value at a path, or MISSING."""

    @abstractmethod
    def as_object(self) -> dict[str, Any]:
        """Return what the value has at its top level, by path."""


def find(value: Any, path: str) -> Any:
    """Return the value at a path, or None if there is none or it is null. Of several values, return the first."""
    found = look_up(value, path)
    return None if found is MISSING else found


def look_up(value: Any, path: str) -> Any:
    """Return the value at a path, or MISSING if there is none. Of several values, return the first."""
    names, inner = parse_path(path).names, value
    if names is not None:
        for name in names:
            if not isinstance(inner, dict) or name not in inner:
                break  # an index of a list, a key with dots, or nothing
            inner = inner[name]
        else:
            return inner
    if isinstance(value, PathTarget):
        return value.look_up(path)
    for _, found in matches(value, path):
        return found
    return MISSING


def matches(value: Any, path: str) -> Iterator[tuple[Location, Any]]:
    """Yield the location and the value of each match.

    Raises:
        ProtocolError: the JSON is nested too deeply for a path with `..`.
    """
    parsed = parse_path(path)
    if parsed.query is not None:
        yield from parsed.query.matches(value)
        return
    location = parsed.location
    if location is None and (location := _locate(value, parsed.names or ())) is None:
        return
    found = value
    for key in location:
        found = _member(found, key)
        if found is MISSING:
            return
    yield location, found


def selects_from_nothing(value: Any, path: str) -> bool:
    """Return whether a JSONPath that may match several values begins with the path of an empty list or object.

    A page that is `{}` is no empty list: it rather shows an error.
    """
    beginning = _beginning_of_selection(value, path)
    return isinstance(beginning, (list, dict)) and not beginning and value != {}


def selects_from_list(value: Any, path: str) -> bool:
    """Return whether a JSONPath that may match several values begins with the path of a list that is not empty."""
    beginning = _beginning_of_selection(value, path)
    return isinstance(beginning, list) and bool(beginning)


def _beginning_of_selection(value: Any, path: str) -> Any:
    """Return the value from which a JSONPath selects, or MISSING if there is none or the path names one place."""
    query = parse_path(path).query
    if query is None:
        return MISSING
    for key in query.beginning:
        value = _member(value, key)
    return value


def values_along(value: Any, path: str) -> Iterator[Any]:
    """Yield the value itself, then each value on the way to a match, and the match."""
    yield value
    for location, _ in matches(value, path):
        inner = value
        for key in location:
            inner = _member(inner, key)
            yield inner


def remove(value: Any, path: str) -> None:
    """Delete the members of objects at a path. In a dotted path, `*` stands for every member of an object or list."""
    names = parse_path(path).names
    if names is None:
        for location, _ in list(matches(value, path)):
            _remove_at(value, location)
        return
    *parent_names, name = names
    for parent in _parents(value, parent_names):
        if isinstance(parent, dict):
            parent.pop(name, None)


def known_part(value: Any, path: str) -> tuple[str, Any]:
    """Return the longest beginning of a dotted path that leads to an object, and that object, for an error message."""
    names = parse_path(path).names or ()
    for length in range(len(names) - 1, 0, -1):
        beginning = ".".join(names[:length])
        if isinstance(found := look_up(value, beginning), dict):
            return beginning, found
    return ROOT, value


def members_of(value: Any) -> dict[str, Any]:
    """Return the members of an object, or what an element of XML has; nothing for any other value."""
    if isinstance(value, PathTarget):
        return value.as_object()
    return value if isinstance(value, dict) else {}


def _locate(value: Any, names: tuple[str, ...]) -> Location | None:
    """Return where a dotted path leads. A key of the page may contain dots, too, as `@odata.nextLink` does."""
    if not names:
        return ()
    for length in range(1, len(names) + 1):
        key: str | int = ".".join(names[:length])
        if isinstance(value, list):
            key = int(names[0]) if length == 1 and names[0].isdecimal() else -len(value) - 1
        member = _member(value, key)
        if member is not MISSING and (rest := _locate(member, names[length:])) is not None:
            return (key, *rest)
    return None


def _member(value: Any, key: str | int) -> Any:
    if isinstance(key, str):
        return value.get(key, MISSING) if isinstance(value, dict) else MISSING
    is_index = isinstance(value, list) and -len(value) <= key < len(value)
    return value[key] if is_index else MISSING


def _remove_at(value: Any, location: Location) -> None:
    *parents, last = location
    for key in parents:
        value = _member(value, key)
    if isinstance(value, dict):
        value.pop(last, None)


def _parents(value: Any, names: list[str]) -> Iterator[Any]:
    """Yield the values at a dotted path that may contain `*`."""
    if not names:
        yield value
    elif names[0] == "*":
        for member in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            yield from _parents(member, names[1:])
    else:
        key: str | int = names[0]
        if isinstance(value, list):
            key = int(names[0]) if names[0].isdecimal() else -len(value) - 1
        yield from _parents(_member(value, key), names[1:])
