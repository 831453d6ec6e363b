"""The lines that an operator reads about a window and about a run: the same numbers in the same order.

The pipeline logs them at INFO. Its only other lines at INFO are about what it has learned of a source. Operators look
for these lines in the log of many runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from harvest_dagster.errors import SpoolError, SpoolUnreachable
from harvest_dagster.pipeline.context import HarvestContext
from harvest_dagster.pipeline.early_stop import find_stop_reason
from harvest_dagster.pipeline.steps.finish import summarize
from harvest_dagster.pipeline.steps.plan import find_covering_logs
from harvest_dagster.spool import FetchSummary
from harvest_dagster.storage.harvest_log import coverage_rule, queries
from harvest_dagster.storage.harvest_log.queries import HarvestLog
from harvest_dagster.storage.tables import EVIDENCE
from harvest_dagster.windows import Window, subtract

_ENDED = ("SUCCEEDED", "FAILED", "CANCELLED")


def window_line(harvest: HarvestContext, log: HarvestLog) -> str:
    """Return the line of a window that has ended."""
    result = f"{log.status.lower()} after {_number(_pages(harvest, log), 'page')}"
    return f"{harvest.config.label} {log.window}: {_numbers([log])}; " + (
        _completeness([log]) if log.status == "SUCCEEDED" else result
    )


def log_run(harvest: HarvestContext, log_ids: Sequence[int]) -> None:
    """Log the line of a run that has harvested these windows."""
    with harvest.run.database.read() as connection:
        logs = [queries.get_log(connection, log_id) for log_id in log_ids]
    harvest.logger.info(run_line(harvest, logs))


def log_failed_run(harvest: HarvestContext, wanted: Window) -> None:
    """Log the line of a failed run after its last window, or when it stops early. Dagster skips the op `finish` then.

    Args:
        harvest: the harvest.
        wanted: the range of the run.
    """
    with harvest.run.database.read() as connection:
        if not queries.count_failed_windows(connection, harvest.config_id, harvest.run.id):
            return
        found = queries.find_by_run(connection, harvest.config_id, harvest.run.id)
        logs = [log for log in found if log.status in _ENDED]
    covered = coverage_rule.covered_windows(find_covering_logs(harvest, wanted))
    if find_stop_reason(harvest) is not None:
        harvest.logger.info(f"{run_line(harvest, logs)}; the run stops early")
    elif not any(subtract(wanted, [*covered, *(log.window for log in logs)])):
        harvest.logger.info(run_line(harvest, logs))


def run_line(harvest: HarvestContext, logs: Sequence[HarvestLog]) -> str:
    """Return the line of a run that has ended.

    Args:
        harvest: the harvest.
        logs: the logs of its windows; none if the run had nothing to do.
    """
    if not logs:
        return f"{harvest.config.label}: nothing to do, the whole range is covered"
    windows = _number(len(logs), "window")
    failed = [log for log in logs if log.status != "SUCCEEDED"]
    return f"{harvest.config.label}: {windows}, {_numbers(logs)}; " + (
        f"{len(failed)} of {windows} failed" if failed else _completeness(logs)
    )


def stop_reason(harvest: HarvestContext, log: HarvestLog) -> str:
    """Return where a cancelled run stopped in a window, and where the next run continues."""
    pages, stored, summary = _pages(harvest, log), log.pages_stored, _fetch_summary(harvest, log)
    if summary is not None:
        return (
            f"the run was cancelled after {stored} of the {pages} pages of {log.window} were stored. "
            "The next run continues there."
        )
    if pages:
        return f"the run was cancelled after page {pages} of {log.window}. The next run continues there."
    return f"the run was cancelled before the first page of {log.window}. The next run starts there."


def _numbers(logs: Sequence[HarvestLog]) -> str:
    summary = summarize(logs)
    counts = summary.counts
    numbers = [
        _number(counts.records, "record"),
        f"{counts.new_identifiers} new",
        f"{counts.changed} changed",
        f"{counts.deleted} deleted",
        *([f"{counts.quarantined} invalid"] if counts.quarantined else []),
        _number(counts.pages, "page"),
        _number(counts.requests, "request"),
        f"{summary.seconds:.1f} s",
    ]
    return ", ".join(numbers)


def _completeness(logs: Sequence[HarvestLog]) -> str:
    found = {log.evidence for log in logs}
    evidence = [kind for kind in EVIDENCE if kind in found]
    return f"{summarize(logs).completeness}, evidence: {', '.join(evidence)}"


def _number(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _pages(harvest: HarvestContext, log: HarvestLog) -> int:
    """Return the number of fetched pages; 0 if the spool cannot be read."""
    with suppress(SpoolError, SpoolUnreachable):
        return harvest.attempt(log).page_count()
    return 0


def _fetch_summary(harvest: HarvestContext, log: HarvestLog) -> FetchSummary | None:
    """Return the summary of the fetch step; None if it has not ended."""
    with suppress(SpoolError, SpoolUnreachable):
        return harvest.attempt(log).read_summary()
    return None
