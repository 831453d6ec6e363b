"""The argument `detail` of a REST API: the request for the full record of a list item."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from harvest_dagster.harvesters.interface import Arguments
from harvest_dagster.harvesters.rest.further_urls import find_address_faults
from harvest_dagster.harvesters.rest.placeholders import find_placeholders
from harvest_dagster.paths.syntax import Path

IDENTIFIER = "{identifier}"
_NUMBERED = re.compile(r"\{identifier\.[^}]*\}")


class Detail(Arguments):
    """The request for the full record, for an API whose lists have only a part of each record.

    Attributes:
        url: URL of the full record, on the host of `base_url`. `{identifier}` is the identifier as the source writes
            it, percent-encoded. With several paths, it has the values joined by colons; `{identifier.0}` is the first.
        record: path of the record in the response.
    """

    url: str
    record: Path = "$"


def detail_faults(url: str, known: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with the URL of details. `known` has the earlier arguments without an error."""
    if known.get("response", "json") != "json":
        yield "detail needs `response: json`"
    yield from find_address_faults("`url` of detail", url, known.get("base_url"))
    yield from _faults_of_placeholders(url, len(known.get("identifier", ())))


def _faults_of_placeholders(url: str, count: int) -> Iterator[str]:
    if wrong := list(map(str, find_placeholders([url]))):
        yield f"`url` of detail must not contain {', '.join(wrong)}"
    numbered = [f"{{identifier.{number}}}" for number in range(count)]
    if unknown := sorted(set(_NUMBERED.findall(url)) - set(numbered)) if count else []:
        known_parts = f"identifier has {count} path{'s' * (count > 1)}"
        yield f"{known_parts}, so `url` of detail must not contain {', '.join(unknown)}"
    if IDENTIFIER not in url and (not numbered or any(name not in url for name in numbered)):
        needed = f"{IDENTIFIER}, or {' and '.join(numbered)}" if count > 1 else IDENTIFIER
        yield f"`url` of detail must contain {needed}: the identifier of the record"
