"""Time in OAI-PMH: granularities, and the from and until of a window.

`until` is inclusive (section 2.7.1), our windows are half-open. So a window is first brought to the grid of
the source's granularity and then asked as [start, end minus one unit]. At seconds the grid only moves the
edges within the second they are in; at days it widens the window to whole days, and `source_dates.inside` leaves
out what that brought in.
"""

from __future__ import annotations

from datetime import datetime
from enum import Enum

from harvest_dagster.windows import DAY, SECOND, Window, whole_days


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
    if granularity is Granularity.DAY:
        return whole_days(window)
    start, end = _whole_second(window.start), _whole_second(window.end)
    return Window(start, end) if start < end else None


def from_until(asked: Window, granularity: Granularity) -> dict[str, str]:
    """The two arguments for a window on the grid."""
    if granularity is Granularity.DAY:
        return {"from": _date(asked.start), "until": _date(asked.end - DAY)}
    return {"from": _instant(asked.start), "until": _instant(asked.end - SECOND)}


def _whole_second(instant: datetime) -> datetime:
    """The first at or after an instant."""
    floor = instant.replace(microsecond=0)
    return floor if floor == instant else floor + SECOND


def _date(instant: datetime) -> str:
    return instant.date().isoformat()


def _instant(instant: datetime) -> str:
    return instant.isoformat(timespec="seconds").replace("+00:00", "Z")
