"""The sensors that close orphaned logs: logs that are still STARTED or RESCHEDULED although their run is over.

They also end runs that lost their process or host, keep the finished days of failed runs green, and apply what other
programs changed in harvest_log to the covered windows.
"""

from collections.abc import Collection
from datetime import timedelta

import dagster as dg

from harvest_dagster.catalog.loader import Catalog
from harvest_dagster.orchestration.reports.day_reports import report_days_of_failed_run
from harvest_dagster.orchestration.reports.failed_partitions import observe_days_of_ended_run
from harvest_dagster.orchestration.reports.transformed_days import report_transformed_days_of_failed_run
from harvest_dagster.orchestration.resources import Stores
from harvest_dagster.orchestration.runs.lost_runs import end_lost_runs, read_sightings, write_sightings
from harvest_dagster.orchestration.runs.run_history import run_history_of
from harvest_dagster.orchestration.sensors.active_runs import days_of_run
from harvest_dagster.pipeline.orphaned_logs import ClosedLog, close_logs_of_dead_runs
from harvest_dagster.storage.harvest_log.coverage_changes import apply_changes_of_others
from harvest_dagster.windows import utc_now


def _close(
    instance: dg.DagsterInstance, stores: Stores, spared: Collection[str] = frozenset()
) -> list[ClosedLog]:
    return close_logs_of_dead_runs(stores.database(), run_history_of(instance), utc_now, spared=spared)


@dg.sensor(
    name="close_orphaned_logs",
    description="Ends runs that lost their process or host. Closes harvest logs that are STARTED or RESCHEDULED "
    "although their run has ended or no longer exists.",
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def close_orphaned_logs(context: dg.SensorEvaluationContext, harvest_stores: Stores) -> dg.SkipReason:
    """End lost runs, and close their logs. Dagster itself does not notice that such a run has ended."""
    lost = end_lost_runs(
        context.instance,
        harvest_stores.database(),
        utc_now(),
        read_sightings(context.cursor),
        timedelta(seconds=harvest_stores.waiting.longest_start),
    )
    context.update_cursor(write_sightings(lost.sightings))
    closed = _close(context.instance, harvest_stores, lost.undecided)
    lines = [*lost.ended, *map(str, closed)]
    if changed := apply_changes_of_others(harvest_stores.database()):
        lines.append(
            f"another program changed logs of {changed} sources; their covered windows were corrected"
        )
    return dg.SkipReason("\n".join(lines) or "there is no orphaned log")


@dg.run_failure_sensor(
    name="close_orphaned_logs_of_failed_runs",
    description="Closes the harvest logs of a run as soon as the run has failed, and reports its finished days, which "
    "Dagster would show as failed.",
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def close_orphaned_logs_of_failed_runs(
    context: dg.RunFailureSensorContext, harvest_stores: Stores, harvest_catalog: dg.ResourceParam[Catalog]
) -> None:
    """Close logs at once. A log that its own run has closed stays as it is.

    A run that was killed could not report its finished days.
    """
    for closed in _close(context.instance, harvest_stores):
        context.log.info(str(closed))
    for line in report_days_of_failed_run(
        context.instance, context.dagster_run, harvest_stores.database(), harvest_catalog
    ):
        context.log.info(line)
    if (days := days_of_run(context.dagster_run.tags)) is not None:
        for line in report_transformed_days_of_failed_run(
            context.instance, context.dagster_run, days, harvest_catalog
        ):
            context.log.info(line)
    _show_reasons(context, harvest_stores, harvest_catalog)


@dg.run_status_sensor(
    name="close_orphaned_logs_of_cancelled_runs",
    description="Closes the harvest logs of a run as soon as the run was cancelled, and shows the reason on the pages "
    "of its days.",
    run_status=dg.DagsterRunStatus.CANCELED,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def close_orphaned_logs_of_cancelled_runs(
    context: dg.RunStatusSensorContext, harvest_stores: Stores, harvest_catalog: dg.ResourceParam[Catalog]
) -> None:
    """Close logs at once. A log that its own run has closed stays as it is.

    A run that was cancelled logs no event any more, so the sensor shows the reason on the pages of its days.
    """
    for closed in _close(context.instance, harvest_stores):
        context.log.info(str(closed))
    _show_reasons(context, harvest_stores, harvest_catalog)


def _show_reasons(context: dg.RunStatusSensorContext, stores: Stores, catalog: Catalog) -> None:
    """Show on the pages of the run's days why they are not harvested."""
    days = days_of_run(context.dagster_run.tags)
    if days is not None:
        for line in observe_days_of_ended_run(
            context.instance, context.dagster_run, days, stores.database(), catalog
        ):
            context.log.info(line)
