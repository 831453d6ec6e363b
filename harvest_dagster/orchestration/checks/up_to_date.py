"""The asset check `up_to_date` of each harvest asset: up to which instant the source is complete, what is missing.

A day that Dagster shows as materialized was requested once. If the harvest database has no harvest of it, because the
database was restored from an older backup, the day is missing, wherever it lies.

A harvest run evaluates the check, and people can run it in the UI. While no run is active, the sensor
`report_source_status` evaluates it with `evaluation_of`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import dagster as dg

from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.coverage.day_range import DayRange, merge
from harvest_dagster.coverage.lag import LagHistogram, describe_lag, habit_change, lookback_warning
from harvest_dagster.coverage.source_overview import SourceOverview
from harvest_dagster.coverage.source_status import SourceStatus
from harvest_dagster.orchestration.asset_keys import AssetKeys
from harvest_dagster.orchestration.op_templates import build_check, catalog_of, stores_of
from harvest_dagster.orchestration.reports.day_differences import find_lost_days
from harvest_dagster.storage.database import Database
from harvest_dagster.windows import format_instant, utc_now

CHECK = "up_to_date"
_DESCRIPTION = (
    "Is every day harvested that was requested or scheduled? Shows up to which instant the source is complete, and "
    "which days are missing."
)
_MOST_LISTED = 20
_LAST_HARVEST = "last_harvest"
_LAG, _HABIT, _SHORT_LOOKBACK = "records_come", "habit_changed", "lookback_too_short"
_OF_EACH_RUN = (_LAST_HARVEST, _LAG, _HABIT, _SHORT_LOOKBACK)


def up_to_date(config: IngestConfig, keys: AssetKeys) -> dg.AssetChecksDefinition:
    """Return the check of one source."""
    label, key = config.label, keys.key_of("raw", config.label)

    def check(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        source = catalog_of(context).get(label)
        status, lags = _read(context.instance, stores_of(context).database(), source, key)
        return dg.AssetCheckResult(**_result(status, dict(_lag_metadata(source, lags))))

    return build_check(key, CHECK, _DESCRIPTION, check)


def evaluation_of(
    key: dg.AssetKey, config: IngestConfig, status: SourceStatus, lags: LagHistogram
) -> dg.AssetCheckEvaluation:
    """Return the check's evaluation for a status, for code that evaluates the check outside of a run."""
    result = _result(status, dict(_lag_metadata(config, lags)))
    return dg.AssetCheckEvaluation(asset_key=key, check_name=CHECK, **result)


def read_evaluation(
    instance: dg.DagsterInstance, database: Database, config: IngestConfig, key: dg.AssetKey
) -> dg.AssetCheckEvaluation:
    """Return the check's evaluation of a source as it is now."""
    return evaluation_of(key, config, *_read(instance, database, config, key))


def with_lost_days(status: SourceStatus, lost: Sequence[DayRange]) -> SourceStatus:
    """Return a status in which the days that the harvest database has lost are missing, too."""
    return replace(status, missing=tuple(merge([*status.missing, *lost]))) if lost else status


def _read(
    instance: dg.DagsterInstance, database: Database, config: IngestConfig, key: dg.AssetKey
) -> tuple[SourceStatus, LagHistogram]:
    label = config.label
    with database.read() as connection:
        sources = SourceOverview.read(connection, utc_now(), [label]).with_lags(connection, [label])
    lost = find_lost_days(instance, key, database, sources, config)
    return with_lost_days(sources.status_of(config), lost), sources.lags_of(config)


def is_last_evaluation(
    instance: dg.DagsterInstance, evaluation: dg.AssetCheckEvaluation, *, without_any: bool = False
) -> bool:
    """Return whether the last evaluation of the check in this instance has the same content.

    Args:
        instance: the instance.
        evaluation: of any check that has no partitions.
        without_any: what to return if the check was never evaluated.
    """
    record = instance.get_latest_asset_check_evaluation_record(evaluation.asset_check_key)
    last = record.evaluation if record else None
    if not isinstance(last, dg.AssetCheckEvaluation):
        return without_any
    return _content(last) == _content(evaluation)


def _content(evaluation: dg.AssetCheckEvaluation) -> tuple[bool, str | None, dict[str, Any]]:
    """Return what an evaluation shows, without the numbers that change with every run."""
    values = {name: value.value for name, value in evaluation.metadata.items() if name not in _OF_EACH_RUN}
    return evaluation.passed, evaluation.description, values


def _result(status: SourceStatus, lags: Mapping[str, str]) -> dict[str, Any]:
    """Return the arguments that an AssetCheckResult and an AssetCheckEvaluation have in common."""
    return {
        "passed": status.is_complete,
        # As in the check `complete`: an error if something is missing.
        "severity": dg.AssetCheckSeverity.ERROR if status.missing else dg.AssetCheckSeverity.WARN,
        "description": describe_status(status),
        "metadata": {**dict(_metadata(status)), **lags},
    }


def describe_status(status: SourceStatus) -> str:
    """Return one sentence: up to when the source is complete, or what is missing."""
    if status.complete_until is None:
        sentence = (
            f"not yet harvested under version {status.new_version} of its harvester"
            if status.new_version
            else "never harvested"
        )
        return f"{sentence}; missing: {_list(status.missing)}" if status.missing else sentence
    if status.missing:
        days = "1 day is" if status.missing_days == 1 else f"{status.missing_days} days are"
        return f"{days} missing: {_list(status.missing)}"
    return f"complete up to {format_instant(status.complete_until)}"


def _metadata(status: SourceStatus) -> Iterator[tuple[str, Any]]:
    yield "missing_days", status.missing_days
    if status.missing:
        yield "missing", _list(status.missing)
    needs_backfill = [part for days in status.missing for part in days.subtract(status.repairable)]
    if needs_backfill:
        yield "needs_backfill", _list(needs_backfill)
    if status.first and status.complete_until and status.harvested_until:
        yield "complete_from", format_instant(status.first)
        yield "complete_until", format_instant(status.complete_until)
        yield "harvested_until", format_instant(status.harvested_until)
    if status.last_began:
        yield _LAST_HARVEST, dg.MetadataValue.timestamp(status.last_began)
    if status.before_first_harvest:
        yield "before_first_harvest", str(status.before_first_harvest)


def _lag_metadata(config: IngestConfig, lags: LagHistogram) -> Iterator[tuple[str, str]]:
    """Yield how late records come, a change of that, and why the `lookback` is too short."""
    if (lag := describe_lag(config, lags)) is not None:
        yield _LAG, lag
    if (change := habit_change(lags)) is not None:
        yield _HABIT, str(change)
    if (warning := lookback_warning(config, lags)) is not None:
        yield _SHORT_LOOKBACK, warning


def _list(gaps: Sequence[DayRange]) -> str:
    more = len(gaps) - _MOST_LISTED
    return ", ".join(map(str, gaps[:_MOST_LISTED])) + (f" and {more} more gaps" if more > 0 else "")
