"""One line for each source: where it is, when it is harvested, up to when it is complete, and what went wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from harvest_dagster.catalog.hosts import main_host
from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.coverage.source_overview import SourceOverview
from harvest_dagster.coverage.source_status import SourceStatus
from harvest_dagster.coverage.sweep_overview import SweepOverview
from harvest_dagster.coverage.sweep_status import SweepStatus
from harvest_dagster.storage.database import Database
from harvest_dagster.storage.harvest_log import overview


@dataclass(frozen=True)
class SourceLine:
    """One source.

    Attributes:
        label: the label.
        harvester: the key of its harvester.
        host: the host that is asked; None if its name comes from the environment.
        schedule: the cron expression, None without one.
        disabled: whether runs are refused.
        complete_up_to: the instant up to which nothing is missing since the first harvest. The check `up_to_date`
            shows the same. None if nothing is harvested.
        missing_days: the number of days that were requested or scheduled and are not harvested.
        is_late: whether the schedule promised a day that is not harvested yet.
        last_error: the error of the newest failed window that is not harvested since; None if there is none.
        last_sweep: when the last sweep or snapshot ended; None if there was none.
        sweep_result: its result: `complete`, `unverified`, `failed`, `cancelled`, or the number of missing records.
        held_deletions: the number of deletions that wait for an approval.
        next_sweep: the next scheduled time of a sweep; None without `reconcile`.
    """

    label: str
    harvester: str
    host: str | None
    schedule: str | None
    disabled: bool
    complete_up_to: datetime | None = None
    missing_days: int | None = None
    is_late: bool | None = None
    last_error: str | None = None
    last_sweep: datetime | None = None
    sweep_result: str | None = None
    held_deletions: int | None = None
    next_sweep: datetime | None = None


@dataclass(frozen=True)
class SourceList:
    """The sources of a catalog, and the labels with data that no file defines."""

    lines: tuple[SourceLine, ...]
    undefined: tuple[str, ...] = ()


def list_sources(configs: Sequence[IngestConfig], database: Database | None, now: datetime) -> SourceList:
    """Return one line for each source. Without a database, nothing is known about harvests."""
    if database is None:
        return SourceList(tuple(_line(config) for config in configs))
    with database.read() as connection:
        sources = SourceOverview.read(connection, now)
        sweeps = SweepOverview.read(connection, now, configs)
        newest = {
            config.label: failures[-1].log_id
            for config in configs
            if (failures := sources.uncovered_failures(config))
        }
        errors = overview.find_errors(connection, newest.values())
    return SourceList(
        tuple(
            _line(
                config,
                sources.status_of(config),
                errors.get(newest.get(config.label, 0)),
                sweeps.status_of(config),
            )
            for config in configs
        ),
        tuple(sorted(set(sources.config_ids) - {config.label for config in configs})),
    )


def _line(
    config: IngestConfig,
    status: SourceStatus | None = None,
    error: str | None = None,
    sweep: SweepStatus | None = None,
) -> SourceLine:
    line = (config.label, config.harvester, main_host(config), config.schedule, config.disabled)
    if status is None or sweep is None:
        return SourceLine(*line)
    return SourceLine(
        *line,
        status.complete_until,
        status.missing_days,
        status.is_late,
        error,
        last_sweep=sweep.last_time,
        sweep_result=sweep.result,
        held_deletions=sweep.counts.held,
        next_sweep=sweep.next_time,
    )
