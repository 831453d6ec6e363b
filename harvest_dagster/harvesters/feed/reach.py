"""How far back the documents of a feed reach.

A feed shows the newest entries of a source. Older entries cannot be fetched. A window before the oldest entry is
therefore out of reach: an empty list there proves nothing. Only two kinds of feeds contain all entries: a feed that
says that it is complete (RFC 5005, section 2), and one whose archives were read to the first one (section 4).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from harvest_dagster.errors import SourceRefused
from harvest_dagster.harvesters.feed.position import FeedPosition
from harvest_dagster.windows import ALL_TIME, DAY, Window, format_instant

OUT_OF_REACH = "outOfReach"
_REACH_WITHOUT_DATES = timedelta(days=3)


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
    return position.oldest_date or received - _REACH_WITHOUT_DATES


def raise_if_out_of_reach(window: Window, first: datetime, *, url: str) -> None:
    """Raise SourceRefused if days of a window are before the first instant that a feed shows.

    Only the day of that instant is harvested: its later entries would be lost otherwise. A snapshot of such a feed is
    refused: it would not be a list of the whole source.
    """
    if window == ALL_TIME:
        message = (
            f"{url}: the feed begins at {format_instant(first)}, and does not say that it contains all entries of its "
            "source. A snapshot would count older entries as removed. Remove `selective: false` from the source."
        )
        raise SourceRefused(message, code=OUT_OF_REACH)
    if window.start >= first or (window.end > first and len(list(window.days)) == 1):
        return
    next_day = (first + DAY - timedelta(microseconds=1)).date()
    message = (
        f"{url}: the feed begins at {format_instant(first)}, so it cannot show {window}. Its older entries are not in "
        f"it any more. Set `earliest_date: {next_day}` and `max_window: 1d` in the source, and harvest it "
        "more often than entries leave it."
    )
    raise SourceRefused(message, code=OUT_OF_REACH)
