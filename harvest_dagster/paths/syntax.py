"""The syntax of a path into JSON: names joined by dots (`message.items`, `messages.0.total`), or JSONPath (RFC 9535).

A path that begins with `$` is JSONPath.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, Field

if TYPE_CHECKING:  # the library takes a fifth of a second to import, and few sources need it
    from harvest_dagster.paths.json_path import JsonPath

PATTERN = r"^(\$.*|[^.$][^.]*(\.[^.]+)*)$"
ROOT = "$"

Location = tuple[str | int, ...]
"""The names of members of objects, and the indices of lists, from 0, from a document to a value in it."""


class Number(str):
    """A number, as the text that the source sent."""

    __slots__ = ()


@dataclass(frozen=True)
class ParsedPath:
    """A path that has been parsed.

    Attributes:
        names: the names of a dotted path; None for JSONPath.
        location: the only place that a JSONPath names; None if it may match several.
        query: the JSONPath if it may match several values.
    """

    names: tuple[str, ...] | None = None
    location: Location | None = None
    query: JsonPath | None = None

    @property
    def has_descendants(self) -> bool:
        """Whether the path contains `..`, so that one match may lie within another."""
        return self.query is not None and self.query.has_descendants


@lru_cache(maxsize=1024)
def parse_path(path: str) -> ParsedPath:
    """Return a parsed path.

    Raises:
        ValueError: it is not valid JSONPath.
    """
    if not path.startswith(ROOT):
        return ParsedPath(names=tuple(path.split(".")))
    if path == ROOT:
        return ParsedPath(location=())
    from harvest_dagster.paths.json_path import JsonPath  # noqa: PLC0415  # see above

    query = JsonPath(path)
    return ParsedPath(query=query) if query.location is None else ParsedPath(location=query.location)


def _validate(path: str) -> str:
    parse_path(path)
    return path


Path = Annotated[str, Field(pattern=PATTERN), AfterValidator(_validate)]
"""Names of members, joined by dots, or JSONPath. For a list, a name is an index from 0."""
