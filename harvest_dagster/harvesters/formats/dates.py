"""Datestamps as sources write them, and the records that a window keeps if its source knows only whole days."""

from __future__ import annotations

from datetime import datetime

from harvest_dagster.windows import Window, parse_instant


def lenient_instant(text: str | None) -> datetime | None:
    """Return a datestamp in UTC, or None if the text is not a date. A date without a time is midnight in UTC."""
    try:
        return parse_instant(text) if text else None
    except ValueError:
        return None


def is_kept(datestamp: datetime | None, window: Window, asked: Window | None) -> bool:
    """Return whether `window` keeps a record with this datestamp.

    A record is dropped only if its datestamp lies in `asked` but not in `window`: then the window that contains the
    datestamp delivers it. A record without a datestamp, or with one outside `asked`, is kept, because no other
    window would deliver it.

    Args:
        datestamp: of the record, None if the source gives none.
        window: the window that is harvested.
        asked: the larger window that the source was asked for, None if that was `window` itself.
    """
    return datestamp is None or asked is None or datestamp in window or datestamp not in asked
