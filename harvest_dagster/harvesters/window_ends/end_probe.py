"""Find out whether a repository includes the whole units of `from` and `until`, from the records that it delivered.

A list that was requested with one day more at both ends contains all records of the days between, whatever the
repository makes of its ends. One of these days is then requested alone, with from = until. If all its records come,
both ends are exact, and nothing more is requested. If not, two more lists, each with one day more at one end, show
which end is not. If neither has all records, nor lacks most of them, records may have changed meanwhile: the ends
stay unknown, and a later window asks again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, time, timezone

from harvest_dagster.errors import DeadlineExceeded, HttpStatusError, RetryLater, SourceError, SourceRefused
from harvest_dagster.harvesters.window_ends.known_ends import WindowEnds
from harvest_dagster.harvesters.window_ends.requested_dates import Granularity, RequestedDates
from harvest_dagster.windows import DAY, Window

Header = tuple[str, datetime]
"""Identifier and datestamp of a record."""

_MIDNIGHT = time()
_MOST_DAYS = 100  # remembered of one list
_RECORDS_OF_A_DAY = 100  # compared: the last ones, because midnights come first in an ordered list
# Records of a day: fewer may all be of midnight by chance. A source with fewer records needs no further request,
# because its list contains the neighbouring days.
_ENOUGH_RECORDS = 10
# Different times of a day. A source that reads the day in `until` as its midnight delivers only one.
_ENOUGH_TIMES = 3
# Records of a list whose datestamps are all midnights: fewer do not show that the repository stores only dates.
_ENOUGH_MIDNIGHTS = 100


@dataclass
class DayRecords:
    """The records that a list has of one day: their number, their first times, and the last identifiers."""

    count: int = 0
    times: set[time] = field(default_factory=set)
    last: deque[str] = field(default_factory=lambda: deque(maxlen=_RECORDS_OF_A_DAY))


@dataclass
class ListSample:
    """What a list shows about datestamps, in bounded memory.

    Attributes:
        window: the window without the additional units. Only the days within it are complete.
        days: the records of each day, by its midnight.
        midnights: number of records whose datestamp is a midnight.
        has_times: whether another datestamp is not a midnight.
        outside: number of records whose datestamp is not in the window.
    """

    window: Window
    days: dict[datetime, DayRecords] = field(default_factory=dict)
    midnights: int = 0
    has_times: bool = False
    outside: int = 0

    def add(self, headers: Collection[Header]) -> None:
        """Add the records of a page."""
        for identifier, datestamp in headers:
            clock = datestamp.time()
            if clock == _MIDNIGHT:
                self.midnights += 1
            else:
                self.has_times = True
            if datestamp not in self.window:
                self.outside += 1
                continue
            midnight = datetime.combine(datestamp, _MIDNIGHT, timezone.utc)
            if midnight in self.days or len(self.days) < _MOST_DAYS:
                day = self.days.setdefault(midnight, DayRecords())
                day.count += 1
                if len(day.times) < _ENOUGH_TIMES:
                    day.times.add(clock)
                day.last.append(identifier)

    @property
    def has_only_midnights(self) -> bool:
        """Whether the list shows that the repository stores dates without a time."""
        return not self.has_times and self.midnights >= _ENOUGH_MIDNIGHTS

    def full_day(self) -> datetime | None:
        """Return the cheapest day whose number of records or of times is good evidence; None if there is none."""
        enough = {
            key: day.count
            for key, day in self.days.items()
            if day.count >= _ENOUGH_RECORDS or len(day.times) >= _ENOUGH_TIMES
        }
        return min(enough, key=lambda key: enough[key], default=None)

    def best_day(self) -> tuple[datetime, frozenset[str]] | None:
        """Return the cheapest day that is good evidence, with identifiers of its records; None if there is none."""
        enough = [key for key, day in self.days.items() if day.count >= _ENOUGH_RECORDS]
        if not enough:
            return None
        best = min(enough, key=lambda key: self.days[key].count)
        return best, frozenset(self.days[best].last)


ListHeaders = Callable[[RequestedDates], Iterator[Collection[Header]]]


@dataclass(frozen=True)
class EndProbe:
    """Requests single days from a repository with day granularity, to find out how it treats its ends.

    Attributes:
        list_headers: requests the list between two dates, and yields the headers of each page.
    """

    list_headers: ListHeaders

    def probe(self, day: datetime, expected: frozenset[str]) -> WindowEnds | None:
        """Return how the repository treats its ends; None if the lists do not show it.

        An exact repository costs the list of one day. If the source fails, the result is None: the list of the window
        is already complete.

        Args:
            day: the midnight of a day whose records have all been received.
            expected: identifiers of records of this day.
        """
        with suppress(SourceError, RetryLater, DeadlineExceeded):
            if self._delivers(day, day, expected):
                return WindowEnds(True, True, True)
            until_is_whole = self._delivers(day - DAY, day, expected)
            from_is_whole = self._delivers(day, day + DAY, expected)
            if until_is_whole is not None or from_is_whole is not None:
                return WindowEnds(from_is_whole is True, until_is_whole is True)
        return None

    def _delivers(self, first: datetime, last: datetime, expected: frozenset[str]) -> bool | None:
        """Return whether a list contains all these records; None if it lacks a few of them, which may have changed."""
        missing = set(expected)
        try:
            for headers in self.list_headers(RequestedDates(first, last, Granularity.DAY)):
                missing.difference_update(identifier for identifier, _ in headers)
                if not missing:
                    return True
        except (
            SourceRefused,
            HttpStatusError,
        ) as error:  # from = until, or an answer that means an empty list
            if error.transient:
                raise
            return False
        return None if len(missing) < len(expected) / 2 else False
