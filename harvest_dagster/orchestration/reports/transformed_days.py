"""Report the transformed days of a failed run again that Dagster shows as failed although their transform succeeded.

A run of several sources fails if one of them fails. The op of a transform reports only days whose documents have
changed. Dagster shows the others as failed (`day_reports` does the same for raw data, in any failed run).
"""

from datetime import date

import dagster as dg

from harvest_dagster.catalog.loader import Catalog
from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.coverage.day_range import DayRange
from harvest_dagster.orchestration.asset_keys import SourceAsset
from harvest_dagster.orchestration.partitions import daily
from harvest_dagster.orchestration.reports.day_reports import REPORTED_TAGS, find_sources, last_reports


def report_transformed_days_of_failed_run(
    instance: dg.DagsterInstance, run: dg.DagsterRun, days: DayRange, catalog: Catalog
) -> list[str]:
    """Report the transformed days that Dagster shows as failed because of this run. Return one line for each asset.

    Args:
        instance: the instance.
        run: the run, which has failed.
        days: its partitions.
        catalog: all sources.
    """
    succeeded = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.STEP_SUCCESS)
    steps = {entry.step_key for entry in succeeded}
    lines = []
    for key, config in find_sources(instance, run, catalog, "transformed").items():
        if SourceAsset("transformed", config.label).op not in steps:
            continue
        if count := _report(instance, key, config, days):
            lines.append(f"{key.to_user_string()}: {count} finished days of the failed run reported again")
    return lines


def _report(instance: dg.DagsterInstance, key: dg.AssetKey, config: IngestConfig, days: DayRange) -> int:
    """Repeat the last report of each failed day. Return their number."""
    partitions = daily(config)
    keys = [day.isoformat() for day in days.window.days]
    states = instance.get_status_by_partition(key, keys, partitions) or {}
    failed = [
        date.fromisoformat(day) for day in keys if (state := states.get(day)) and state.value == "FAILED"
    ]
    reports = last_reports(instance, key, failed)
    for day, report in reports.items():
        instance.report_runless_asset_event(
            dg.AssetMaterialization(
                key,
                partition=day.isoformat(),
                metadata=report.metadata,
                tags={name: value for name, value in report.tags.items() if name.startswith(REPORTED_TAGS)},
            )
        )
    return len(reports)
