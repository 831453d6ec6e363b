"""A client that takes what comes: no retries, no redirects, no decompression, no parsing."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlencode, urlsplit

from harvest_dagster.simulator import Server

OAI_LIST = {"verb": "ListRecords", "metadataPrefix": "oai_dc"}
_TOKEN = re.compile(rb'<resumptionToken[^>]*>([^<]+)|"next": "([^"]+)"')


@dataclass(frozen=True)
class Got:
    """What one request got; an exception where it got no answer."""

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
    def json(self) -> dict[str, object]:
        return json.loads(self.body)

    def header(self, name: str) -> str | None:
        return {key.lower(): value for key, value in self.headers}.get(name.lower())


def get(url: str, timeout: float = 30, **headers: str) -> Got:
    """One request on a connection of its own."""
    place = urlsplit(url)
    connection = HTTPConnection(place.netloc, timeout=timeout)
    try:
        connection.request("GET", f"{place.path}?{place.query}", headers=headers)
        response = connection.getresponse()
        return Got(response.status, tuple(response.getheaders()), response.read())
    except (OSError, HTTPException) as error:
        return Got(error=error)
    finally:
        connection.close()


def leave(server: Server, url: str) -> None:
    """Ask, and hang up once the server has the request: a time-out may be over before that."""
    place = urlsplit(url)
    connection = HTTPConnection(place.netloc, timeout=30)
    before, end = len(server.requests), time.monotonic() + 30
    try:
        connection.request("GET", f"{place.path}?{place.query}")
        while len(server.requests) == before:
            assert time.monotonic() < end, "the request never came"
            time.sleep(0.001)
    finally:
        connection.close()


def address(server: Server, protocol: str, token: str = "", **arguments: str) -> str:
    """Where a page of a list is."""
    if protocol == "oai":
        given = {"verb": "ListRecords", "resumptionToken": token} if token else OAI_LIST
        return f"{server.url}?{urlencode(given | arguments)}"
    return f"{server.json_url}?{urlencode(({'cursor': token} if token else {}) | arguments)}"


def walk(server: Server, protocol: str, most: int = 12) -> Iterator[Got]:
    """A list from its beginning, as long as there are tokens, but for so many pages at most."""
    got = get(address(server, protocol))
    yield got
    while got.token and (most := most - 1):
        got = get(address(server, protocol, got.token))
        yield got
