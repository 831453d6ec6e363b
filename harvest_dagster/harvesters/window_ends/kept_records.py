"""Decide which records a window keeps, if the source was asked for more time than the window."""

from __future__ import annotations

from datetime import datetime

from harvest_dagster.windows import Window


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
