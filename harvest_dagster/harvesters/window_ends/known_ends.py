"""How a source treats the first and the last date of a request, and which dates are therefore requested.

`from` and `until` of OAI-PMH are inclusive (section 2.7.1). Some repositories read the day in `until` as its midnight,
keep milliseconds that `until` leaves out, treat `from` as exclusive, or refuse from = until
(docs/failures.md#until-as-midnight, docs/failures.md#milliseconds-omitted). Unless an end is known to include its whole
unit, one unit more is requested there, and the parser drops the records of the neighbouring windows by their datestamp.

`end_probe` finds out how a repository with day granularity treats its ends. With second granularity the additional
second costs no request, and a few records cannot prove that a repository never keeps milliseconds. So it is always
requested, with one exception: a repository whose datestamps are all midnights has nothing in the last second of a day,
and everything of the next day in the second after it (docs/decisions/0032).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from harvest_dagster.harvesters.window_ends.requested_dates import Granularity, RequestedDates, aligned_window
from harvest_dagster.observations import Observations
from harvest_dagster.windows import Window

_NAME = "window_ends"
# A repository may change its software. Then what was observed is wrong without any sign of it.
_MAX_AGE = timedelta(days=30)
# Records that were imported long ago may all be of midnight. They say nothing about the records of today.
_MAX_DISTANCE = timedelta(days=183)
_MOST_DAYS = 60  # kept for a source


@dataclass(frozen=True)
class WindowEnds:
    """How a repository treats the ends of what it is asked for.

    Attributes:
        from_is_whole: whether `from` includes its whole unit.
        until_is_whole: whether `until` includes its whole unit, or nothing is ever in the rest of it.
        one_unit: whether a request with from = until is answered.
    """

    from_is_whole: bool = False
    until_is_whole: bool = False
    one_unit: bool = False

    def dates(self, window: Window, granularity: Granularity) -> RequestedDates:
        """Return the dates for a window, with one unit more at each end that may not include its whole unit."""
        aligned, unit = aligned_window(window, granularity), granularity.unit
        first = aligned.start if self.from_is_whole else aligned.start - unit
        last = aligned.end - unit if self.until_is_whole else aligned.end
        if first == last and not self.one_unit:
            last = aligned.end
        return RequestedDates(first, last, granularity)

    def __str__(self) -> str:
        if self.from_is_whole and self.until_is_whole and self.one_unit:
            return "`from` and `until` include their whole days. No additional day is requested"
        parts = [
            "`from` includes its day" if self.from_is_whole else "`from` may not include its day",
            "`until` includes its day" if self.until_is_whole else "`until` may not include its whole day",
        ]
        if self.from_is_whole and self.until_is_whole:
            parts.append("a single day is refused or empty")
        return f"{', '.join(parts)}. One day more is requested where this is needed"


def find_ends(observations: Observations, granularity: Granularity, window: Window) -> WindowEnds | None:
    """Return how the repository treats its ends; None if that is not known for the time of this window."""
    value: dict[str, Any] = observations.find(_NAME, _MAX_AGE) or {}
    start = window.start.date()
    near = any(abs(date.fromisoformat(day) - start) <= _MAX_DISTANCE for day in value.get("days", ()))
    if not near or value["granularity"] != granularity.value:
        return None
    return WindowEnds(value["from_is_whole"], value["until_is_whole"], value["one_unit"])


def record_ends(observations: Observations, granularity: Granularity, day: date, ends: WindowEnds) -> None:
    """Record how the repository treats its ends, as its records of a day show it.

    Days with the same result are kept together. Another result replaces them.
    """
    value = {
        "granularity": granularity.value,
        "from_is_whole": ends.from_is_whole,
        "until_is_whole": ends.until_is_whole,
        "one_unit": ends.one_unit,
    }
    known: dict[str, Any] = observations.find(_NAME, _MAX_AGE) or {}
    days = set(known["days"]) if known.items() >= value.items() else set()
    observations.record(_NAME, {**value, "days": sorted({*days, day.isoformat()})[-_MOST_DAYS:]})
