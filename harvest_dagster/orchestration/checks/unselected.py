"""The asset checks of a source in a run that has no ops for them.

The runs of the sensors select no asset checks, and a job that a user defines may not do so either. The op of a check
writes four events beside the one that has the result. The op `finish` evaluates the checks instead. Runs that people
launch have the ops (docs/decisions/0084-write-fewer-events-for-each-day.md).
"""

import dagster as dg

from harvest_dagster.errors import HarvestError
from harvest_dagster.orchestration.checks import complete, reconciled, up_to_date
from harvest_dagster.orchestration.partitions import has_partitions, partition_window
from harvest_dagster.pipeline.context import HarvestContext


def has_op(context: dg.OpExecutionContext, key: dg.AssetKey, check: str) -> bool:
    """Return whether the job of the run has the op of a check. `asset_check` derives its name from the asset's key."""
    return context.job_def.graph.has_node_named(f"{key.to_python_identifier()}_{check}")


def evaluate_unselected(context: dg.OpExecutionContext, harvest: HarvestContext, key: dg.AssetKey) -> None:
    """Evaluate the checks of the source that have no op in this run. A run without partitions is left to the sensors.

    Args:
        context: the op finish, after it has reported the days of the run.
        harvest: the harvest.
        key: the asset of the source's raw data.
    """
    if not has_partitions(context):
        return
    if not has_op(context, key, complete.CHECK):
        complete.check_window(context, harvest, partition_window(context))
    database, config = harvest.run.database, harvest.config
    try:
        if not has_op(context, key, up_to_date.CHECK):
            _log(context, up_to_date.read_evaluation(context.instance, database, config, key))
        # A harvest changes the result of `reconciled` only if it is a snapshot, which compares all identifiers.
        if not config.selective and not has_op(context, key, reconciled.CHECK):
            _log(context, reconciled.read_evaluation(database, config, key))
    except HarvestError as error:  # the result of the harvest is in the database
        context.log.warning(f"the asset checks could not be evaluated: {error}")


def _log(context: dg.OpExecutionContext, evaluation: dg.AssetCheckEvaluation) -> None:
    # `log_event` accepts an evaluation, but its annotation does not name it (Dagster 1.13).
    context.log_event(evaluation)  # type: ignore[arg-type]
