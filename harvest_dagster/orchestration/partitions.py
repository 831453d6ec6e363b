"""Partitions: the UTC days of a source, and the window a run has chosen among them."""

from datetime import date, datetime, timezone

import dagster as dg

from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.errors import BadParameters
from harvest_dagster.orchestration.config import StepConfig
from harvest_dagster.pipeline.harvest import narrow
from harvest_dagster.windows import Window


def daily(config: IngestConfig) -> dg.DailyPartitionsDefinition:
    """The days of a source, from its `earliest_date` to yesterday: today has not ended yet."""
    return dg.DailyPartitionsDefinition(start_date=config.earliest_date.isoformat(), timezone="UTC")


def wanted_window(context: dg.OpExecutionContext, config: StepConfig) -> Window:
    """What this run is to harvest: its partitions, narrowed, or the two instants of an ad hoc job.

    Raises:
        BadParameters: `start_date` or `end_date` reach beyond the partitions, or these beyond the source's.
    """
    if of_partitions(context):
        _refuse_other_days(context)
        return narrow(chosen_window(context), config.start, config.end)
    if config.start is None or config.end is None:
        message = "give start_date and end_date, or choose partitions"
        raise BadParameters(message)
    return Window(config.start, config.end)


def of_partitions(context: dg.OpExecutionContext) -> bool:
    """Whether partitions were chosen, and not two instants; Dagster tells one partition from a range of them."""
    return context.has_partition_key or context.has_partition_key_range


def _refuse_other_days(context: dg.OpExecutionContext) -> None:
    """A range given by tags is not held against the asset's partitions before its last op, by Dagster."""
    known = context.assets_def.partitions_def
    keys = context.partition_key_range
    if keys.end < keys.start:
        message = (
            f"the partitions chosen end before they start: {keys.start}...{keys.end}. Swap the two days."
        )
        raise BadParameters(message)
    for day in (keys.start, keys.end):
        if known is not None and not known.has_partition_key(day):
            message = (
                f"{day} is no partition of {context.assets_def.key.to_user_string()}: they go from "
                f"{known.get_first_partition_key()}, its earliest_date, to {known.get_last_partition_key()}, "
                "yesterday. Choose days within, or set earliest_date in its YAML."
            )
            raise BadParameters(message)


def chosen_window(context: dg.OpExecutionContext | dg.AssetExecutionContext) -> Window:
    """The partitions of this run, from the start of the first to the end of the last."""
    chosen = context.partition_time_window
    return Window(_utc(chosen.start), _utc(chosen.end))


def chosen_days(context: dg.OpExecutionContext | dg.AssetExecutionContext) -> tuple[date, date]:
    """First and last partition of this run."""
    keys = context.partition_key_range
    return date.fromisoformat(keys.start), date.fromisoformat(keys.end)


def _utc(instant: datetime) -> datetime:
    return instant.astimezone(timezone.utc)
