"""The position of a harvest in the documents of a feed. It carries the oldest datestamp from document to document."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime

from harvest_dagster.harvesters.feed.document import FeedDocument
from harvest_dagster.harvesters.formats.dates import lenient_instant
from harvest_dagster.records import Cursor
from harvest_dagster.windows import format_instant


@dataclass(frozen=True)
class FeedPosition:
    """A position in the documents of a feed. It is the token of a cursor, so a harvest can resume from it.

    Attributes:
        link: the link to the document; None for the first one.
        oldest: the oldest datestamp of the earlier documents, as text; None if there is none.
        total: the largest number of entries that an earlier document gave; None if none gave one.
    """

    link: str | None = None
    oldest: str | None = None
    total: int | None = None

    @classmethod
    def of(cls, cursor: Cursor) -> FeedPosition:
        """Return the position that a cursor contains."""
        return cls() if cursor.token is None else cls(**json.loads(cursor.token))

    @property
    def cursor(self) -> Cursor:
        """The cursor of the position."""
        return Cursor(None if self.link is None else json.dumps(asdict(self), separators=(",", ":")))

    @property
    def oldest_date(self) -> datetime | None:
        """The oldest datestamp so far; None if there is none."""
        return lenient_instant(self.oldest)

    def after(self, document: FeedDocument, dates: Sequence[datetime | None]) -> FeedPosition:
        """Return the position after a document, still without the link to the next one."""
        known = [self.oldest_date, *_without_pinned([date for date in dates if date is not None])]
        oldest = min((date for date in known if date is not None), default=None)
        totals = [total for total in (self.total, document.total) if total is not None]
        return replace(
            self,
            link=None,
            oldest=None if oldest is None else format_instant(oldest),
            total=max(totals, default=None),
        )


def _without_pinned(dates: Sequence[datetime]) -> Sequence[datetime]:
    """Return the dates without those of old entries that a feed keeps at its top.

    In a feed from the newest entry to the oldest, such an entry would make the feed look as if it reached further back.
    """
    start = 0
    while start + 2 < len(dates) and dates[start] < dates[start + 1] >= dates[-1]:
        start += 1
    return dates[start:]
