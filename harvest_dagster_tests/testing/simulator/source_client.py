"""A plain client that reads everything that a source answers, with requests and lxml: it uses none of our code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import requests
from lxml import etree

from harvest_dagster.testing.simulator import Server

_NAMESPACES = {"o": "http://www.openarchives.org/OAI/2.0/", "dc": "http://purl.org/dc/elements/1.1/"}
_TIMEOUT = 30


@dataclass(frozen=True)
class Answer:
    """A record as the source shows it."""

    datestamp: str
    deleted: bool
    sets: tuple[str, ...]
    titles: tuple[str, ...] = ()


Answers = dict[str, Answer]


def texts(root: Any, path: str) -> list[str]:
    """Return the texts that an XPath selects."""
    return [getattr(each, "text", each) or "" for each in root.xpath(path, namespaces=_NAMESPACES)]


def oai(server: Server, verb: str, **arguments: str) -> Any:
    """Return the document of a response of OAI-PMH; the argument `from_` stands for from."""
    given = {name.rstrip("_"): value for name, value in arguments.items()}
    return etree.fromstring(requests.get(server.url, {"verb": verb, **given}, timeout=_TIMEOUT).content)


def oai_list(server: Server, verb: str = "ListRecords", **arguments: str) -> Answers:
    """Return all records of a list."""
    root = oai(server, verb, metadataPrefix="oai_dc", **arguments)
    answers = _oai_answers(root)
    while token := "".join(texts(root, "//o:resumptionToken")):
        root = oai(server, verb, resumptionToken=token)
        answers |= _oai_answers(root)
    return answers


def oai_record(server: Server, identifier: str) -> Answer | str:
    """Return a record, or the code of the error."""
    root = oai(server, "GetRecord", metadataPrefix="oai_dc", identifier=identifier)
    return _oai_answers(root).get(identifier) or "".join(texts(root, "o:error/@code"))


def json_list(server: Server, **arguments: str) -> Answers:
    """Return all records of the list of the JSON API."""
    given = {name.rstrip("_"): value for name, value in arguments.items()}
    answers: Answers = {}
    while True:
        page = requests.get(server.json_url, given, timeout=_TIMEOUT).json()
        answers |= {record["id"]: _json_answer(record) for record in page["records"]}
        if not page.get("next"):
            return answers
        given = {"cursor": page["next"]}


def json_record(server: Server, identifier: str) -> Answer | int:
    """Return a record of the JSON API, or the status of the error."""
    response = requests.get(f"{server.json_url}/{identifier}", timeout=_TIMEOUT)
    return _json_answer(response.json()) if response.ok else response.status_code


def _oai_answers(root: Any) -> Answers:
    return {
        "".join(texts(header, "o:identifier")): Answer(
            "".join(texts(header, "o:datestamp")),
            header.get("status") == "deleted",
            tuple(texts(header, "o:setSpec")),
            tuple(texts(header, "../o:metadata//dc:title")),
        )
        for header in root.xpath("//o:header", namespaces=_NAMESPACES)
    }


def _json_answer(record: dict[str, Any]) -> Answer:
    titles = tuple(record.get("metadata", {}).get("title", ()))
    return Answer(record["updated"], record["deleted"], tuple(record["sets"]), titles)
