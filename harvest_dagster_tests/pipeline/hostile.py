"""A source in memory that fails by a script, one entry a request; it lists what a window holds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from harvest_dagster.errors import (
    CursorRefused,
    HttpStatusError,
    MalformedResponse,
    SourceUnreachable,
    Truncated,
)
from harvest_dagster.harvesters.interface import Harvester
from harvest_dagster.records import Cursor, Page, Record, Request
from harvest_dagster.windows import Window

URL = "https://hostile.test/"
FAILURES = ("cut", "malformed", "down", "400", "expired", "empty", "back", "ends", "leaves", "")


@dataclass
class HostileSource:
    """What a hostile harvester asks in place of a session.

    Attributes:
        items: identifiers and datestamps, in the order of the lists.
        page_size: records a page.
        totals: whether lists say how long they are.
        parts: what the harvester says of them.
        cap: where lists end politely, None for nowhere.
        script: what happens to each request; when it is used up, all goes well.
        requests: how many there were.
    """

    items: list[tuple[str, datetime]]
    page_size: int
    totals: bool
    parts: int | None
    cap: int | None
    script: list[str]
    requests: int = 0
    left: set[str] = field(default_factory=set)

    def page(self, window: Window, cursor: Cursor | None) -> Page:
        what = self.script[self.requests] if self.requests < len(self.script) else ""
        self.requests += 1
        token = cursor.token if cursor else None
        first = int(token or 0)
        self._fail(what, token)
        if what == "leaves":
            self.left.update(name for name, _ in self._listed(window)[:1])
        listed = self._listed(window)
        whole = self._page(listed[: self.cap], first, cursor, len(listed) if self.totals else None)
        if what == "empty":
            return replace(whole, body=b"[]", count=0, identifiers=(), next=Cursor(str(first)))
        if what == "back" and whole.next is not None:
            return replace(whole, next=Cursor(str(max(0, first - self.page_size))))
        return replace(whole, next=None) if what == "ends" and self.totals else whole

    def _fail(self, what: str, token: str | None) -> None:
        if what == "cut":
            raise Truncated("it breaks off.")
        if what == "malformed":
            raise MalformedResponse("it is not well-formed.")
        if what == "down":
            raise SourceUnreachable("no answer.")
        if what == "400":
            raise HttpStatusError("bad request.", status=400, url=URL)
        if what == "expired" and token is not None:
            raise CursorRefused("it has expired.", code="badResumptionToken")

    def _listed(self, window: Window) -> list[tuple[str, datetime]]:
        return [(name, stamp) for name, stamp in self.items if stamp in window and name not in self.left]

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


class HostileHarvester(Harvester):
    """Its session is a HostileSource."""

    session: HostileSource

    @property
    def smallest(self) -> timedelta:
        return timedelta(hours=1)

    @property
    def parts(self) -> int | None:
        return self.session.parts

    def pages(self, window: Window, cursor: Cursor | None = None) -> Iterator[Page]:
        while True:
            page = self.session.page(window, cursor)
            yield page
            if page.next is None:
                return
            cursor = page.next

    def records(self, page: Page, window: Window) -> Iterator[Record]:  # noqa: ARG002
        for name, stamp in json.loads(page.body):
            yield Record(name, datetime.fromisoformat(stamp), False, name)
