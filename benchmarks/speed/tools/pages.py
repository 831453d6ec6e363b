"""Read the pages of the two lists as fast as possible, without any check. The tools of the comparison use it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import requests
from lxml import etree

OAI = "{http://www.openarchives.org/OAI/2.0/}"


class OaiRecord(NamedTuple):
    """A record of OAI-PMH; `blob` is its element as bytes."""

    identifier: str
    datestamp: str
    blob: bytes


def oai_pages(url: str, from_: str, until: str) -> Iterator[list[OaiRecord]]:
    """Yield the records of each page of ListRecords."""
    query = {"verb": "ListRecords", "metadataPrefix": "oai_dc", "from": from_, "until": until}
    with requests.Session() as session:
        while query:
            root = etree.fromstring(session.get(url, params=query, timeout=60).content)
            yield [_record(element) for element in root.iter(f"{OAI}record")]
            token = root.findtext(f"{OAI}ListRecords/{OAI}resumptionToken")
            query = {"verb": "ListRecords", "resumptionToken": token} if token else {}


def _record(element: Any) -> OaiRecord:
    header = element[0]
    return OaiRecord(
        header.findtext(f"{OAI}identifier"),
        header.findtext(f"{OAI}datestamp"),
        etree.tostring(element, with_tail=False),
    )


def json_pages(url: str, from_: str, until: str) -> Iterator[bytes]:
    """Yield the body of each page of the JSON list."""
    import orjson  # noqa: PLC0415 - only the environment of the compared tools has it

    query = {"from": from_, "until": until}
    with requests.Session() as session:
        while query:
            body = session.get(url, params=query, timeout=60).content
            yield body
            cursor = orjson.loads(body)["next"]
            query = {"from": from_, "until": until, "cursor": cursor} if cursor else {}
