"""The protocol of a plug-in: a `Renderer` shows the records of the repository as the list of another protocol.

    Server(repository, renderer=FeedRenderer()).list_url

The renderer reads a request and writes records, pages and errors. The server does everything else: it selects the
records, cuts pages, issues tokens, and applies the behaviours. A behaviour changes a page before the renderer writes
it. Therefore each behaviour that has no protocol of its own works with each renderer that has the features it needs.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar

from harvest_dagster.testing.simulator.errors import OaiError
from harvest_dagster.testing.simulator.protocols.rest import RecordContent, record_content
from harvest_dagster.testing.simulator.repository import lists
from harvest_dagster.testing.simulator.repository.lists import RepositorySnapshot
from harvest_dagster.testing.simulator.repository.tokens import ListPosition, decode
from harvest_dagster.testing.simulator.serving.messages import LIST, ListQuery, Page, Request, Response

TOTALS, TOKENS, DATES = "totals", "tokens", "dates"
FEATURES = (TOTALS, TOKENS, DATES)
_BAD_REQUEST = 400


@dataclass(frozen=True)
class RenderedList:
    """What a renderer needs to write a page.

    Attributes:
        url: the URL of the list, without a query.
        arguments: the arguments of the request, as received.
        query: what the renderer read from them.
        page: the records, each as `Renderer.record` wrote it, with offset, total and the token of the next page. A
            behaviour may have changed each of them: the total may be a text or None, the token may be any text.
    """

    url: str
    arguments: Mapping[str, str]
    query: ListQuery
    page: Page


class Renderer(ABC):
    """How a protocol reads the requests for a list, and writes its records, pages and errors.

    Attributes:
        features: what the protocol has. `totals`: a page contains the length of the list. `tokens`: a page contains an
            opaque text that leads to the next page; without it, clients count records. `dates`: a request can select
            records by date.
        content_type: the Content-Type of a page.
    """

    features: ClassVar[frozenset[str]] = frozenset(FEATURES)
    content_type: ClassVar[str] = "application/xml; charset=utf-8"

    @abstractmethod
    def query(self, arguments: Mapping[str, str]) -> ListQuery:
        """Return the list that a request asks for, and the page of it.

        Raises:
            OaiError: with the code badArgument, if the request is invalid.
        """

    @abstractmethod
    def record(self, record: RecordContent) -> str:
        """Return one record. Its text must be in the text of the page, unchanged: behaviours look for it there."""

    @abstractmethod
    def page(self, content: RenderedList) -> str:
        """Return a page of the list, also one without records."""

    def error(self, problem: OaiError) -> Response:
        """Return the response to an invalid request. The default is a text with the status 400."""
        return Response(str(problem).encode(), _BAD_REQUEST, {"Content-Type": "text/plain; charset=utf-8"})


def read_query(renderer: Renderer, arguments: tuple[tuple[str, str], ...]) -> ListQuery:
    """Return the query of a request for the request log; an empty one if the request is invalid."""
    try:
        return renderer.query(dict(arguments))
    except OaiError:
        return ListQuery()


def respond(snapshot: RepositorySnapshot, request: Request, renderer: Renderer) -> Response:
    """Return the response to a request for the list."""
    render = partial(_render, snapshot, request, renderer)
    try:
        return render(_page(snapshot, request.query or renderer.query(request.parameters), renderer))
    except OaiError as problem:
        return render(problem)


def _page(snapshot: RepositorySnapshot, query: ListQuery, renderer: Renderer) -> Page:
    size = query.size or snapshot.repository.page_size
    place = {"offset": query.offset, "page": query.offset // size + 1, "size": query.size}
    position = ListPosition(LIST, query.from_, query.until, query.set, **place)  # type: ignore[arg-type]
    if query.token:
        position = decode(query.token, LIST, snapshot.now)

    def record(index: int) -> str:
        return renderer.record(record_content(snapshot.repository, snapshot.edits, index))

    try:
        return lists.page_at(snapshot, position, record)
    except OaiError as problem:
        if problem.code != "noRecordsMatch" and (query.token or not query.offset):
            raise
    # An empty list, or a page beyond the end of a list whose records the client counts: no error, but an empty page.
    total = lists.list_length(snapshot, position) if snapshot.repository.totals else None
    return Page((), position.offset, total)


def _render(
    snapshot: RepositorySnapshot, request: Request, renderer: Renderer, content: Page | OaiError
) -> Response:
    render_other = partial(_render, snapshot, request, renderer)
    if isinstance(content, OaiError):
        return replace(renderer.error(content), error_code=content.code, render=render_other)
    query = request.query or ListQuery()
    text = renderer.page(RenderedList(snapshot.url, request.parameters, query, content))
    headers = {"Content-Type": renderer.content_type}
    return Response(
        text.encode("utf-8", "surrogateescape"), headers=headers, page=content, render=render_other
    )
