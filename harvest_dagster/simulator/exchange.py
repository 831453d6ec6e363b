"""One request and the answer to it, as values: what the log keeps and behaviours work on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import urlencode


@dataclass(frozen=True)
class Request:
    """A request as it arrived.

    Attributes:
        number: which it is of all requests, from 1.
        arrived: when its last header was read; aware, UTC.
        method: GET or POST.
        path: without the query string.
        arguments: names and values in the order in which they came, repeated ones included.
        verb_number: which it is of the requests with its verb, from 1.
        status: of the answer; None while there is none.
    """

    number: int
    arrived: datetime
    method: str
    path: str
    arguments: tuple[tuple[str, str], ...]
    verb_number: int
    status: int | None = None

    @property
    def parameters(self) -> dict[str, str]:
        """The arguments by name; the last of repeated ones."""
        return dict(self.arguments)

    @property
    def verb(self) -> str:
        """The OAI-PMH verb, empty where there is none."""
        return self.parameters.get("verb", "")

    @property
    def token(self) -> str | None:
        """The resumptionToken, None where there is none."""
        return self.parameters.get("resumptionToken")

    def __str__(self) -> str:
        return f"{self.method} {self.path}?{urlencode(self.arguments)} -> {self.status}"


@dataclass(frozen=True)
class Response:
    """An answer before it is sent.

    Attributes:
        body: the bytes that are sent.
        status: the HTTP status code.
        headers: Content-Length is computed where it is not among them.
    """

    body: bytes
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=lambda: {"Content-Type": "text/xml; charset=utf-8"})
