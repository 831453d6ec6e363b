"""An HTTP client without retries, redirects, decompression and parsing: it shows the bytes that the server sends."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from typing import Any
from urllib.parse import urlencode, urlsplit

from harvest_dagster.testing.simulator import Server

OAI_LIST = {"verb": "ListRecords", "metadataPrefix": "oai_dc"}
_TOKEN = re.compile(rb'<resumptionToken[^>]*>([^<]+)|"next": "([^"]+)"')


@dataclass(frozen=True)
class RawResponse:
    """The response to one request, or the exception if there is none."""

    status: int = 0
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    error: Exception | None = None

    @property
    def token(self) -> str:
        found = _TOKEN.search(self.body)
        return (found[1] or found[2]).decode() if found else ""

    @property
    def numbers(self) -> list[int]:
        """The numbers of the records on a page."""
        return [
            int(number) for number in re.findall(rb"oai:repository\.example\.org:(\d{9})[<\"]", self.body)
        ]

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def header(self, name: str) -> str | None:
        return {key.lower(): value for key, value in self.headers}.get(name.lower())


def get(url: str, timeout: float = 30, **headers: str) -> RawResponse:
    """Send one request on a new connection."""
    parts = urlsplit(url)
    connection = HTTPConnection(parts.netloc, timeout=timeout)
    try:
        connection.request("GET", f"{parts.path}?{parts.query}", headers=headers)
        response = connection.getresponse()
        return RawResponse(response.status, tuple(response.getheaders()), response.read())
    except (OSError, HTTPException) as error:
        return RawResponse(error=error)
    finally:
        connection.close()


def request_and_disconnect(server: Server, url: str) -> None:
    """Send a request and close the connection as soon as the server has logged it.

    A short timeout instead could end before the request arrives.
    """
    parts = urlsplit(url)
    connection = HTTPConnection(parts.netloc, timeout=30)
    before, end = len(server.requests), time.monotonic() + 30
    try:
        connection.request("GET", f"{parts.path}?{parts.query}")
        while len(server.requests) == before:
            assert time.monotonic() < end, "the request did not arrive"
            time.sleep(0.001)
    finally:
        connection.close()


def list_url(server: Server, protocol: str, token: str = "", **arguments: str) -> str:
    """Return the URL of a list page: the first page, or the page of a token."""
    if protocol == "oai":
        given = {"verb": "ListRecords", "resumptionToken": token} if token else OAI_LIST
        return f"{server.url}?{urlencode(given | arguments)}"
    return f"{server.json_url}?{urlencode(({'cursor': token} if token else {}) | arguments)}"


def list_pages(server: Server, protocol: str, max_pages: int = 12) -> Iterator[RawResponse]:
    """Yield the pages of a list while there are tokens, at most `max_pages`."""
    response = get(list_url(server, protocol))
    yield response
    while response.token and (max_pages := max_pages - 1):
        response = get(list_url(server, protocol, response.token))
        yield response
