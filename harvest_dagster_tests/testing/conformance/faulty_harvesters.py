"""Faulty harvesters. Each has a fault of real harvesters; the suite must detect it."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from urllib.request import urlopen

from lxml import etree

from harvest_dagster.errors import ProtocolError
from harvest_dagster.harvesters.interface import Arguments, Client, Harvester, Parser, Session
from harvest_dagster.harvesters.oai.client import OaiClient
from harvest_dagster.harvesters.oai.harvester import OaiHarvester
from harvest_dagster.harvesters.oai.header_list import OaiHeaderParser
from harvest_dagster.harvesters.oai.parser import OaiParser
from harvest_dagster.records import Cursor, InvalidRecord, Page, Record, RecordHeader, Request
from harvest_dagster.windows import Window

OAI = "{http://www.openarchives.org/OAI/2.0/}"


class BaseUrl(Arguments):
    base_url: str


class LenientClient(Client):
    def pages(self, window: Window, cursor: Cursor | None = None) -> Iterator[Page]:  # noqa: ARG002 - it harvests everything
        while True:
            token = cursor and cursor.token
            arguments = {"resumptionToken": token} if token else {"metadataPrefix": "oai_dc"}
            response = self.session.get(self.arguments.base_url, {"verb": "ListRecords", **arguments})
            tree = _parse_leniently(response.body)
            count = 0 if tree is None else len(list(tree.iter(f"{OAI}record")))
            next_token = tree.findtext(f".//{OAI}resumptionToken") if tree is not None and count else None
            yield Page(
                body=response.body,
                request=Request(response.url),
                status=response.status,
                received=response.received,
                cursor=cursor or Cursor(),
                next=Cursor(next_token) if next_token else None,
                count=count,
            )
            if not next_token:
                return
            cursor = Cursor(next_token)


class LenientParser(Parser):
    def records(self, page: Page, window: Window) -> Iterator[Record]:  # noqa: ARG002 - it harvests everything
        tree = _parse_leniently(page.body)
        for element in [] if tree is None else tree.iter(f"{OAI}record"):
            identifier = element.findtext(f"{OAI}header/{OAI}identifier")
            if identifier:
                yield Record(identifier, None, False, etree.tostring(element, encoding="unicode"))


class LenientHarvester(Harvester):
    """Parses in recovery mode, treats an empty page as the end of the list, and ignores totals."""

    Arguments = BaseUrl

    def client(self, session: Session) -> Client:
        return LenientClient(self.arguments, session)

    def parser(self) -> Parser:
        return LenientParser(self.arguments)


def _parse_leniently(body: bytes) -> etree._Element | None:
    try:
        return etree.fromstring(body, etree.XMLParser(recover=True))
    except etree.XMLSyntaxError:
        return None


class UnstableBlobParser(OaiParser):
    def records(self, page: Page, window: Window) -> Iterator[Record | InvalidRecord]:
        for item in super().records(page, window):
            if isinstance(item, Record):
                yield Record(item.identifier, None, False, f"{page.received}{item.blob}")


class UnstableBlobHarvester(OaiHarvester):
    """Adds something to each blob that is never the same, so that every harvest stores a new revision."""

    def parser(self) -> OaiParser:
        return UnstableBlobParser(self.arguments)


class DuplicatingParser(OaiParser):
    def records(self, page: Page, window: Window) -> Iterator[Record | InvalidRecord]:
        for record in super().records(page, window):
            yield record
            if isinstance(record, Record):
                yield replace(record, blob=f"{record.blob} ")


class DuplicatingHarvester(OaiHarvester):
    """Yields each record twice, with different content."""

    def parser(self) -> OaiParser:
        return DuplicatingParser(self.arguments)


class SessionBypassingClient(OaiClient):
    def pages(self, window: Window, cursor: Cursor | None = None) -> Iterator[Page]:
        with urlopen(f"{self.arguments.base_url}?verb=Identify") as response:  # noqa: S310 - the simulator
            response.read()
        yield from super().pages(window, cursor)


class SessionBypassingHarvester(OaiHarvester):
    """Sends one request without the session."""

    def client(self, session: Session) -> OaiClient:
        return SessionBypassingClient(self.arguments, session)


class EmptyBlobParser(OaiParser):
    def records(self, page: Page, window: Window) -> Iterator[Record | InvalidRecord]:
        for item in super().records(page, window):
            yield replace(item, blob="{}") if isinstance(item, Record) else item


class EmptyBlobHarvester(OaiHarvester):
    """Stores an empty blob for every record."""

    def parser(self) -> OaiParser:
        return EmptyBlobParser(self.arguments)


class DiscardingParser(OaiParser):
    def records(self, page: Page, window: Window) -> Iterator[Record | InvalidRecord]:
        return (item for item in super().records(page, window) if isinstance(item, Record))


class DiscardingHarvester(OaiHarvester):
    """Discards invalid records without reporting them."""

    def parser(self) -> OaiParser:
        return DiscardingParser(self.arguments)


class InventingParser(OaiParser):
    def records(self, page: Page, window: Window) -> Iterator[Record | InvalidRecord]:
        for item in super().records(page, window):
            if isinstance(item, InvalidRecord) and item.identifier:
                yield Record(item.identifier, None, False, "<record/>")
            else:
                yield item


class InventingHarvester(OaiHarvester):
    """Invents content for invalid records."""

    def parser(self) -> OaiParser:
        return InventingParser(self.arguments)


class StrictDatestampParser(OaiParser):
    def records(self, page: Page, window: Window) -> Iterator[Record | InvalidRecord]:
        for item in super().records(page, window):
            if isinstance(item, Record) and item.datestamp and item.datestamp not in window:
                raise ProtocolError(f"{item.identifier} is outside {window}. Ask the source.")
            yield item


class StrictDatestampHarvester(OaiHarvester):
    """Fails if the datestamp of one record is outside the window."""

    def parser(self) -> OaiParser:
        return StrictDatestampParser(self.arguments)


class CrashingClient(OaiClient):
    def pages(self, window: Window, cursor: Cursor | None = None) -> Iterator[Page]:
        try:
            yield from super().pages(window, cursor)
        except Exception:
            raise KeyError("resumptionToken") from None


class CrashingHarvester(OaiHarvester):
    """Turns every error into a KeyError."""

    def client(self, session: Session) -> OaiClient:
        return CrashingClient(self.arguments, session)


class VagueErrorClient(LenientClient):
    def pages(self, window: Window, cursor: Cursor | None = None) -> Iterator[Page]:
        try:
            yield from super().pages(window, cursor)
        except Exception:
            raise ProtocolError("bad response") from None


class VagueErrorHarvester(LenientHarvester):
    """Fails with an error message that has no remedy."""

    def client(self, session: Session) -> Client:
        return VagueErrorClient(self.arguments, session)


class HangingClient(OaiClient):
    def pages(self, window: Window, cursor: Cursor | None = None) -> Iterator[Page]:
        try:
            yield from super().pages(window, cursor)
        except Exception:
            threading.Event().wait()


class HangingHarvester(OaiHarvester):
    """Waits forever after an error."""

    def client(self, session: Session) -> OaiClient:
        return HangingClient(self.arguments, session)


class FloodingClient(OaiClient):
    def pages(self, window: Window, cursor: Cursor | None = None) -> Iterator[Page]:
        started: deque[float] = deque(maxlen=25)
        # Repeat until 25 requests start within 0.9 seconds: on a busy machine, the first requests are slow.
        while len(started) < 25 or time.monotonic() - started[0] > 0.9:
            started.append(time.monotonic())
            with urlopen(f"{self.arguments.base_url}?verb=Identify") as response:  # noqa: S310 - the simulator
                response.read()
        yield from super().pages(window, cursor)


class FloodingHarvester(OaiHarvester):
    """Sends requests without the session and its request budget, and too fast."""

    def client(self, session: Session) -> OaiClient:
        return FloodingClient(self.arguments, session)


class OtherHeaderParser(OaiHeaderParser):
    def headers(self, page: Page, window: Window) -> Iterator[RecordHeader | InvalidRecord]:
        for header in super().headers(page, window):
            if isinstance(header, RecordHeader) and header.identifier.endswith("1"):
                yield replace(header, identifier=header.identifier.upper())
            elif isinstance(header, RecordHeader) and header.identifier.endswith("2"):
                yield replace(header, datestamp=None)
            else:
                yield header


class OtherHeaderHarvester(OaiHarvester):
    """Gives some records another identifier in the list of identifiers, and others no datestamp."""

    def header_parser(self) -> OaiHeaderParser:
        return OtherHeaderParser(self.arguments)


class FailingHeaderHarvester(OaiHarvester):
    """Parses the list of identifiers as a list of records."""

    def header_parser(self) -> OaiParser:  # type: ignore[override]
        return OaiParser(self.arguments)
