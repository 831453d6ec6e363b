"""Shows on the page of a partition why it failed, or why a run did not request it.

Dagster's page of a partition shows its events. A failed run adds none, so the page said only that the run failed, and
the reason was in the log of a run with hundreds of partitions. An observation is an event that does not turn the
partition green, and wakes no downstream asset. Dagster 1.13 shows it under "View all historical events", and, if the
partition was harvested before, among the metadata.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import date
from typing import Any, Protocol

import dagster as dg

from harvest_dagster.catalog.loader import Catalog
from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.coverage.day_range import DayRange
from harvest_dagster.coverage.day_status import DayStatus, day_statuses
from harvest_dagster.coverage.intervals import FAILED, MISSING
from harvest_dagster.coverage.scopes import log_scope
from harvest_dagster.orchestration.reports.day_reports import find_sources
from harvest_dagster.storage import ingest_configs
from harvest_dagster.storage.database import Database
from harvest_dagster.storage.harvest_log.queries import HarvestLog
from harvest_dagster.texts import escape_controls, first_line

_LONGEST_ERROR = 1000  # characters
_MOST_DAYS = 400  # that a run has not requested; an event costs 10 ms
_RECORDS_PER_QUERY = 500
_RUN = "run"
_NOT_REQUESTED = "This day was not requested."


class EventLog(Protocol):
    """Takes events: the context of an op, or an instance for events outside of a run."""

    def log_event(self, event: dg.AssetObservation, /) -> None: ...  # noqa: D102


def observe_failed_days(
    context: dg.OpExecutionContext, key: dg.AssetKey, statuses: Iterable[DayStatus]
) -> None:
    """Log an observation for each failed day, with the reason.

    Args:
        context: an op of the run that failed.
        key: the asset of the source's raw data.
        statuses: days of the run. Days that are not failed are left out.
    """
    for status in statuses:
        if status.state == FAILED:
            context.log_event(_observation(key, status))


def observe_days_not_requested(events: EventLog, key: dg.AssetKey, days: Iterable[date], reason: str) -> None:
    """Log an observation for each day that a run has not requested, with the reason. At most 400 days have one.

    Args:
        events: an op of the run.
        key: the asset of the source's raw data.
        days: days that no harvest covers.
        reason: one or more sentences, without secrets.
    """
    shown = escape_controls(first_line(reason))[:_LONGEST_ERROR]
    for day in sorted(days)[:_MOST_DAYS]:
        events.log_event(
            dg.AssetObservation(
                key,
                partition=day.isoformat(),
                description=f"{_NOT_REQUESTED} {shown}",
                metadata={"error": shown},
            )
        )


def observe_days_of_ended_run(
    instance: dg.DagsterInstance, run: dg.DagsterRun, days: DayRange, database: Database, catalog: Catalog
) -> list[str]:
    """Report an observation for each day of a run that was cancelled or killed. Return one line for each source.

    Such a run could not log them itself. Days that are harvested, and those that have an observation of the run, are
    left out.

    Args:
        instance: the instance.
        run: the run, which has ended.
        days: its partitions.
        database: the harvest database.
        catalog: all sources.
    """
    lines = []
    for key, config in find_sources(instance, run, catalog).items():
        open_days = [one for one in _statuses(database, config, days) if not one.is_harvested]
        known = _observed_days(instance, run, key, [status.day for status in open_days])
        shown = [status for status in open_days if status.day not in known][:_MOST_DAYS]
        for status in shown:
            instance.report_runless_asset_event(_observation_after_end(key, run, status))
        if shown:
            lines.append(f"{key.to_user_string()}: the reason is shown on {len(shown)} days of the run")
    return lines


def _statuses(database: Database, config: IngestConfig, days: DayRange) -> list[DayStatus]:
    with database.read() as connection:
        config_id = ingest_configs.find_id(connection, config.label)
        if config_id is None:
            return [DayStatus(day, MISSING) for day in days.window.days]
        return day_statuses(connection, log_scope(config, config_id), days.window)


def _observed_days(
    instance: dg.DagsterInstance, run: dg.DagsterRun, key: dg.AssetKey, days: Collection[date]
) -> set[date]:
    """Return those of the days whose newest observation is of this run, or about it."""
    kind = dg.DagsterEventType.ASSET_OBSERVATION
    newest = instance.get_latest_storage_id_by_partition(key, kind, {day.isoformat() for day in days})
    ids = sorted(newest.values())
    found: set[date] = set()
    for first in range(0, len(ids), _RECORDS_PER_QUERY):
        page = dg.AssetRecordsFilter(key, storage_ids=ids[first : first + _RECORDS_PER_QUERY])
        for record in instance.fetch_observations(page, limit=_RECORDS_PER_QUERY).records:
            shown = record.asset_observation
            about = shown.metadata.get(_RUN) if shown is not None else None
            if record.partition_key and run.run_id in (record.run_id, about and about.value):
                found.add(date.fromisoformat(record.partition_key))
    return found


def _observation_after_end(key: dg.AssetKey, run: dg.DagsterRun, status: DayStatus) -> dg.AssetObservation:
    about = dg.MetadataValue.dagster_run(run.run_id)
    own = [log for log in status.logs if log.run_id == run.run_id and log.error]
    state = "was cancelled" if run.status == dg.DagsterRunStatus.CANCELED else "has failed"
    if own:
        return _observation(key, status, "", {_RUN: about})
    reason = f"The run {state} before."
    return dg.AssetObservation(
        key,
        partition=status.day.isoformat(),
        description=f"{_NOT_REQUESTED} {reason}",
        metadata={"error": reason, _RUN: about},
    )


def _observation(
    key: dg.AssetKey,
    status: DayStatus,
    sentence: str = "The harvest failed.",
    more: Mapping[str, Any] | None = None,
) -> dg.AssetObservation:
    log = max((log for log in status.logs if log.error), key=lambda log: log.id)
    error = first_line(log.error or "")[:_LONGEST_ERROR]
    return dg.AssetObservation(
        key,
        partition=status.day.isoformat(),
        description=f"{sentence} {error}" if sentence else error[:1].upper() + error[1:],
        metadata={"error": error, **_metadata(log), **(more or {})},
    )


def _metadata(log: HarvestLog) -> dict[str, Any]:
    numbers = {"delivered": log.identifiers, "expected": log.expected}
    return {
        "window": str(log.window),
        "harvest_log": str(log.id),  # a text, because the UI would plot a number
        **{name: number for name, number in numbers.items() if number is not None},
    }
