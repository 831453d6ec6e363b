"""The windows that a run does not try with ops of their own: after an early stop, or executed again from a failure.

A run that is executed again from a failure does not run the op `plan` again. Dagster starts only the ops of windows
that the failed run had begun: it does not know the others. So the run finds its remaining windows in the harvest logs,
and one of its ops harvests them: the op `finish`, or the op of a window that fails, because Dagster skips `finish` then
(docs/failures.md#skipped-windows).
"""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any

from harvest_dagster.errors import (
    DatabaseUnreachable,
    HarvestError,
    LeaseHeld,
    LeaseLost,
    RetryLater,
    SpoolUnreachable,
)
from harvest_dagster.orchestration.checks.complete import check_done_window
from harvest_dagster.orchestration.op_context import OpContext, graph_of
from harvest_dagster.orchestration.partitions import has_partitions
from harvest_dagster.orchestration.reports import day_reports, metadata
from harvest_dagster.orchestration.reports.failed_partitions import observe_days_not_requested
from harvest_dagster.orchestration.runs.turns import has_ops
from harvest_dagster.pipeline import early_stop
from harvest_dagster.pipeline.report_lines import log_failed_run
from harvest_dagster.pipeline.run_window import STEPS, run_window
from harvest_dagster.pipeline.steps import plan
from harvest_dagster.storage.harvest_log.queries import HarvestLog
from harvest_dagster.windows import Window, whole_days

_BEFORE_LAUNCH = STEPS[: STEPS.index("launch")]
# After these errors, the run must not or cannot write, or it continues the window later. The window has not failed.
_NOT_THE_WINDOW = (LeaseHeld, LeaseLost, DatabaseUnreachable, RetryLater, SpoolUnreachable)


def launch_window(op: OpContext, log: HarvestLog) -> dict[str, Any]:
    """Launch and finish a window. Report its days and return what the op finish reports about it."""
    days = op.steps.launch(log)
    day_reports.report_window(op.context, op.harvest, op.steps.finish(log), days)
    check_done_window(op.context, op.harvest, log.window)
    log_failed_run(op.harvest, op.requested)
    samples = [sample.as_row() for day in sorted(days) for sample in days[day].samples]
    shown = samples[: metadata.MOST_SAMPLES_OF_RUN]
    window = whole_days(op.requested).intersection(log.window) or log.window  # that of a snapshot is longer
    return {"log_id": log.id, "days": metadata.counts_by_day(days, window), "sample": shown}


def harvest_unfinished_windows(op: OpContext) -> list[dict[str, Any]]:
    """Harvest the windows that this run and the failed run have not finished. Return a report for each of them.

    If this run is not executed again from a failure, there are none: Dagster has started the ops of all its windows.

    Raises:
        HarvestError: some of them failed; the others are harvested.
    """
    if not op.harvest.run.earlier_ids:
        return []
    return _harvest(op, plan.find_unfinished_windows(op.harvest, op.requested))


@contextmanager
def after_failed_window(op: OpContext) -> Generator[None, None, None]:
    """Decide after a failed window what happens with the windows that were not tried.

    If the run stops early, add them to the error. If not, and the run is executed again from a failure, harvest them:
    Dagster does not start the op `finish` of this run any more, and the next execution may fail at the same window.

    Raises:
        HarvestError: the run stops early, or other windows failed, too. The message names them.
    """
    try:
        yield
    except _NOT_THE_WINDOW:
        raise
    except Exception as error:
        try:
            _continue_after_failure(op)
        except HarvestError as more:
            _add_to_message(op, error, str(more))
        raise


def _continue_after_failure(op: OpContext) -> None:
    reason = early_stop.find_stop_reason(op.harvest)
    if reason is None and not op.harvest.run.earlier_ids:
        return  # Dagster starts the ops of the other windows
    untried = plan.find_untried_windows(op.harvest, op.requested)
    if reason is None:
        # The other windows have ops of their own in this run. Two ops must not harvest the same window.
        graph = graph_of(op.context, op.harvest.config.label)
        untried = [window for window in untried if not has_ops(op.context, graph, window)]
    if reason is not None and untried:
        raise _stop(op, reason, untried)
    _harvest(op, untried)


def _stop(op: OpContext, reason: str, untried: Sequence[Window]) -> HarvestError:
    """Return the error of a run that stops early. Show the reason on the pages of the days that it did not try."""
    if has_partitions(op.context):
        days = {day for window in untried for day in window.days}
        sentences = f"The run stops, because {reason}. The next run plans it again."
        observe_days_not_requested(op.context, op.asset_key, days, sentences)
    return HarvestError(early_stop.describe_stop(reason, untried))


def _add_to_message(op: OpContext, error: Exception, more: str) -> None:
    """Add sentences to an error. Its class stays, because it decides whether the op is retried."""
    op.context.log.error(more)
    if isinstance(error, HarvestError):
        error.args = (f"{error} {more}",)


def _harvest(op: OpContext, windows: Sequence[Window]) -> list[dict[str, Any]]:
    """Harvest windows one after the other, as Dagster does with windows that have ops. Return a report for each.

    Raises:
        HarvestError: windows failed; or the run stops early, and the message names the windows that it did not try.
    """
    reports: list[dict[str, Any]] = []
    failures: list[Exception] = []
    parent_id = plan.find_parent(op.harvest, op.requested)
    if windows:
        names = metadata.list_windows(windows)
        op.context.log.info(f"the failed run has not finished these windows; this run harvests them: {names}")
    for number, window in enumerate(windows):
        if (reason := early_stop.find_stop_reason(op.harvest)) is not None:
            failures.append(_stop(op, reason, windows[number:]))
            break
        with _append_failure(failures):
            report = _harvest_window(op, window, parent_id)
            if report is None:
                break  # the run has collected `limit` records
            reports.append(report)
    if failures:
        raise _failure(failures)
    return reports


@contextmanager
def _append_failure(failures: list[Exception]) -> Generator[None, None, None]:
    """Append the error of a window to the failures: it does not stop the other windows."""
    try:
        yield
    except _NOT_THE_WINDOW:
        raise
    except Exception as error:
        failures.append(error)


def _harvest_window(op: OpContext, window: Window, parent_id: int | None) -> dict[str, Any] | None:
    log = run_window(op.steps, window, parent_id=parent_id, steps=_BEFORE_LAUNCH)
    if log is None:
        return None
    with op.window(log.id) as current:
        return launch_window(op, current)


def _failure(failures: Sequence[Exception]) -> HarvestError:
    failure = HarvestError(" ".join(f"{type(error).__name__}: {error}" for error in failures))
    failure.transient = all(isinstance(error, HarvestError) and error.transient for error in failures)
    return failure
