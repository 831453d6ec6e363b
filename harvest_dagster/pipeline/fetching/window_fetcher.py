"""Fetches the pages of one window into the spool, sub-window by sub-window.

`pipeline.fetching.recovery` chooses each request. `pipeline.fetching.completeness` decides what the pages prove.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from harvest_dagster.errors import (
    CursorRefused,
    DeadlineExceeded,
    MisconfiguredSource,
    ProtocolError,
    SourceError,
    UnconfirmedEnd,
    UnexpectedResponse,
    release_locals,
)
from harvest_dagster.harvesters.interface import Client
from harvest_dagster.pipeline.context import HarvestContext
from harvest_dagster.pipeline.fetching.completeness import CompletenessTracker
from harvest_dagster.pipeline.fetching.interrupted_list import find_change
from harvest_dagster.pipeline.fetching.list_progress import ListProgress
from harvest_dagster.pipeline.fetching.recovery import PageRequest, RecoveryPolicy, RecoveryState
from harvest_dagster.pipeline.fetching.recovery_limits import LIMITS
from harvest_dagster.pipeline.write_guard import WriteGuard
from harvest_dagster.records import Page
from harvest_dagster.spool import AttemptSpool, PageManifest
from harvest_dagster.texts import shorten
from harvest_dagster.windows import Window

_LONGEST_NAME = 200  # characters of a format in a message


@dataclass(frozen=True)
class FetchTarget:
    """What a fetch is for: a window of a harvest, or a list of identifiers.

    Attributes:
        spool: where the pages are written.
        window: the window that the monitor of the run sees.
        count_recovery: counts a recovery step in the database.
        datestamps: returns the datestamps of the records of a page, in order; None for a record that has none or is
            invalid. The second argument is the window that the page was asked for.
        limit: the maximum number of records; None for all.
        after_page: called with each page that was written, and its manifest.
    """

    spool: AttemptSpool
    window: Window
    count_recovery: Callable[[], None]
    datestamps: Callable[[Page, Window], Iterable[datetime | None]]
    limit: int | None = None
    after_page: Callable[[Page, PageManifest], None] = lambda _page, _manifest: None


@dataclass
class WindowFetcher:
    """Fetches one window for one run.

    Attributes:
        harvest: the harvest.
        client: asks the source.
        target: where the pages go, and how many are needed.
        guard: the right to write, which is verified before each page counts.
        keep_going: called after each page; it raises if the harvest has to stop.
        tracker: counts the pages, those of earlier runs included.
        pause: waits some seconds before a doubtful answer is requested again. It takes the reason.
        page_count: the number of pages in the spool.
    """

    harvest: HarvestContext
    client: Client
    target: FetchTarget
    guard: WriteGuard
    keep_going: Callable[[], None]
    tracker: CompletenessTracker
    pause: Callable[[str], None]
    page_count: int = field(default=0, init=False)
    _state: RecoveryState | None = field(default=None, init=False)

    def fetch(self) -> None:
        """Fetch to the end of the window or to the limit, after the pages of an earlier run.

        Raises:
            SourceError: a list broke, and no recovery step is left.
            DeadlineExceeded: `timeout.harvest` is over.
            LeaseLost: another run took the lease; the current page does not count.
        """
        self._count_pages_of_earlier_runs()
        if self._limit_is_reached():
            return
        self._state = self._policy.initial_state()
        self._restart_changed_list(self._state)
        self._follow_state()

    def fetch_again(self, reason: str) -> None:
        """Request the whole window again, in a new list. That is no recovery step, because no list broke.

        Raises: see `fetch`.
        """
        self._state = self._policy.request(self._policy.initial_state(), self.tracker.window, reason)
        self._follow_state()

    def _follow_state(self) -> None:
        """Fetch sub-windows until the state says that the window has ended."""
        try:
            while self._state is not None:
                self._fetch_sub_window(self._state.request)
        except DeadlineExceeded as error:
            if self._state is None or self._state.last_error is None:
                raise
            message = f"after: {self._state.last_error} {error}"
            raise DeadlineExceeded(message) from error

    def _count_pages_of_earlier_runs(self) -> None:
        for manifest in self.spool.manifests():
            self.tracker.add_page(manifest)
            self.harvest.run.monitor.add_page(self.target.window, manifest, is_resumed=True)
            self.page_count += 1
        if self.page_count:
            self.harvest.logger.debug(
                f"the spool has {self.page_count} pages of an earlier run; continuing after them"
            )

    def _restart_changed_list(self, state: RecoveryState) -> None:
        """Request the present list from its start if it changed while no run fetched it."""
        progress = self.tracker.history[-1] if self.tracker.history else None
        if progress is None or progress.last_page is None or progress.next_cursor is None:
            return
        if self._cursor_has_expired(progress.last_page):
            return  # the list is requested again for that reason
        change = find_change(self.client, progress, self.spool.manifests(), self.harvest.run.clock())
        if change is not None:
            self._state = self._policy.request(state, progress.window, "request the list again")
            self._report_recovery(change)

    def _fetch_sub_window(self, request: PageRequest) -> None:
        """Fetch the pages of a request, and replace the state by the next one: None at the end."""
        progress = self.tracker.progress_of(request.sub_window)
        try:
            for page in self._pages(progress, request):
                self._compare_position(progress, page)
                self._raise_if_other_format(page)
                self._confirm_end(progress, page)
                self._write_page(page, request)
                if self._limit_is_reached():
                    self._state = None
                    return
                self._state = self._current.after_page()
                progress.raise_if_stuck()
                self.keep_going()
            progress.end()
            self.tracker.raise_if_short(progress)
            self._state = self._next_state(progress)
        except SourceError as error:
            release_locals(error)
            self._state = self._current.after_failure(error)
            self._state = self._policy.recover(self._state)
            self._report_recovery(f"a list broke after {progress.pages} pages: {error}")

    @property
    def _policy(self) -> RecoveryPolicy:
        return RecoveryPolicy(self.client, self.tracker, self._safe_datestamp)

    @property
    def _current(self) -> RecoveryState:
        assert self._state is not None  # noqa: S101  # set for the length of `_fetch_sub_window`
        return self._state

    def _pages(self, progress: ListProgress, request: PageRequest) -> Iterator[Page]:
        if progress.has_ended:
            return iter(())
        page = progress.last_page
        if request.cursor is not None and page is not None and self._cursor_has_expired(page):
            message = f"the cursor was valid until {page.expires}. The list must be requested again."
            raise CursorRefused(message, code="expired")
        if request.one_by_one and request.cursor is None:
            pages = self.client.one_by_one(progress.window)
            if pages is not None:
                return pages
        return self.client.pages(progress.window, request.cursor)

    def _cursor_has_expired(self, page: Page) -> bool:
        """Return whether the page's `expires` is over by the clock of the source (docs/failures.md#clock-differs)."""
        if page.expires is None:
            return False
        ahead = page.source_time - page.received if page.source_time is not None else timedelta()
        return page.received + ahead < page.expires <= self.harvest.run.clock() + ahead

    def _confirm_end(self, progress: ListProgress, page: Page) -> None:
        """Raise UnconfirmedEnd once if a page would end its list doubtfully. The second such answer is accepted."""
        is_second = self._current.end_is_questioned or not self.client.cursors_are_reusable
        if is_second or not progress.is_doubtful_end(page):
            return
        message = (
            f"{page.request.url}: a list ended after {progress.records} records with an answer without records, "
            "although more seemed to follow."
        )
        self.pause(message)
        raise UnconfirmedEnd(message)

    def _write_page(self, page: Page, request: PageRequest) -> None:
        # A process that was suspended during its request must not overwrite a page of the run that took over.
        manifest = self.spool.write_page(self.page_count, page, request.sub_window, self.guard.verify_token)
        self.tracker.add_page(manifest)
        self.harvest.run.monitor.add_page(self.target.window, manifest)
        self.page_count += 1
        self.target.after_page(page, manifest)

    def _limit_is_reached(self) -> bool:
        limit = self.target.limit
        return limit is not None and self.tracker.own_records + self.tracker.separate_records >= limit

    def _next_state(self, progress: ListProgress) -> RecoveryState | None:
        """Return the state after a sub-window that ended well; None at the end of the window.

        Raises:
            IncompleteList: the window has ended and records are missing.
        """
        if (questioned := self._question_end(progress)) is not None:
            return questioned
        if (following := self._policy.next_sub_window(self._current)) is None:
            self.tracker.raise_if_incomplete()
        return following

    def _question_end(self, progress: ListProgress) -> RecoveryState | None:
        """Return the state for another look at a list that ended in a suspicious way; None if none follows."""
        if progress.may_be_capped:
            problem = (
                f"a list of {progress.window} ended after {progress.records} records, where sources cut lists"
            )
            consequence = "there may be more, and no shorter list can be requested"
            look: Callable[[RecoveryState], RecoveryState | None] = self._policy.question_length
        elif progress.has_doubtful_repeats:
            problem = (
                f"a list of {progress.window} repeats records: {progress.records} came, "
                f"{progress.distinct_records} different ones"
            )
            consequence = "this does not prove that the window is complete"
            look = self._policy.look_again if self.tracker.needs_second_look(progress) else lambda _: None
        elif self.tracker.is_unconfirmed_empty_part(progress):
            problem = f"the list of {progress.window}, a part of {self.tracker.window}, is empty"
            consequence = "nothing proves that it has no records"
            look = self._policy.repeat_empty_part
            self.pause(problem)
        else:
            return None
        if (questioned := look(self._current.after_suspicious_end())) is None:
            self._raise_if_cut_without_end(progress, problem)
            self.harvest.logger.warning(f"{problem}; {consequence}")
            return None
        self._state = questioned
        self._report_recovery(f"{problem}.")
        return questioned

    def _raise_if_cut_without_end(self, progress: ListProgress, problem: str) -> None:
        """Raise an error if a list that reaches to the present seems to be cut, because no other list has the rest.

        Such a list grows until the source cuts it, and then it is the same each time. So a second harvest with the
        same result shows nothing.

        Raises:
            MisconfiguredSource: naming the key of the YAML that may help.
        """
        if not self.client.has_open_end or not progress.is_at_limit or not self._policy.is_divisible:
            return
        order = "If its lists are ordered by datestamp, set sorted: datestamp in harvester_kwargs. "
        message = (
            f"{problem}. The source is asked without an upper bound, so there is no shorter list. "
            f"{'' if self.client.lists_are_sorted else order}Otherwise, harvest a range that begins later."
        )
        raise MisconfiguredSource(message)

    def _report_recovery(self, problem: str) -> None:
        """Log and count a recovery step."""
        self.harvest.logger.warning(f"{problem} Recovery: {self._current.request.reason}")
        self.target.count_recovery()

    def _compare_position(self, progress: ListProgress, page: Page) -> None:
        """Log the first page whose position differs from our count: a page may be lost, or the source counts otherwise.

        Raises:
            ProtocolError: the positions agreed until a page was requested again. The source answered with the page
                after it.
        """
        count = progress.lists.get(page.cursor.list_number)
        before = count.records if count is not None else 0
        if page.position is None or page.position == before or not progress.positions_agree:
            return
        place = f"position {page.position} of its list, although {before} records came before"
        if self._current.page_is_repeated and page.position > before:
            message = (
                f"{page.request.url}: the answer to a repeated request has {place}. The source accepts each cursor "
                "once. Say so in harvester_kwargs, if the harvester has a key for it."
            )
            raise ProtocolError(message)
        self.harvest.logger.debug(f"the source gives this page {place}")

    def _raise_if_other_format(self, page: Page) -> None:
        """Raise UnexpectedResponse if a page has a format that no earlier page of the window has.

        The formats of earlier pages come from the manifest, so this also holds after a kill. If the source confirms the
        format, its lists have several formats, and the page is stored (docs/failures.md#format-changes-after-token).

        Raises:
            UnexpectedResponse: the source does not confirm the format.
            SourceError: the source does not answer the question.
        """
        known = self.tracker.formats
        for name in page.formats if known else ():
            if name in known:
                continue
            if not self.client.confirm_format(page, name):
                message = (
                    f"{page.request.url} answered with records in the format {shorten(name, _LONGEST_NAME)}, but "
                    f"earlier pages have {shorten(', '.join(sorted(known)), _LONGEST_NAME)}, and the source did not "
                    "confirm the other format. Try again. If the error persists, tell the operator of the source."
                )
                raise UnexpectedResponse(message)
            self.harvest.logger.info(f"{page.request.url}: the source confirms the other format {name}")

    def _safe_datestamp(self, progress: ListProgress) -> datetime | None:
        """Return the datestamp of the last record if all records came in the order of datestamps, else None."""
        enough = 1 if self.client.lists_are_sorted else LIMITS.ordered_steps
        steps, last = 0, None
        for datestamp in self._datestamps(progress):
            if datestamp is None or datestamp not in progress.window:
                return None
            if last is not None and datestamp < last:
                return None
            steps, last = steps + (datestamp != last), datestamp
        return last if steps >= enough else None

    def _datestamps(self, progress: ListProgress) -> Iterator[datetime | None]:
        """Yield the datestamps of a sub-window in order; None for a record that has none or is invalid."""
        for number in progress.page_numbers:
            yield from self.target.datestamps(self.spool.read_page(number), progress.window)
            self.keep_going()

    @property
    def spool(self) -> AttemptSpool:
        """The spool of the window's pages."""
        return self.target.spool
