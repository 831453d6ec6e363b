"""The client of a REST API: it turns windows into requests, and responses into pages.

Of the modules in `rest.lists`, `window_dates` decides which dates a window is requested with, `pagination` requests
the pages of a list, and `ends` recognizes its end. `rest.details` requests the full record of each item.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from itertools import chain
from typing import Any

from harvest_dagster.errors import CursorRefused, MisconfiguredSource, SourceError
from harvest_dagster.harvesters.interface import Client, Response, Session
from harvest_dagster.harvesters.rest.arguments import RestArguments
from harvest_dagster.harvesters.rest.details.requests import DetailRequests
from harvest_dagster.harvesters.rest.lists import ends
from harvest_dagster.harvesters.rest.lists.first_page import raise_if_identifier_repeats
from harvest_dagster.harvesters.rest.lists.missing_paths import find_paths, raise_if_path_is_missing
from harvest_dagster.harvesters.rest.lists.order import raise_if_not_sorted
from harvest_dagster.harvesters.rest.lists.page_metadata import find_flag, find_total
from harvest_dagster.harvesters.rest.lists.pagination import Pager
from harvest_dagster.harvesters.rest.lists.state import ListState, PageContent
from harvest_dagster.harvesters.rest.lists.window_dates import (
    DatedRecord,
    WindowDates,
    WindowSample,
    may_refuse_dates,
    shared_unit,
)
from harvest_dagster.harvesters.rest.parser import ParsedItems, RestParser
from harvest_dagster.harvesters.rest.placeholders import Values
from harvest_dagster.harvesters.rest.responses.interface import InvalidItem
from harvest_dagster.harvesters.window_ends.kept_records import is_kept
from harvest_dagster.harvesters.window_ends.requested_dates import RequestedDates, aligned_window
from harvest_dagster.observations import Observations
from harvest_dagster.records import Cursor, Page, Request
from harvest_dagster.response_limits import ResponseLimits
from harvest_dagster.windows import ALL_TIME, DAY, SECOND, Window

_ANY_DAY = Window(datetime(2000, 1, 1, tzinfo=timezone.utc), datetime(2000, 1, 2, tzinfo=timezone.utc))


class RestClient(Client):
    """Requests the pages of one list of a REST API.

    Args:
        arguments: the arguments of the list.
        session: sends the requests.
        limits: what a page may cost.
        of_records: the arguments of the records, if the list is one of identifiers. `has_record` uses their `detail`.
    """

    arguments: RestArguments

    def __init__(
        self,
        arguments: RestArguments,
        session: Session,
        limits: ResponseLimits | None = None,
        of_records: RestArguments | None = None,
    ) -> None:
        super().__init__(arguments, session)
        self._limits = limits or ResponseLimits()
        self._parser = RestParser(arguments, self._limits)
        self._details = DetailRequests(of_records or arguments, session, self._parser, self._limits)
        self._longest_list = 0
        self.use_observations(Observations())

    def use_observations(self, observations: Observations) -> None:
        """Take what earlier harvests observed about the source: its pages, and how it treats the ends of windows."""
        self._observations = observations
        self._dates = WindowDates(self.arguments, observations, self._list_records)

    def pages(self, window: Window, cursor: Cursor | None = None) -> Iterator[Page]:
        """Yield the pages of the list from a cursor on, each after the pages of its details.

        Raises:
            CursorRefused: see `list_pages`. Also if the cursor may be used only once, and its page was requested.
            SourceError: the list breaks, or a detail fails in a way that concerns all records. The pages yielded
                before are complete.
        """
        if self.arguments.detail is None:
            yield from self.list_pages(window, cursor)
            return
        done = None if cursor is None else cursor.separate
        if cursor is not None and cursor.token is not None and done and not self.cursors_are_reusable:
            message = (
                f"The cursor for {self.arguments.base_url} may be used only once, and its page was requested before "
                "its details were interrupted. Start the list again from its first page."
            )
            raise CursorRefused(message, code="single_use")
        start = None if cursor is None else replace(cursor, separate=None)
        list_pages = self.list_pages(window, start)
        yield from self._details.pages(list_pages, done, self.whole_window or window)

    def list_pages(self, window: Window, cursor: Cursor | None = None) -> Iterator[Page]:
        """Yield the pages of the list from a cursor on, without the pages of details.

        ALL_TIME is requested without dates, so nothing is learned about the ends of windows.

        Raises:
            CursorRefused: the source does not accept the cursor. Also if the cursor may be used only once, and the
                source gives no total by which a missing page would be detected.
            SourceError: the list breaks. The pages yielded before are complete.
        """
        if (
            cursor is not None
            and cursor.token is not None
            and not self.cursors_are_reusable
            and not self._has_total
        ):
            message = (
                f"The cursor for {self.arguments.base_url} may be used only once, and a run that was killed may have "
                "used it. Without a total, nobody would notice that its page is missing. Start the list again from "
                "its first page."
            )
            raise CursorRefused(message, code="single_use")
        if window == ALL_TIME:
            yield from self._undated_list(cursor or Cursor())
            return
        if cursor is not None and cursor.token is not None:
            yield from self._list(window, self._dates.of_cursor(window, cursor.asked), cursor)
            return
        dates, sample, pages = self._begin_list(window)
        yield from pages
        if self._dates.is_unknown:
            self._dates.learn(window, dates, sample)

    def has_record(self, identifier: str, window: Window) -> bool | None:
        """Return whether the source has the detail of a record; None if it has no details. Only ALL_TIME is supported.

        Raises:
            SourceError: the source answers neither with a detail, nor with 404 or 410.
        """
        return self._details.has_record(identifier) if window == ALL_TIME else None

    def undated_pages(self) -> Iterator[Page]:
        """Yield the pages of a list whose request contains no dates."""
        return (page for page, _ in self._pages(self._dates.narrow(_ANY_DAY), Cursor()))

    def _undated_list(self, cursor: Cursor) -> Iterator[Page]:
        if self.arguments.has_dates:
            message = (
                f"{self.arguments.base_url} is requested with dates, so it has no list of the whole source. Remove "
                "{from} and {until} from harvester_kwargs, or remove `selective: false`."
            )
            raise MisconfiguredSource(message)
        for page, records in self._pages(self._dates.narrow(_ANY_DAY), cursor):
            if page.cursor.token is None:
                raise_if_identifier_repeats(page.request.url, records)
            yield page

    def _begin_list(self, window: Window) -> tuple[RequestedDates, WindowSample, Iterator[Page]]:
        """Return the pages of a list, with the first dates that the source does not refuse."""
        dates, narrow = self._dates.wide(window), self._dates.narrow(window)
        sample, pages = self._sampled_list(window, dates)
        if dates == narrow:
            return dates, sample, pages
        try:
            first = next(pages)
        except SourceError as error:
            if not may_refuse_dates(error):
                raise
            return narrow, *self._sampled_list(window, narrow)
        if self._dates.is_unknown and first.next is not None and sample.has_datestamps:
            is_exact = self._dates.shows_exact_ends(window)
            # With cursors that may be used once, the source may have forgotten the first list.
            if is_exact or not self.cursors_are_reusable:
                dates = self._dates.wide(window)
                return dates, *self._sampled_list(window, dates)
        return dates, sample, chain([first], pages)

    def _sampled_list(self, window: Window, dates: RequestedDates) -> tuple[WindowSample, Iterator[Page]]:
        sample = WindowSample(aligned_window(window, self._dates.granularity))
        return sample, self._list(window, dates, Cursor(), sample)

    def _list(
        self, window: Window, dates: RequestedDates, cursor: Cursor, sample: WindowSample | None = None
    ) -> Iterator[Page]:
        """Yield the pages of the list between two dates, from a cursor on."""
        asked = None if dates == self._dates.narrow(window) else dates.window
        aligned = aligned_window(window, self._dates.granularity)
        requested = None if aligned == window else aligned
        overlap = self._dates.overlap(dates)
        others = overlap or shared_unit(requested, self.smallest_window)
        for page, records in self._pages(dates, cursor, asked):
            if page.cursor.token is None:
                raise_if_identifier_repeats(page.request.url, records)
            if sample is not None:
                sample.add(records)
            yield replace(
                page,
                requested_window=requested,
                overlap=overlap,
                neighbours=sum(not is_kept(datestamp, window, others) for _, datestamp in records),
            )

    def _pages(
        self, dates: RequestedDates, cursor: Cursor, asked: Window | None = None
    ) -> Iterator[tuple[Page, Sequence[DatedRecord]]]:
        """Yield the pages of a list, each with its records that have an identifier. Their cursors contain `asked`."""
        values = Values(*self._dates.instants(dates), self.arguments.granularity)
        pager = Pager(self.arguments, values, self._limits)
        next_cursor: Cursor | None = cursor
        state = ListState.begin(self._observations, is_from_start=cursor.token is None)
        while next_cursor is not None:
            page, state, records = self._page(pager, next_cursor, state)
            next_cursor = None if page.next is None else replace(page.next, asked=asked)
            yield replace(page, next=next_cursor), records
        self._longest_list = max(self._longest_list, state.records)

    def _list_records(self, dates: RequestedDates) -> Iterator[Sequence[DatedRecord]]:
        return (records for _, records in self._pages(dates, Cursor()))

    @property
    def smallest_window(self) -> timedelta:
        """The length of the shortest window: a day or a second, depending on the granularity."""
        return DAY if self.arguments.granularity == "day" else SECOND

    @property
    def lists_are_sorted(self) -> bool:
        """Whether lists are ordered by datestamp: `sorted`."""
        return self.arguments.sorted is not None

    @property
    def list_count(self) -> int | None:
        """The number of lists: one."""
        return 1

    @property
    def requests_records_separately(self) -> bool:
        """Whether each record needs a request of its own."""
        return self.arguments.detail is not None

    @property
    def cursors_are_reusable(self) -> bool:
        """Whether a cursor may be sent twice: False with `single_use` in `next`."""
        return not self.arguments.next.single_use

    def _page(
        self, pager: Pager, cursor: Cursor, state: ListState
    ) -> tuple[Page, ListState, Sequence[DatedRecord]]:
        """Request a page. Return it with the state of the list after it, and its records that have an identifier."""
        response = self._send(pager, cursor)
        page = self._page_without_records(response, cursor)
        if ends.is_empty_response(self.arguments, state, response):
            may_be_cut = ends.may_be_cut_by_status(self.arguments, state, response.status)
            ends_at_limit = self._ends_at_limit(response, state)
            return replace(page, may_be_cut=may_be_cut, ends_at_limit=ends_at_limit), state, ()
        content = self._content(response, state)
        if ends.is_repeated_end(self.arguments, state, content):
            may_be_cut = ends.may_be_cut_after(self.arguments, state)
            ends_at_limit = ends.total_may_be_of_page(self.arguments, state, content)
            page = replace(page, total=content.total, may_be_cut=may_be_cut, ends_at_limit=ends_at_limit)
            return page, state, ()
        token = pager.next_token(cursor.token, content, state)
        raise_if_path_is_missing(self.arguments, state, content, token)
        raise_if_not_sorted(self.arguments, state, content)
        following = None if token is None else Cursor(token)
        page = replace(
            page,
            next=following,
            count=content.count,
            total=content.total,
            identifiers=content.identifiers,
            parsed=ParsedItems(content.items),
        )
        if following is None:
            page = self._last_page(page, response, state, content)
        state = state.after(content)
        state.observe(self._observations)
        return page, state, content.records

    def _page_without_records(self, response: Response, cursor: Cursor) -> Page:
        """Return the page of a response, still without what its content shows."""
        return Page(
            body=response.body,
            request=Request(response.url, self.arguments.method, getattr(response, "request_body", None)),
            status=response.status,
            received=response.received,
            cursor=cursor,
            next=None,
            count=0,
            content_type=response.content_type,
            source_time=getattr(response, "date", None),  # sessions of tests and tools may not have it
        )

    def _last_page(self, page: Page, response: Response, state: ListState, content: PageContent) -> Page:
        """Return the last page of a list, with the reasons why the list may continue after it.

        Args:
            page: the page.
            response: its response.
            state: the list before this page.
            content: the content of the page.
        """
        return replace(
            page,
            may_be_cut=ends.may_lack_next_page(self.arguments, state, content),
            ends_at_limit=content.count == 0 and self._ends_at_limit(response, state),
            ends_after_full_page=ends.ends_after_full_page(self.arguments, state, content),
        )

    def _ends_at_limit(self, response: Response, state: ListState) -> bool:
        """Return whether the response after the last records refuses the rest of the list as too long.

        A list that is shorter than another one of the source cannot have reached the limit.
        """
        if state.is_from_start and state.records < max(1, self._longest_list):
            return False
        return ends.refuses_long_list(response)

    def _send(self, pager: Pager, cursor: Cursor) -> Response:
        request, headers = pager.request(cursor.token), self.arguments.headers
        allowed = ends.allowed_statuses(self.arguments, cursor.token)
        repeatable = self.cursors_are_reusable
        if self.arguments.method == "GET":
            return self.session.get(
                request.url, request.params, headers, allow_status=allowed, repeatable=repeatable
            )
        if request.body is not None and "content-type" not in {name.lower() for name in headers}:
            headers = {**headers, "Content-Type": "application/json"}
        body = request.body or b""
        return self.session.post(
            request.url, body, request.params, headers, allow_status=allowed, repeatable=repeatable
        )

    def _content(self, response: Response, state: ListState) -> PageContent:
        """Return the content of a page.

        Raises:
            ProtocolError: it has no list of records, and the list has not ended.
        """
        url = response.url
        document = self._parser.document(response.body, url, response.content_type)
        items = self._parser.find_items(document, url)
        next_link = getattr(response, "next_link", None)  # sessions of tests and tools may not have it
        records = [self._parser.dated_record(item) for _, item in items or ()]
        content = PageContent(
            url=url,
            document=document,
            items=items or (),
            count=len(items or ()),
            records=tuple(record for record in records if record is not None),
            invalid_lines=sum(isinstance(item, InvalidItem) for _, item in items or ()),
            total=self._total(document, url),
            more=find_flag(document, self.arguments.next.more, url=url),
            found_paths=find_paths(self.arguments, document, next_link),
            next_link=next_link,
        )
        if items is None:
            ends.raise_if_no_list(self.arguments, state, content)
        ends.raise_if_empty_with_message(self.arguments, state, content)
        return content

    def _total(self, document: Any, url: str) -> int | None:
        return find_total(document, self.arguments.total or "", url=url) if self._has_total else None

    @property
    def _has_total(self) -> bool:
        return self.arguments.total is not None and self.arguments.trust_total
