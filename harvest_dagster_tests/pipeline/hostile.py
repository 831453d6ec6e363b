"""A source in memory that fails by a script, with one entry for each request."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from harvest_dagster.errors import (
    CursorRefused,
    HttpStatusError,
    MalformedResponse,
    SourceUnreachable,
    TruncatedResponse,
)
from harvest_dagster.harvesters.interface import Client
from harvest_dagster.records import Cursor, Page, Request
from harvest_dagster.windows import Window

URL = "https://hostile.test/"
FAILURES = (
    "cut",
    "malformed",
    "down",
    "400",
    "expired",
    "empty",
    "back",
    "ends",
    "leaves",
    "again",
    "moves",
    "",
)


@dataclass
class HostileSource:
    """A source that a HostileHarvester asks in place of a session.

    Attributes:
        items: identifiers and datestamps, in the order of the lists.
        page_size: records on a page.
        totals: whether lists have totals.
        parts: how many lists the harvester declares.
        cap: the length at which lists end without an error; None for no cap.
        script: the failure of each request. After its end, all requests succeed.
        requests: number of requests.
        left: identifiers of records that have left the source.
        twice: identifiers of records that are listed twice in a row, and that the total counts twice.
        repeats: the page, from 0, in whose place each list repeats the page before; None for no page.
    """

    items: list[tuple[str, datetime]]
    page_size: int
    totals: bool
    parts: int | None
    cap: int | None
    script: list[str]
    requests: int = 0
    left: set[str] = field(default_factory=set)
    twice: set[str] = field(default_factory=set)
    repeats: int | None = None

    def page(self, window: Window, cursor: Cursor | None) -> Page:
        what = self.script[self.requests] if self.requests < len(self.script) else ""
        self.requests += 1
        token = cursor.token if cursor else None
        first = int(token or 0)
        self._fail(what, token)
        if what == "leaves":
            self.left.update(name for name, _ in self._listed(window)[:1])
        listed = self._listed(window)
        if self.repeats is not None and first == self.repeats * self.page_size:
            what = "again"
        if what == "again" and first >= self.page_size:
            # A page stands in the place of the next one. Its records are repeated, and those of the other are missing.
            listed[first : first + self.page_size] = listed[first - self.page_size : first]
        if what == "moves" and 0 < first < len(listed):
            # A record of an earlier page has changed and moved to the end. The first one of this page is on no page.
            listed = [*listed[:first], *listed[first + 1 :], listed[0]]
        page = self._page(listed[: self.cap], first, cursor, len(listed) if self.totals else None)
        if what == "empty":
            return replace(page, body=b"[]", count=0, identifiers=(), next=Cursor(str(first)))
        if what == "back" and page.next is not None:
            return replace(page, next=Cursor(str(max(0, first - self.page_size))))
        return replace(page, next=None) if what == "ends" and self.totals else page

    def _fail(self, what: str, token: str | None) -> None:
        if what == "cut":
            raise TruncatedResponse("it breaks off.")
        if what == "malformed":
            raise MalformedResponse("it is not well-formed.")
        if what == "down":
            raise SourceUnreachable("no answer.")
        if what == "400":
            raise HttpStatusError("bad request.", status=400, url=URL)
        if what == "expired" and token is not None:
            raise CursorRefused("it has expired.", code="badResumptionToken")

    def _listed(self, window: Window) -> list[tuple[str, datetime]]:
        return [
            item
            for item in self.items
            if item[1] in window and item[0] not in self.left
            for _ in range(2 if item[0] in self.twice else 1)
        ]

    def _page(
        self, listed: list[tuple[str, datetime]], first: int, cursor: Cursor | None, total: int | None
    ) -> Page:
        last = first + self.page_size
        part = listed[first:last]
        return Page(
            body=json.dumps([(name, stamp.isoformat()) for name, stamp in part]).encode(),
            request=Request(f"{URL}?first={first}"),
            status=200,
            received=datetime.now().astimezone(),
            cursor=cursor or Cursor(),
            next=Cursor(str(last)) if last < len(listed) else None,
            count=len(part),
            total=total,
            identifiers=tuple(name for name, _ in part),
        )


class HostileClient(Client):
    """A harvester whose session is a HostileSource."""

    session: Any  # a HostileSource

    @property
    def smallest_window(self) -> timedelta:
        return timedelta(hours=1)

    @property
    def list_count(self) -> int | None:
        parts: int | None = self.session.parts
        return parts

    def pages(self, window: Window, cursor: Cursor | None = None) -> Iterator[Page]:
        while True:
            page = self.session.page(window, cursor)
            yield page
            if page.next is None:
                return
            cursor = page.next
