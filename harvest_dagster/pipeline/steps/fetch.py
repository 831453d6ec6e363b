"""The step fetch: writes the pages of one window to the spool as they arrive.

The manifest of the spool is the checkpoint: the next run continues after the last complete page. It begins a new fetch
attempt if it cannot use the pages (`_may_continue`): for example, they are too old, are damaged, have another limit, or
belong to a list that was short. `pipeline.fetching.window_fetcher` fetches the pages.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from harvest_dagster.errors import IncompleteList, SourceError, SpoolError
from harvest_dagster.harvesters.interface import Client
from harvest_dagster.pipeline.context import HarvestContext
from harvest_dagster.pipeline.fetching.completeness import NONE, CompletenessTracker, completeness_of
from harvest_dagster.pipeline.fetching.empty_lists import EmptyList
from harvest_dagster.pipeline.fetching.identifier_index import SeenIdentifiers
from harvest_dagster.pipeline.fetching.ignored_dates import find_repeated_list, warn
from harvest_dagster.pipeline.fetching.list_progress import count_own_records
from harvest_dagster.pipeline.fetching.source_observations import source_observations_of
from harvest_dagster.pipeline.fetching.source_report import report_source
from harvest_dagster.pipeline.fetching.source_session import harvest_deadline
from harvest_dagster.pipeline.fetching.window_fetcher import FetchTarget, WindowFetcher
from harvest_dagster.pipeline.lease_guard import LeaseHandle
from harvest_dagster.pipeline.placeholder_values import end_coverage_of_other_values
from harvest_dagster.pipeline.snapshots import is_snapshot, list_window
from harvest_dagster.pipeline.steps.split import parse_ahead
from harvest_dagster.pipeline.storing.quarantine_policy import exceeds_limits
from harvest_dagster.pipeline.write_guard import WriteGuard
from harvest_dagster.records import Page, Record
from harvest_dagster.spool import AttemptSpool, FetchSummary
from harvest_dagster.storage.counts import Counts
from harvest_dagster.storage.harvest_log import counters, queries, run_attempts, transitions
from harvest_dagster.storage.harvest_log.queries import HarvestLog
from harvest_dagster.windows import Window

_TOO_OLD = timedelta(days=1)  # the source may have changed since an older list began


def remaining_limit(harvest: HarvestContext, window: Window) -> int | None:
    """Return how many records the run may still collect in this window; None if it has no `limit`.

    A deferred window counts with the records in its spool, because the run comes back to it.
    """
    if harvest.parameters.limit is None:
        return None
    with harvest.run.database.read() as connection:
        logs = queries.find_by_run(connection, harvest.config_id, *harvest.run.all_ids)
    others = (log for log in logs if log.status != "SPLIT" and log.window != window)
    return max(0, harvest.parameters.limit - sum(_collected(harvest, log) for log in others))


def is_deferred(harvest: HarvestContext, window: Window) -> bool:
    """Return whether this run has begun the window before and comes back to it. This run must then end its log."""
    with harvest.run.database.read() as connection:
        log = queries.find_log(connection, harvest.scope, window)
    return log is not None and log.status == "STARTED" and log.run_id == harvest.run.id


def find_begun_log(harvest: HarvestContext, window: Window) -> HarvestLog | None:
    """Return the log of a window that this run, or a run that it executes again, has begun; None if they have not."""
    with harvest.run.database.read() as connection:
        attempts = run_attempts.find_windows(connection, harvest.scope, harvest.run.all_ids, window)
        if all(attempt.window != window for attempt in attempts):
            return None
        return queries.find_log(connection, harvest.scope, window)


def begin(
    harvest: HarvestContext, window: Window, lease: LeaseHandle, *, parent_id: int | None, limit: int | None
) -> HarvestLog:
    """Mark the window's log STARTED. Begin a new fetch attempt if the pages of the last one cannot be used.

    Raises:
        LeaseLost: another run took the lease; nothing was written.
    """
    now = harvest.run.clock()
    values_digest = end_coverage_of_other_values(harvest, lease)
    with harvest.run.database.read() as connection:
        before = queries.find_log(connection, harvest.scope, window)
    continues = before is not None and _may_continue(harvest, before, limit, now)
    with lease.begin() as connection:
        log = transitions.mark_started(
            connection,
            harvest.scope,
            window,
            run_id=harvest.run.id,
            now=now,
            parent_id=parent_id,
            record_limit=limit,
            arguments=harvest.source.deciding_arguments,
            values_digest=values_digest,
        )
        if not continues:
            log = transitions.begin_attempt(connection, log.id, now)
    if before is not None and before.status == "STARTED" and before.run_id != harvest.run.id:
        harvest.logger.warning(
            f"log {before.id} of {window} was STARTED by run {before.run_id}; this run takes it over"
        )
    return log


def fetch(
    harvest: HarvestContext,
    client: Client,
    log: HarvestLog,
    lease: LeaseHandle,
    keep_going: Callable[[], None],
) -> FetchSummary:
    """Fetch the pages of the window that the spool does not have yet. Return their summary.

    Args:
        harvest: the harvest.
        client: asks the source for pages.
        log: the window's log, from `begin`.
        lease: the lease.
        keep_going: called after each page; it raises if the harvest has to stop.

    Raises:
        SourceError: a list broke, and no recovery step helped. The fetched pages stay for the next run.
        IncompleteList: the source delivered fewer records than it announced. The next run begins a new fetch attempt.
        DeadlineExceeded: `timeout.harvest` is over.
        LeaseLost: another run took the lease; the current page does not count.
    """
    spool = harvest.attempt(log)
    if (summary := spool.read_summary()) is not None:
        _record_summary(harvest, log, lease, summary)
        return summary
    with (
        source_observations_of(harvest, client, lease) as observations,
        SeenIdentifiers() as seen_identifiers,
    ):
        page_sizes = observations.find("page_sizes") or ()
        window = list_window(harvest.config, log.window)
        client.whole_window = window
        tracker = CompletenessTracker(
            window, seen_identifiers, client.list_count, page_sizes, is_sorted=client.lists_are_sorted
        )
        pause = partial(pause_before_second_list, harvest, lease)
        target = _target(harvest, log, lease)
        fetcher = WindowFetcher(harvest, client, target, lease, keep_going, tracker, pause)
        try:
            fetcher.fetch()
            doubts = _confirm_empty_list(EmptyList(harvest, log, client), fetcher)
        except SourceError as error:
            _name_numbers(error, log, tracker)
            if isinstance(error, IncompleteList):
                _record_summary(harvest, log, lease, _summarize(harvest, log, fetcher, "short", NONE))
            raise
        report_source(harvest, client, tracker, observations)
        if sizes := tracker.full_page_sizes():
            observations.record("page_sizes", sizes)
        is_provable = log.record_limit is None and not doubts and client.has_all_lists()
        evidence = tracker.evidence() if is_provable else NONE
        summary = _summarize(harvest, log, fetcher, completeness_of(evidence), evidence)
        summary = replace(
            summary,
            doubt=" and ".join(doubts) or tracker.doubt(),
            lists_everything=client.lists_everything,
        )
        warning = find_repeated_list(client, log, tracker, seen_identifiers, observations)
    warn(harvest, lease, None if is_snapshot(harvest.config) else warning)
    _record_summary(harvest, log, lease, summary)
    return summary


def _name_numbers(error: SourceError, log: HarvestLog, tracker: CompletenessTracker) -> None:
    """Put the numbers of the window before the message of an error. The error may be about a part of the window."""
    if tracker.expected is None:
        return
    delivered = tracker.records if tracker.identifiers is None else tracker.identifiers
    numbers, message = f"{delivered} of {tracker.expected} records of {log.window} were delivered", str(error)
    if isinstance(error, IncompleteList) and _is_same_shortfall(
        error, tracker.window, tracker.expected - delivered
    ):
        error.args = (f"{numbers}. {message.partition('. ')[2]}",)  # without the same numbers again
    else:
        error.args = (f"{numbers}: {message}",)


def _is_same_shortfall(error: IncompleteList, window: Window, missing: int) -> bool:
    """Return whether the error is about the whole window and the same missing records.

    Its numbers may be higher, because a list may contain records of the next window, which do not count.
    """
    return error.announced - error.received == missing and f" for {window}," in str(error)


def _confirm_empty_list(empty: EmptyList, fetcher: WindowFetcher) -> list[str]:
    """Request an empty window again, after a pause, if there is a reason to doubt it. Return the remaining doubts.

    Raises:
        SourceError: the second list broke.
        IncompleteList: the source still has records of the window that its list does not contain.
    """
    tracker = fetcher.tracker
    if not tracker.history or empty.log.record_limit is not None:
        return []
    if tracker.own_records:
        # Some lists have records, and others are empty: a set may be gone.
        doubt = empty.client.doubt_of_empty_list() if tracker.has_empty_answers else None
        return [] if doubt is None else [doubt]
    if tracker.records and tracker.evidence() != NONE:
        return []  # all records that the source announced came, and belong to other windows
    if not (reasons := empty.reasons_to_ask_again()):
        return []
    reason = f"the list of {empty.log.window} is empty, but {' and '.join(reasons)}. It is requested again."
    empty.harvest.logger.warning(reason)
    fetcher.pause(reason)
    fetcher.fetch_again("request the empty window again")
    return [] if tracker.own_records else empty.remaining_doubts(tracker.history[-1].sub_window.number)


def _target(harvest: HarvestContext, log: HarvestLog, lease: LeaseHandle) -> FetchTarget:
    """Return where the pages of a window go."""

    def count_recovery() -> None:
        with lease.begin() as connection:
            counters.add_counts(connection, log.id, Counts(recoveries=1))

    def datestamps(page: Page, window: Window) -> Iterator[datetime | None]:
        for record in harvest.source.parser.records(page, window):
            yield record.datestamp if isinstance(record, Record) else None

    return FetchTarget(
        harvest.attempt(log),
        log.window,
        count_recovery,
        datestamps,
        log.record_limit,
        partial(parse_ahead, harvest, log),
    )


def pause_before_second_list(harvest: HarvestContext, guard: WriteGuard, reason: str) -> None:
    """Wait some seconds before a doubtful answer is requested again. The caller logs the reason."""
    deadline = replace(harvest_deadline(harvest, guard), on_wait=lambda *_: None)
    deadline.sleep(harvest.source.wait_limits.before_second_list, reason)


def _summarize(
    harvest: HarvestContext, log: HarvestLog, fetcher: WindowFetcher, completeness: str, evidence: str
) -> FetchSummary:
    tracker = fetcher.tracker
    with harvest.run.database.read() as connection:
        recoveries = queries.get_log(connection, log.id).counts.recoveries
    return FetchSummary(
        pages=fetcher.page_count,
        records=tracker.records,
        completeness=completeness,
        expected=tracker.expected,
        identifiers=tracker.identifiers,
        sub_windows=len(tracker.history),
        recoveries=recoveries,
        evidence=evidence,
        source_time=tracker.source_time,
        asked_until=tracker.asked_until,
        clock_offset=None if tracker.clock_offset is None else tracker.clock_offset.total_seconds(),
    )


def _record_summary(
    harvest: HarvestContext, log: HarvestLog, lease: LeaseHandle, summary: FetchSummary
) -> None:
    lease.verify_token()
    harvest.attempt(log).write_summary(summary)
    with lease.begin() as connection:
        counters.set_expected(connection, log.id, summary.expected, summary.identifiers)


def _collected(harvest: HarvestContext, log: HarvestLog) -> int:
    """Return how many records of the run's `limit` a window has used."""
    if log.status != "STARTED":
        return log.counts.records
    try:
        spooled = count_own_records(entry.page for entry in harvest.attempt(log).manifests())
    except SpoolError:
        return log.counts.records  # a new fetch attempt will begin, with what is left of the limit then
    return min(spooled, log.record_limit or 0)


def _may_continue(harvest: HarvestContext, before: HarvestLog, limit: int | None, now: datetime) -> bool:
    """Return whether the pages of the last fetch attempt are those that a new attempt would get."""
    began = before.attempt_began
    if began is None or before.status == "SUCCEEDED" or before.has_other_values:
        return False
    if not _is_fresh(harvest, before, limit, now):
        return False
    if began < before.window.end + harvest.config.settle <= now:
        # The pages are from before the window settled. They lack what was published since, and would not cover it.
        return False
    if exceeds_limits(before.counts, harvest.config.quarantine):
        return False  # these pages would have too many invalid records again
    try:
        return _is_usable(harvest.attempt(before), before)
    except SpoolError as error:
        harvest.logger.warning(f"a new fetch attempt begins for {before.window}: {error}")
        return False


def _is_fresh(harvest: HarvestContext, before: HarvestLog, limit: int | None, now: datetime) -> bool:
    """Return whether an attempt is not too old, not superseded by other windows, and of the same limit."""
    assert before.attempt_began is not None  # noqa: S101  # the caller has checked it
    run_ids = (harvest.run.id,)
    is_held = before.status == "STARTED" and before.run_id in run_ids
    with harvest.run.database.read() as connection:
        # If this run began the list itself and deferred it, its other windows do not supersede the list, and the list
        # does not expire: with an hourly quota, a list may take days.
        is_own = is_held and run_attempts.began_attempt(connection, before, run_ids)
        if queries.is_superseded(connection, before, run_ids if is_own else (), harvest.config.settle):
            return False
    if not is_own:
        return before.record_limit == limit and _age(harvest, before.attempt_began, now) < _TOO_OLD
    # The other windows may have used a part of the limit. No page of this window is parsed yet.
    return limit == before.record_limit or (limit is not None and limit <= (before.record_limit or 0))


def _age(harvest: HarvestContext, began: datetime, now: datetime) -> timedelta:
    """Return for how long a list could go on: only the time in which the source may be asked counts.

    Otherwise the list of a run that was killed would begin again after each night.
    """
    return now - began if harvest.config.hours is None else harvest.config.hours.open_time(began, now)


def _is_usable(spool: AttemptSpool, before: HarvestLog) -> bool:
    pages, summary = spool.page_count(), spool.read_summary()
    if pages < before.pages_stored:
        return False
    # A list that was empty or short then may be different now.
    if summary is not None and (pages != summary.pages or pages == 0 or summary.completeness == "short"):
        return False
    spool.verify()
    return True
