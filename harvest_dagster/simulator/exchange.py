"""One request and the answer to it, as values: what the log keeps and behaviours work on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal
from urllib.parse import urlencode

from harvest_dagster.simulator.errors import OaiError

JSON_LIST = "records"
Ending = Literal["", "close", "reset", "silence"]
_LISTS = frozenset({"ListRecords", "ListIdentifiers", JSON_LIST})
_API = "/api/"
MOVED = "/moved"  # before a path: the same again, for redirects to lead to


def operation(path: str, parameters: Mapping[str, str]) -> str:
    """What is asked for: the OAI-PMH verb, or for the JSON API the part of the path after `/api/`."""
    _, found, rest = path.partition(_API)
    return rest.partition("/")[0] if found else parameters.get("verb", "")


@dataclass(frozen=True)
class Request:
    """A request as it arrived.

    Attributes:
        number: which it is of all requests, from 1.
        arrived: when its last header was read; aware, UTC.
        method: GET or POST.
        path: without the query string.
        arguments: names and values in the order in which they came, repeated ones included.
        verb_number: which it is of the requests with its verb, from 1; in the JSON API of those with its path.
        status: of the answer; None while there is none.
        list_number: which it is of the requests for a page of a list, from 1; 0 where it is for something else.
        monotonic: when it arrived, in seconds of a clock that nobody sets.
        headers: as they came, secrets included: this is a server for tests.
        sent: bytes of the answer that left, status line and headers included; None until they have.
        behaviours: what acted on it, the outermost first.
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
    sent: int | None = None
    behaviours: tuple[str, ...] = ()

    @property
    def parameters(self) -> dict[str, str]:
        """The arguments by name; the last of repeated ones."""
        return dict(self.arguments)

    @property
    def verb(self) -> str:
        """The OAI-PMH verb, empty where there is none."""
        return self.parameters.get("verb", "")

    @property
    def operation(self) -> str:
        """The verb, or in the JSON API `records`."""
        return operation(self.path, self.parameters)

    @property
    def is_list(self) -> bool:
        """Whether it asks for a page of a list of records or identifiers."""
        return self.operation in _LISTS

    @property
    def token(self) -> str | None:
        """The resumptionToken, in the JSON API the cursor; None where there is none."""
        return self.parameters.get(self._token_name)

    def with_token(self, token: str) -> Request:
        """The same list at another token; in OAI-PMH that excludes all arguments but the verb."""
        without = {"cursor"} if self.operation == JSON_LIST else self.parameters.keys() - {"verb"}
        kept = tuple((name, value) for name, value in self.arguments if name not in without)
        return replace(self, arguments=(*kept, (self._token_name, token)))

    def header(self, name: str) -> str:
        """The value of a header, whatever its case; empty where there is none."""
        return {key.lower(): value for key, value in self.headers}.get(name.lower(), "")

    @property
    def _token_name(self) -> str:
        return "cursor" if self.operation == JSON_LIST else "resumptionToken"

    def __str__(self) -> str:
        return f"{self.method} {self.path}?{urlencode(self.arguments)} -> {self.status}"


@dataclass(frozen=True)
class Page:
    """One page of a list before it is written, the same for every protocol.

    Attributes:
        records: each as it will stand on the page: XML, headers alone in ListIdentifiers, or JSON. Bytes that
            are no UTF-8 are surrogates (PEP 383).
        offset: how many records of the list come before it.
        total: what the page says is the length of the whole list; None says nothing.
        token: of the next page; empty on the last of several, None where the list is whole.
        expires: when the token does; None says nothing.
    """

    records: tuple[str, ...]
    offset: int = 0
    total: int | str | None = None
    token: str | None = None
    expires: datetime | None = None


@dataclass(frozen=True)
class Delivery:
    """How an answer travels.

    Attributes:
        head: whether the status line and headers are sent at all.
        stop: how many bytes of the body are sent; None sends all.
        piece: bytes sent at once; 0 sends all at once.
        pause: seconds between two pieces.
        then: what happens after the last byte: nothing, `close`, `reset` (TCP RST), or `silence` until the
            client goes away.
    """

    head: bool = True
    stop: int | None = None
    piece: int = 0
    pause: float = 0.0
    then: Ending = ""


@dataclass(frozen=True)
class Response:
    """An answer before it is sent.

    Attributes:
        body: the bytes that are sent.
        status: the HTTP status code.
        headers: Content-Length is computed where it is not among them.
        delivery: how it travels.
        page: the records the body was written from, where it holds some.
        error: OAI-PMH's code of the error that the body tells; empty where it tells none.
        write: writes the document of this protocol for another page or another error.
    """

    body: bytes
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=lambda: {"Content-Type": "text/xml; charset=utf-8"})
    delivery: Delivery = Delivery()
    page: Page | None = None
    error: str = ""
    write: Callable[[Page | OaiError], Response] | None = None

    def rewritten(self, content: Page | OaiError) -> Response:
        """The answer of the same protocol to the same request with other content; itself where it has none."""
        return self if self.write is None else self.write(content)

    def with_headers(self, **headers: str) -> Response:
        """With more headers; underscores stand for hyphens."""
        return replace(self, headers={**self.headers, **{k.replace("_", "-"): v for k, v in headers.items()}})
