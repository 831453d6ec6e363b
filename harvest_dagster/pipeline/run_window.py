"""The only composition of the steps of a window: begin, fetch, split, store, launch, finish.

Dagster's ops call the steps of a `WindowRun` one by one, and each op may have a process of its own. All other code,
such as the conformance suite, tools and tests, calls `run_window`, which runs all steps.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import date, timedelta

from harvest_dagster.errors import (
    DatabaseUnreachable,
    LeaseLost,
    RetryLater,
    SourceUnreachable,
    SpoolUnreachable,
)
from harvest_dagster.http.models import Statistics
from harvest_dagster.pipeline.completed_days import DayCounts
from harvest_dagster.pipeline.context import HarvestContext
from harvest_dagster.pipeline.deletions import snapshots
from harvest_dagster.pipeline.fetching import deferral
from harvest_dagster.pipeline.fetching.source_session import OpenSource, harvest_deadline, open_source
from harvest_dagster.pipeline.lease_guard import LeaseHandle
from harvest_dagster.pipeline.monitor import and_not_stopped
from harvest_dagster.pipeline.report_lines import stop_reason, window_line
from harvest_dagster.pipeline.steps import fetch, finish, launch, split, store
from harvest_dagster.spool import FetchSummary
from harvest_dagster.storage.counts import Counts
from harvest_dagster.storage.harvest_log import queries
from harvest_dagster.storage.harvest_log.queries import HarvestLog
from harvest_dagster.windows import Window

STEPS = ("fetch", "split", "store", "launch", "finish")

# The pause of an op that waits for the object store of the spool. No thread renews the lease meanwhile.
_LONGEST_RETRY = timedelta(minutes=15)

SourceOpener = Callable[[HarvestContext, LeaseHandle, HarvestLog], AbstractContextManager[OpenSource]]


@dataclass(frozen=True)
class WindowRun:
    """The steps of a window. Each needs the window's log as the previous step left it.

    Attributes:
        harvest: the harvest.
        lease: the lease of the run.
        open_source: opens the access to the source for the step fetch.
        keep_going: called after each page, instead of the checks of the lease and of the harvest timeout; it raises if
            the harvest has to stop.
        on_failure: called with the log of a window that has failed.
        cancelled_by: the exceptions that show that the run was cancelled.
    """

    harvest: HarvestContext
    lease: LeaseHandle
    open_source: SourceOpener = open_source
    keep_going: Callable[[], None] | None = None
    on_failure: Callable[[HarvestLog], None] | None = None
    cancelled_by: tuple[type[BaseException], ...] = (KeyboardInterrupt,)

    def begin(self, window: Window, *, parent_id: int | None = None) -> HarvestLog | None:
        """Mark the window's log STARTED. Return None if the run has already collected `limit` records.

        Raises:
            OutsideHours: the run has not begun the window, and the source must not be asked now.
        """
        limit = fetch.remaining_limit(self.harvest, window)
        if not fetch.is_deferred(self.harvest, window):
            if limit == 0:
                return None
            deferral.raise_outside_hours(self.harvest, window, self.lease)
        return fetch.begin(self.harvest, window, self.lease, parent_id=parent_id, limit=limit)

    def fetch(self, log: HarvestLog) -> tuple[FetchSummary, Statistics]:
        """Fetch the pages that the spool does not have yet. Return their summary and what the requests cost."""
        with self.open_source(self.harvest, self.lease, log) as source:
            keep_going = self._unless_stopped(source.keep_going)
            summary = fetch.fetch(self.harvest, source.client, log, self.lease, keep_going)
        return summary, source.statistics()

    def split(self, log: HarvestLog) -> int:
        """Parse the pages into records. Return the number of pages. No request is sent."""
        keep_going = harvest_deadline(self.harvest, self.lease).raise_if_over
        return split.split(self.harvest, log, self._unless_stopped(keep_going))

    def store(self, log: HarvestLog) -> Counts:
        """Store the records. Return what this call stored."""
        return store.store(self.harvest, log, self.lease, self._unless_stopped(self.lease.raise_if_lost))

    def launch(self, log: HarvestLog) -> dict[date, DayCounts]:
        """Queue the window's data for the transform asset. Return the counts of each day."""
        return launch.launch(self.harvest, log, self.lease, self._unless_stopped(self.lease.raise_if_lost))

    def finish(self, log: HarvestLog) -> HarvestLog:
        """Mark the window SUCCEEDED, log its line, and clear its spool. A snapshot first shows what was removed."""
        keep_going = self._unless_stopped(self.lease.raise_if_lost)
        snapshots.remove_unlisted(self.harvest, log, self.lease, keep_going)
        finished = finish.finish_window(self.harvest, log, self.lease)
        self.harvest.logger.info(window_line(self.harvest, finished))
        self.harvest.run.monitor.end_window(finished.window)
        return finished

    def _unless_stopped(self, keep_going: Callable[[], None]) -> Callable[[], None]:
        return and_not_stopped(self.harvest.run.monitor, self.keep_going or keep_going)

    @contextmanager
    def resume(self, log_id: int) -> Iterator[HarvestLog]:
        """Yield a window's log for one or more steps. An exception ends the log.

        If the lease or the database is lost, this run must not or cannot write: the log stays as it is, and the next
        preflight closes it. If the source requires a long wait, or the object store of the spool cannot be reached, log
        and lease stay until the retry.

        Raises:
            SourceUnreachable: no page has arrived for `longest_silence`, only requests to wait.
        """
        try:
            yield finish.take_over_log(self.harvest, log_id, self.lease)
        except (LeaseLost, DatabaseUnreachable):
            raise
        except SpoolUnreachable:
            self.lease.extend(_LONGEST_RETRY)
            raise
        except RetryLater as error:
            self._defer(log_id, error)
            raise
        except self.cancelled_by:
            self._cancel(log_id)
            raise
        except Exception as error:
            self._fail(log_id, error)
            raise

    def _defer(self, log_id: int, error: RetryLater) -> None:
        """Keep log and lease for the retry. End the log if no page has arrived for too long."""
        try:
            deferral.defer_window(self.harvest, self.read(log_id), self.lease, error)
        except SourceUnreachable as unreachable:
            self._fail(log_id, unreachable)
            raise

    def _cancel(self, log_id: int) -> None:
        reason = stop_reason(self.harvest, self.read(log_id))
        finish.end_window(self.harvest, log_id, self.lease, "CANCELLED", reason)
        self.harvest.logger.warning(reason)

    def _fail(self, log_id: int, error: Exception) -> None:
        trace = "".join(traceback.format_exception(error))
        reason = f"{type(error).__name__}: {error}\n\n{trace}"
        unreachable = isinstance(error, SourceUnreachable) and not error.was_connected
        log = finish.end_window(
            self.harvest, log_id, self.lease, "FAILED", reason, host_unreachable=unreachable
        )
        self.harvest.logger.info(window_line(self.harvest, self.read(log_id)))
        self.harvest.run.monitor.end_window(log.window)
        if self.on_failure is not None:
            self.on_failure(log)

    def read(self, log_id: int) -> HarvestLog:
        """Return a window's log as it is now."""
        with self.harvest.run.database.read() as connection:
            return queries.get_log(connection, log_id)


def run_window(
    run: WindowRun, window: Window, *, parent_id: int | None = None, steps: Sequence[str] = STEPS
) -> HarvestLog | None:
    """Run one window from fetch to finish. Return its log, or None if the run has already collected `limit` records.

    Args:
        run: the harvest and its lease.
        window: the window.
        parent_id: the log of the range that the window is a part of.
        steps: the steps to run, in order; tests leave out the last ones.

    Raises:
        HarvestError: the window failed and its log says so, or the lease or the database is lost.
    """
    log = run.begin(window, parent_id=parent_id)
    if log is None:
        return None
    methods: dict[str, Callable[[HarvestLog], object]] = {
        "fetch": run.fetch,
        "split": run.split,
        "store": run.store,
        "launch": run.launch,
        "finish": run.finish,
    }
    with run.resume(log.id):
        for step in steps:
            methods[step](run.read(log.id))
    return run.read(log.id)
