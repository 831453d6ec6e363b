"""Lists all identifiers of a source: the pages of each window of a sweep, in a spool of their own.

It does not hold the lease of the source, so harvests go on. While another run holds that lease, the sweep waits: it has
a lower priority. Each window has a summary in the spool as soon as its list has ended, so a run that continues the
sweep of a killed run requests at most one page again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from sqlalchemy import Connection

from harvest_dagster.errors import IncompleteList, LeaseHeld, RetryLater, SpoolError, SpoolUnreachable
from harvest_dagster.harvesters.interface import Client
from harvest_dagster.http.models import Statistics
from harvest_dagster.pipeline.context import HarvestContext
from harvest_dagster.pipeline.fetching import deferral
from harvest_dagster.pipeline.fetching.completeness import (
    NONE,
    SINGLE_RESPONSE,
    CompletenessTracker,
    completeness_of,
)
from harvest_dagster.pipeline.fetching.identifier_index import SeenIdentifiers
from harvest_dagster.pipeline.fetching.source_observations import source_observations_of
from harvest_dagster.pipeline.fetching.source_session import OpenSource, harvest_deadline, open_client
from harvest_dagster.pipeline.fetching.window_fetcher import FetchTarget, WindowFetcher
from harvest_dagster.pipeline.lease_guard import is_dead
from harvest_dagster.pipeline.monitor import and_not_stopped
from harvest_dagster.pipeline.reconciling import windows as sweep_windows
from harvest_dagster.pipeline.reconciling.sweep_guard import SweepGuard
from harvest_dagster.pipeline.steps.fetch import pause_before_second_list
from harvest_dagster.records import Page, RecordHeader
from harvest_dagster.spool import AttemptSpool, FetchSummary
from harvest_dagster.storage import sweeps
from harvest_dagster.storage.lease import leases
from harvest_dagster.storage.raw_data.datestamps import count_by_day
from harvest_dagster.storage.sweeps import Sweep
from harvest_dagster.windows import Window

_PAGE_SIZES = "header_page_sizes"
_SECONDS_BETWEEN_LOOKS = 5.0  # at the lease of the source, while another run holds it

HeaderOpener = Callable[[HarvestContext, SweepGuard], AbstractContextManager[OpenSource]]


@contextmanager
def open_header_client(harvest: HarvestContext, guard: SweepGuard) -> Iterator[OpenSource]:
    """Open a client that lists headers. At the end, add the cost of its requests to the sweep.

    Raises: see `source_session.open_client`.
    """
    client = harvest.source.harvester.header_client
    with open_client(harvest, guard, client, last_progress(harvest, guard), add_cost_to(guard)) as source:
        yield source


def add_cost_to(guard: SweepGuard) -> Callable[[Connection, Statistics], None]:
    """Return a function that adds the cost of requests to a sweep."""

    def add_cost(connection: Connection, spent: Statistics) -> None:
        sweeps.add_costs(
            connection,
            guard.sweep_id,
            guard.run_id,
            requests=spent.requests,
            size=spent.bytes,
            seconds_waited=spent.seconds_waited,
        )

    return add_cost


def list_headers(
    harvest: HarvestContext, guard: SweepGuard, *, open_headers: HeaderOpener = open_header_client
) -> Sweep:
    """List all identifiers of the source into the spool, after the pages of an earlier run.

    A window whose list is not complete makes the sweep unverified. It does not fail.

    Args:
        harvest: the harvest.
        guard: the sweep.
        open_headers: opens a client that lists headers.

    Raises:
        SourceError: a list broke, and no recovery step helped. The fetched pages stay for the next run.
        LeaseHeld: another run harvests the source for longer than an op waits.
        RetryLater: the source, the budget of its host or `hours` require a longer wait than an op sleeps.
        SourceUnreachable: no page arrived for `longest_silence`, only requests to wait.
        DeadlineExceeded: `timeout.harvest` is over for one of the windows.
        LeaseLost: another run has taken over the sweep.
    """
    try:
        _remove_damaged_lists(harvest, guard.read())
        planned = _windows(harvest, guard, open_headers)
        harvest.run.monitor.plan(planned)
        for number, window in enumerate(planned):
            if spool_of(harvest, guard.read(), number).read_summary() is None:
                _list_window(_ListedWindow(harvest, guard, number), open_headers)
            harvest.run.monitor.end_window(window)
    except (LeaseHeld, SpoolUnreachable):
        guard.extend(harvest.run.longest_start)
        raise
    except RetryLater as error:
        deferral.defer(harvest, last_progress(harvest, guard), guard, error)
        raise
    return _record_lists(harvest, guard)


def spool_of(harvest: HarvestContext, sweep: Sweep, number: int) -> AttemptSpool:
    """Return the spool of the pages of a window of a sweep."""
    # A new database counts its sweeps from 1 again. The time makes their names differ from those of an old one.
    name = f"{harvest.source.request_digest}-{sweep.date_started:%Y%m%dT%H%M%S%f}"
    return harvest.run.spool.attempt(harvest.config.label, _folder(sweep, number), name)


def clear_spool(harvest: HarvestContext, sweep: Sweep) -> None:
    """Delete the pages of a sweep, and those of older sweeps that were not finished."""
    label, spool = harvest.config.label, harvest.run.spool
    for folder in spool.directories(label):
        if folder.startswith("sweep-") and int(folder.split("-")[1]) <= sweep.id:
            spool.clear(label, folder)


def summaries(harvest: HarvestContext, sweep: Sweep) -> list[FetchSummary]:
    """Return the summary of each window of a sweep that is listed completely.

    Raises:
        SpoolError: pages are missing, because the spool was cleared, or because ops run on several machines.
    """
    return [spool_of(harvest, sweep, number).require_fetched() for number in range(len(sweep.windows))]


def last_progress(harvest: HarvestContext, guard: SweepGuard) -> datetime:
    """Return when the last page arrived, or when this run began or continued the sweep, whichever is later."""
    sweep = guard.read()
    arrivals = (
        arrival
        for number in reversed(range(len(sweep.windows)))
        for arrival in deferral.last_arrival(spool_of(harvest, sweep, number))
    )
    return max(sweep.run_began, next(arrivals, sweep.run_began))


def _folder(sweep: Sweep, number: int) -> str:
    return f"sweep-{sweep.id}-{number}"


def _remove_damaged_lists(harvest: HarvestContext, sweep: Sweep) -> None:
    """Delete the lists whose pages are damaged or missing. They are requested again."""
    for number, window in enumerate(sweep.windows):
        spool = spool_of(harvest, sweep, number)
        try:
            if spool.read_summary() is not None:
                spool.require_fetched()
            spool.verify()
        except SpoolError as error:
            harvest.logger.warning(f"the list of {window} is requested again: {error}")
            harvest.run.spool.clear(harvest.config.label, _folder(sweep, number))


def _windows(harvest: HarvestContext, guard: SweepGuard, open_headers: HeaderOpener) -> tuple[Window, ...]:
    """Return the windows of the sweep. Plan them if no run has done so."""
    if planned := guard.read().windows:
        return planned
    config, now = harvest.config, harvest.run.clock()
    with open_headers(harvest, guard) as source, source_observations_of(harvest, source.client, guard):
        divisible = sweep_windows.is_divisible(source.client, selective=config.selective)
    if divisible:
        with harvest.run.database.read() as connection:
            by_day = count_by_day(connection, harvest.config_id)
        found = sweep_windows.sweep_windows(by_day, config.earliest_date, now)
    else:
        found = sweep_windows.undivided_windows(
            selective=config.selective,
            has_open_end=harvest.source.has_open_end,
            earliest=config.earliest_date,
            now=now,
        )
    return _save_windows(guard, found)


def _save_windows(guard: SweepGuard, found: list[Window]) -> tuple[Window, ...]:
    with guard.begin() as connection:
        sweeps.set_windows(connection, guard.sweep_id, guard.run_id, found)
    return tuple(found)


@dataclass(frozen=True)
class _ListedWindow:
    """A window whose list is fetched now."""

    harvest: HarvestContext
    guard: SweepGuard
    number: int

    @property
    def spool(self) -> AttemptSpool:
        """The spool of its pages."""
        return spool_of(self.harvest, self.guard.read(), self.number)

    def window(self) -> Window:
        """Return the window. The last one ends with the day on which its list begins."""
        planned = list(self.guard.read().windows)
        window, end = planned[self.number], sweep_windows.present_end(self.harvest.run.clock())
        is_last = self.number == len(planned) - 1
        if is_last and window.end < end and self.spool.page_count() == 0:
            window = planned[-1] = replace(window, end=end)
            _save_windows(self.guard, planned)
        return window

    def datestamps(self, page: Page, window: Window) -> Iterator[datetime | None]:
        """Yield the datestamps of the headers of a page; None for one that has none or is invalid."""
        for header in self.harvest.source.header_parser.headers(page, window):
            yield header.datestamp if isinstance(header, RecordHeader) else None


def _list_window(listed: _ListedWindow, open_headers: HeaderOpener) -> None:
    """Fetch the list of one window, and write its summary."""
    harvest, guard = listed.harvest, listed.guard
    _wait_for_harvest(harvest, guard)
    window, spool = listed.window(), listed.spool
    with (
        open_headers(harvest, guard) as source,
        source_observations_of(harvest, source.client, guard) as observations,
        SeenIdentifiers() as seen_identifiers,
    ):
        client = source.client
        client.whole_window = window
        tracker = CompletenessTracker(
            window,
            seen_identifiers,
            client.list_count,
            observations.find(_PAGE_SIZES) or (),
            is_sorted=client.lists_are_sorted,
        )
        fetcher = WindowFetcher(
            harvest,
            client,
            FetchTarget(spool, window, lambda: None, listed.datestamps),
            guard,
            and_not_stopped(harvest.run.monitor, _between_pages(listed, source)),
            tracker,
            partial(pause_before_second_list, harvest, guard),
        )
        summary = _fetch(listed, fetcher, client)
        if sizes := tracker.full_page_sizes():
            observations.record(_PAGE_SIZES, sizes)
    guard.verify_token()
    spool.write_summary(summary)
    harvest.logger.info(
        f"listed {summary.records} identifiers of {window} on {summary.pages} pages, evidence: {summary.evidence}"
    )


def _between_pages(listed: _ListedWindow, source: OpenSource) -> Callable[[], None]:
    def keep_going() -> None:
        source.keep_going()
        _wait_for_harvest(listed.harvest, listed.guard)

    return keep_going


def _fetch(listed: _ListedWindow, fetcher: WindowFetcher, client: Client) -> FetchSummary:
    """Fetch the list. Return its summary, with evidence `none` if the list may lack records."""
    tracker = fetcher.tracker
    try:
        fetcher.fetch()
        is_whole = client.lists_everything and client.has_all_lists() and not _may_lack_a_list(fetcher)
        is_proven = tracker.own_records > 0 and is_whole
        evidence, doubt = (tracker.evidence() if is_proven else NONE), tracker.doubt()
    except IncompleteList as error:
        listed.harvest.logger.warning(f"the list of {tracker.window} is not complete: {error}")
        evidence, doubt = NONE, str(error)
    if tracker.own_records == 0:
        doubt = "the list is empty"
    return FetchSummary(
        pages=fetcher.page_count,
        records=tracker.own_records,
        completeness=completeness_of(evidence),
        expected=tracker.expected,
        identifiers=tracker.identifiers,
        sub_windows=len(tracker.history),
        evidence=evidence,
        doubt=doubt,
        source_time=tracker.source_time,
        asked_until=tracker.asked_until,
        lists_everything=client.lists_everything,
    )


def _may_lack_a_list(fetcher: WindowFetcher) -> bool:
    """Return whether one of several lists of the window, such as that of a set, is empty for a doubtful reason."""
    return fetcher.tracker.has_empty_answers and fetcher.client.doubt_of_empty_list() is not None


def _wait_for_harvest(harvest: HarvestContext, guard: SweepGuard) -> None:
    """Wait while another run holds the lease of the source.

    Raises:
        LeaseHeld: it holds the lease for longer than an op sleeps. Dagster tries the op again later.
    """
    began, longest = time.monotonic(), harvest.source.wait_limits.longest_wait

    def seconds_to_wait() -> float:
        holder = _find_other_holder(harvest)
        if holder is None:
            return 0.0
        if time.monotonic() - began >= longest:
            message = f"run {holder} harvests this source. The sweep continues after it."
            raise LeaseHeld(message)
        return _SECONDS_BETWEEN_LOOKS

    if _find_other_holder(harvest) is not None:
        harvest_deadline(harvest, guard).wait_until_granted(
            seconds_to_wait, "another run harvests this source", is_turn=False
        )


def _find_other_holder(harvest: HarvestContext) -> str | None:
    """Return the live run that holds the lease of the source, None if there is none or it is this run."""
    with harvest.run.database.read() as connection:
        held = leases.find_lease(connection, harvest.config_id)
    if held is None or held.holder.run_id == harvest.run.id or held.is_expired:
        return None
    return None if is_dead(held, harvest.run.history) else held.holder.run_id


def _record_lists(harvest: HarvestContext, guard: SweepGuard) -> Sweep:
    """Record what the lists prove together: the weakest of their evidence."""
    found = summaries(harvest, guard.read())
    kinds = {summary.evidence if summary.doubt is None else NONE for summary in found}
    evidence = next((kind for kind in (NONE, SINGLE_RESPONSE) if kind in kinds), min(kinds, default=NONE))
    with guard.begin() as connection:
        sweeps.record_lists(
            connection,
            guard.sweep_id,
            guard.run_id,
            pages=sum(summary.pages for summary in found),
            completeness=completeness_of(evidence),
            evidence=evidence,
            doubt=next((summary.doubt for summary in found if summary.doubt is not None), None),
            lists_everything=all(summary.lists_everything for summary in found),
        )
    return guard.read()
