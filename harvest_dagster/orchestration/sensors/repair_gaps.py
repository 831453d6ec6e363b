"""The sensor `repair_gaps`: harvest windows that failed, and days between harvested days that were never harvested.

The sensor finds gaps from coverage, not from the newest harvested day: docs/failures.md#watermark-hides-gap
"""

from collections.abc import Collection

import dagster as dg

from harvest_dagster.catalog.loader import Catalog
from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.coverage import day_range
from harvest_dagster.coverage.day_range import DayRange
from harvest_dagster.coverage.source_overview import SourceOverview
from harvest_dagster.orchestration.asset_keys import keys_of
from harvest_dagster.orchestration.renamed_sources import rename_sources
from harvest_dagster.orchestration.resources import Stores
from harvest_dagster.orchestration.sensors import run_requests
from harvest_dagster.orchestration.sensors.active_runs import ActiveRuns
from harvest_dagster.orchestration.sensors.per_source import evaluate_each
from harvest_dagster.orchestration.sensors.retry_ledger import RetryLedger
from harvest_dagster.pipeline.backoff import is_pause_over
from harvest_dagster.windows import utc_now


@dg.sensor(
    name="repair_gaps",
    description="Harvests windows that failed, and days between harvested days. Repeats what fails after a growing "
    "pause. Gaps of more than one year, and the days before the first harvest, need a backfill.",
    asset_selection=dg.AssetSelection.all(),
    minimum_interval_seconds=300,
    default_status=dg.DefaultSensorStatus.STOPPED,
)
def repair_gaps(
    context: dg.SensorEvaluationContext, harvest_stores: Stores, harvest_catalog: dg.ResourceParam[Catalog]
) -> dg.SensorResult:
    """Request a run for each gap. The check `up_to_date` of each source shows its gaps, even if this sensor is off."""
    ledger, keys = RetryLedger.read(context.cursor), keys_of(harvest_catalog)
    rename_sources(harvest_stores.database(), harvest_catalog.configs, context.log)
    with harvest_stores.database().read() as connection:
        sources = SourceOverview.read(connection, utc_now())
    enabled = [config for config in harvest_catalog.configs if not config.disabled]
    gaps = {
        config.label: status.repairable
        for config, status in evaluate_each(context.log, enabled, sources.status_of)
        if status.repairable
    }
    ledger.keep(gaps)
    active = ActiveRuns.read(context.instance, keys, context.repository_def) if gaps else ActiveRuns()
    requests: list[dg.RunRequest] = []
    # A run of a source that must not be asked now would only wait, and keep others from a place in the queue.
    with_gaps = [
        config
        for config in enabled
        if config.label in gaps and (config.hours is None or config.hours.is_open(sources.now))
    ]
    for config, due in evaluate_each(
        context.log, with_gaps, lambda c: _due_gaps(c, gaps[c.label], sources, active, ledger)
    ):
        for days in due[: run_requests.remaining_runs(len(requests))]:
            ledger.record(config.label, days, sources.now)
            key = f"{config.label} {days} at {sources.now:%Y-%m-%dT%H:%MZ}"
            requests.append(
                run_requests.harvest_request(
                    config, days, keys=keys, run_key=key, priority=run_requests.REPAIR
                )
            )
    reason = None if requests else _skip_reason(list(gaps))
    return dg.SensorResult(run_requests=requests, skip_reason=reason, cursor=str(ledger))


def _due_gaps(
    config: IngestConfig,
    gaps: Collection[DayRange],
    sources: SourceOverview,
    active: ActiveRuns,
    ledger: RetryLedger,
) -> list[DayRange]:
    """Return the parts of a source's gaps that no active run processes and whose pause is over."""
    processed = active.days_of("raw", config.label)
    if processed and not config.selective:
        return []  # the active run takes a snapshot of the whole source
    return [
        days
        for gap in gaps
        for days in gap.subtract(processed)
        if ledger.may_request(config.label, days, sources.now)
        and all(
            is_pause_over(sources.now, window.failed_runs, window.last_failure)
            for window in sources.failed_windows(config)
            if day_range.days_of(window.window).overlaps(days)
        )
    ]


def _skip_reason(labels: list[str]) -> str:
    if not labels:
        return "no source has a gap to repair"
    return (
        f"{len(labels)} sources have gaps, which active runs process or which wait after a failure or for `hours`: "
        f"{', '.join(labels[:20])}"
    )
