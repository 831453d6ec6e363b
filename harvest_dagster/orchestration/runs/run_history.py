"""Dagster's record of runs: the current run, how another run ended, and which windows each run worked on."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import dagster as dg

from harvest_dagster.orchestration.executor import is_single_process
from harvest_dagster.orchestration.resources import Stores
from harvest_dagster.orchestration.runs.monitoring import current_monitor
from harvest_dagster.pipeline.context import CurrentRun, RunHistory, RunOutcome
from harvest_dagster.processes import this_process
from harvest_dagster.storage.database import Database
from harvest_dagster.storage.harvest_log import run_attempts
from harvest_dagster.storage.harvest_log.run_attempts import RunAttempt
from harvest_dagster.windows import Window, format_instant, utc_now

_STATUS = {
    dg.DagsterRunStatus.SUCCESS: "FAILED",  # the run succeeded in Dagster, but it left its log STARTED
    dg.DagsterRunStatus.FAILURE: "FAILED",
    dg.DagsterRunStatus.CANCELED: "CANCELLED",
}
_ENDS = (dg.DagsterEventType.RUN_FAILURE, dg.DagsterEventType.RUN_CANCELED, dg.DagsterEventType.RUN_SUCCESS)


@dataclass(frozen=True)
class WindowRunRecord:
    """The work of one run on one window, from the harvest database and from Dagster's record.

    Attributes:
        harvest_log_id: the log of the window.
        run_id: the run.
        status: the status that the run gave to the log: STARTED, SUCCEEDED, FAILED or CANCELLED.
        started: when the run began to work on the window.
        ended: when the run finished its work on the window; None while it works.
        error: why the run failed; None if it did not fail.
        run_status: the status of the run in Dagster, such as FAILURE; None if Dagster no longer knows the run.
        retries: how many times Dagster retried an op of the run.
    """

    harvest_log_id: int
    run_id: str
    status: str
    started: datetime
    ended: datetime | None
    error: str | None
    run_status: str | None
    retries: int


def window_run_records(
    database: Database,
    instance: dg.DagsterInstance,
    *,
    log_id: int | None = None,
    run_id: str | None = None,
) -> list[WindowRunRecord]:
    """Return the work of all runs on one log, or of one run on all its windows, in order.

    Raises:
        ValueError: neither `log_id` nor `run_id` is given, or both are.
    """
    with database.read() as connection:
        if log_id is not None and run_id is None:
            found = run_attempts.find_by_log(connection, log_id)
        elif run_id is not None and log_id is None:
            found = run_attempts.find_by_run(connection, run_id)
        else:
            message = "give either log_id or run_id"
            raise ValueError(message)
    return [_window_run(instance, attempt) for attempt in found]


def tag_run(
    context: dg.OpExecutionContext,
    *,
    label: str | None = None,
    window: Window | None = None,
    log_id: int | None = None,
) -> None:
    """Tag the run with its source, window and log, so that the UI can filter runs by them.

    A run of several sources gets only the window: a tag has one value.

    Args:
        context: an op of the run.
        label: the source.
        window: the range that the run harvests.
        log_id: the log of the range. If the range has several windows, this is the log with status SPLIT.
    """
    values = {} if is_shared(context) else {"harvest/label": label, "harvest/log_id": log_id}
    if window is not None:
        values["harvest/window"] = f"{format_instant(window.start)}/{format_instant(window.end)}"
    tags = {
        name: str(value)
        for name, value in values.items()
        if value is not None and context.run.tags.get(name) != str(value)
    }
    if tags:
        context.instance.add_run_tags(context.run_id, tags)


def is_shared(context: dg.OpExecutionContext) -> bool:
    """Return whether the run harvests several sources.

    The nodes of the job are the graphs of the raw data, the ops of the transforms, and those of the asset checks, whose
    names also begin with the name of the asset.
    """
    job = context.job_def.graph
    nodes = map(job.node_named, job.node_names())
    graphs = [node for node in nodes if isinstance(node.definition, dg.GraphDefinition)]
    return len(graphs) > 1


def current_run(context: dg.OpExecutionContext | dg.AssetExecutionContext, stores: Stores) -> CurrentRun:
    """Return the current run, with its stores, its log and the outcomes of other runs."""
    monitor = current_monitor()
    monitor.begin_run(context.run.run_id)
    stores.report_run(context.run.run_id)
    return CurrentRun(
        id=context.run.run_id,
        process=this_process(),
        history=run_history_of(context.instance),
        database=stores.database(),
        spool=stores.spool(),
        clock=utc_now,
        logger=context.log,
        earlier_ids=_earlier_ids(context.instance, context.run),
        monitor=monitor,
        single_process=is_single_process(context.job_def.executor_def, context.run.run_config),
        longest_start=timedelta(seconds=stores.waiting.longest_start),
    )


def _earlier_ids(instance: dg.DagsterInstance, run: dg.DagsterRun) -> tuple[str, ...]:
    """Return the ids of the runs that a run executes again, the newest first."""
    ids: list[str] = []
    parent_id = run.parent_run_id
    while parent_id is not None:
        ids.append(parent_id)
        parent = instance.get_run_by_id(parent_id)
        parent_id = parent.parent_run_id if parent else None
    return tuple(ids)


def run_history_of(instance: dg.DagsterInstance) -> RunHistory:
    """Return access to the outcomes of the runs of an instance."""
    return RunHistory(
        outcome=lambda run_id: _outcome(instance, run_id),
        last_known_state=lambda run_id: _last_known_state(instance, run_id),
    )


def _outcome(instance: dg.DagsterInstance, run_id: str) -> RunOutcome | None:
    run = instance.get_run_by_id(run_id)
    if run is None or run.status not in _STATUS:
        return None
    return RunOutcome(_STATUS[run.status], f"{run.status.value}: {_end_of(instance, run_id)}")


def _end_of(instance: dg.DagsterInstance, run_id: str) -> str:
    """Return the message of the event that ended a run, or its last message if that event has none, in one line."""
    end = _last_message(instance, run_id, of_type=set(_ENDS))
    return end or _last_message(instance, run_id) or "Dagster has no record of the reason"


def _last_message(
    instance: dg.DagsterInstance, run_id: str, of_type: set[dg.DagsterEventType] | None = None
) -> str:
    """Return the last message of a run in one line, or an empty text."""
    messages = [entry.user_message for entry in instance.all_logs(run_id, of_type=of_type)]
    return next((" ".join(message.split()) for message in reversed(messages) if message), "")


def _last_known_state(instance: dg.DagsterInstance, run_id: str) -> str:
    ended = "its process ended without a report: it was killed, or it ran out of memory"
    run = instance.get_run_by_id(run_id)
    if run is None:
        return f"{ended}; Dagster has no record of the run"
    last = _last_message(instance, run_id)
    return f"{ended}; Dagster still reports {run.status.value}" + (
        f", and its last message is: {last}" if last else ""
    )


def _window_run(instance: dg.DagsterInstance, attempt: RunAttempt) -> WindowRunRecord:
    run = instance.get_run_by_id(attempt.run_id)
    retried = instance.all_logs(attempt.run_id, of_type=dg.DagsterEventType.STEP_UP_FOR_RETRY) if run else []
    return WindowRunRecord(
        harvest_log_id=attempt.harvest_log_id,
        run_id=attempt.run_id,
        status=attempt.status,
        started=attempt.date_started,
        ended=attempt.date_completed,
        error=attempt.error,
        run_status=run.status.value if run else None,
        retries=len(retried),
    )
