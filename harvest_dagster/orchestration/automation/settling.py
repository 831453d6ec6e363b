"""Logs that dead runs left STARTED are ended."""

import dagster as dg

from harvest_dagster.orchestration.resources import Stores
from harvest_dagster.orchestration.runs import runs_of
from harvest_dagster.orchestration.step import utc_now
from harvest_dagster.pipeline.settle import Settled, settle


def _settle(instance: dg.DagsterInstance, stores: Stores) -> list[Settled]:
    return settle(stores.database(), runs_of(instance), utc_now)


@dg.sensor(
    name="settle_logs",
    description="Ends harvest logs that say STARTED though their run is over or gone.",
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def settle_logs(context: dg.SensorEvaluationContext, stores: Stores) -> dg.SkipReason:
    """For runs whose process is gone: Dagster says nothing of them until its run monitoring does."""
    settled = _settle(context.instance, stores)
    return dg.SkipReason("\n".join(map(str, settled)) or "no log was left STARTED")


@dg.run_failure_sensor(
    name="settle_logs_of_failed_runs",
    description="Ends the harvest logs of a run as soon as it has failed.",
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def settle_logs_of_failed_runs(context: dg.RunFailureSensorContext, stores: Stores) -> None:
    """A log that its own run has ended is left alone."""
    for one in _settle(context.instance, stores):
        context.log.info(str(one))


@dg.run_status_sensor(
    name="settle_logs_of_cancelled_runs",
    description="Ends the harvest logs of a run as soon as it was cancelled.",
    run_status=dg.DagsterRunStatus.CANCELED,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def settle_logs_of_cancelled_runs(context: dg.RunStatusSensorContext, stores: Stores) -> None:
    """As for failed ones."""
    for one in _settle(context.instance, stores):
        context.log.info(str(one))
