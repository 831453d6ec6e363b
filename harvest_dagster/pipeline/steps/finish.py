"""The step finish: ends a window, and ends the run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Connection

from harvest_dagster.coverage.lag import LagHistogram, lookback_warning
from harvest_dagster.errors import SpoolError, SpoolUnreachable
from harvest_dagster.pipeline.context import HarvestContext
from harvest_dagster.pipeline.fetching.empty_lists import doubt_empty_neighbours
from harvest_dagster.pipeline.lease_guard import LeaseHandle, release
from harvest_dagster.pipeline.snapshots import is_snapshot
from harvest_dagster.spool import FetchSummary
from harvest_dagster.storage import record_lags
from harvest_dagster.storage.counts import Counts, total
from harvest_dagster.storage.harvest_log import queries, run_attempts, transitions
from harvest_dagster.storage.harvest_log.queries import HarvestLog
from harvest_dagster.windows import format_instant

_KEEP_PAGES = timedelta(days=14)  # of windows that failed, so that people can find the cause


@dataclass(frozen=True)
class Summary:
    """The result of a run over all its windows.

    Attributes:
        counts: the counts of all logs together.
        expected: the sum of the source's own totals; None if a window has no total.
        identifiers: the sum of the numbers of different identifiers; None if a window has no such number.
        completeness: `complete` if every window is complete, otherwise `unverified`; None if there is no window.
        seconds: the time from the start of the first window to the end of the last.
    """

    counts: Counts
    expected: int | None
    identifiers: int | None
    completeness: str | None
    seconds: float


def finish_window(harvest: HarvestContext, log: HarvestLog, lease: LeaseHandle) -> HarvestLog:
    """Mark the window SUCCEEDED, and delete its pages from the spool.

    Raises:
        SpoolError: the window has pages that are not stored, or the numbers of its records do not add up.
        LeaseLost: another run took the lease; nothing was written.
    """
    index = harvest.attempt(log).require_parsed()
    summary = index.summary
    with lease.begin() as connection:
        _verify_counts(queries.get_log(connection, log.id), index.counts)
        log = transitions.mark_succeeded(
            connection,
            log.id,
            now=harvest.run.clock(),
            completeness=summary.completeness,
            evidence=summary.evidence,
            doubt=summary.doubt,
            asked_until=summary.asked_until,
            source_time=summary.source_time,
            settle=harvest.config.settle,
            is_snapshot=is_snapshot(harvest.config),
        )
        doubted = doubt_empty_neighbours(connection, harvest.scope, log)
    for other in doubted:
        harvest.logger.warning(
            f"{other.window} is empty, but {other.doubt}. It no longer counts as done, and will be harvested again."
        )
    _report_early_list(harvest, log, summary)
    _report_doubt(harvest, log)
    _try_to_clear(harvest, lambda: harvest.run.spool.clear(*harvest.spool_path(log.window)))
    return log


def _report_early_list(harvest: HarvestContext, log: HarvestLog, summary: FetchSummary) -> None:
    """Log why a window does not count as done although it succeeded: its list began too early."""
    settle, times = (
        harvest.config.settle,
        {"asked_until": summary.asked_until, "source_time": summary.source_time},
    )
    if log.record_limit is not None or transitions.began_late_enough(log, settle, **times):
        return
    began, until = log.attempt_began or harvest.run.clock(), summary.asked_until or log.window.end
    reason = f"its list began at {format_instant(began.replace(microsecond=0))} by our clock"
    if summary.source_time is not None and summary.source_time < began:
        source_time = format_instant(summary.source_time)
        reason += f" and at {source_time} by that of the source, whose clock is behind or whose answer is from a cache"
    if is_snapshot(harvest.config):
        days = (
            "no day" if log.covered_until is None else f"the days before {format_instant(log.covered_until)}"
        )
        harvest.logger.warning(f"the snapshot covers only {days}: {reason}.")
        return
    harvest.logger.warning(
        f"{log.window} does not count as done: {reason}, and the source was asked until {format_instant(until)}. It "
        f"counts if the list begins at least {settle} (`settle`) after that. It will be harvested again."
    )


def _report_doubt(harvest: HarvestContext, log: HarvestLog) -> None:
    """Log why an empty window or the end of its list may be wrong, and whether the window counts as done."""
    if log.doubt is None:
        return
    effect = (
        "An earlier harvest found the same, so it counts as done."
        if transitions.is_confirmed(log)
        else "It does not count as done until a harvest in an hour or later finds the same."
    )
    harvest.logger.warning(f"{log.window} has {log.counts.records} records, but {log.doubt}. {effect}")


def _verify_counts(log: HarvestLog, parsed: Sequence[tuple[int, int]]) -> None:
    """Raise SpoolError if the window's log has not counted each page and each record that was parsed.

    An invalid record counts once, also if several pages contain it, and not if a valid version of it came later.

    Args:
        log: the window's current log.
        parsed: the numbers of valid and of invalid records of each page.
    """
    if log.pages_stored != len(parsed):
        message = f"{log.pages_stored} of {len(parsed)} pages of {log.window} are stored. Start a new run."
        raise SpoolError(message)
    records, invalid = (sum(numbers) for numbers in zip(*parsed, strict=True)) if parsed else (0, 0)
    if log.counts.records != records or log.counts.quarantined > invalid:
        message = (
            f"{log.counts.records} records of {log.window} are stored and {log.counts.quarantined} are in quarantine, "
            f"but {records} and {invalid} were parsed. Start a new run: it fetches the window again."
        )
        raise SpoolError(message)


def _try_to_clear(harvest: HarvestContext, clear: Callable[[], object]) -> None:
    """Delete a part of the spool. Log a failure: a later run deletes the pages, and no harvest uses them again."""
    try:
        clear()
    except (SpoolError, SpoolUnreachable) as error:
        harvest.logger.warning(f"the spool could not be cleared: {error}")


def take_over_log(harvest: HarvestContext, log_id: int, lease: LeaseHandle) -> HarvestLog:
    """Return a window's log for the next op. If it belongs to an earlier run that failed, this run takes it over.

    Raises:
        SpoolError: other windows were stored after the earlier run fetched its pages. The pages may contain older
            versions of the same records.
        LeaseLost: another run took the lease; nothing was written.
    """
    with lease.begin() as connection:
        log = queries.get_log(connection, log_id)
        if log.status == "SUCCEEDED" or (log.status == "STARTED" and log.run_id == harvest.run.id):
            return log
        if _is_superseded(connection, harvest, log):
            message = (
                f"other windows were harvested since the pages of {log.window} were fetched. "
                "Start a new run instead of re-executing this one. It fetches the pages again."
            )
            raise SpoolError(message)
        return transitions.mark_resumed(connection, log_id, run_id=harvest.run.id, now=harvest.run.clock())


def _is_superseded(connection: Connection, harvest: HarvestContext, log: HarvestLog) -> bool:
    if log.attempt_began is None:
        return False
    # The failed run has stored other windows, and this run stores the rest. Windows of these runs do not supersede the
    # pages, unless an unrelated run has fetched the pages.
    runs = (log.run_id, *harvest.run.all_ids)
    ignored = runs if run_attempts.began_attempt(connection, log, runs) else ()
    return queries.is_superseded(connection, log, ignored, harvest.config.settle)


def end_window(
    harvest: HarvestContext,
    log_id: int,
    lease: LeaseHandle,
    status: str,
    error: str,
    *,
    host_unreachable: bool = False,
) -> HarvestLog:
    """Mark a window FAILED or CANCELLED. Its pages stay in the spool, and the next run resumes after them.

    Args:
        harvest: the harvest.
        log_id: the log of the window.
        lease: the lease.
        status: FAILED or CANCELLED.
        error: the reason.
        host_unreachable: whether the run could not connect to the host of the source.

    Raises:
        LeaseLost: another run has acquired the lease; nothing was written.
    """
    with lease.begin() as connection:
        log = queries.get_log(connection, log_id)
        transitions.mark_ended(
            connection,
            log,
            status,
            now=harvest.run.clock(),
            error=harvest.source.redact(error),
            host_unreachable=host_unreachable,
        )
    return log


def finish_run(harvest: HarvestContext, log_ids: Sequence[int], lease: LeaseHandle) -> Summary:
    """Release the lease, and delete old pages of the source from the spool. Return the sum of the windows."""
    with harvest.run.database.read() as connection:
        summary = summarize([queries.get_log(connection, log_id) for log_id in log_ids])
        today = harvest.run.clock().date()
        lags = record_lags.find_lags(connection, today, [harvest.config_id]).get(harvest.config_id)
    if lags is not None and (warning := lookback_warning(harvest.config, LagHistogram(*lags))) is not None:
        harvest.logger.warning(warning)
    release(harvest, lease)
    _try_to_clear(
        harvest,
        lambda: harvest.run.spool.prune(
            harvest.config.label, now=harvest.run.clock(), older_than=_KEEP_PAGES
        ),
    )
    return summary


def summarize(logs: Sequence[HarvestLog]) -> Summary:
    """Return the sum of the logs of several windows."""
    # A log that a `limit` truncated may have the result of an earlier harvest.
    values = {log.completeness if log.record_limit is None else "unverified" for log in logs}
    return Summary(
        counts=total(log.counts for log in logs),
        expected=_sum([log.expected for log in logs]),
        identifiers=_sum([log.identifiers for log in logs]),
        completeness=None if not values else "complete" if values == {"complete"} else "unverified",
        seconds=_seconds(logs),
    )


def _sum(numbers: Sequence[int | None]) -> int | None:
    """Return the sum; None if there are no numbers or if one of them is None."""
    known = [number for number in numbers if number is not None]
    return sum(known) if known and len(known) == len(numbers) else None


def _seconds(logs: Sequence[HarvestLog]) -> float:
    started = [log.date_started for log in logs if log.date_started]
    completed = [log.date_completed for log in logs if log.date_completed]
    return (max(completed) - min(started)).total_seconds() if started and completed else 0.0
