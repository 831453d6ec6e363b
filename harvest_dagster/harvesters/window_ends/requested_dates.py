"""The dates of a request: the granularity of a source, and its first and last day or second.

`from` and `until` of OAI-PMH are inclusive (section 2.7.1), and our windows are half-open. `aligned_window` gives the
days or seconds that a window touches, and `known_ends` decides whether one unit more is requested at each end.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from harvest_dagster.windows import DAY, SECOND, Window, whole_days


class Granularity(Enum):
    """The granularity of datestamps. The values are those of Identify in OAI-PMH (section 3.3.1).

    The harvester `oai` has no argument for it: a wrong value loses or repeats records at every edge of a window
    (docs/failures.md#inclusive-until).
    """

    DAY = "YYYY-MM-DD"
    SECOND = "YYYY-MM-DDThh:mm:ssZ"

    @classmethod
    def of(cls, text: str | None) -> Granularity:
        """Return the granularity that Identify names, or DAY, which every repository must support (section 3.3.1)."""
        return cls.SECOND if (text or "").strip().upper() == cls.SECOND.value.upper() else cls.DAY

    @property
    def unit(self) -> timedelta:
        """A day or a second."""
        return DAY if self is Granularity.DAY else SECOND


def aligned_window(window: Window, granularity: Granularity) -> Window:
    """Return the days or the seconds that a window touches."""
    if granularity is Granularity.DAY:
        return whole_days(window)
    end = window.end.replace(microsecond=0)
    return Window(window.start.replace(microsecond=0), end if end == window.end else end + SECOND)


@dataclass(frozen=True)
class RequestedDates:
    """The first and the last day or second that a request asks for.

    Attributes:
        first: the instant at which the first day or second begins.
        last: the instant at which the last day or second begins. It is included.
        granularity: the granularity of both.
    """

    first: datetime
    last: datetime
    granularity: Granularity

    @property
    def window(self) -> Window:
        """All time that belongs to the two units and to those between them."""
        return Window(self.first, self.last + self.granularity.unit)

    @property
    def arguments(self) -> dict[str, str]:
        """The arguments `from` and `until` of an OAI-PMH request."""
        return {"from": self._text(self.first), "until": self._text(self.last)}

    def _text(self, instant: datetime) -> str:
        if self.granularity is Granularity.DAY:
            return instant.date().isoformat()
        return instant.isoformat(timespec="seconds").replace("+00:00", "Z")


def exact_dates(window: Window, granularity: Granularity) -> RequestedDates:
    """Return the dates of an aligned window, without an additional unit at either end."""
    return RequestedDates(window.start, window.end - granularity.unit, granularity)
