"""What the harvest database records of the comparisons of many sources at one instant.

Sensors examine a thousand sources in one tick, and the command line lists them. They read all sources with one
statement for each table, and then evaluate each source in memory.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.coverage.sweep_status import SweepStatus, find_sweep_status
from harvest_dagster.storage import ingest_configs, sweep_overview
from harvest_dagster.storage.deletions import absences
from harvest_dagster.storage.deletions.absences import NO_ABSENCES, AbsenceCounts
from harvest_dagster.storage.harvest_log.overview import find_config_ids
from harvest_dagster.storage.harvest_log.queries import HarvestLog
from harvest_dagster.storage.sweeps import Sweep
from harvest_dagster.windows import whole_day


@dataclass(frozen=True)
class SweepOverview:
    """The sweeps, snapshots and held deletions of many sources, each by the primary key of its config.

    Attributes:
        now: the instant of the overview.
        config_ids: primary keys by label; a source that was never harvested has none.
        ended: the newest sweep that has ended.
        active: the newest sweep that has not ended.
        snapshots: the newest snapshot that has succeeded.
        absent: the numbers of absent records.
        configured: the value of `reconcile` that the last harvest saw, and since when.
    """

    now: datetime
    config_ids: Mapping[str, int]
    ended: Mapping[int, Sweep]
    active: Mapping[int, Sweep]
    snapshots: Mapping[int, HarvestLog]
    absent: Mapping[int, AbsenceCounts]
    configured: Mapping[int, tuple[str | None, datetime]]

    @classmethod
    def read(cls, connection: Connection, now: datetime, configs: Sequence[IngestConfig]) -> SweepOverview:
        """Read the overview of these sources."""
        ids = find_config_ids(connection)
        known = {ids[config.label]: config for config in configs if config.label in ids}
        selected: Collection[int] | None = [*known] if len(known) < len(ids) else None
        starts = {key: whole_day(one.earliest_date).start for key, one in known.items() if not one.selective}
        return cls(
            now=now,
            config_ids=ids,
            ended=sweep_overview.find_last_ended(connection, selected),
            active=sweep_overview.find_active(connection, selected),
            snapshots=sweep_overview.find_last_snapshots(connection, starts),
            absent=absences.count_absences_of_sources(connection, selected),
            configured=ingest_configs.find_reconcile_times(
                connection, [key for key, one in known.items() if one.reconcile]
            ),
        )

    def last_ended(self, config: IngestConfig) -> Sweep | None:
        """Return the newest sweep of a source that has ended."""
        return self.ended.get(self.config_ids.get(config.label, 0))

    def status_of(self, config: IngestConfig) -> SweepStatus:
        """Return the state of the comparison of a source."""
        key = self.config_ids.get(config.label, 0)
        expression, since = self.configured.get(key, (None, None))
        return find_sweep_status(
            config,
            self.now,
            config_id=key,
            last=self.ended.get(key),
            active=self.active.get(key),
            snapshot=self.snapshots.get(key),
            counts=self.absent.get(key, NO_ABSENCES),
            configured_since=since if expression == config.reconcile else None,
        )
