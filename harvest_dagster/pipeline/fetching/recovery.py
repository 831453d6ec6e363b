"""Which request follows: the next sub-window, or, after a list broke, the next recovery step.

A `RecoveryStep` returns the state with a new request, or None if it does not apply. `RecoveryPolicy.recover` takes the
first step that applies, from the cheapest to the most expensive:

1. `repeat_page`: request the same page again.
2. `continue_from_last_datestamp`: request a new list from the last safe datestamp on, if a total will prove it, or if
   the order of the lists is declared.
3. `repeat_sub_window`, or `repeat_short_list` once for a short list: request a new list of the same sub-window.
4. `halve`: request the first half of the sub-window.
5. `fetch_one_by_one`: request the records of the sub-window one by one.
6. `restart_window`: request the whole window again, once.

Pages that were received are kept and stored in the order in which they came, so the newest list decides. This module
sends no request (`pipeline.fetching.window_fetcher` does) and counts no records (`pipeline.fetching.completeness`).
docs/decisions/0013 explains the steps and their limits.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from itertools import pairwise

from harvest_dagster.errors import CursorRefused, IncompleteList, SourceError, UnconfirmedEnd
from harvest_dagster.harvesters.interface import Client
from harvest_dagster.pipeline.fetching.completeness import CompletenessTracker
from harvest_dagster.pipeline.fetching.error_policy import (
    is_permanent,
    may_be_one_invalid_record,
    may_succeed_if_repeated,
)
from harvest_dagster.pipeline.fetching.list_progress import ListProgress
from harvest_dagster.pipeline.fetching.recovery_limits import LIMITS
from harvest_dagster.records import Cursor
from harvest_dagster.spool import SubWindow
from harvest_dagster.windows import ALL_TIME, Window

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


@dataclass(frozen=True)
class PageRequest:
    """A request for the pages of a sub-window.

    Attributes:
        sub_window: the part of the window.
        cursor: the position in its list from which to continue; None for the first page.
        one_by_one: whether to request its records one by one.
        reason: the recovery step, for the log; empty if there was none.
    """

    sub_window: SubWindow
    cursor: Cursor | None = None
    one_by_one: bool = False
    reason: str = ""


@dataclass(frozen=True)
class RecoveryState:
    """What one run requested in one window, and what failed. Each change returns a copy.

    Attributes:
        request: the current request.
        recoveries: how many recovery steps were taken.
        failures_in_a_row: failures since the last page.
        has_received_page: whether this run has received a page.
        page_is_repeated: whether the next page is requested for the second time.
        end_is_questioned: whether the last answer for the next page was a doubtful end of the list. Another failure
            in between, such as status 500, does not confirm it.
        is_restarted: whether the whole window was requested again.
        cap: the length of the shortest list that the source cut off; None if it cut none.
        shortfalls: the errors of short lists that were not cut off.
        order_is_reliable: whether lists that seemed ordered by datestamp were complete so far.
        last_error: the last error, which the message of a later timeout names.
    """

    request: PageRequest
    recoveries: int = 0
    failures_in_a_row: int = 0
    has_received_page: bool = False
    page_is_repeated: bool = False
    end_is_questioned: bool = False
    is_restarted: bool = False
    cap: int | None = None
    shortfalls: tuple[IncompleteList, ...] = ()
    order_is_reliable: bool = True
    last_error: SourceError | None = None

    def after_page(self) -> RecoveryState:
        """Return the state after a page was received."""
        return replace(
            self, has_received_page=True, page_is_repeated=False, end_is_questioned=False, failures_in_a_row=0
        )

    def after_failure(self, error: SourceError) -> RecoveryState:
        """Return the state after a list broke."""
        is_questioned = isinstance(error, UnconfirmedEnd)
        return replace(
            self,
            last_error=error,
            recoveries=self.recoveries + 1,
            failures_in_a_row=self.failures_in_a_row + 1,
            page_is_repeated=self.page_is_repeated and not is_questioned,
            end_is_questioned=is_questioned,
        )

    def after_suspicious_end(self) -> RecoveryState:
        """Return the state after a list ended at a length at which sources cut lists."""
        return replace(self, recoveries=self.recoveries + 1)


@dataclass(frozen=True)
class RecoveryPolicy:
    """Chooses the requests of one run in one window.

    Attributes:
        client: names the shortest window and the other abilities of its source.
        tracker: what was received; it may contain the pages of an earlier run.
        safe_datestamp: returns the datestamp from which a new list continues a broken one without a gap; None if there
            is none.
    """

    client: Client
    tracker: CompletenessTracker
    safe_datestamp: Callable[[ListProgress], datetime | None]

    @property
    def is_divisible(self) -> bool:
        """Whether parts of the window can be requested. A list of all time is requested without dates."""
        return self.tracker.window != ALL_TIME

    def initial_state(self) -> RecoveryState:
        """Return the state of a new run. It continues at the last page of an earlier run."""
        if not self.tracker.history:
            return RecoveryState(PageRequest(SubWindow(0, self.tracker.window)))
        progress = self.tracker.history[-1]
        cursor = progress.next_cursor
        one_by_one = cursor is not None and cursor.one_by_one
        return RecoveryState(PageRequest(progress.sub_window, cursor, one_by_one))

    def next_sub_window(self, state: RecoveryState) -> RecoveryState | None:
        """Return the state for the sub-window after the last one; None at the end of the window.

        It is as long as the last one, or twice as long if the last one was far from the limit of the source. It does
        not cross the end of an earlier list: the total of a list is compared with the records of the lists within it.
        """
        window, progress = self.tracker.window, self.tracker.history[-1]
        start = progress.window.end
        if start >= window.end:
            return None
        length = progress.window.length * (2 if self._may_grow(progress) else 1)
        end = max(self.round_down(start + length), self.round_down(start) + self.client.smallest_window)
        around = [
            other.window for other in self.tracker.history if other.window.start <= start < other.window.end
        ]
        return self.request(state, Window(start, min([end, window.end, *(other.end for other in around)])))

    def recover(self, state: RecoveryState) -> RecoveryState:
        """Return the state of the first recovery step that applies to `state.last_error`.

        Raises:
            SourceError: that error, if it is permanent or no step applies.
        """
        error, progress = state.last_error, self.tracker.history[-1]
        assert error is not None  # noqa: S101  # see after_failure
        if state.recoveries > LIMITS.recoveries or is_permanent(error, has_pages=progress.pages > 0):
            raise error
        if isinstance(error, IncompleteList):
            state, progress, steps = self._steps_after_shortfall(state, error)
        else:
            steps = _steps_after_error(state, error)
        for step in steps:
            # A step may ask the source for its granularity (`smallest`). If that fails, the first error stays the
            # reason why the list broke, and the next step may succeed without it.
            with suppress(SourceError):
                if (recovered := step(self, state, progress)) is not None:
                    return recovered
        raise error

    def question_length(self, state: RecoveryState) -> RecoveryState | None:
        """Return the state for another list after a suspicious end; None if the source has no other list."""
        progress = self.tracker.history[-1]
        if self.client.lists_are_sorted and (rest := continue_from_last_datestamp(self, state, progress)):
            # Each such list begins later, so their number needs no limit: a source may cut a long list many times.
            return replace(rest, recoveries=state.recoveries - 1)
        if state.recoveries > LIMITS.recoveries:
            return None
        # Its total is in doubt, so without a declared order, a list from the last datestamp on would prove nothing.
        return halve(self, state, progress)

    def look_again(self, state: RecoveryState) -> RecoveryState | None:
        """Return the state for a second look at a list that repeated records; None after too many recovery steps.

        Shorter lists have other pages, so they are the better second look. If the source has none, the same list is
        requested again.
        """
        if state.recoveries > LIMITS.recoveries:
            return None
        progress = self.tracker.history[-1]
        return halve(self, state, progress) or repeat_sub_window(self, state, progress)

    def repeat_empty_part(self, state: RecoveryState) -> RecoveryState | None:
        """Return the state for the same list again, after a part of the window was empty; None after too many steps."""
        if state.recoveries > LIMITS.recoveries:
            return None
        return repeat_sub_window(self, state, self.tracker.history[-1])

    def _steps_after_shortfall(
        self, state: RecoveryState, error: IncompleteList
    ) -> tuple[RecoveryState, ListProgress, list[RecoveryStep]]:
        """Return the steps after a list was shorter than its total, with the state and the progress for them.

        If the source cut the list off, request the rest. If not, request the list again. If the second list gives
        other numbers, halve it. A total that is simply wrong costs two and a half harvests in this way. A list that
        cannot be shorter is requested again, too.
        """
        progress = self.tracker.history[-1]
        is_current = error.sub_window == state.request.sub_window.number
        if is_current and _was_cut_off(state, error):
            # `received` may count several lists. The shortest list that was cut off shows the source's limit.
            state = replace(state, cap=min(error.received, state.cap or error.received))
            return state, progress, [continue_from_last_datestamp, halve, repeat_short_list]
        if is_current and any(count.repeated_pages for count in progress.lists.values()):
            # A page stood in the place of another one. Shorter lists have other pages.
            return state, progress, [halve, repeat_short_list]
        if not is_current:
            # The missing records may lie before the datestamp from which a new list was requested.
            state = replace(state, order_is_reliable=False)
        state = replace(state, shortfalls=(*state.shortfalls, error))
        numbers = [(shortfall.announced, shortfall.received) for shortfall in state.shortfalls]
        match numbers:
            case [_]:
                history = self.tracker.history
                short = next(other for other in history if other.sub_window.number == error.sub_window)
                return state, short, [repeat_sub_window]
            case [first, second] if first != second or _is_far_below(error):
                # A small list with the same length twice may have been cut off there.
                state = replace(state, cap=state.cap or error.received, order_is_reliable=False)
                return state, progress, [halve]
        return state, progress, []

    def request(
        self, state: RecoveryState, window: Window, reason: str = "", *, one_by_one: bool = False
    ) -> RecoveryState:
        """Return the state for a new list of `window`."""
        number = self.tracker.history[-1].sub_window.number + 1
        reason = f"{reason}: {window}" if reason else ""
        request = PageRequest(SubWindow(number, window), None, one_by_one, reason)
        return replace(state, request=request, page_is_repeated=False, end_is_questioned=False)

    def round_down(self, instant: datetime) -> datetime:
        """Return the last instant, not after `instant`, that the source can be asked for."""
        unit = self.client.smallest_window
        return _EPOCH + (instant - _EPOCH) // unit * unit

    def _may_grow(self, progress: ListProgress) -> bool:
        """Return whether the last sub-window delivered far fewer records than each list that broke."""
        broken = [
            before.records
            for before, after in pairwise(self.tracker.history)
            if after.window.start < before.window.end
        ]
        return all(progress.records * LIMITS.growth <= records for records in broken)


RecoveryStep = Callable[[RecoveryPolicy, RecoveryState, ListProgress], RecoveryState | None]


def _steps_after_error(state: RecoveryState, error: SourceError) -> list[RecoveryStep]:
    """Return the steps after any error but a shortfall, the cheapest first."""
    if error.needs_shorter_list:
        return [continue_from_last_datestamp, halve]
    one_by_one = [fetch_one_by_one] if may_be_one_invalid_record(error) else []
    if state.failures_in_a_row > LIMITS.failures_in_a_row:
        return [*one_by_one]
    # A cursor that expired between two runs says nothing about the length of the list.
    has_expired_since = isinstance(error, CursorRefused) and not state.has_received_page
    return [
        *([repeat_page] if may_succeed_if_repeated(error) else []),
        continue_from_last_datestamp,
        *([repeat_sub_window] if has_expired_since else []),
        *([halve] if not state.is_restarted else []),
        *one_by_one,
        restart_window,
    ]


def _was_cut_off(state: RecoveryState, error: IncompleteList) -> bool:
    """Return whether the source cut the list off, rather than losing records between its pages."""
    if state.cap is not None and error.received < LIMITS.cut_share * state.cap:
        return False
    if error.received == state.cap:
        return True  # even if the total is close to the cap: that is a coincidence
    is_round = error.received > 0 and error.received % LIMITS.round_length == 0
    is_far = _is_far_below(error) and error.announced - error.received > LIMITS.moved_records
    return is_far or is_round


def _is_far_below(error: IncompleteList) -> bool:
    return error.received < LIMITS.cut_share * error.announced


def repeat_page(policy: RecoveryPolicy, state: RecoveryState, progress: ListProgress) -> RecoveryState | None:
    """Request the same page again, once.

    Safe for a first page, and where the source accepts a cursor twice. A source with single-use cursors would answer
    with the page after (docs/failures.md#single-use-token).
    """
    is_first = progress.next_cursor is None or progress.next_cursor.token is None
    if state.page_is_repeated or not (is_first or policy.client.cursors_are_reusable):
        return None
    request = replace(state.request, cursor=progress.next_cursor, reason="request the same page again")
    return replace(state, request=request, page_is_repeated=True)


def continue_from_last_datestamp(
    policy: RecoveryPolicy, state: RecoveryState, progress: ListProgress
) -> RecoveryState | None:
    """Request a new list from the last datestamp on, inclusive, to the end of the sub-window.

    Applies only if a total will prove the result, or if the config declares the order. Records that came in order so
    far prove nothing about the rest: a source that lists its live records first, and its deleted records after them,
    lost 59 of 200 records (docs/failures.md#order-taken-as-proof). There must be exactly one list. With several, the
    lists after the broken one would lack their records before that datestamp.
    """
    if not policy.is_divisible or policy.client.list_count != 1 or not state.order_is_reliable:
        return None
    if not policy.client.lists_are_sorted and not _can_be_proven(progress):
        return None
    if (safe := policy.safe_datestamp(progress)) is None:
        return None
    start = policy.round_down(safe)
    if not progress.window.start < start < progress.window.end:
        return None
    window = Window(start, progress.window.end)
    return policy.request(state, window, "request a new list from the last safe datestamp")


def _can_be_proven(progress: ListProgress) -> bool:
    """Return whether a broken list has a total that shows missing records: one that was not reached yet."""
    return (
        progress.total is not None
        and sum(count.distinct_records for count in progress.lists.values()) < progress.total
    )


def repeat_sub_window(policy: RecoveryPolicy, state: RecoveryState, progress: ListProgress) -> RecoveryState:
    """Request a new list of the same sub-window.

    Always safe, but as expensive as the first list. It helps if the cursor expired between two runs, or if a change of
    the list during the fetch moved a record from one page to another.
    """
    return policy.request(state, progress.window, "request a new list of the same sub-window")


def repeat_short_list(
    policy: RecoveryPolicy, state: RecoveryState, progress: ListProgress
) -> RecoveryState | None:
    """Request a short list again, if that was not done before. It may have changed during the fetch."""
    ended = [other for other in policy.tracker.history if other.has_ended and other.window == progress.window]
    return repeat_sub_window(policy, state, progress) if len(ended) == 1 else None


def halve(policy: RecoveryPolicy, state: RecoveryState, progress: ListProgress) -> RecoveryState | None:
    """Request the first half of the sub-window.

    Applies while the half is not shorter than the source's granularity. Safe because the following sub-windows cover
    the rest (`RecoveryPolicy.next_sub_window`). It does not apply if each list reaches to the present: the list of the
    first half would be the same. Neither does it apply to a snapshot.
    """
    if policy.client.has_open_end or not policy.is_divisible:
        return None
    start, end = progress.window.start, progress.window.end
    middle = policy.round_down(start + progress.window.length / 2)
    if middle <= start:
        middle = policy.round_down(start) + policy.client.smallest_window
    if middle >= end:
        return None
    return policy.request(state, Window(start, middle), "request the first half")


def fetch_one_by_one(
    policy: RecoveryPolicy, state: RecoveryState, progress: ListProgress
) -> RecoveryState | None:
    """Request the identifiers of the sub-window, then each record on its own.

    Applies if the protocol has such requests. Safe because the list of identifiers is a list of the sub-window, too.
    """
    if state.request.one_by_one or policy.client.one_by_one(progress.window) is None:
        return None
    return policy.request(state, progress.window, "request the records one by one", one_by_one=True)


def restart_window(
    policy: RecoveryPolicy, state: RecoveryState, progress: ListProgress
) -> RecoveryState | None:
    """Request the whole window again, once per run.

    Always safe. It does not apply if the first page of the whole window failed: that would be the same request.
    """
    is_same_request = progress.pages == 0 and progress.window == policy.tracker.window
    if state.is_restarted or is_same_request:
        return None
    state = replace(state, is_restarted=True)
    return policy.request(state, policy.tracker.window, "request the whole window again")
