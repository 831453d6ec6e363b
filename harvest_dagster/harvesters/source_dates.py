"""Dates as sources write them, and which of what they bring is kept where they are coarser than a window."""

from __future__ import annotations

from datetime import datetime

from harvest_dagster.windows import Window, parse_instant


def lenient_instant(text: str | None) -> datetime | None:
    """A datestamp as sources write it; None where it is no date. A date alone is its midnight in UTC."""
    try:
        return parse_instant(text) if text else None
    except ValueError:
        return None


def inside(datestamp: datetime | None, window: Window, asked: Window | None) -> bool:
    """Whether a record is to be kept.

    Only what the widening from `window` to `asked` brought in is left out, for the neighbours have it. A
    record with no datestamp, or one that lies outside of what was asked, has no other window that would bring
    it: kept.
    """
    return datestamp is None or asked is None or datestamp in window or datestamp not in asked
