"""Decide which dates a REST API is asked for, and learn from its lists whether they are right.

An API does not say whether the day in `until` means the whole day or its midnight, whether the day in `from` is
included, or whether it filters by the datestamps that it shows. So a window asks for one unit more at each end that is
not known to include its whole unit, and stores everything that arrives (docs/decisions/0055).

- **Seconds.** The additional seconds cost no request. They are always requested.
- **No end.** A source that has no upper bound is asked from one day before the window on, because its datestamps may be
  those of another time zone. The records that belong to other windows are dropped (docs/decisions/0056).
- **Days.** If the list with the additional days has several pages, the first pages of one day alone show whether the
  ends are exact. If the list is short, a day of it is requested alone after it. The answer is kept with the source.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import date, datetime, timedelta, timezone
from itertools import islice

from harvest_dagster.errors import (
    CursorRefused,
    DeadlineExceeded,
    HttpStatusError,
    MisconfiguredSource,
    PaginationLoop,
    ProtocolError,
    RetryLater,
    SourceError,
    SourceRefused,
)
from harvest_dagster.harvesters.rest.arguments import RestArguments
from harvest_dagster.harvesters.window_ends.end_probe import ListSample
from harvest_dagster.harvesters.window_ends.known_ends import WindowEnds, find_ends, record_ends
from harvest_dagster.harvesters.window_ends.requested_dates import (
    Granularity,
    RequestedDates,
    aligned_window,
    exact_dates,
)
from harvest_dagster.observations import Observations
from harvest_dagster.windows import DAY, Window

DatedRecord = tuple[str, datetime | None]
"""Identifier and datestamp of a record."""

ListRecords = Callable[[RequestedDates], Iterator[Sequence[DatedRecord]]]

# Of the list of one day alone. An exact source with times shows them on its first page.
_PAGES_OF_A_DAY = 5
_COMPARED_RECORDS = 100
_ENOUGH_RECORDS = 10  # without datestamps: as many as of a day with datestamps
# A source may answer so to dates in the future, before its first record, or with too much time between them.
_REFUSED_DATES = frozenset({400, 404, 410, 413, 414, 416, 422})
_END_OF_TIME = datetime(9999, 12, 31, tzinfo=timezone.utc)
_EXACT = WindowEnds(from_is_whole=True, until_is_whole=True, one_unit=True)


class WindowSample:
    """What a list shows about its datestamps: a sample of its dated records, and the number of all its records."""

    def __init__(self, window: Window) -> None:
        self.dated = ListSample(window)
        self.records = 0

    def add(self, records: Sequence[DatedRecord]) -> None:
        """Add the records of a page."""
        self.records += len(records)
        self.dated.add(
            [(identifier, datestamp) for identifier, datestamp in records if datestamp is not None]
        )

    @property
    def has_datestamps(self) -> bool:
        """Whether records have datestamps."""
        return self.dated.has_times or self.dated.midnights > 0

    @property
    def has_useless_datestamps(self) -> bool:
        """Whether most records have no datestamp in the window, although there are enough records to compare."""
        inside = sum(day.count for day in self.dated.days.values())
        return self.records >= _ENOUGH_RECORDS and inside * 2 < self.records


class WindowDates:
    """Decides which dates a source is asked for, and learns it from its lists.

    Attributes:
        granularity: the granularity of the dates.
        has_open_end: whether the source is asked without an upper bound.

    Args:
        arguments: the arguments of the source.
        observations: what is known about the source.
        list_records: requests a list, and yields the records of each page.
    """

    def __init__(
        self, arguments: RestArguments, observations: Observations, list_records: ListRecords
    ) -> None:
        self.granularity = Granularity.DAY if arguments.granularity == "day" else Granularity.SECOND
        self._is_inclusive = arguments.until == "inclusive"
        self.has_open_end = arguments.has_open_end
        self._base_url = arguments.base_url
        self._observations = observations
        self._list_records = list_records
        self._window: Window | None = None
        self._ends: WindowEnds | None = None

    def instants(self, dates: RequestedDates) -> tuple[datetime, datetime]:
        """Return the instants of `{from}` and `{until}`."""
        return dates.first, dates.last if self._is_inclusive else dates.window.end

    def narrow(self, window: Window) -> RequestedDates:
        """Return the dates without additional units, except for a second at an inclusive `until`.

        The additional second is needed because datestamps may be more precise than `until`: 23:59:59 would omit a
        record of 23:59:59.5 (docs/failures.md#milliseconds-omitted).
        """
        if self.has_open_end:
            return exact_dates(aligned_window(window, self.granularity), self.granularity)
        if self.granularity is Granularity.SECOND:
            ends = WindowEnds(from_is_whole=True, until_is_whole=not self._is_inclusive, one_unit=True)
            return ends.dates(window, self.granularity)
        return exact_dates(aligned_window(window, self.granularity), self.granularity)

    def wide(self, window: Window) -> RequestedDates:
        """Return the dates with one unit more at each end that is not known to include its whole unit.

        The ends stay the same for all lists of a window, because lists that replace a broken one must contain what that
        one announced.
        """
        if self.has_open_end:
            exact = self.narrow(window)
            return replace(exact, first=exact.first - DAY)
        if self.granularity is Granularity.SECOND:
            ends = WindowEnds(until_is_whole=not self._is_inclusive, one_unit=True)
            return ends.dates(window, self.granularity)
        if self._window is None or not self._window.encloses(window):
            self._window, self._ends = window, find_ends(self._observations, self.granularity, window)
        return (self._ends or WindowEnds()).dates(window, self.granularity)

    def overlap(self, dates: RequestedDates) -> Window | None:
        """Return all time in which records are asked for, if the source has no upper bound; otherwise None."""
        return Window(dates.first, _END_OF_TIME) if self.has_open_end else None

    def of_cursor(self, window: Window, asked: Window | None) -> RequestedDates:
        """Return the dates of the list that a cursor belongs to."""
        if asked is None:
            return self.narrow(window)
        return RequestedDates(asked.start, asked.end - self.granularity.unit, self.granularity)

    @property
    def is_unknown(self) -> bool:
        """Whether it is not known how the source treats the ends of its days."""
        return self.granularity is Granularity.DAY and self._ends is None and not self.has_open_end

    def shows_exact_ends(self, window: Window) -> bool:
        """Request the first pages of the last day alone. Return whether they show that the ends are exact."""
        return self._probe(self._last_day(window)) is True

    def _probe(self, day: datetime) -> bool | None:
        """Request one day alone, and record if its list shows that the ends are exact.

        Several times of a day, or many of its records, can only come from a source that includes the whole day in
        `from` and `until`. That is true for any time zone in which datestamps are shown.

        Returns:
            True if the ends are exact. False if the list is empty, or the source refuses the dates. None if the list
            has records, but too few, or if the source fails in another way. The window does not fail then.
        """
        sample = WindowSample(Window(day, day + DAY))
        try:
            for records in islice(
                self._list_records(RequestedDates(day, day, self.granularity)), _PAGES_OF_A_DAY
            ):
                sample.add(records)
                if sample.dated.full_day() is not None:
                    self._record(day.date(), _EXACT)
                    self._ends = _EXACT
                    return True
        except (SourceError, RetryLater, DeadlineExceeded) as error:
            return False if isinstance(error, SourceError) and may_refuse_dates(error) else None
        return None if sample.records else False

    def learn(self, window: Window, dates: RequestedDates, sample: WindowSample) -> None:
        """Find out how the source treats the ends of its days, after a list that may show it."""
        best = sample.dated.full_day()
        if dates.first == dates.last:
            if best is not None:
                self._record(dates.first.date(), _EXACT)
        elif sample.has_useless_datestamps:
            self._compare_without_datestamps(window)
        elif best is not None and self._probe(best) is False:
            self._record(best.date(), WindowEnds())  # its records came with the days around it

    def _compare_without_datestamps(self, window: Window) -> None:
        """Compare the list of two days with those of each day alone. Only an exact source gives the same records."""
        last = self._last_day(window)
        with suppress(SourceError, RetryLater, DeadlineExceeded):
            both = self._identifiers(RequestedDates(last - DAY, last, self.granularity))
            missing = set(both)
            for day in (last, last - DAY):
                if missing:
                    missing -= set(self._identifiers(RequestedDates(day, day, self.granularity), most=None))
            if len(both) >= _ENOUGH_RECORDS and not 0 < len(missing) < len(both) / 2:
                self._record(last.date(), WindowEnds() if missing else _EXACT)

    def _identifiers(self, dates: RequestedDates, most: int | None = _COMPARED_RECORDS) -> deque[str]:
        found: deque[str] = deque(maxlen=most)
        for records in self._list_records(dates):
            found.extend(identifier for identifier, _ in records)
        return found

    def _last_day(self, window: Window) -> datetime:
        return aligned_window(window, self.granularity).end - DAY

    def _record(self, day: date, ends: WindowEnds) -> None:
        record_ends(self._observations, self.granularity, day, ends)
        self._observations.note(f"{self._base_url}: {ends}")


def shared_unit(requested: Window | None, unit: timedelta) -> Window | None:
    """Return the only day or second that was requested, if windows share it; otherwise None.

    All windows that share it get the same list, so each of them needs only its own records. If more than that was
    requested, a window does not know which other windows get a record that it does not keep.

    Args:
        requested: the whole units that the window touches, if those are more than the window.
        unit: a day or a second.
    """
    return requested if requested is not None and requested.length == unit else None


def may_refuse_dates(error: SourceError) -> bool:
    """Return whether an error in reply to the first page of a list may be about its dates."""
    if error.transient or isinstance(error, (CursorRefused, MisconfiguredSource, PaginationLoop)):
        return False
    if isinstance(error, HttpStatusError):
        return error.status in _REFUSED_DATES
    return isinstance(error, (SourceRefused, ProtocolError))
