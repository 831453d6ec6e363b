"""The JSON API: the same records as a REST service, with `GET /api/records` and `/api/records/ID`.

The parameters `from` and `until` are inclusive, as in OAI-PMH; `set` and `size` are optional. The response is

    {"total": 1000, "records": [{"id": …, "updated": …, "deleted": false, "sets": […], "metadata": {…}}], …}

How a client gets the next page depends on the paging:

- cursor: the response contains `"next": "<cursor>"` (null at the end). The client sends it as `cursor`; it can repeat
  or omit the other parameters.
- links: the response contains `"links": {"next": "<URL>"}`.
- link_header: the header Link contains the URL with rel="next".
- page, offset: the response contains nothing; the client counts with `page` (from 1) or `offset`.

Errors are `{"error": {"code": …, "message": …}}` with status 400 or 404.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from html import unescape
from typing import Literal
from urllib.parse import unquote, urlencode

from harvest_dagster.testing.simulator.errors import OaiError
from harvest_dagster.testing.simulator.protocols import oai_xml
from harvest_dagster.testing.simulator.repository import lists
from harvest_dagster.testing.simulator.repository.edits import Edit
from harvest_dagster.testing.simulator.repository.lists import RepositorySnapshot
from harvest_dagster.testing.simulator.repository.repository import Repository
from harvest_dagster.testing.simulator.repository.tokens import ListPosition, decode
from harvest_dagster.testing.simulator.serving.messages import JSON_LIST, Page, Request, Response

Paging = Literal["cursor", "links", "link_header", "page", "offset"]
_WITH_CURSOR = frozenset({"cursor", "links", "link_header"})
_HEADERS = {"Content-Type": "application/json"}
_MAX_PAGE_SIZE = 1000
_ELEMENT = re.compile(r"<dc:(\w+)>(.*?)</dc:\1>", re.DOTALL)
_PARAMETERS = frozenset({"from", "until", "set", "size", "cursor", "page", "offset"})


@dataclass(frozen=True)
class RecordContent:
    """The content of a record, independent of the protocol.

    Attributes:
        identifier: its identifier.
        datestamp: the date of its last change, in the granularity of the repository.
        deleted: True if it is deleted; it then has no metadata.
        sets: the specs of its sets.
        metadata: the texts of its Dublin Core elements by their names without a prefix.
    """

    identifier: str
    datestamp: str
    deleted: bool
    sets: tuple[str, ...]
    metadata: Mapping[str, tuple[str, ...]]


def record_content(repository: Repository, edits: Mapping[int, Edit], index: int) -> RecordContent:
    """Return the content of a record, edits included."""
    edit = edits.get(index, Edit())
    datestamp = repository.datestamp(index) if edit.datestamp is None else edit.datestamp
    deleted = oai_xml.is_deleted(repository, edits, index)
    metadata: dict[str, tuple[str, ...]] = {}
    for name, text in _ELEMENT.findall("" if deleted else oai_xml.record(repository, edits, index)):
        metadata[name] = (*metadata.get(name, ()), unescape(text))
    return RecordContent(
        repository.identifier(index),
        repository.format_instant(datestamp),
        deleted,
        tuple(record_set.spec for record_set in repository.sets if index in record_set),
        metadata,
    )


def respond(snapshot: RepositorySnapshot, request: Request, paging: Paging) -> Response:
    """Return the response to a request below `/api/records`."""
    render = partial(_render, snapshot, request, paging)
    try:
        return render(_page(snapshot, request, paging))
    except OaiError as error:
        return render(error)


def _page(snapshot: RepositorySnapshot, request: Request, paging: Paging) -> Page:
    _, _, identifier = request.path.partition(f"{JSON_LIST}/")
    if identifier:
        index = lists.find_record(snapshot, unquote(identifier))
        return Page((_render_record(snapshot.repository, snapshot.edits, index),))
    parameters = _valid_parameters(request)
    position = _position(snapshot, parameters, paging)
    try:
        return lists.page_at(snapshot, position, partial(_render_record, snapshot.repository, snapshot.edits))
    except OaiError as error:
        if error.code != "noRecordsMatch" and paging in _WITH_CURSOR:
            raise
        # A page beyond the end is empty and no error, if the client counts the pages.
        total = lists.list_length(snapshot, position) if snapshot.repository.totals else None
        return Page((), position.offset, total)


def _valid_parameters(request: Request) -> dict[str, str]:
    """Return the parameters of a request. Raise OaiError if a name or a number is not allowed."""
    parameters = request.parameters
    if unknown := parameters.keys() - _PARAMETERS:
        raise OaiError("badArgument", "Not allowed here: " + ", ".join(sorted(unknown)))
    for name in parameters.keys() & {"size", "page", "offset"}:
        if not parameters[name].isdecimal() or (int(parameters[name]) < 1 and name != "offset"):
            raise OaiError("badArgument", f"{name} must be a positive number")
    return parameters


def _position(snapshot: RepositorySnapshot, parameters: Mapping[str, str], paging: Paging) -> ListPosition:
    """Return the position of the cursor or, without one, of the other parameters."""
    if paging in _WITH_CURSOR and (cursor := parameters.get("cursor")):
        return decode(cursor, JSON_LIST, snapshot.now)
    size = min(int(parameters.get("size", snapshot.repository.page_size)), _MAX_PAGE_SIZE)
    offset = int(parameters.get("offset", 0)) if paging == "offset" else 0
    if paging == "page":
        offset = (int(parameters.get("page", 1)) - 1) * size
    place = {"offset": offset, "page": offset // size + 1, "size": size}
    return ListPosition(
        JSON_LIST, parameters.get("from"), parameters.get("until"), parameters.get("set"), **place
    )


def _render_record(repository: Repository, edits: Mapping[int, Edit], index: int) -> str:
    """Return one record as JSON; a deleted record has no metadata."""
    record = record_content(repository, edits, index)
    content = {
        "id": record.identifier,
        "updated": record.datestamp,
        "deleted": record.deleted,
        "sets": record.sets,
    }
    return json.dumps(content | ({} if record.deleted else {"metadata": record.metadata}), ensure_ascii=False)


def _render(
    snapshot: RepositorySnapshot, request: Request, paging: Paging, content: Page | OaiError
) -> Response:
    render_other = partial(_render, snapshot, request, paging)
    if isinstance(content, OaiError):
        status = 404 if content.code == "idDoesNotExist" else 400
        body = json.dumps({"error": {"code": content.code, "message": content.text}})
        return Response(body.encode(), status, _HEADERS, error_code=content.code, render=render_other)
    headers = dict(_HEADERS)
    if request.path.rstrip("/").endswith(JSON_LIST):
        body = _render_list(snapshot, request, paging, content)
        if paging == "link_header" and content.token:
            headers["Link"] = f'<{_next_url(snapshot, request, content)}>; rel="next"'
    else:
        body = content.records[0]
    return Response(body.encode("utf-8", "surrogateescape"), 200, headers, page=content, render=render_other)


def _render_list(snapshot: RepositorySnapshot, request: Request, paging: Paging, page: Page) -> str:
    members = [f'"total": {json.dumps(page.total)}'] if snapshot.repository.totals else []
    members.append(f'"records": [{", ".join(page.records)}]')
    if paging == "cursor":
        members.append(f'"next": {json.dumps(page.token or None)}')
    elif paging == "links":
        url = _next_url(snapshot, request, page) if page.token else None
        members.append(f'"links": {json.dumps({"next": url})}')
    return "{" + ", ".join(members) + "}\n"


def _next_url(snapshot: RepositorySnapshot, request: Request, page: Page) -> str:
    kept = [(name, value) for name, value in request.arguments if name != "cursor"]
    return f"{snapshot.url}?{urlencode([*kept, ('cursor', page.token or '')])}"
