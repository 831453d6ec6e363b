"""What is known about sources at one instant: coverage, gaps, failures, active runs, leases, waits, quarantine.

All sources are read with one statement for each table.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from sqlalchemy import Connection

from harvest_dagster.catalog.hosts import main_host
from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.coverage.day_range import DayRange
from harvest_dagster.coverage.intervals import UNVERIFIED, coverage_intervals, log_intervals
from harvest_dagster.coverage.lag import NO_LAGS, LagHistogram
from harvest_dagster.coverage.scopes import declared_transformer, log_scope
from harvest_dagster.coverage.source_overview import SourceOverview
from harvest_dagster.coverage.source_status import SourceStatus
from harvest_dagster.coverage.sweep_overview import SweepOverview
from harvest_dagster.coverage.sweep_status import SweepStatus
from harvest_dagster.processes import is_gone
from harvest_dagster.status.calendar import Calendar, make_calendar
from harvest_dagster.status.sweep_plot import MOST_SWEEPS
from harvest_dagster.storage.counts import Counts
from harvest_dagster.storage.database import Database
from harvest_dagster.storage.harvest_log import overview, queries
from harvest_dagster.storage.harvest_log.queries import HarvestLog
from harvest_dagster.storage.lease import leases
from harvest_dagster.storage.lease.leases import LeaseRow
from harvest_dagster.storage.rate_limit.host_overview import HostBudget, find_budgets
from harvest_dagster.storage.sweep_overview import find_recent_of_sources
from harvest_dagster.storage.sweeps import Sweep
from harvest_dagster.storage.transform_queue.versions import find_states
from harvest_dagster.windows import DAY, Window, merged, subtract


@dataclass(frozen=True)
class FailedHarvest:
    """A window that failed or was cancelled and is not harvested since.

    Attributes:
        window: the window.
        failed_runs: the number of runs that failed at it.
        last_failure: when the last of them ended.
        error: the first line of the error; None if none is on record.
    """

    window: Window
    failed_runs: int
    last_failure: datetime
    error: str | None


@dataclass(frozen=True)
class SourceState:
    """One source at one instant.

    Attributes:
        config: the source.
        status: how complete it is, as in the check `up_to_date`; None without a database.
        complete: the time that is harvested.
        unverified: the parts of `complete` that nothing proves.
        gaps: the time that was requested or scheduled and is not harvested.
        failed: the failed windows, the newest failure last.
        active: the logs of windows at which runs work, or for which they wait.
        interrupted: the logs of windows at which a run worked that is dead: it holds no lease, its lease has expired,
            or its process has ended. The next run of the source closes them.
        lease: the lease, if a run holds it.
        budget: the request budget of its host, if a request was ever sent to it.
        quarantined: the number of quarantined records.
        transforms: the number of data by status: PENDING, STARTED and FAILED for the present transformer version.
        last_day: requests, waits and recovery steps of the windows that began in the last 24 hours.
        calendar: the states of the days of the calendar; None without one.
        lags: how late its records came in the last twelve months.
        sweep: the last comparison with the source, and held deletions; None without a database.
        recent_sweeps: the last sweeps that have ended, the oldest first; none without a calendar.
    """

    config: IngestConfig
    status: SourceStatus | None = None
    complete: tuple[Window, ...] = ()
    unverified: tuple[Window, ...] = ()
    gaps: tuple[Window, ...] = ()
    failed: tuple[FailedHarvest, ...] = ()
    active: tuple[HarvestLog, ...] = ()
    interrupted: tuple[HarvestLog, ...] = ()
    lease: LeaseRow | None = None
    budget: HostBudget | None = None
    quarantined: int = 0
    transforms: Mapping[str, int] = field(default_factory=dict)
    last_day: Counts = field(default_factory=Counts)
    calendar: Calendar | None = None
    lags: LagHistogram = NO_LAGS
    sweep: SweepStatus | None = None
    recent_sweeps: tuple[Sweep, ...] = ()


def read_states(
    configs: Sequence[IngestConfig],
    database: Database | None,
    now: datetime,
    calendar: DayRange | None = None,
) -> list[SourceState]:
    """Return the states of these sources.

    Args:
        configs: the sources.
        database: the database; None if there is none yet.
        now: the time.
        calendar: the days of the calendars; None for no calendars and no proofs.
    """
    if database is None:
        return [SourceState(config) for config in configs]
    with database.read() as connection:
        facts = _Facts.read(connection, configs, now, with_recent_sweeps=calendar is not None)
        views = dict(_views(connection, facts, calendar)) if calendar is not None else {}
    return [facts.state_of(config, views.get(config.label)) for config in configs]


def default_days(now: datetime, weeks: int = 53) -> DayRange:
    """Return the days of so many weeks that end today."""
    today: date = now.date()
    monday = today - timedelta(days=today.weekday())
    return DayRange(monday - (weeks - 1) * 7 * DAY, today)


@dataclass(frozen=True)
class _View:
    """What is derived from the logs of a source within the days of the calendar."""

    calendar: Calendar
    unverified: tuple[Window, ...]


@dataclass(frozen=True)
class _Facts:
    """The rows of all sources, by the primary key of their config."""

    configs: Sequence[IngestConfig]
    now: datetime
    sources: SourceOverview
    errors: Mapping[int, str]
    active: Mapping[int, list[HarvestLog]]
    leases: Mapping[int, LeaseRow]
    budgets: Mapping[str, HostBudget]
    quarantined: Mapping[int, int]
    transforms: Mapping[tuple[int, int], Mapping[str, int]]
    versions: Mapping[str, int]
    last_day: Mapping[int, Counts]
    sweeps: SweepOverview
    recent_sweeps: Mapping[int, list[Sweep]]

    @classmethod
    def read(
        cls,
        connection: Connection,
        configs: Sequence[IngestConfig],
        now: datetime,
        *,
        with_recent_sweeps: bool,
    ) -> _Facts:
        labels = [config.label for config in configs]
        sources = SourceOverview.read(connection, now, labels).with_lags(connection, labels)
        ids = [sources.config_ids[config.label] for config in configs if config.label in sources.config_ids]
        failed = [failure.log_id for config in configs for failure in sources.uncovered_failures(config)]
        active: dict[int, list[HarvestLog]] = {}
        for log in queries.find_open(connection, ids[0] if len(ids) == 1 else None):
            active.setdefault(log.ingest_config_id, []).append(log)
        return cls(
            configs=configs,
            now=now,
            sources=sources,
            errors=overview.find_errors(connection, failed),
            active=active,
            leases=leases.find_leases(connection, ids),
            budgets=find_budgets(connection, [host for config in configs if (host := main_host(config))]),
            quarantined=overview.count_quarantined(connection, ids),
            transforms=overview.count_transforms(connection, ids),
            versions=_transformer_versions(connection, configs),
            last_day=overview.sum_counts(connection, now - DAY),
            sweeps=SweepOverview.read(connection, now, configs),
            recent_sweeps=find_recent_of_sources(connection, ids, MOST_SWEEPS) if with_recent_sweeps else {},
        )

    def state_of(self, config: IngestConfig, view: _View | None) -> SourceState:
        key, status = self.sources.config_ids.get(config.label, 0), self.sources.status_of(config)
        complete = self.sources.covered_windows(config)
        active, interrupted = self._open_logs(key)
        gaps = [part for days in status.missing for part in subtract(days.window, complete)]
        return SourceState(
            config=config,
            status=status,
            complete=tuple(complete),
            unverified=view.unverified if view else (),
            gaps=tuple(merged(gaps)),
            failed=tuple(self._failures(config)),
            active=active,
            interrupted=interrupted,
            lease=self.leases.get(key),
            budget=self.budgets.get(main_host(config) or ""),
            quarantined=self.quarantined.get(key, 0),
            transforms=self.transforms.get((key, self.versions.get(config.label, 0)), {}),
            last_day=self.last_day.get(key, Counts()),
            calendar=view.calendar if view else None,
            lags=self.sources.lags_of(config),
            sweep=self.sweeps.status_of(config),
            recent_sweeps=tuple(self.recent_sweeps.get(key, ())),
        )

    def _open_logs(self, key: int) -> tuple[tuple[HarvestLog, ...], tuple[HarvestLog, ...]]:
        """Return the logs of a source that live runs have opened, and those of dead runs."""
        lease = self.leases.get(key)
        is_live = lease is not None and not lease.is_expired and not _has_ended(lease)
        worker = lease.holder.run_id if lease is not None and is_live else None
        logs = self.active.get(key, ())
        active = tuple(log for log in logs if log.status != "STARTED" or log.run_id == worker)
        return active, tuple(log for log in logs if log not in active)

    def _failures(self, config: IngestConfig) -> Iterator[FailedHarvest]:
        for found in self.sources.uncovered_failures(config):
            error = self.errors.get(found.log_id)
            yield FailedHarvest(found.window, found.failed_runs, found.last_failure, error)


def _has_ended(lease: LeaseRow) -> bool:
    return lease.holder.process is not None and is_gone(lease.holder.process)


def _views(connection: Connection, facts: _Facts, days: DayRange) -> Iterator[tuple[str, _View]]:
    """Yield the calendar of each source, and the windows in it that nothing proves."""
    ids = facts.sources.config_ids
    scopes = {
        (scope.ingest_config_id, scope.harvester_version): (config, scope.arguments_digest)
        for config in facts.configs
        if config.label in ids
        for scope in [log_scope(config, ids[config.label])]
    }
    known = [config_id for config_id, _ in scopes]
    for found, logs in overview.find_logs_of_sources(connection, days.window.start, known):
        owner = scopes.get((found.ingest_config_id, found.harvester_version))
        if owner is not None:
            config, digest = owner
            gaps = facts.sources.status_of(config).missing
            calendar = make_calendar(days, logs, digest, gaps)
            yield config.label, _View(calendar, tuple(_unverified(days.window, logs, digest)))
            del scopes[found.ingest_config_id, found.harvester_version]
    for config, digest in scopes.values():
        yield (
            config.label,
            _View(make_calendar(days, [], digest, facts.sources.status_of(config).missing), ()),
        )


def _unverified(window: Window, logs: Sequence[HarvestLog], digest: str | None) -> Iterable[Window]:
    found = coverage_intervals(window, log_intervals(logs, digest))
    return merged([interval.window for interval in found if interval.state == UNVERIFIED])


def _transformer_versions(connection: Connection, configs: Iterable[IngestConfig]) -> dict[str, int]:
    """Return the version under which the data of each source are transformed, by label."""
    states = find_states(connection)
    return {
        config.label: declared_transformer(config).version
        + (states[config.label].base if config.label in states else 0)
        for config in configs
    }
