"""A minimal OAI-PMH client for the tests of the simulator. It uses none of the simulator's code."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlencode, urlsplit

from lxml import etree

from harvest_dagster.testing.simulator import Server

NAMESPACES = {"o": "http://www.openarchives.org/OAI/2.0/", "dc": "http://purl.org/dc/elements/1.1/"}
LIST = {"verb": "ListRecords", "metadataPrefix": "oai_dc"}


@dataclass(frozen=True)
class OaiResponse:
    """One response, parsed on demand."""

    status: int
    body: bytes

    @property
    def root(self) -> etree._Element:
        return etree.fromstring(self.body)

    def texts(self, path: str) -> list[str]:
        """Return the texts of the elements, or the attributes, that an XPath selects."""
        return [found if isinstance(found, str) else found.text or "" for found in self.find(path)]

    def find(self, path: str) -> list[Any]:
        """Return the elements or the attributes that an XPath selects."""
        found: Any = self.root.xpath(path, namespaces=NAMESPACES)
        return list(found)

    @property
    def error(self) -> str:
        """The code of the error; empty if there is none."""
        return "".join(self.texts("o:error/@code"))

    @property
    def identifiers(self) -> list[str]:
        return self.texts("//o:header/o:identifier")

    @property
    def token(self) -> str:
        return "".join(self.texts("//o:resumptionToken"))


def request(
    server: Server, arguments: dict[str, str] | list[tuple[str, str]], *, method: str = "GET"
) -> OaiResponse:
    """Send one request on a new connection."""
    parts = urlsplit(server.url)
    query = urlencode(arguments)
    connection = HTTPConnection(parts.netloc, timeout=30)
    try:
        if method == "POST":
            headers = {"Content-Type": "application/x-www-form-urlencoded"}
            connection.request("POST", parts.path, query, headers)
        else:
            connection.request("GET", f"{parts.path}?{query}")
        response = connection.getresponse()
        return OaiResponse(response.status, response.read())
    finally:
        connection.close()


def pages(server: Server, arguments: dict[str, str]) -> Iterator[OaiResponse]:
    """Yield the pages of a list."""
    response = request(server, arguments)
    yield response
    while response.token:
        response = request(server, {"verb": arguments["verb"], "resumptionToken": response.token})
        yield response


def identifiers(server: Server, **arguments: str) -> list[str]:
    """Return all identifiers of a list of records; the argument `from_` stands for from."""
    given = LIST | {name.rstrip("_"): value for name, value in arguments.items()}
    return [identifier for page in pages(server, given) for identifier in page.identifiers]
