"""A source in memory behind the harvester `fake`, and a clock that one sets."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from harvest_dagster.errors import CursorRefused, SourceUnreachable
from harvest_dagster.harvesters.interface import Harvester
from harvest_dagster.records import Cursor, Page, Record, Request, Unreadable
from harvest_dagster.windows import Window


@dataclass
class Clock:
    """The time, until somebody sets it."""

    now: datetime

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **duration: float) -> None:
        self.now += timedelta(**duration)


Item = Record | Unreadable


@dataclass
class Source:
    """What a fake harvester asks in place of a session.

    Attributes:
        clock: its time and ours.
        items: what it holds.
        page_size: items a page.
        total: what it says that the list holds; None says nothing.
        breaks_at: the page, from 0, in whose place the connection breaks, and no other is made.
        tokens: a new generation refuses the tokens of those before.
        asked: the first item of every page that was asked for and given.
        refused: so many requests got no answer.
    """

    clock: Clock
    items: list[Item] = field(default_factory=list)
    page_size: int = 2
    total: int | None = None
    breaks_at: int | None = None
    tokens: str = "a"
    asked: list[int] = field(default_factory=list)
    refused: int = 0

    def page(self, cursor: Cursor | None) -> Page:
        first = self._first(cursor)
        if self.breaks_at is None:
            self.refused = 0
        elif self.refused or first >= self.breaks_at * self.page_size:
            self.refused += 1
            raise SourceUnreachable("the connection broke. Try again.")
        self.asked.append(first)
        last = first + self.page_size
        items = self.items[first:last]
        return Page(
            body=json.dumps([_as_json(item) for item in items]).encode(),
            request=Request(f"https://fake.test/?first={first}"),
            status=200,
            received=self.clock(),
            cursor=cursor or Cursor(),
            next=Cursor(f"{self.tokens}{last}") if last < len(self.items) else None,
            count=len(items),
            identifiers=tuple(item.identifier for item in items if item.identifier),
            total=self.total,
        )

    def _first(self, cursor: Cursor | None) -> int:
        if cursor is None or cursor.token is None:
            return 0
        if not cursor.token.startswith(self.tokens):
            raise CursorRefused("the token has expired. Begin again.", code="badResumptionToken")
        return int(cursor.token.removeprefix(self.tokens))


def _as_json(item: Item) -> list[object]:
    if isinstance(item, Unreadable):
        return [item.datum.decode("latin-1"), item.error, item.identifier]
    stamp = item.datestamp and item.datestamp.isoformat()
    return [item.identifier, stamp, item.deleted, item.blob]


def _from_json(values: list[object]) -> Item:
    if len(values) == 3:
        return Unreadable(str(values[0]).encode("latin-1"), *values[1:])
    identifier, stamp, deleted, blob = values
    return Record(identifier, stamp and datetime.fromisoformat(stamp), deleted, blob)


class FakeHarvester(Harvester):
    """Its session is a Source, which has one list, whatever the window."""

    session: Source

    @property
    def smallest(self) -> timedelta:
        return timedelta(days=36_500)

    def pages(self, window: Window, cursor: Cursor | None = None) -> Iterator[Page]:  # noqa: ARG002
        while True:
            page = self.session.page(cursor)
            yield page
            if page.next is None:
                return
            cursor = page.next

    def records(self, page: Page, window: Window) -> Iterator[Item]:  # noqa: ARG002
        return map(_from_json, json.loads(page.body))
