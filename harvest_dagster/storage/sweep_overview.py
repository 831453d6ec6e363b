"""Read the last sweeps and snapshots of many sources, with one statement for each.

`sweeps` reads and writes the sweeps of one source.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import CTE, ColumnElement, Connection, Integer, Select, column, func, select, values

from harvest_dagster.storage.harvest_log.queries import HarvestLog, log_of
from harvest_dagster.storage.sweeps import Sweep, sweep_of
from harvest_dagster.storage.tables import Instant, harvest_log, ingest_config, sweep


def find_last_ended(connection: Connection, ids: Collection[int] | None = None) -> dict[int, Sweep]:
    """Return the newest sweep of each of these configs, or of all, that has ended."""
    return _newest(connection, sweep.c.status != "STARTED", ids)


def find_active(connection: Connection, ids: Collection[int] | None = None) -> dict[int, Sweep]:
    """Return the newest sweep of each of these configs, or of all, that is STARTED. Its run may be dead."""
    return _newest(connection, sweep.c.status == "STARTED", ids)


def find_recent_of_sources(
    connection: Connection, ids: Collection[int], count: int
) -> dict[int, list[Sweep]]:
    """Return the newest sweeps of each of these configs that have ended, the oldest first."""
    order = (sweep.c.date_started.desc(), sweep.c.id.desc())
    number = func.row_number().over(partition_by=sweep.c.ingest_config_id, order_by=order).label("number")
    numbered = (
        select(sweep.c.id, number)
        .where(sweep.c.ingest_config_id.in_(ids), sweep.c.status != "STARTED")
        .subquery()
    )
    rows = connection.execute(
        select(sweep)
        .join(numbered, numbered.c.id == sweep.c.id)
        .where(numbered.c.number <= count)
        .order_by(sweep.c.date_started, sweep.c.id)
    )
    found: dict[int, list[Sweep]] = {}
    for row in rows:
        found.setdefault(row.ingest_config_id, []).append(sweep_of(row))
    return found


def find_last_snapshots(connection: Connection, starts: Mapping[int, datetime]) -> dict[int, HarvestLog]:
    """Return the log of the newest snapshot of each config that has succeeded.

    Args:
        connection: a transaction.
        starts: the start of the first partition of each config. The window of a snapshot begins there or before.
    """
    if not starts:
        return {}
    # A table of values: SQLite refuses more than a thousand conditions with OR.
    begins = (
        values(column("id", Integer), column("start", Instant()), name="begins").data([*starts.items()]).cte()
    )
    versions = _versions_of(begins)
    # One look-up in an index for each version. It reads the logs since the last snapshot, whatever their number in all.
    newest = (
        select(harvest_log.c.id)
        .where(
            harvest_log.c.ingest_config_id == versions.c.id,
            harvest_log.c.harvester_version == versions.c.version,
            harvest_log.c.status == "SUCCEEDED",
            harvest_log.c.start_date <= versions.c.start,
        )
        .order_by(harvest_log.c.date_completed.desc())
        .limit(1)
        .correlate(versions)
        .scalar_subquery()
    )
    found = connection.execute(select(newest.label("id")).select_from(versions))
    keys = [row.id for row in found if row.id is not None]
    rows = connection.execute(
        select(harvest_log)
        .where(harvest_log.c.id.in_(keys))
        .order_by(harvest_log.c.date_completed, harvest_log.c.id)
    )
    return {row.ingest_config_id: log_of(row) for row in rows}


def _versions_of(begins: CTE) -> CTE:
    """Return each harvester version under which each config has logs. It takes one look-up in an index for each."""
    version, config_id = harvest_log.c.harvester_version, harvest_log.c.ingest_config_id
    first = select(func.min(version)).where(config_id == begins.c.id).correlate(begins).scalar_subquery()
    found = select(begins.c.id, begins.c.start, first.label("version")).cte("versions", recursive=True)
    following = (
        select(func.min(version))
        .where(config_id == found.c.id, version > found.c.version)
        .correlate(found)
        .scalar_subquery()
    )
    return found.union_all(select(found.c.id, found.c.start, following).where(found.c.version.is_not(None)))


def _newest(
    connection: Connection, condition: ColumnElement[bool], ids: Collection[int] | None
) -> dict[int, Sweep]:
    """Return the newest sweep of each config that meets a condition. It takes one look-up in an index for each."""
    newest = (
        select(sweep.c.id)
        .where(sweep.c.ingest_config_id == ingest_config.c.id, condition)
        .order_by(sweep.c.date_started.desc(), sweep.c.id.desc())
        .limit(1)
        .correlate(ingest_config)
        .scalar_subquery()
    )
    found = connection.execute(_of_configs(select(newest.label("id")).select_from(ingest_config), ids))
    keys = [row.id for row in found if row.id is not None]
    rows = connection.execute(select(sweep).where(sweep.c.id.in_(keys))) if keys else ()
    return {row.ingest_config_id: sweep_of(row) for row in rows}


def _of_configs(statement: Select[Any], ids: Collection[int] | None) -> Select[Any]:
    return statement if ids is None else statement.where(ingest_config.c.id.in_(ids))
