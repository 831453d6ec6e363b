"""How far back the documents of a feed reach.

A feed shows the newest entries of a source. Older entries cannot be fetched. A window before the oldest entry is
therefore out of reach: an empty list there proves nothing. Only two kinds of feeds contain all entries: a feed that
says that it is complete (RFC 5005, section 2), and one whose archives were read to the first one (section 4).

`FeedPosition` is the cursor of a feed: it carries the oldest datestamp from document to document.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta

from harvest_dagster.errors import SourceRefused
from harvest_dagster.harvesters.feed.document import FeedDocument
from harvest_dagster.harvesters.formats.dates import lenient_instant
from harvest_dagster.records import Cursor
from harvest_dagster.windows import DAY, Window, format_instant

_UNDATED = timedelta(days=3)


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


def has_only_older_entries(dates: Sequence[datetime | None], before: FeedPosition, window: Window) -> bool:
    """Return whether a document is older than the window and than the documents before it.

    A feed that begins with its oldest entries must be read to its end, whatever it says about its order.

    Args:
        dates: the datestamps of its entries.
        before: the position of the document.
        window: the window.
    """
    known = [date for date in dates if date is not None]
    oldest = before.oldest_date
    if not known or len(known) < len(dates) or oldest is None:
        return False
    return max(known) <= oldest and max(known) < window.start


def first_reached(position: FeedPosition, received: datetime) -> datetime:
    """Return the first instant whose entries a feed shows, if the feed does not contain all entries.

    A feed without a date shows only its present. It counts as if its oldest entry were three days old, because a
    schedule requests a day up to that long after its end.

    Args:
        position: the position after the last document.
        received: when that was received.
    """
    return position.oldest_date or received - _UNDATED


def raise_if_out_of_reach(window: Window, first: datetime, *, url: str) -> None:
    """Raise SourceRefused if days of a window are before the first instant that a feed shows.

    Only the day of that instant is harvested: its later entries would be lost otherwise.
    """
    if window.start >= first or (window.end > first and len(list(window.days)) == 1):
        return
    next_day = (first + DAY - timedelta(microseconds=1)).date()
    message = (
        f"{url}: the feed begins at {format_instant(first)}, so it cannot show {window}. Its older entries are not in "
        f"it any more. Set `earliest_date: {next_day}` and `max_window: 1d` in the source, and harvest it "
        "more often than entries leave it."
    )
    raise SourceRefused(message, code="outOfReach")


def _without_pinned(dates: Sequence[datetime]) -> Sequence[datetime]:
    """Return the dates without those of old entries that a feed keeps at its top.

    In a feed from the newest entry to the oldest, such an entry would make the feed look as if it reached further back.
    """
    start = 0
    while start + 2 < len(dates) and dates[start] < dates[start + 1] >= dates[-1]:
        start += 1
    return dates[start:]
