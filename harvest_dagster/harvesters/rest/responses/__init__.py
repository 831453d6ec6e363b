"""The formats of responses: how a page is parsed, where its records are, and in which form a record is stored."""

from __future__ import annotations

from pkgutil import resolve_name
from types import MappingProxyType
from typing import TYPE_CHECKING

from harvest_dagster.harvesters.rest.responses.interface import ResponseFormat
from harvest_dagster.response_limits import ResponseLimits

if TYPE_CHECKING:
    from harvest_dagster.harvesters.rest.arguments import RestArguments

__all__ = ["ResponseFormat", "response_format"]

_CLASSES = MappingProxyType(
    {
        "json": "json_response:JsonResponse",
        "jsonl": "json_lines_response:JsonLinesResponse",
        "xml": "xml_response:XmlResponse",
        "csv": "csv_response:CsvResponse",
    }
)


def response_format(arguments: RestArguments, limits: ResponseLimits) -> ResponseFormat:
    """Return the format that `response` in the arguments names. No other parser is imported."""
    kind: type[ResponseFormat] = resolve_name(f"{__name__}.{_CLASSES[arguments.response]}")
    return kind(arguments, limits)
