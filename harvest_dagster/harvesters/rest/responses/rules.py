"""Which paths a response format allows, for `harvest check`: it reads no response."""

from __future__ import annotations

from collections.abc import Iterator
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel

from harvest_dagster.paths.syntax import ROOT
from harvest_dagster.paths.xml_path import parse_xml_path

FORMAT_NAMES = MappingProxyType({"json": "JSON", "jsonl": "JSON Lines", "xml": "XML", "csv": "CSV"})
"""The formats by their values of `response`."""

_OF_LINES = frozenset({"jsonl", "csv"})
_FROM_PAGE = frozenset({"cursor", "link"})


def find_faults(response: str, field: str, value: Any) -> Iterator[str]:
    """Yield what is wrong with the paths in an argument of the harvester.

    Args:
        response: the format.
        field: name of the argument.
        value: its value: a path, several paths, an object with paths, or None.
    """
    if response in _OF_LINES:
        yield from _faults_of_lines(response, field, value)
    if response == "xml":
        for path in _paths_in(field, value):
            yield from _faults_of_xml_path(field, path)


def _faults_of_lines(response: str, field: str, value: Any) -> Iterator[str]:
    name = FORMAT_NAMES[response]
    if field == "records" and value != ROOT:
        yield f"a page of {name} is the list of records: write `records: {ROOT}`"
    if field in ("total", "error") and value is not None:
        yield f"a page of {name} contains only records, so it has no `{field}`. Remove it"
    if field == "next" and (value.by in _FROM_PAGE or value.more is not None):
        what = "`more`" if value.more is not None else f"{value.by}"
        yield f"a page of {name} contains only records, so it has no {what}. Use by: page, offset or link_header"


def _faults_of_xml_path(field: str, path: str) -> Iterator[str]:
    if path.startswith(ROOT):
        yield f"{path} is JSONPath, but the response is XML. Write names of elements joined by dots: `feed.entry`"
        return
    try:
        parsed = parse_xml_path(path)
    except ValueError as error:
        yield str(error)
        return
    if field == "records" and parsed.attribute is not None:
        yield f"{path} leads to an attribute, but a record is an element. Remove `@{parsed.attribute}`"
    if field != "volatile" and any(step.name == "*" for step in parsed.steps):
        yield f"{path} contains `*`, which only `volatile` may. Name the element"


def _paths_in(field: str, value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, tuple):
        yield from value
    elif isinstance(value, BaseModel):
        names = ("path", "more") if field == "next" else ("path",)
        yield from (path for name in names if (path := getattr(value, name)) is not None)
