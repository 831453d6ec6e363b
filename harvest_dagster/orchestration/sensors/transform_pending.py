"""The sensor `transform_pending`: request runs of the transform assets for PENDING ingest logs."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date

import dagster as dg
from sqlalchemy import Connection

from harvest_dagster.catalog.loader import Catalog
from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.coverage.day_range import DayRange
from harvest_dagster.coverage.source_overview import SourceOverview
from harvest_dagster.coverage.transform_batches import TransformBatch, transform_batches
from harvest_dagster.orchestration.asset_keys import AssetKeys, keys_of
from harvest_dagster.orchestration.renamed_sources import rename_sources
from harvest_dagster.orchestration.resources import Stores
from harvest_dagster.orchestration.sensors import run_requests
from harvest_dagster.orchestration.sensors.active_runs import ActiveRuns
from harvest_dagster.orchestration.sensors.changed_transformers import requeue_changed_transformers
from harvest_dagster.orchestration.sensors.per_source import evaluate_each
from harvest_dagster.orchestration.sensors.retry_ledger import RetryLedger
from harvest_dagster.storage.harvest_log import overview
from harvest_dagster.storage.harvest_log.overview import PendingDay
from harvest_dagster.windows import DAY, subtract, utc_now


@dg.sensor(
    name="transform_pending",
    description="Transforms the data that harvests left PENDING. Repeats what fails after a growing pause.",
    asset_selection=dg.AssetSelection.all(),
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def transform_pending(
    context: dg.SensorEvaluationContext, harvest_stores: Stores, harvest_catalog: dg.ResourceParam[Catalog]
) -> dg.SensorResult:
    """Request a run for each batch. Data stay PENDING until a run takes them, so nothing is lost without a daemon."""
    now, ledger, keys = utc_now(), RetryLedger.read(context.cursor), keys_of(harvest_catalog)
    # Runs first, then data: a run that ends between the two reads still counts as active, and is not requested again.
    active = ActiveRuns.read(context.instance, keys, context.repository_def)
    database = harvest_stores.database()
    rename_sources(database, harvest_catalog.configs, context.log)
    versions = requeue_changed_transformers(database, harvest_catalog.configs, now, context.log)
    with database.read() as connection:
        pending = _pending_days(connection)
        if not pending:
            return dg.SensorResult(skip_reason="nothing waits for a transform", cursor=str(RetryLedger()))
        sources = SourceOverview.read_coverage(connection, now, pending)
    earliest = {config.label: config.earliest_date for config in harvest_catalog.configs}
    ledger.keep(
        {
            label: [
                DayRange(day, day) for day in {max(one.day, earliest.get(label, date.min)) for one in days}
            ]
            for label, days in pending.items()
        }
    )
    configs = [config for config in harvest_catalog.configs if config.transformer and config.label in pending]
    requests: list[dg.RunRequest] = []
    for config, batches in evaluate_each(
        context.log, configs, lambda c: _due_batches(c, pending[c.label], sources, active, versions)
    ):
        for batch in batches:
            is_due = ledger.may_request(config.label, batch.days, now, since=batch.first_pending)
            if is_due and len(requests) < run_requests.RUNS_PER_TICK:
                tries = ledger.record(config.label, batch.days, now, since=batch.first_pending)
                requests.append(_request(config.label, batch, tries, keys))
        if len(requests) == run_requests.RUNS_PER_TICK:
            break
    reason = (
        f"{len(configs)} sources have pending data, which active runs process or which wait after a failure"
    )
    return dg.SensorResult(
        run_requests=requests, skip_reason=None if requests else reason, cursor=str(ledger)
    )


def _pending_days(connection: Connection) -> dict[str, list[PendingDay]]:
    """Return the pending days of each source, by label."""
    by_id: dict[int, list[PendingDay]] = {}
    for day in overview.find_pending_days(connection):
        by_id.setdefault(day.ingest_config_id, []).append(day)
    ids = overview.find_config_ids(connection) if by_id else {}
    return {label: by_id[config_id] for label, config_id in ids.items() if config_id in by_id}


def _due_batches(
    config: IngestConfig,
    pending: Sequence[PendingDay],
    sources: SourceOverview,
    active: ActiveRuns,
    versions: Mapping[str, int],
) -> list[TransformBatch]:
    """Return batches of the days that no active run processes. Leave out data of a newer transformer version.

    Data from before the first partition are transformed with the first partition. They exist if `earliest_date` was
    raised after they were harvested. Data of a day that has not ended wait until it is a partition.
    """
    version = versions[config.label]
    active_days = active.days_of("transformed", config.label)
    partitions = DayRange(config.earliest_date, sources.now.date() - DAY)
    due = [
        one
        for one in (replace(one, day=max(one.day, config.earliest_date)) for one in pending)
        if one.day in partitions
        and one.transformer_version <= version
        and not any(one.day in days for days in active_days)
    ]
    # A batch must not extend over days that an active run processes.
    free = [
        part
        for window in sources.covered_windows(config)
        for part in subtract(window, [days.window for days in active_days])
    ]
    return transform_batches(sorted(due, key=lambda one: one.day), free)


def _request(label: str, batch: TransformBatch, tries: int, keys: AssetKeys) -> dg.RunRequest:
    return run_requests.run_request(
        label,
        ["transformed"],
        batch.days,
        keys=keys,
        run_key=f"{label} {batch.days} since {batch.last_pending.isoformat()} try {tries}",
        priority=run_requests.TRANSFORM,
    )
