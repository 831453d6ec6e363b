"""The spooled pages of details, and how to find the record in one without a request.

A detail is the response to the request for one record of a list (`rest.details.requests`). Its page has the bytes of
the list item, too: they give the identifier and the datestamp, and they are what goes to the quarantine if there is no
usable detail. The body of such a page is a line of JSON with the lengths of both parts, then the parts as they were
received.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harvest_dagster.errors import MalformedResponse, ProtocolError
from harvest_dagster.harvesters.formats.strict_json import DuplicateKeys, parse_json
from harvest_dagster.harvesters.rest.arguments import RestArguments
from harvest_dagster.harvesters.rest.lists.page_metadata import (
    describe_value,
    raise_if_error,
    raise_if_usual_error,
)
from harvest_dagster.harvesters.rest.paths import find, matches, values_along
from harvest_dagster.paths.syntax import ROOT, Location
from harvest_dagster.response_limits import ResponseLimits


@dataclass(frozen=True)
class StoredDetail:
    """The content of the page of a detail.

    Attributes:
        item: the bytes of the list item.
        detail: the bytes of the detail; None if there is none.
        error: why there is no detail; empty if there is one.
    """

    item: bytes
    detail: bytes | None = None
    error: str = ""


def pack_detail(stored: StoredDetail) -> bytes:
    """Return the body of the page of a detail."""
    head = {
        "item": len(stored.item),
        "detail": None if stored.detail is None else len(stored.detail),
        "error": stored.error,
    }
    return b"".join([json.dumps(head).encode(), b"\n", stored.item, stored.detail or b""])


def unpack_detail(body: bytes) -> StoredDetail:
    """Return what `pack_detail` wrote."""
    line, _, parts = body.partition(b"\n")
    head = json.loads(line)
    item, detail = parts[: head["item"]], parts[head["item"] :]
    return StoredDetail(item, None if head["detail"] is None else detail, head["error"])


def find_record(
    arguments: RestArguments, body: bytes, *, url: str, content_type: str, limits: ResponseLimits
) -> tuple[Location, dict[str, Any]]:
    """Return the location and the value of the record in a detail.

    Raises:
        MalformedResponse: the body is not JSON, or an object on the path to the record contains a key twice.
        ProtocolError: there is no object at the path, or the response also says that it failed.
        SourceRefused: the response contains an error at the path `error`.
    """
    assert arguments.detail is not None  # noqa: S101  # the caller has checked it
    path = arguments.detail.record
    document = parse_json(body, url=url, content_type=content_type, limits=limits)
    *parents, _ = [*values_along(document, path)] if path != ROOT else [None]
    if any(isinstance(value, DuplicateKeys) for value in parents):
        raise MalformedResponse(f"{url} answered with an object that contains a key twice.")
    if arguments.error is not None:
        raise_if_error(document, arguments.error, url=url)
    elif path != ROOT or not _has_identifier(arguments, document):
        raise_if_usual_error(document, url=url)
    for location, value in matches(document, path):
        if isinstance(value, dict):
            return location, value
    message = (
        f"{url} answered with JSON that has no object at {path}, the path `record` of `detail`, but "
        f"{describe_value(document)}. Check `record`."
    )
    raise ProtocolError(message)


def _has_identifier(arguments: RestArguments, document: Any) -> bool:
    """Return whether a document is certainly a record. A record may have a key like `errors` or `status`."""
    return isinstance(document, Mapping) and any(
        find(document, path) is not None for path in arguments.identifier
    )
