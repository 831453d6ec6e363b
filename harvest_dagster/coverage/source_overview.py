"""What the harvest database records of many sources at one instant: coverage, failed windows, lags.

Sensors examine a thousand sources in one tick, and the command line lists them. They read all sources with one
statement for each table, and then evaluate each source in memory.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property

from sqlalchemy import Connection

from harvest_dagster import plugins
from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.coverage.lag import NO_LAGS, LagHistogram
from harvest_dagster.coverage.scopes import log_scope
from harvest_dagster.coverage.source_status import SourceStatus, find_source_status
from harvest_dagster.errors import UnknownPlugin
from harvest_dagster.storage import record_lags
from harvest_dagster.storage.harvest_log import overview, source_coverage
from harvest_dagster.storage.harvest_log.newest_ends import NewestEnd, find_newest_ends
from harvest_dagster.storage.harvest_log.overview import FailedWindow
from harvest_dagster.storage.harvest_log.queries import LogScope
from harvest_dagster.storage.harvest_log.source_coverage import SourceCoverage
from harvest_dagster.windows import Window, subtract


@dataclass(frozen=True)
class SourceOverview:
    """Coverage and failed windows of many sources.

    Only logs of the current harvester version count. Each method raises UnknownPlugin if the harvester of the source
    cannot be loaded.

    Attributes:
        now: the instant of the overview.
        config_ids: primary keys by label; a source that was never harvested has none.
        coverage: the covered windows of each log scope.
        failed: the windows of each log scope that failed or were cancelled, and that are not harvested since.
        lags: how late the records of each source come, by its primary key; only after `with_lags`.
        newest_ends: how the last harvest of each source ended, by its primary key; only after `with_newest_ends`.
    """

    now: datetime
    config_ids: Mapping[str, int]
    coverage: Mapping[LogScope, SourceCoverage]
    failed: Mapping[LogScope, Sequence[FailedWindow]] = field(default_factory=dict)
    lags: Mapping[int, LagHistogram] = field(default_factory=dict)
    newest_ends: Mapping[int, NewestEnd] = field(default_factory=dict)

    @classmethod
    def read(
        cls, connection: Connection, now: datetime, labels: Collection[str] | None = None
    ) -> SourceOverview:
        """Read the overview of the sources with these labels, or of all sources."""
        ids = overview.find_config_ids(connection)
        selected = None if labels is None else [ids[label] for label in labels if label in ids]
        coverage = source_coverage.find_source_coverage(connection, selected)
        return cls(now, ids, coverage, overview.find_failed_windows(connection, selected))

    @classmethod
    def read_coverage(cls, connection: Connection, now: datetime, labels: Collection[str]) -> SourceOverview:
        """Read coverage without failed windows. `status_of` is not correct on the result."""
        ids = overview.find_config_ids(connection)
        selected = [ids[label] for label in labels if label in ids]
        return cls(now, ids, source_coverage.find_source_coverage(connection, selected))

    def with_lags(self, connection: Connection, labels: Collection[str]) -> SourceOverview:
        """Return the overview with the histograms of these sources. One statement reads all of them."""
        selected = [self.config_ids[label] for label in labels if label in self.config_ids]
        found = record_lags.find_lags(connection, self.now.date(), selected)
        return replace(self, lags={key: LagHistogram(*counts) for key, counts in found.items()})

    def with_newest_ends(self, connection: Connection, configs: Iterable[IngestConfig]) -> SourceOverview:
        """Return the overview with the last harvests of these sources. Leave out those whose harvester is unknown."""
        by_version: dict[int, list[int]] = {}
        for config in configs:
            with suppress(UnknownPlugin):
                if scope := self._scope(config):
                    by_version.setdefault(scope.harvester_version, []).append(scope.ingest_config_id)
        found = [find_newest_ends(connection, version, ids) for version, ids in by_version.items()]
        return replace(self, newest_ends={key: end for one in found for key, end in one.items()})

    def newest_end_of(self, config: IngestConfig) -> NewestEnd | None:
        """Return how the last harvest of a source ended; None if it was never harvested."""
        return self.newest_ends.get(self.config_ids.get(config.label, 0))

    def lags_of(self, config: IngestConfig) -> LagHistogram:
        """Return how late the records of a source come."""
        return self.lags.get(self.config_ids.get(config.label, 0), NO_LAGS)

    def covered_windows(self, config: IngestConfig) -> Sequence[Window]:
        """Return the covered windows of a source, in order."""
        scope = self._scope(config)
        coverage = source_coverage.coverage_of(self.coverage, scope) if scope else None
        return coverage.windows if coverage else ()

    def failed_windows(self, config: IngestConfig) -> Sequence[FailedWindow]:
        """Return the windows of a source that failed or were cancelled, and that are not harvested since."""
        scope = self._scope(config)
        return self.failed.get(replace(scope, arguments_digest=None), ()) if scope else ()

    def uncovered_failures(self, config: IngestConfig) -> list[FailedWindow]:
        """Return the failed windows that no other harvest covers completely, the newest failure last."""
        covered = self.covered_windows(config)
        found = [failed for failed in self.failed_windows(config) if any(subtract(failed.window, covered))]
        return sorted(found, key=lambda failed: failed.last_failure)

    def status_of(self, config: IngestConfig) -> SourceStatus:
        """Return how complete a source is."""
        scope = self._scope(config)
        coverage = source_coverage.coverage_of(self.coverage, scope) if scope else None
        status = find_source_status(config, coverage, self.failed_windows(config), self.now)
        if scope and not coverage and self._has_other_version(scope):
            return replace(status, new_version=scope.harvester_version)
        return status

    def _scope(self, config: IngestConfig) -> LogScope | None:
        # The harvester is loaded first: a source that was never harvested may have an unknown one, too.
        plugins.load(plugins.HARVESTERS, config.harvester)
        config_id = self.config_ids.get(config.label)
        return None if config_id is None else log_scope(config, config_id)

    def _has_other_version(self, scope: LogScope) -> bool:
        """Return whether the source has coverage, all of it under other versions of its harvester."""
        versions = self._harvested_versions.get(scope.ingest_config_id, frozenset())
        return bool(versions) and scope.harvester_version not in versions

    @cached_property
    def _harvested_versions(self) -> Mapping[int, frozenset[int]]:
        """The versions of the harvester under which each source has coverage."""
        found: dict[int, set[int]] = {}
        for scope in self.coverage:
            found.setdefault(scope.ingest_config_id, set()).add(scope.harvester_version)
        return {config_id: frozenset(versions) for config_id, versions in found.items()}
