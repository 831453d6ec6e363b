"""Time in OAI-PMH: granularities, the from and until of a window, datestamps as they come.

`until` is inclusive (section 2.7.1), our windows are half-open. So a window is first brought to the grid of
the source's granularity and then asked as [start, end minus one unit]. At seconds the grid only moves the
edges within the second they are in; at days it widens the window to whole days, and `inside` leaves out what
that brought in.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from enum import Enum

from harvest_dagster.windows import Window, parse_instant

_SECOND = timedelta(seconds=1)
_DAY = timedelta(days=1)


class Granularity(Enum):
    """What the source's datestamps distinguish; from Identify, never from a flag (Lesson 24)."""

    DAY = "YYYY-MM-DD"
    SECOND = "YYYY-MM-DDThh:mm:ssZ"

    @classmethod
    def of(cls, text: str | None) -> Granularity:
        """The one that Identify names; where that is none, days, which every repository must understand."""
        return cls.SECOND if (text or "").strip().upper() == cls.SECOND.value.upper() else cls.DAY


def asked_for(window: Window, granularity: Granularity) -> Window | None:
    """The window on the grid of the granularity; None where it holds no point of that grid to ask for.

    Days: all that the window touches. Seconds: the whole ones that lie in it, so that neighbours share none.
    """
    start, end = (instant.astimezone(timezone.utc) for instant in (window.start, window.end))
    if granularity is Granularity.DAY:
        return Window(_floor(start, _DAY), _ceil(end, _DAY))
    start, end = _ceil(start, _SECOND), _ceil(end, _SECOND)
    return Window(start, end) if start < end else None


def from_until(asked: Window, granularity: Granularity) -> dict[str, str]:
    """The two arguments for a window on the grid."""
    if granularity is Granularity.DAY:
        return {"from": _date(asked.start), "until": _date(asked.end - _DAY)}
    return {"from": _instant(asked.start), "until": _instant(asked.end - _SECOND)}


def inside(datestamp: datetime | None, window: Window, asked: Window | None) -> bool:
    """Whether a record is to be kept.

    Only what the widening from `window` to `asked` brought in is left out, for the neighbours have it. A
    record with no datestamp, or one that lies outside of what was asked, has no other window that would bring
    it: kept.
    """
    return datestamp is None or asked is None or datestamp in window or datestamp not in asked


def lenient_instant(text: str | None) -> datetime | None:
    """A datestamp as sources write it; None where it is no date. A date alone is its midnight in UTC."""
    try:
        return parse_instant(text) if text else None
    except (ValueError, OverflowError):
        return None


def _floor(instant: datetime, unit: timedelta) -> datetime:
    midnight = instant.replace(hour=0, minute=0, second=0, microsecond=0)
    return instant - (instant - midnight) % unit


def _ceil(instant: datetime, unit: timedelta) -> datetime:
    floor = _floor(instant, unit)
    return floor if floor == instant else floor + unit


def _date(instant: datetime) -> str:
    return instant.date().isoformat()


def _instant(instant: datetime) -> str:
    return instant.isoformat(timespec="seconds").replace("+00:00", "Z")
