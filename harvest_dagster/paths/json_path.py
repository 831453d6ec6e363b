"""JSONPath (RFC 9535), by the library python-jsonpath in its strict mode.

Import this module only where a config uses JSONPath: the library takes a fifth of a second to import. `rest.paths`
follows all paths that name one place.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import Any

from jsonpath import JSONPath, JSONPathEnvironment, JSONPathError, NodeList
from jsonpath.filter import UNDEFINED
from jsonpath.function_extensions import Length, Match, Search
from jsonpath.segments import JSONPathRecursiveDescentSegment
from jsonpath.selectors import IndexSelector, NameSelector

from harvest_dagster.errors import ProtocolError
from harvest_dagster.paths.syntax import Location, Number


class JsonPath:
    """A JSONPath.

    Attributes:
        location: the keys and indices to the only place that it can match; None if it can match several, or counts
            from the end of a list.
        beginning: the keys and indices before the first part of the path that can match several values.

    Args:
        text: begins with `$`.

    Raises:
        ValueError: it is not valid.
    """

    def __init__(self, text: str) -> None:
        try:
            query = _ENVIRONMENT.compile(text)
        except JSONPathError as error:
            message = f"{text!r} is not valid JSONPath (RFC 9535): {error.message}"
            raise ValueError(message) from None
        if not isinstance(query, JSONPath):  # a union, which the strict mode does not parse
            raise TypeError(type(query))
        self._query = query
        self._text = text
        self.beginning = self._find_beginning()
        is_whole = len(self.beginning) == len(self._query.segments)
        self.location = self.beginning if is_whole else None

    def matches(self, value: Any) -> Iterator[tuple[Location, Any]]:
        """Yield the location and the value of each match.

        Raises:
            ProtocolError: the value is nested too deeply for `..`.
        """
        if not isinstance(value, (dict, list)):
            return  # the library would parse a text
        try:
            for match in self._query.finditer(value):
                yield match.parts, match.obj
        except JSONPathError as error:
            message = (
                f"the path {self._text} cannot be followed in the page: {error.message}. "
                "Write a path without `..`."
            )
            raise ProtocolError(message) from None

    @property
    def has_descendants(self) -> bool:
        """Whether the path contains `..`."""
        return any(isinstance(segment, JSONPathRecursiveDescentSegment) for segment in self._query.segments)

    def _find_beginning(self) -> Location:
        location: list[str | int] = []
        for segment in self._query.segments:
            if isinstance(segment, JSONPathRecursiveDescentSegment):
                break
            match segment.selectors:
                case [NameSelector(name=name)]:
                    location.append(name)
                case [IndexSelector(index=index)] if index >= 0:
                    location.append(index)
                case _:
                    break
        return tuple(location)


class _Environment(JSONPathEnvironment):
    """Compares the numbers of a page as numbers, although the parser keeps their text (`strict_json.Number`)."""

    def setup_function_extensions(self) -> None:
        super().setup_function_extensions()
        self.function_extensions |= {"length": _Length(), "match": _Match(), "search": _Search()}

    def compare(self, left: object, operator: str, right: object) -> bool:
        return super().compare(_comparable(left), operator, _comparable(right))


class _Length(Length):
    def __call__(self, obj: Any) -> Any:
        return UNDEFINED if isinstance(obj, Number) else super().__call__(obj)


class _Match(Match):
    def __call__(self, value: object, pattern: object) -> bool:
        return not isinstance(value, Number) and super().__call__(value, pattern)


class _Search(Search):
    def __call__(self, value: object, pattern: object) -> bool:
        return not isinstance(value, Number) and super().__call__(value, pattern)


def _comparable(value: object) -> object:
    """Return a value with its numbers as numbers."""
    match value:
        case Number():
            return _number(value)
        case NodeList() if len(value) == 1:
            return _comparable(value[0].obj)
        case float():
            return Decimal(repr(value))  # of the path: a binary fraction would differ from that of the page
        case dict():
            return {key: _comparable(member) for key, member in value.items()}
        case list() if not isinstance(value, NodeList):
            return [_comparable(member) for member in value]
    return value


def _number(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:  # an exponent of twenty digits
        return Decimal(float(text))


_ENVIRONMENT = _Environment(strict=True)
