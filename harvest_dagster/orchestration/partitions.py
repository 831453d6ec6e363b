"""The partitions of a source, which are UTC days, and the window that a run harvests."""

from datetime import date, datetime, timezone
from functools import cache

import dagster as dg

from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.errors import BadParameters
from harvest_dagster.orchestration.config import StepConfig
from harvest_dagster.pipeline.context import narrow
from harvest_dagster.windows import Window


def daily(config: IngestConfig) -> dg.DailyPartitionsDefinition:
    """Return the days of a source from its `earliest_date` to yesterday. Today has not ended yet."""
    return daily_from(config.earliest_date)


@cache  # most sources of a catalog share few first days
def daily_from(first: date) -> dg.DailyPartitionsDefinition:
    """Return the days from `first` to yesterday."""
    return dg.DailyPartitionsDefinition(start_date=first.isoformat(), timezone="UTC")


def requested_window(context: dg.OpExecutionContext, config: StepConfig) -> Window:
    """Return the window that the run harvests: its partitions, which dates may narrow, or the dates of an ad hoc job.

    Raises:
        BadParameters: `start_date` or `end_date` is outside the partitions, or the partitions are not in the asset.
    """
    if has_partitions(context):
        _raise_if_not_partitions(context)
        return narrow(partition_window(context), config.start, config.end)
    if config.start is None or config.end is None:
        message = "give start_date and end_date, or select partitions"
        if context.run.parent_run_id is not None and context.has_assets_def:
            message = (
                f"this run has no partitions, unlike run {context.run.parent_run_id}, which it executes again. "
                "Give it the tags of that run."
            )
        raise BadParameters(message)
    return Window(config.start, config.end)


def has_partitions(context: dg.OpExecutionContext) -> bool:
    """Return whether the run has partitions. An ad hoc run has two instants instead."""
    return context.has_partition_key or context.has_partition_key_range


def _raise_if_not_partitions(context: dg.OpExecutionContext) -> None:
    """Raise BadParameters if the asset lacks a partition of the run. Dagster itself finds this only in the last op."""
    known = context.assets_def.partitions_def
    keys = context.partition_key_range
    if keys.end < keys.start:
        message = (
            f"the selected partitions end before they start: {keys.start}...{keys.end}. Swap the two days."
        )
        raise BadParameters(message)
    for day in (keys.start, keys.end):
        if known is not None and not known.has_partition_key(day):
            message = (
                f"{day} is not a partition of {context.assets_def.key.to_user_string()}. Its partitions are the days "
                f"from {known.get_first_partition_key()} (earliest_date) to {known.get_last_partition_key()} "
                "(yesterday). "
                "Select days within this range, or change earliest_date in the YAML of the source."
            )
            raise BadParameters(message)


def partition_window(context: dg.OpExecutionContext | dg.AssetExecutionContext) -> Window:
    """Return the window of the run's partitions, from the start of the first to the end of the last."""
    window = context.partition_time_window
    return Window(_utc(window.start), _utc(window.end))


def partition_days(context: dg.OpExecutionContext | dg.AssetExecutionContext) -> tuple[date, date]:
    """Return the first and the last partition of the run."""
    keys = context.partition_key_range
    return date.fromisoformat(keys.start), date.fromisoformat(keys.end)


def _utc(instant: datetime) -> datetime:
    return instant.astimezone(timezone.utc)
