"""SRU 2.0, as far as a harvester needs it: a renderer for the simulator, and a harvester. A client counts records.

http://docs.oasis-open.org/search-ws/searchRetrieve/v1.0/os/part3-sru2.0/
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from html import escape

from lxml import etree

from harvest_dagster.errors import ProtocolError
from harvest_dagster.harvesters.formats.canonical_xml import canonical_xml
from harvest_dagster.harvesters.formats.strict_xml import parse_xml
from harvest_dagster.harvesters.interface import Arguments, Client, Harvester, Parser, Session
from harvest_dagster.records import Cursor, InvalidRecord, Page, Record, Request
from harvest_dagster.testing.simulator import ListQuery, RecordContent, RenderedList, Renderer
from harvest_dagster.testing.simulator.errors import OaiError
from harvest_dagster.testing.simulator.serving.messages import Response
from harvest_dagster.windows import Window, parse_instant

_NAMESPACE = "http://docs.oasis-open.org/ns/search-ws/sruResponse"
_SRU = f"{{{_NAMESPACE}}}"
_SIZE = 8
_INSTANT = "%Y-%m-%dT%H:%M:%SZ"
_QUERY = re.compile(r'modified within "(\S+) (\S+)"')


class SruRenderer(Renderer):
    """Shows the records of the simulator in SRU."""

    features = frozenset({"totals", "dates"})

    def query(self, arguments: Mapping[str, str]) -> ListQuery:
        found = _QUERY.fullmatch(arguments.get("query", ""))
        if found is None or not arguments.get("startRecord", "1").isdecimal():
            raise OaiError("badArgument", "query or startRecord is invalid")
        offset = int(arguments.get("startRecord", "1")) - 1
        return ListQuery(found[1], found[2], offset=offset, size=int(arguments["maximumRecords"]))

    def record(self, record: RecordContent) -> str:
        titles = "".join(f"<title>{escape(title)}</title>" for title in record.metadata.get("title", ()))
        return (
            f"<record><recordIdentifier>{record.identifier}</recordIdentifier><recordData>"
            f'<item modified="{record.datestamp}" deleted="{str(record.deleted).lower()}">{titles}</item>'
            "</recordData></record>"
        )

    def page(self, content: RenderedList) -> str:
        page = content.page
        total = "" if page.total is None else f"<numberOfRecords>{page.total}</numberOfRecords>"
        following = page.offset + (content.query.size or 0) + 1
        more = f"<nextRecordPosition>{following}</nextRecordPosition>" if page.token else ""
        return (
            f'<?xml version="1.0" encoding="UTF-8"?>\n<searchRetrieveResponse xmlns="{_NAMESPACE}">{total}'
            f"<records>{''.join(page.records)}</records>{more}</searchRetrieveResponse>"
        )

    def error(self, problem: OaiError) -> Response:
        body = f'<diagnostics xmlns="{_NAMESPACE}"><message>{escape(problem.text)}</message></diagnostics>'
        return Response(body.encode(), headers={"Content-Type": self.content_type})


class SruArguments(Arguments):
    url: str


class SruClient(Client):
    def pages(self, window: Window, cursor: Cursor | None = None) -> Iterator[Page]:
        cursor = cursor or Cursor()
        while cursor:
            page = self._request(window, cursor)
            yield page
            cursor = page.next

    def _request(self, window: Window, cursor: Cursor) -> Page:
        first, last = window.start, window.end - timedelta(seconds=1)
        response = self.session.get(
            self.arguments.url,
            {
                "query": f'modified within "{first.strftime(_INSTANT)} {last.strftime(_INSTANT)}"',
                "startRecord": cursor.token or "1",
                "maximumRecords": str(_SIZE),
            },
        )
        root = parse_xml(response.body, url=response.url, content_type=response.content_type)
        if root.tag != f"{_SRU}searchRetrieveResponse":
            raise ProtocolError(f"{response.url} returned {root.tag}, not a list. Check the URL.")
        following = root.findtext(f"{_SRU}nextRecordPosition")
        total = root.findtext(f"{_SRU}numberOfRecords", "")
        records = root.findall(f"{_SRU}records/{_SRU}record")
        identifiers = tuple(record.findtext(f"{_SRU}recordIdentifier", "") for record in records)
        return Page(
            body=response.body,
            request=Request(response.url),
            status=response.status,
            received=response.received,
            cursor=cursor,
            next=Cursor(following) if following else None,
            count=len(records),
            total=int(total) if total.isdecimal() else None,
            identifiers=identifiers,
            content_type=response.content_type,
        )


class SruParser(Parser):
    def records(self, page: Page, window: Window) -> Iterator[Record | InvalidRecord]:  # noqa: ARG002
        root = parse_xml(page.body, url=page.request.url, content_type=page.content_type)
        for record in root.iter(f"{_SRU}record"):
            yield _record(record)


def _record(record: etree._Element) -> Record:
    item = record.find(f"{_SRU}recordData/{_SRU}item")
    assert item is not None
    modified = parse_instant(str(item.attrib.pop("modified")))
    deleted = item.get("deleted") == "true"
    return Record(record.findtext(f"{_SRU}recordIdentifier", ""), modified, deleted, canonical_xml(item))


class Sru(Harvester):
    Arguments = SruArguments

    def client(self, session: Session) -> SruClient:
        return SruClient(self.arguments, session)

    def parser(self) -> SruParser:
        return SruParser(self.arguments)
