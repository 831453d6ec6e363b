"""Harvesters as they should not be, each with the faults of real ones."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from urllib.request import urlopen

from lxml import etree

from harvest_dagster.errors import ProtocolError
from harvest_dagster.harvesters.interface import Arguments, Harvester
from harvest_dagster.harvesters.oai import OaiHarvester
from harvest_dagster.records import Cursor, Page, Record, Request, Unreadable
from harvest_dagster.windows import Window

OAI = "{http://www.openarchives.org/OAI/2.0/}"


class Where(Arguments):
    base_url: str


class Careless(Harvester):
    """Lesson 1 and 2: parses in recovery mode, takes an empty page for the end, reads no totals."""

    Arguments = Where

    def pages(self, window: Window, cursor: Cursor | None = None) -> Iterator[Page]:  # noqa: ARG002 - it takes all
        while True:
            token = cursor and cursor.token
            asked = {"resumptionToken": token} if token else {"metadataPrefix": "oai_dc"}
            response = self.session.get(self.arguments.base_url, {"verb": "ListRecords", **asked})
            tree = _recovered(response.body)
            count = 0 if tree is None else len(list(tree.iter(f"{OAI}record")))
            following = tree.findtext(f".//{OAI}resumptionToken") if count else None
            yield Page(
                body=response.body,
                request=Request(response.url),
                status=response.status,
                received=response.received,
                cursor=cursor or Cursor(),
                next=Cursor(following) if following else None,
                count=count,
            )
            if not following:
                return
            cursor = Cursor(following)

    def records(self, page: Page, window: Window) -> Iterator[Record]:  # noqa: ARG002 - it gives all
        tree = _recovered(page.body)
        for element in [] if tree is None else tree.iter(f"{OAI}record"):
            identifier = element.findtext(f"{OAI}header/{OAI}identifier")
            if identifier:
                yield Record(identifier, None, False, etree.tostring(element, encoding="unicode"))


def _recovered(body: bytes) -> etree._Element | None:
    try:
        return etree.fromstring(body, etree.XMLParser(recover=True))
    except etree.XMLSyntaxError:
        return None


class Doubling(OaiHarvester):
    """Lesson 28: a blob that is never the same twice."""

    def records(self, page: Page, window: Window) -> Iterator[Record]:
        for record in super().records(page, window):
            yield Record(record.identifier, None, False, f"{page.received}{record.blob}")


class Twice(OaiHarvester):
    """Lesson 28: one record, and two contents of it in one harvest."""

    def records(self, page: Page, window: Window) -> Iterator[Record | Unreadable]:
        for record in super().records(page, window):
            yield record
            if isinstance(record, Record):
                yield replace(record, blob=f"{record.blob} ")


class Evading(OaiHarvester):
    """Asks past the session, once."""

    def pages(self, window: Window, cursor: Cursor | None = None) -> Iterator[Page]:
        with urlopen(f"{self.arguments.base_url}?verb=Identify") as answer:  # noqa: S310 - of the simulator
            answer.read()
        yield from super().pages(window, cursor)


class Blank(OaiHarvester):
    """Lesson 28: keeps nothing of what came."""

    def records(self, page: Page, window: Window) -> Iterator[Record | Unreadable]:
        for piece in super().records(page, window):
            yield replace(piece, blob="{}") if isinstance(piece, Record) else piece


class Dropping(OaiHarvester):
    """Lesson 31: throws away what it cannot read, and says nothing."""

    def records(self, page: Page, window: Window) -> Iterator[Record | Unreadable]:
        return (piece for piece in super().records(page, window) if isinstance(piece, Record))


class Repairing(OaiHarvester):
    """Lesson 1: makes up a content for what it cannot read."""

    def records(self, page: Page, window: Window) -> Iterator[Record | Unreadable]:
        for piece in super().records(page, window):
            if isinstance(piece, Unreadable) and piece.identifier:
                yield Record(piece.identifier, None, False, "<record/>")
            else:
                yield piece


class Quitting(OaiHarvester):
    """Lesson 25: one datestamp that is not as it should be, and all is refused."""

    def records(self, page: Page, window: Window) -> Iterator[Record | Unreadable]:
        for piece in super().records(page, window):
            if isinstance(piece, Record) and piece.datestamp and piece.datestamp not in window:
                raise ProtocolError(f"{piece.identifier} lies outside of {window}. Ask the source.")
            yield piece


class Crashing(OaiHarvester):
    """Whatever happens to it is an exception of Python's."""

    def pages(self, window: Window, cursor: Cursor | None = None) -> Iterator[Page]:
        try:
            yield from super().pages(window, cursor)
        except Exception:
            raise KeyError("resumptionToken") from None


class Terse(Careless):
    """Nobody knows what to do."""

    def pages(self, window: Window, cursor: Cursor | None = None) -> Iterator[Page]:
        try:
            yield from super().pages(window, cursor)
        except Exception:
            raise ProtocolError("bad response") from None


class Hanging(OaiHarvester):
    """Lesson 13: waits for ever once something goes wrong."""

    def pages(self, window: Window, cursor: Cursor | None = None) -> Iterator[Page]:
        try:
            yield from super().pages(window, cursor)
        except Exception:
            threading.Event().wait()


class Hammering(OaiHarvester):
    """Lesson 21: asks past the session, and so past its budget."""

    def pages(self, window: Window, cursor: Cursor | None = None) -> Iterator[Page]:
        begun: deque[float] = deque(maxlen=25)
        # On a busy machine the first may take longer than the second in which they shall be too many.
        while len(begun) < 25 or time.monotonic() - begun[0] > 0.9:
            begun.append(time.monotonic())
            with urlopen(f"{self.arguments.base_url}?verb=Identify") as answer:  # noqa: S310 - of the simulator
                answer.read()
        yield from super().pages(window, cursor)
