"""The smallest OAI-PMH client that the tests of the simulator need; it knows none of the simulator's code."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPConnection
from urllib.parse import urlencode, urlsplit

from lxml import etree

from harvest_dagster.simulator import Server

NAMESPACES = {"o": "http://www.openarchives.org/OAI/2.0/", "dc": "http://purl.org/dc/elements/1.1/"}
LIST = {"verb": "ListRecords", "metadataPrefix": "oai_dc"}


@dataclass(frozen=True)
class Answer:
    """One response, parsed."""

    status: int
    body: bytes

    @property
    def root(self) -> etree._Element:
        return etree.fromstring(self.body)

    def texts(self, path: str) -> list[str]:
        """The text of the elements, or the attributes, that an XPath finds."""
        return [found if isinstance(found, str) else found.text or "" for found in self.find(path)]

    def find(self, path: str) -> list[etree._Element]:
        return list(self.root.xpath(path, namespaces=NAMESPACES))

    @property
    def error(self) -> str:
        """The code of the error, empty where there is none."""
        return "".join(self.texts("o:error/@code"))

    @property
    def identifiers(self) -> list[str]:
        return self.texts("//o:header/o:identifier")

    @property
    def token(self) -> str:
        return "".join(self.texts("//o:resumptionToken"))


def ask(server: Server, arguments: dict[str, str] | list[tuple[str, str]], *, method: str = "GET") -> Answer:
    """One request on a connection of its own."""
    place = urlsplit(server.url)
    query = urlencode(arguments)
    connection = HTTPConnection(place.netloc, timeout=30)
    try:
        if method == "POST":
            headers = {"Content-Type": "application/x-www-form-urlencoded"}
            connection.request("POST", place.path, query, headers)
        else:
            connection.request("GET", f"{place.path}?{query}")
        response = connection.getresponse()
        return Answer(response.status, response.read())
    finally:
        connection.close()


def pages(server: Server, arguments: dict[str, str]) -> Iterator[Answer]:
    """A list, page by page."""
    answer = ask(server, arguments)
    yield answer
    while answer.token:
        answer = ask(server, {"verb": arguments["verb"], "resumptionToken": answer.token})
        yield answer


def identifiers(server: Server, **arguments: str) -> list[str]:
    """The identifiers of a whole list of records; `from_` stands for from."""
    given = LIST | {name.rstrip("_"): value for name, value in arguments.items()}
    return [identifier for page in pages(server, given) for identifier in page.identifiers]
