"""A source in memory, its harvester `fake`, and a clock that tests set."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from pydantic import ConfigDict

from harvest_dagster.errors import CursorRefused, SourceUnreachable
from harvest_dagster.harvesters.interface import Arguments, Client, Harvester, Parser
from harvest_dagster.records import Cursor, InvalidRecord, Page, Record, Request
from harvest_dagster.windows import Window


@dataclass
class Clock:
    """Returns the same time until a test changes it."""

    now: datetime

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **duration: float) -> None:
        self.now += timedelta(**duration)


Item = Record | InvalidRecord


@dataclass
class Source:
    """The source that a fake client asks in place of a session.

    Attributes:
        clock: the clock of the source and of the test.
        items: its records, valid and invalid.
        page_size: items on a page.
        total: the total of its lists; None for none.
        breaks_at: the page, from 0, at which the connection breaks. All later requests fail, too.
        tokens: the prefix of its tokens. After a change, the source refuses the earlier tokens.
        asked: the index of the first item of each delivered page.
        refused: the number of requests without an answer.
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


def _as_json(item: Item) -> list[Any]:
    if isinstance(item, InvalidRecord):
        return [item.datum.decode("latin-1"), item.error, item.identifier]
    stamp = item.datestamp and item.datestamp.isoformat()
    return [item.identifier, stamp, item.deleted, item.blob]


def _from_json(values: list[Any]) -> Item:
    if len(values) == 3:
        return InvalidRecord(str(values[0]).encode("latin-1"), *values[1:])
    if len(values) == 2:  # of a HostileSource
        return Record(str(values[0]), datetime.fromisoformat(str(values[1])), False, str(values[0]))
    identifier, stamp, deleted, blob = values
    return Record(identifier, stamp and datetime.fromisoformat(stamp), deleted, blob)


class FakeClient(Client):
    """Its session is a Source, which has one list, whatever the window."""

    session: Any  # a Source

    @property
    def smallest_window(self) -> timedelta:
        return timedelta(days=36_500)

    def pages(self, window: Window, cursor: Cursor | None = None) -> Iterator[Page]:  # noqa: ARG002
        while True:
            page = self.session.page(cursor)
            yield page
            if page.next is None:
                return
            cursor = page.next


class FakeParser(Parser):
    """Parses the pages of a Source."""

    def records(self, page: Page, window: Window) -> Iterator[Item]:  # noqa: ARG002
        return map(_from_json, json.loads(page.body))


class FakeArguments(Arguments):
    """Accepts any argument."""

    model_config = ConfigDict(extra="allow", frozen=True)


class FakeHarvester(Harvester):
    """The harvester of a Source."""

    Arguments = FakeArguments

    def client(self, session: Any) -> FakeClient:
        return FakeClient(self.arguments, session)

    def parser(self) -> FakeParser:
        return FakeParser(self.arguments)
