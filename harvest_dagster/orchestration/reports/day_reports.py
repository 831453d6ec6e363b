"""Report days to Dagster as materialized: once for each change of their data.

Each materialization wakes `AutomationCondition.eager()` and `any_deps_updated()` downstream, even if its data version
is the same (Dagster 1.13). So the ops report days themselves, and their outputs cause no event. A day whose data did
not change is reported again only where Dagster requires it: in a backfill, which otherwise fails,
and in a run that fails, which otherwise turns its finished days red. The event then repeats the data version and the
metadata of the last one (docs/decisions/0034-report-a-day-once-for-each-change.md).
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import Any

import dagster as dg

from harvest_dagster.catalog.loader import Catalog
from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.coverage.scopes import log_scope
from harvest_dagster.orchestration.asset_keys import Kind, keys_of
from harvest_dagster.orchestration.partitions import daily, has_partitions, partition_window
from harvest_dagster.orchestration.reports import metadata
from harvest_dagster.pipeline.completed_days import (
    DayCounts,
    completed_days,
    covered_days,
    find_covered_days,
)
from harvest_dagster.pipeline.context import HarvestContext
from harvest_dagster.pipeline.transform import TransformContext, TransformOutcome
from harvest_dagster.storage import ingest_configs
from harvest_dagster.storage.database import Database
from harvest_dagster.storage.day_versions import find_versions
from harvest_dagster.storage.harvest_log import queries
from harvest_dagster.storage.harvest_log.queries import HarvestLog
from harvest_dagster.storage.transform_queue.queue import count_transformed
from harvest_dagster.windows import Window, whole_day

# https://docs.dagster.io/guides/build/assets/asset-versioning-and-caching
_DATA_VERSION, _CODE_VERSION = "dagster/data_version", "dagster/code_version"
_INPUT_VERSION, _INPUT_POINTER = "dagster/input_data_version", "dagster/input_event_pointer"
# The tags of a materialization that its op has set. Dagster adds others.
REPORTED_TAGS = (_DATA_VERSION, _CODE_VERSION, _INPUT_VERSION, _INPUT_POINTER)
_BACKFILL = "dagster/backfill"
_NO_CHANGE = "0" * 16
_RECORDS_PER_QUERY = 500


@dataclass(frozen=True)
class DayReport:
    """The last materialization of a day.

    Attributes:
        storage_id: the id of the event.
        run_id: the run that reported the day.
        timestamp: when it did, in seconds since 1970.
        metadata: what the UI shows, and plots over the partitions.
        tags: the data version, and those of its inputs.
    """

    storage_id: int
    run_id: str
    timestamp: float
    metadata: Mapping[str, Any]
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def version(self) -> str | None:
        """The data version."""
        return self.tags.get(_DATA_VERSION)


def last_reports(
    instance: dg.DagsterInstance, key: dg.AssetKey, days: Iterable[date]
) -> dict[date, DayReport]:
    """Return the last materialization of each of these days that has one."""
    kind = dg.DagsterEventType.ASSET_MATERIALIZATION
    newest = instance.get_latest_storage_id_by_partition(key, kind, {day.isoformat() for day in days})
    ids = sorted(newest.values())
    reports: dict[date, DayReport] = {}
    for first in range(0, len(ids), _RECORDS_PER_QUERY):
        page = dg.AssetRecordsFilter(key, storage_ids=ids[first : first + _RECORDS_PER_QUERY])
        for record in instance.fetch_materializations(page, limit=_RECORDS_PER_QUERY).records:
            shown = record.asset_materialization
            if shown is not None and shown.partition is not None:
                reports[date.fromisoformat(shown.partition)] = DayReport(
                    record.storage_id, record.run_id, record.timestamp, shown.metadata, shown.tags or {}
                )
    return reports


def output_without_event(name: str = "result") -> dg.Output[None]:
    """Return the output with this name of an asset whose op has reported the partitions itself.

    Without an output, Dagster skips the assets and checks that depend on it in the same run. An output with this
    metadata causes no materialization: Dagster's own observation functions return it for the same reason.
    """
    return dg.Output(None, name, metadata={"__source_asset_observation__": True})


def report_window(
    context: dg.OpExecutionContext,
    harvest: HarvestContext,
    log: HarvestLog,
    counts: Mapping[date, DayCounts],
) -> None:
    """Report the days that a window completed and whose data has changed.

    Call this as soon as the window has succeeded. If the run is killed later, no sensor harvests these covered days
    again, and their partitions would never be materialized. If the run fails, report all of these days.

    Args:
        context: the op launch.
        harvest: the harvest.
        log: the log of the window, which has SUCCEEDED.
        counts: the counts of the window's records by day.
    """
    if not has_partitions(context) or log.record_limit is not None:
        return
    selected = partition_window(context)  # the window of a snapshot is longer
    found = completed_days(harvest, log, counts)
    completed = {day: known for day, known in found.items() if whole_day(day).start in selected}
    days = _Days.read_raw(context, harvest, completed)
    again = _has_failures(harvest)
    for day, of_day in completed.items():
        if days.is_due(day, again=again):
            days.report(day, metadata.day_metadata(log, of_day))


def report_covered_days(
    context: dg.OpExecutionContext, harvest: HarvestContext, *, failing: bool
) -> Collection[date]:
    """Report the covered days of the run that Dagster does not know, or that have changed. Return all covered days.

    The job `harvest` may have changed a day, or the run that harvested it may have been killed.

    Args:
        context: an op of the run.
        harvest: the harvest.
        failing: whether the run will fail. Then report all covered days that this run has not reported: Dagster shows
            the others as failed.
    """
    if not has_partitions(context):
        return ()
    covered = covered_days(harvest, partition_window(context))
    days = _Days.read_raw(context, harvest, covered)
    for day, counts in covered.items():
        if days.is_due(day, again=failing or days.in_backfill):
            days.report(day, metadata.covered_metadata(counts) if days.is_changed(day) else {})
    return covered.keys()


@dataclass(frozen=True)
class _JobRun:
    """The run of a job without partitions that changed days of an asset."""

    context: dg.OpExecutionContext
    asset_key: dg.AssetKey

    @property
    def instance(self) -> dg.DagsterInstance:
        """The instance of the run."""
        return self.context.instance

    @property
    def run(self) -> dg.DagsterRun:
        """The run."""
        return self.context.run

    def log_event(self, event: dg.AssetMaterialization) -> None:
        """Report an event of the run."""
        self.context.log_event(event)


def report_changed_days(
    context: dg.OpExecutionContext, harvest: HarvestContext, key: dg.AssetKey
) -> set[date]:
    """Report all covered days of a source whose data has changed since they were reported. Return them.

    Args:
        context: an op of a job without partitions, such as `reconcile`.
        harvest: the harvest.
        key: the asset of the source's raw data.
    """
    partitions = daily(harvest.config).get_partition_keys()
    if not partitions:
        return set()
    first, last = (whole_day(date.fromisoformat(partitions[end])) for end in (0, -1))
    covered = covered_days(harvest, Window(first.start, last.end))
    asset = _StoredAsset("raw", harvest.run.database, harvest.config_id, harvest.scope.harvester_version)
    found = _Days.read(_JobRun(context, key), asset, covered)
    changed = {day for day in covered if found.is_changed(day)}
    for day in sorted(changed):
        found.report(day, metadata.covered_metadata(covered[day]))
    return changed


@dataclass(frozen=True)
class _EndedRun:
    """A run that has ended. Events about its days are not a part of it any more."""

    instance: dg.DagsterInstance
    run: dg.DagsterRun
    asset_key: dg.AssetKey

    def log_event(self, event: dg.AssetMaterialization) -> None:
        """Report an event outside of a run."""
        self.instance.report_runless_asset_event(event)


def report_days_of_failed_run(
    instance: dg.DagsterInstance, run: dg.DagsterRun, database: Database, catalog: Catalog
) -> list[str]:
    """Report the finished days that Dagster shows as failed because of this run. Return one line for each source.

    A run that was killed, or that failed before its first op, could not report them itself. Neither could a source that
    had ended before another source of the run failed.
    """
    counts = {
        key: _report_failed_days(_EndedRun(instance, run, key), database, config)
        for key, config in find_sources(instance, run, catalog).items()
    }
    return [
        f"{key.to_user_string()}: {count} finished days of the failed run reported again"
        for key, count in counts.items()
        if count
    ]


def find_sources(
    instance: dg.DagsterInstance, run: dg.DagsterRun, catalog: Catalog, kind: Kind = "raw"
) -> dict[dg.AssetKey, IngestConfig]:
    """Return the sources that a run was to harvest, or to transform, by the keys of their assets."""
    planned = dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED
    events = [entry.dagster_event for entry in instance.all_logs(run.run_id, of_type=planned)]
    keys = {event.asset_key for event in events if event is not None and event.asset_key is not None}
    sources = {config.label: config for config in catalog.configs}
    known = keys_of(catalog)
    return {
        key: sources[asset.label]
        for key in sorted(keys)
        if (asset := known.find_source(key)) and asset.kind == kind and asset.label in sources
    }


def _report_failed_days(ended: _EndedRun, database: Database, config: IngestConfig) -> int:
    """Report the covered days of a source that Dagster shows as failed. Return their number."""
    partitions = daily(config)
    keys = partitions.get_partition_keys()
    states = ended.instance.get_status_by_partition(ended.asset_key, keys, partitions) or {}
    failed = [
        date.fromisoformat(key) for key in keys if (state := states.get(key)) and state.value == "FAILED"
    ]
    with database.read() as connection:
        config_id = ingest_configs.find_id(connection, config.label)
    if not failed or config_id is None:
        return 0
    window = Window(whole_day(failed[0]).start, whole_day(failed[-1]).end)
    scope = log_scope(config, config_id)
    covered = find_covered_days(database, scope, window)
    due = [day for day in failed if day in covered]
    asset = _StoredAsset("raw", database, config_id, scope.harvester_version)
    days = _Days.read(ended, asset, due)
    for day in due:
        days.report(day, metadata.covered_metadata(covered[day]) if days.is_changed(day) else {})
    return len(due)


def report_covered_days_at_first_failure(context: dg.OpExecutionContext, harvest: HarvestContext) -> None:
    """Report all covered days if this is the first window of the run that failed."""
    with harvest.run.database.read() as connection:
        is_first = queries.count_failed_windows(connection, harvest.config_id, harvest.run.id) == 1
    if is_first:
        report_covered_days(context, harvest, failing=True)


def find_raw_reports(context: dg.AssetExecutionContext) -> dict[date, DayReport]:
    """Return the last report of each day of the raw data. Call this before the transformation reads the data."""
    return last_reports(context.instance, _raw_key(context), _partition_days(context))


def report_transformed(
    context: dg.AssetExecutionContext,
    transformation: TransformContext,
    outcomes: Mapping[date, TransformOutcome],
    raw_reports: Mapping[date, DayReport],
) -> None:
    """Report the days of a transform asset whose documents have changed, or that follow a change of the raw data.

    Args:
        context: the asset.
        transformation: the transformation of the run's partitions.
        outcomes: the outcome of each day that had pending data.
        raw_reports: what `find_raw_reports` returned before.
    """
    selected, key = _partition_days(context), _raw_key(context)
    version = transformation.queue.transformer_version
    asset = _StoredAsset("transformed", transformation.run.database, transformation.config_id, version)
    days = _Days.read(context, asset, selected)
    with transformation.run.database.read() as connection:
        documents = count_transformed(connection, transformation.queue, (selected[0], selected[-1]))
    for day in selected:
        inputs = _input_tags(key, raw_reports.get(day))
        outcome = outcomes.get(day, TransformOutcome())
        if outcome.failed or days.is_due(day, again=days.in_backfill, inputs=inputs):
            is_news = outcome != TransformOutcome() or day not in days.reports
            shown = metadata.outcome_metadata(outcome, documents.get(day, 0)) if is_news else {}
            days.report(day, shown, inputs)


_Context = dg.OpExecutionContext | dg.AssetExecutionContext | _JobRun | _EndedRun


@dataclass(frozen=True)
class _StoredAsset:
    """An asset as the harvest database knows it.

    Attributes:
        kind: `raw` or `transformed`.
        database: the harvest database.
        config_id: the source.
        plugin_version: VERSION of the harvester or the transformer, which is Dagster's code version.
    """

    kind: Kind
    database: Database
    config_id: int
    plugin_version: int


@dataclass(frozen=True)
class _Days:
    """Some days of an asset: what was reported last, and their present data versions."""

    context: _Context
    asset: _StoredAsset
    reports: Mapping[date, DayReport]
    versions: Mapping[date, str]

    @classmethod
    def read_raw(
        cls, context: dg.OpExecutionContext, harvest: HarvestContext, days: Iterable[date]
    ) -> "_Days":
        asset = _StoredAsset("raw", harvest.run.database, harvest.config_id, harvest.scope.harvester_version)
        return cls.read(context, asset, days)

    @classmethod
    def read(cls, context: _Context, asset: _StoredAsset, days: Iterable[date]) -> "_Days":
        listed = list(days)
        if not listed:
            return cls(context, asset, {}, {})
        with asset.database.read() as connection:
            versions = find_versions(connection, asset.config_id, asset.kind, min(listed), max(listed))
        return cls(context, asset, last_reports(context.instance, context.asset_key, listed), versions)

    @property
    def in_backfill(self) -> bool:
        """Whether the run belongs to a backfill. A backfill fails if a run of it did not materialize its partitions."""
        return _BACKFILL in self.context.run.tags

    @cached_property
    def _partitions(self) -> int:
        """The number of partitions of the run."""
        if isinstance(self.context, _JobRun | _EndedRun):
            return len(self.reports)
        return len(self.context.partition_keys)

    def is_changed(self, day: date) -> bool:
        """Return whether the data of a day has changed since it was reported. Days without a version never changed."""
        report, version = self.reports.get(day), self.versions.get(day)
        return report is None or (version is not None and version != report.version)

    def is_due(self, day: date, *, again: bool, inputs: Mapping[str, str] | None = None) -> bool:
        """Return whether to report a day. `again` requires a report of this run; `inputs` are the present inputs."""
        if self.is_changed(day):
            return True
        report = self.reports[day]
        is_behind = any(
            report.tags.get(name) != value
            for name, value in (inputs or {}).items()
            if name.startswith(_INPUT_VERSION)
        )
        return is_behind or (again and report.run_id != self.context.run.run_id)

    def report(self, day: date, shown: Mapping[str, Any], inputs: Mapping[str, str] | None = None) -> None:
        """Report a day. If there is nothing new to show, repeat the metadata of the last report."""
        last = self.reports.get(day)
        version = self.versions.get(day) or (last.version if last else None) or _NO_CHANGE
        self.context.log_event(
            dg.AssetMaterialization(
                self.context.asset_key,
                partition=day.isoformat(),
                metadata={
                    **(shown or (last.metadata if last else {})),
                    **metadata.table_metadata(
                        self.asset.kind, self.asset.database, partitions=self._partitions
                    ),
                },
                tags={
                    _DATA_VERSION: version,
                    _CODE_VERSION: str(self.asset.plugin_version),
                    **(inputs or {}),
                },
            )
        )


def _has_failures(harvest: HarvestContext) -> bool:
    with harvest.run.database.read() as connection:
        return queries.count_failed_windows(connection, harvest.config_id, harvest.run.id) > 0


def _raw_key(context: dg.AssetExecutionContext) -> dg.AssetKey:
    key: dg.AssetKey
    (key,) = context.assets_def.dependency_keys
    return key


def _partition_days(context: dg.AssetExecutionContext) -> list[date]:
    return [date.fromisoformat(key) for key in context.partition_keys]


def _input_tags(key: dg.AssetKey, report: DayReport | None) -> dict[str, str]:
    """Return the tags by which Dagster finds out whether the raw data has changed since."""
    name = key.to_user_string()
    return {
        f"{_INPUT_VERSION}/{name}": (report.version if report else None) or "NULL",
        f"{_INPUT_POINTER}/{name}": str(report.storage_id) if report else "NULL",
    }
