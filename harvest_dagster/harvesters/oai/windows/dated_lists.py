"""Request the list of a window with the dates that the repository needs, and learn from the list which those are.

`window_ends` has what is known about the ends of a window, `end_probe` finds it out, and `empty_windows` recognizes
windows that are empty although their list does not say so.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property, partial
from itertools import chain

from harvest_dagster.harvesters.oai.arguments import OaiArguments
from harvest_dagster.harvesters.oai.endpoint import Endpoint, Reply
from harvest_dagster.harvesters.oai.errors import BadArgument, OaiError
from harvest_dagster.harvesters.oai.identify import Identity
from harvest_dagster.harvesters.oai.pages import headers_of
from harvest_dagster.harvesters.oai.windows.empty_windows import EmptyWindows
from harvest_dagster.harvesters.window_ends.end_probe import EndProbe, Header, ListSample
from harvest_dagster.harvesters.window_ends.known_ends import WindowEnds, find_ends, record_ends
from harvest_dagster.harvesters.window_ends.requested_dates import (
    Granularity,
    RequestedDates,
    aligned_window,
    exact_dates,
)
from harvest_dagster.observations import Observations
from harvest_dagster.records import Cursor
from harvest_dagster.windows import ALL_TIME, SECOND, Window


@dataclass(frozen=True)
class DatedReply:
    """One page of a list, and the dates of the list.

    Attributes:
        reply: the page.
        dates: the dates with which the list was requested; None for a list without dates.
        headers: identifier and datestamp of the records that have both.
    """

    reply: Reply
    dates: RequestedDates | None
    headers: Sequence[Header]


class DatedLists:
    """The lists of one repository, requested by date.

    Args:
        endpoint: the repository.
        arguments: the arguments of the harvester.
        identity: what the repository reports about itself.
        observations: what is known about the repository.
        verb: the verb of the requests by which the ends of a window are learned.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        arguments: OaiArguments,
        identity: Identity,
        observations: Observations,
        *,
        verb: str = "ListRecords",
    ) -> None:
        self._endpoint = endpoint
        self._arguments = arguments
        self._earliest = identity.earliest_datestamp
        self._granularity = identity.granularity
        self._verb = verb
        self._observations = observations
        self._empty_windows = EmptyWindows(endpoint, arguments, identity.granularity, observations, verb)
        self._ends: WindowEnds | None = None
        self._is_known = False

    def replies(self, window: Window, cursor: Cursor) -> Iterator[DatedReply]:
        """Yield the pages of one list from a cursor on. Then find out how the repository treats the ends of the list.

        A window before earliestDatestamp has no page. ALL_TIME is requested without dates, so nothing is learned.

        Raises:
            SourceError: see `Endpoint.list_pages`.
        """
        if window == ALL_TIME:
            yield from self._request(None, cursor)
        elif cursor.token is not None:
            # The token decides what is listed. A former client may have requested the additional units, so their
            # records are dropped. What arrives is not the whole list, so nothing is learned from it.
            yield from self._request(WindowEnds().dates(window, self._granularity), cursor)
        elif not self._empty_windows.is_before_earliest(window, self._first_instant):
            sample = ListSample(aligned_window(window, self._granularity))
            for reply in self._replies(window, cursor):
                sample.add(reply.headers)
                yield reply
            self._learn(sample, cursor.list_number)

    def _dates(self, window: Window) -> RequestedDates:
        return self._window_ends(window).dates(window, self._granularity)

    def _replies(self, window: Window, cursor: Cursor) -> Iterator[DatedReply]:
        """Return the pages of one list, with the first dates that the repository does not refuse."""
        *others, last = self._candidates(window)
        for dates in others:
            replies = self._request(dates, cursor, is_first_try=True)
            with suppress(BadArgument):
                return chain([next(replies)], replies)
        return self._request(last, cursor)

    def _candidates(self, window: Window) -> list[RequestedDates]:
        """Return the dates to request, and those to request if the repository refuses them with badArgument.

        The reason may be a `from` before earliestDatestamp, or an additional unit in the future.
        """
        dates, start = self._dates(window), window.start
        candidates = [dates]
        if self._first_instant is not None and dates.first < self._first_instant < window.end:
            start = max(start, self._first_instant)
            candidates.append(replace(dates, first=self._first_instant))
        exact = exact_dates(aligned_window(Window(start, window.end), self._granularity), self._granularity)
        return list(dict.fromkeys([*candidates, exact]))

    def _request(
        self, dates: RequestedDates | None, cursor: Cursor, *, is_first_try: bool = False
    ) -> Iterator[DatedReply]:
        verb = "ListIdentifiers" if cursor.one_by_one else "ListRecords"
        arguments = {**self._arguments.lists[cursor.list_number], **(dates.arguments if dates else {})}
        means_empty = partial(self._means_empty, dates, is_first_try) if dates else None
        for reply in self._endpoint.list_pages(verb, arguments, cursor.token, means_empty):
            if reply.token is None and reply.items and dates is not None:
                self._empty_windows.record_answer(cursor.list_number, dates)
            yield DatedReply(reply, dates, headers_of(reply.items))

    def _means_empty(self, dates: RequestedDates, is_first_try: bool, error: OaiError) -> bool:
        if is_first_try and isinstance(error, BadArgument):
            return False
        return self._empty_windows.is_empty(error, dates)

    @cached_property
    def _first_instant(self) -> datetime | None:
        """The start of the day or second of earliestDatestamp."""
        if self._earliest is None:
            return None
        return aligned_window(Window(self._earliest, self._earliest + SECOND), self._granularity).start

    def _window_ends(self, window: Window) -> WindowEnds:
        """Return how the repository treats its ends.

        It stays the same for all lists of a window, because lists that replace a broken one must contain what that one
        announced. A list of a single unit is the exception. It cannot be halved, so if it was too long with the
        additional units, it is requested as soon as possible without them.
        """
        is_single = aligned_window(window, self._granularity).length == self._granularity.unit
        if self._ends is None or (is_single and self._is_known):
            known = find_ends(self._observations, self._granularity, window)
            self._ends, self._is_known = known or WindowEnds(), known is not None
        return self._ends

    def _learn(self, sample: ListSample, part: int) -> None:
        if self._granularity is Granularity.SECOND:
            self._learn_midnights(sample)
        elif not self._is_known and (best := sample.best_day()) is not None:
            day, identifiers = best
            ends = EndProbe(partial(self._headers, part)).probe(day, identifiers)
            if ends is not None:
                self._is_known = True
                record_ends(self._observations, self._granularity, day.date(), ends)
                self._observations.note(f"{self._endpoint.base_url}: {ends}")

    def _learn_midnights(self, sample: ListSample) -> None:
        """Record whether all datestamps of the list are midnights, if that changes what is known."""
        was_whole = self._ends is not None and self._ends.until_is_whole
        if sample.has_only_midnights if not was_whole else sample.has_times:
            ends = WindowEnds(until_is_whole=not was_whole)
            record_ends(self._observations, self._granularity, sample.window.start.date(), ends)

    def _headers(self, part: int, dates: RequestedDates) -> Iterator[Sequence[Header]]:
        arguments = {**self._arguments.lists[part], **dates.arguments}
        for reply in self._endpoint.list_pages(self._verb, arguments):
            yield headers_of(reply.items)
