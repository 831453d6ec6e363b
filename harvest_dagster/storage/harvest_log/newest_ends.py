"""How the last harvest of each of many sources ended. One statement reads all sources of a harvester version."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from harvest_dagster.storage.tables import harvest_log, ingest_config
from harvest_dagster.windows import Window


@dataclass(frozen=True)
class NewestEnd:
    """The window of a source that ended last.

    Attributes:
        status: SUCCEEDED, FAILED or CANCELLED.
        date_started: when its last run began it.
        date_completed: when that run ended it.
    """

    status: str
    window: Window
    date_started: datetime | None
    date_completed: datetime


def find_newest_ends(
    connection: Connection, harvester_version: int, ids: Collection[int]
) -> dict[int, NewestEnd]:
    """Return the window that ended last of each of these sources that has one, by the source's primary key.

    The look-up of each source reads one entry of an index, however many logs there are.
    """
    newest = (
        select(harvest_log.c.id)
        .where(
            harvest_log.c.ingest_config_id == ingest_config.c.id,
            harvest_log.c.harvester_version == harvester_version,
            harvest_log.c.date_completed.is_not(None),
        )
        .order_by(harvest_log.c.date_completed.desc())
        .limit(1)
        .correlate(ingest_config)
        .scalar_subquery()
    )
    log_ids = connection.execute(select(newest).where(ingest_config.c.id.in_(list(ids)))).scalars()
    rows = connection.execute(
        select(
            harvest_log.c.ingest_config_id,
            harvest_log.c.status,
            harvest_log.c.start_date,
            harvest_log.c.end_date,
            harvest_log.c.date_started,
            harvest_log.c.date_completed,
        ).where(harvest_log.c.id.in_([log_id for log_id in log_ids if log_id is not None]))
    )
    return {
        row.ingest_config_id: NewestEnd(
            row.status, Window(row.start_date, row.end_date), row.date_started, row.date_completed
        )
        for row in rows
    }
