"""Requests and responses as values: the request log stores them, and behaviours change them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Literal, TypeAlias
from urllib.parse import urlencode

from harvest_dagster.testing.simulator.errors import OaiError

if TYPE_CHECKING:
    from harvest_dagster.testing.simulator.repository.lists import RepositorySnapshot

SnapshotView: TypeAlias = Callable[["RepositorySnapshot"], "RepositorySnapshot"]
JSON_LIST = "records"
LIST = "list"  # the list of a plug-in's protocol
Ending = Literal["", "close", "reset", "silence"]
_LISTS = frozenset({"ListRecords", "ListIdentifiers", JSON_LIST})
_API = "/api/"
REDIRECT_PREFIX = "/moved"  # a path with this prefix is served like the path without it; redirects lead there


def operation(path: str, parameters: Mapping[str, str]) -> str:
    """Return the OAI-PMH verb, or for the JSON API the part of the path after `/api/`."""
    _, found, rest = path.partition(_API)
    return rest.partition("/")[0] if found else parameters.get("verb", "")


@dataclass(frozen=True)
class ListQuery:
    """The list that a request of a plug-in's protocol asks for, and the page of it.

    Attributes:
        from_: the oldest datestamp, inclusive, as a date or as an instant with seconds (`2024-03-01T00:00:00Z`).
        until: the newest datestamp, inclusive, in the same form.
        set: the spec of a set.
        token: the token of a page. It contains the other values.
        offset: the number of records of the list before the page, if the client counts them.
        size: the number of records of the page, if the client chooses it. It is needed if the client counts records.
    """

    from_: str | None = None
    until: str | None = None
    set: str | None = None
    token: str | None = None
    offset: int = 0
    size: int | None = None


@dataclass(frozen=True)
class Request:
    """A request as received.

    Attributes:
        number: its number among all requests, from 1.
        arrived: the time at which its last header was read; aware, UTC.
        method: GET or POST.
        path: the path without the query string.
        arguments: names and values in the received order, repeated names included.
        verb_number: its number among the requests with its verb, from 1; for the JSON API, with its path.
        status: the status of the response; None before the response.
        list_number: its number among the requests for list pages, from 1; 0 for other requests.
        monotonic: the time of arrival in seconds of a monotonic clock.
        headers: the headers as received, secrets included, because this is a server for tests.
        bytes_sent: the number of bytes of the response that were sent, headers included; None before the response.
        behaviours: the labels of the behaviours that changed the response, the outermost first.
        query: what the renderer of a plug-in's protocol read from the arguments; None in OAI-PMH and the JSON API.
        views: what behaviours make of the repository before it answers the request, the outermost first.
    """

    number: int
    arrived: datetime
    method: str
    path: str
    arguments: tuple[tuple[str, str], ...]
    verb_number: int
    status: int | None = None
    list_number: int = 0
    monotonic: float = 0.0
    headers: tuple[tuple[str, str], ...] = ()
    bytes_sent: int | None = None
    behaviours: tuple[str, ...] = ()
    query: ListQuery | None = None
    # No part of the request as received, so requests are compared without it.
    views: tuple[SnapshotView, ...] = field(default=(), compare=False, repr=False)

    @property
    def parameters(self) -> dict[str, str]:
        """The arguments by name; the last value if a name is repeated."""
        return dict(self.arguments)

    @property
    def verb(self) -> str:
        """The OAI-PMH verb; empty if there is none."""
        return self.parameters.get("verb", "")

    @property
    def operation(self) -> str:
        """The OAI-PMH verb; `records` for the JSON API; `list` for the protocol of a plug-in."""
        if self.query is not None:
            return LIST
        return operation(self.path, self.parameters)

    @property
    def is_list(self) -> bool:
        """True if the request is for a page of a list of records or identifiers."""
        return self.query is not None or self.operation in _LISTS

    @property
    def token(self) -> str | None:
        """The resumptionToken, or the cursor of the JSON API; None if there is none."""
        if self.query is not None:
            return self.query.token
        return self.parameters.get(self._token_name)

    def with_token(self, token: str) -> Request:
        """Return the request for another page of the list. In OAI-PMH, only the verb and the token remain."""
        if self.query is not None:
            return replace(self, query=replace(self.query, token=token))
        removed = {"cursor"} if self.operation == JSON_LIST else self.parameters.keys() - {"verb"}
        kept = tuple((name, value) for name, value in self.arguments if name not in removed)
        return replace(self, arguments=(*kept, (self._token_name, token)))

    def with_list_of(self, other: Request) -> Request:
        """Return the request, but for the page of a list for which another request is."""
        return replace(self, arguments=other.arguments, query=other.query)

    def header(self, name: str) -> str:
        """Return the value of a header, regardless of case; empty if there is none."""
        return {key.lower(): value for key, value in self.headers}.get(name.lower(), "")

    @property
    def _token_name(self) -> str:
        return "cursor" if self.operation == JSON_LIST else "resumptionToken"

    def __str__(self) -> str:
        return f"{self.method} {self.path}?{urlencode(self.arguments)} -> {self.status}"


@dataclass(frozen=True)
class Page:
    """One page of a list before it is rendered, the same for every protocol.

    Attributes:
        records: the rendered records: XML (for ListIdentifiers only headers) or JSON. Surrogates stand for bytes that
            are not UTF-8 (PEP 383).
        offset: the number of records of the list before this page.
        total: the total on the page; None if the page has no total.
        token: the token of the next page; empty on the last of several pages, None on the only page.
        expires: the expiry of the token; None if the page does not give it.
    """

    records: tuple[str, ...]
    offset: int = 0
    total: int | str | None = None
    token: str | None = None
    expires: datetime | None = None


@dataclass(frozen=True)
class Delivery:
    """How a response is sent.

    Attributes:
        send_head: False if the status line and the headers are not sent.
        body_bytes: the number of bytes of the body that are sent; None for all.
        chunk_size: the number of bytes per write; 0 for a single write.
        pause: the seconds before each write.
        ending: what follows the last byte: nothing, `close`, `reset` (TCP RST), or `silence` until the client closes
            the connection.
    """

    send_head: bool = True
    body_bytes: int | None = None
    chunk_size: int = 0
    pause: float = 0.0
    ending: Ending = ""


@dataclass(frozen=True)
class Response:
    """A response before it is sent.

    Attributes:
        body: the bytes of the body.
        status: the HTTP status code.
        headers: the headers; Content-Length is computed if it is missing.
        delivery: how the response is sent.
        page: the page that the body contains, if any.
        error_code: the code of the OAI-PMH error that the body contains; empty if there is none.
        render: creates the response of this protocol for another page or another error.
    """

    body: bytes
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=lambda: {"Content-Type": "text/xml; charset=utf-8"})
    delivery: Delivery = Delivery()
    page: Page | None = None
    error_code: str = ""
    render: Callable[[Page | OaiError], Response] | None = None

    def with_content(self, content: Page | OaiError) -> Response:
        """Return the response to the same request with other content; the same response if it cannot be rendered."""
        return self if self.render is None else self.render(content)

    def with_headers(self, **headers: str) -> Response:
        """Return the response with additional headers; underscores in the names stand for hyphens."""
        return replace(self, headers={**self.headers, **{k.replace("_", "-"): v for k, v in headers.items()}})
