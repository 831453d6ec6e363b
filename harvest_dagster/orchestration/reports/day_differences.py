"""Compare the days that Dagster shows as materialized with the days that the harvest database has.

They differ after one of the two databases was restored from a backup that is older than the other database.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import dagster as dg

from harvest_dagster.catalog.loader import Catalog
from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.coverage.day_range import DayRange, merge, missing_days
from harvest_dagster.coverage.source_overview import SourceOverview
from harvest_dagster.orchestration.asset_keys import keys_of
from harvest_dagster.storage.database import Database
from harvest_dagster.storage.harvest_log import queries
from harvest_dagster.windows import DAY, Window, merged


@dataclass(frozen=True)
class DayDifference:
    """The days of a source that only one of the two databases has.

    Attributes:
        label: the source.
        lost: the days that Dagster shows as materialized, and that the harvest database has no harvest of.
        unreported: the days that are harvested, and that Dagster does not show as materialized.
    """

    label: str
    lost: tuple[DayRange, ...] = ()
    unreported: tuple[DayRange, ...] = ()


def find_differences(
    instance: dg.DagsterInstance, catalog: Catalog, database: Database, now: datetime
) -> list[DayDifference]:
    """Return the differences of all sources that have any.

    Args:
        instance: the instance of Dagster.
        catalog: the sources, with the keys of their assets.
        database: the harvest database.
        now: the time. Its day is no partition yet.
    """
    keys, found = keys_of(catalog), []
    with database.read() as connection:
        sources = SourceOverview.read_coverage(connection, now, [config.label for config in catalog.configs])
    for config in catalog.configs:
        materialized = _materialized(instance, keys.key_of("raw", config.label))
        lost = _find_lost(database, sources, config, materialized)
        unreported = _find_unreported(sources, config, materialized)
        if lost or unreported:
            found.append(DayDifference(config.label, tuple(lost), tuple(unreported)))
    return found


def find_lost_days(
    instance: dg.DagsterInstance,
    key: dg.AssetKey,
    database: Database,
    sources: SourceOverview,
    config: IngestConfig,
) -> list[DayRange]:
    """Return the days that Dagster shows as materialized, and that the harvest database has no harvest of.

    A day that was harvested with another version of the harvester, or with other arguments, is not lost.

    Args:
        instance: the instance of Dagster.
        key: the asset of the raw data.
        database: the harvest database.
        sources: the coverage of the source.
        config: the source.
    """
    return _find_lost(database, sources, config, _materialized(instance, key))


def _find_lost(
    database: Database, sources: SourceOverview, config: IngestConfig, materialized: Sequence[DayRange]
) -> list[DayRange]:
    lost = _without(materialized, sources.covered_windows(config))
    config_id = sources.config_ids.get(config.label)
    if not lost or config_id is None:
        return lost
    within = Window(lost[0].window.start, lost[-1].window.end)
    # A transaction that begins after the partitions were read: a run commits its success before it reports its days.
    with database.read() as connection:
        succeeded = queries.find_succeeded_windows(connection, config_id, within)
    return _without(lost, list(merged(succeeded)))


def _find_unreported(
    sources: SourceOverview, config: IngestConfig, materialized: Sequence[DayRange]
) -> list[DayRange]:
    yesterday = sources.now.date() - DAY
    if config.earliest_date > yesterday:
        return []
    partitions = DayRange(config.earliest_date, yesterday)
    missing = missing_days(partitions, sources.covered_windows(config))
    return partitions.subtract([*missing, *materialized])


def _without(ranges: Sequence[DayRange], windows: Collection[Window]) -> list[DayRange]:
    return [part for days in ranges for part in missing_days(days, windows)]


def _materialized(instance: dg.DagsterInstance, key: dg.AssetKey) -> list[DayRange]:
    days = (date.fromisoformat(partition) for partition in instance.get_materialized_partitions(key))
    return merge(DayRange(day, day) for day in days)
