"""The JSON API: the same records as a list of a REST service, with `GET /api/records` and `/api/records/ID`.

`from` and `until` are inclusive, as in OAI-PMH; `set` and `size` may be given. The answer is

    {"total": 1000, "records": [{"id": …, "updated": …, "deleted": false, "sets": […], "metadata": {…}}], …}

and where the list goes on, depending on the paging: `"next": "<cursor>"` (null at the end), to be given back as
`cursor` beside nothing else or all the same; or `"links": {"next": "<URL>"}`; or nothing, the client counting
with `page` (from 1) or `offset`. Errors are `{"error": {"code": …, "message": …}}` with status 400 or 404.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import partial
from html import unescape
from typing import Literal
from urllib.parse import urlencode

from harvest_dagster.simulator import lists, render
from harvest_dagster.simulator.edits import Edit
from harvest_dagster.simulator.errors import OaiError
from harvest_dagster.simulator.exchange import JSON_LIST, Page, Request, Response
from harvest_dagster.simulator.lists import Holdings
from harvest_dagster.simulator.repository import Repository
from harvest_dagster.simulator.tokens import Listing, decode

Paging = Literal["cursor", "links", "page", "offset"]
_HEADERS = {"Content-Type": "application/json"}
_MOST = 1000
_ELEMENT = re.compile(r"<dc:(\w+)>(.*?)</dc:\1>", re.DOTALL)
_ALLOWED = frozenset({"from", "until", "set", "size", "cursor", "page", "offset"})


def answer(holdings: Holdings, request: Request, paging: Paging) -> Response:
    """The answer to a request below `/api/records`."""
    write = partial(_written, holdings, request, paging)
    try:
        return write(_content(holdings, request, paging))
    except OaiError as error:
        return write(error)


def _content(holdings: Holdings, request: Request, paging: Paging) -> Page:
    _, _, identifier = request.path.partition(f"{JSON_LIST}/")
    if identifier:
        return Page((_record(holdings.repository, holdings.edits, lists.find(holdings, identifier)),))
    given = _checked(request)
    cursor = given.get("cursor") if paging in {"cursor", "links"} else None
    listing = decode(cursor, JSON_LIST, holdings.now) if cursor else _listing(holdings, given, paging)
    try:
        return lists.page_of(holdings, listing, partial(_record, holdings.repository, holdings.edits))
    except OaiError as error:
        if error.code != "noRecordsMatch" and paging in {"cursor", "links"}:
            raise
        # Beyond the end of a list that is counted by the client there is nothing, and that is no error.
        total = lists.length(holdings, listing) if holdings.repository.totals else None
        return Page((), listing.offset, total)


def _checked(request: Request) -> dict[str, str]:
    given = request.parameters
    if unknown := given.keys() - _ALLOWED:
        raise OaiError("badArgument", "Not allowed here: " + ", ".join(sorted(unknown)))
    for name in given.keys() & {"size", "page", "offset"}:
        if not given[name].isdecimal() or (int(given[name]) < 1 and name != "offset"):
            raise OaiError("badArgument", f"{name} is no number that can be used")
    return given


def _listing(holdings: Holdings, given: Mapping[str, str], paging: Paging) -> Listing:
    size = min(int(given.get("size", holdings.repository.page_size)), _MOST)
    offset = int(given.get("offset", 0)) if paging == "offset" else 0
    if paging == "page":
        offset = (int(given.get("page", 1)) - 1) * size
    place = {"offset": offset, "page": offset // size + 1, "size": size}
    return Listing(JSON_LIST, given.get("from"), given.get("until"), given.get("set"), **place)


def _record(repository: Repository, edits: Mapping[int, Edit], index: int) -> str:
    """One record as JSON; a deleted one without metadata."""
    edit = edits.get(index, Edit())
    stamp = repository.stamp(index) if edit.stamp is None else edit.stamp
    deleted = render.is_deleted(repository, edits, index)
    metadata: dict[str, list[str]] = {}
    for name, text in _ELEMENT.findall("" if deleted else render.record(repository, edits, index)):
        metadata.setdefault(name, []).append(unescape(text))
    content = {
        "id": repository.identifier(index),
        "updated": repository.stamp_text(stamp),
        "deleted": deleted,
        "sets": [subset.spec for subset in repository.sets if index in subset],
    }
    return json.dumps(content | ({} if deleted else {"metadata": metadata}), ensure_ascii=False)


def _written(holdings: Holdings, request: Request, paging: Paging, content: Page | OaiError) -> Response:
    again = partial(_written, holdings, request, paging)
    if isinstance(content, OaiError):
        status = 404 if content.code == "idDoesNotExist" else 400
        body = json.dumps({"error": {"code": content.code, "message": content.text}})
        return Response(body.encode(), status, _HEADERS, error=content.code, write=again)
    if request.path.rstrip("/").endswith(JSON_LIST):
        body = _list_text(holdings, request, paging, content)
    else:
        body = content.records[0]
    return Response(body.encode("utf-8", "surrogateescape"), 200, _HEADERS, page=content, write=again)


def _list_text(holdings: Holdings, request: Request, paging: Paging, page: Page) -> str:
    members = [] if page.total is None else [f'"total": {json.dumps(page.total)}']
    members.append(f'"records": [{", ".join(page.records)}]')
    if paging == "cursor":
        members.append(f'"next": {json.dumps(page.token or None)}')
    elif paging == "links":
        kept = [(name, value) for name, value in request.arguments if name != "cursor"]
        url = f"{holdings.url}?{urlencode([*kept, ('cursor', page.token or '')])}" if page.token else None
        members.append(f'"links": {json.dumps({"next": url})}')
    return "{" + ", ".join(members) + "}\n"
