"""What Dagster's own record says of runs: who runs now, how another one ended, and what they did at which log."""

from dataclasses import dataclass
from datetime import datetime

import dagster as dg

from harvest_dagster.pipeline.harvest import Fate, Runner, Runs
from harvest_dagster.processes import this_process
from harvest_dagster.storage import harvest_tries
from harvest_dagster.storage.engine import Database
from harvest_dagster.storage.harvest_tries import Try
from harvest_dagster.windows import Window, format_instant

_STATUS = {
    dg.DagsterRunStatus.SUCCESS: "FAILED",  # it left the log STARTED all the same
    dg.DagsterRunStatus.FAILURE: "FAILED",
    dg.DagsterRunStatus.CANCELED: "CANCELLED",
}
_ENDS = (dg.DagsterEventType.RUN_FAILURE, dg.DagsterEventType.RUN_CANCELED, dg.DagsterEventType.RUN_SUCCESS)


@dataclass(frozen=True)
class RunTry:
    """What one run did at one window, from the harvest's own tables and from Dagster's history.

    Attributes:
        harvest_log_id: the window's log.
        run_id: the run.
        status: of the log under that run: STARTED, SUCCEEDED, FAILED or CANCELLED.
        started: when the run took the window up.
        ended: when it was done with it; None while it is not.
        error: why it failed, None where it did not.
        run_status: Dagster's own, such as FAILURE; None where its history knows the run no longer.
        retries: how often an op of the run was tried again.
    """

    harvest_log_id: int
    run_id: str
    status: str
    started: datetime
    ended: datetime | None
    error: str | None
    run_status: str | None
    retries: int


def tries(
    database: Database,
    instance: dg.DagsterInstance,
    *,
    log_id: int | None = None,
    run_id: str | None = None,
) -> list[RunTry]:
    """Every try at a window's log, or at all the windows of a run, in order.

    Raises:
        ValueError: neither a log nor a run is named, or both are.
    """
    with database.read() as connection:
        if log_id is not None and run_id is None:
            found = harvest_tries.of_log(connection, log_id)
        elif run_id is not None and log_id is None:
            found = harvest_tries.of_run(connection, run_id)
        else:
            message = "name either a log or a run"
            raise ValueError(message)
    return [_run_try(instance, one) for one in found]


def tag_run(
    context: dg.OpExecutionContext,
    *,
    label: str | None = None,
    window: Window | None = None,
    log_id: int | None = None,
) -> None:
    """Tag the run with what it harvests, so that the UI filters by it; of several windows with the range's log."""
    tags = {"harvest/label": label, "harvest/log_id": log_id}
    if window is not None:
        tags["harvest/window"] = f"{format_instant(window.start)}/{format_instant(window.end)}"
    given = {name: str(value) for name, value in tags.items() if value is not None}
    if given:
        context.instance.add_run_tags(context.run_id, given)


def runner(context: dg.OpExecutionContext | dg.AssetExecutionContext) -> Runner:
    """The run and the process at work, and what this instance knows of others."""
    return Runner(context.run.run_id, this_process(), runs_of(context.instance))


def runs_of(instance: dg.DagsterInstance) -> Runs:
    """What this instance knows of its runs."""
    return Runs(
        fate=lambda run_id: _fate(instance, run_id),
        last_word=lambda run_id: _last_word(instance, run_id),
    )


def _fate(instance: dg.DagsterInstance, run_id: str) -> Fate | None:
    run = instance.get_run_by_id(run_id)
    if run is None or run.status not in _STATUS:
        return None
    return Fate(_STATUS[run.status], f"{run.status.value}: {_end_of(instance, run_id)}")


def _end_of(instance: dg.DagsterInstance, run_id: str) -> str:
    """Dagster's last event of a run that is over, in one line; of one whose end says nothing, what it said last."""
    ends = [entry for entry in instance.all_logs(run_id, of_type=set(_ENDS)) if entry.user_message]
    said = ends or [entry for entry in instance.all_logs(run_id) if entry.user_message]
    return " ".join(said[-1].user_message.split()) if said else "no reason on record"


def _last_word(instance: dg.DagsterInstance, run_id: str) -> str:
    gone = "its process is gone without a word: killed, or out of memory"
    run = instance.get_run_by_id(run_id)
    if run is None:
        return f"{gone}; Dagster has no record of the run"
    said = [entry for entry in instance.all_logs(run_id) if entry.user_message]
    last = f", and heard last: {' '.join(said[-1].user_message.split())}" if said else ""
    return f"{gone}; Dagster still says {run.status.value}{last}"


def _run_try(instance: dg.DagsterInstance, one: Try) -> RunTry:
    run = instance.get_run_by_id(one.run_id)
    retried = instance.all_logs(one.run_id, of_type=dg.DagsterEventType.STEP_UP_FOR_RETRY) if run else []
    return RunTry(
        harvest_log_id=one.harvest_log_id,
        run_id=one.run_id,
        status=one.status,
        started=one.date_started,
        ended=one.date_completed,
        error=one.error,
        run_status=run.status.value if run else None,
        retries=len(retried),
    )
