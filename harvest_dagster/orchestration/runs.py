"""What Dagster's own record says of runs: who runs now, and how another one ended."""

import dagster as dg

from harvest_dagster.pipeline.harvest import Fate, Runner
from harvest_dagster.processes import this_process

_OVER = {
    dg.DagsterRunStatus.SUCCESS: Fate("FAILED", "its run succeeded, yet left this log STARTED"),
    dg.DagsterRunStatus.FAILURE: Fate("FAILED", "its run failed"),
    dg.DagsterRunStatus.CANCELED: Fate("CANCELLED", "its run was cancelled"),
}


def runner(context: dg.OpExecutionContext | dg.AssetExecutionContext) -> Runner:
    """The run and the process at work, and what this instance knows of others."""
    instance = context.instance
    return Runner(
        run_id=context.run_id,
        process=this_process(),
        fate=lambda run_id: fate(instance, run_id),
        knows=lambda run_id: instance.get_run_by_id(run_id) is not None,
    )


def fate(instance: dg.DagsterInstance, run_id: str) -> Fate | None:
    """How a run ended; None while it goes on, or where this instance does not know it."""
    run = instance.get_run_by_id(run_id)
    return None if run is None else _OVER.get(run.status)
