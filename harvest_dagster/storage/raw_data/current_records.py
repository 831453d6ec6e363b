"""Read the current records of a source by their datestamps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, exists, func, select

from harvest_dagster.storage.tables import raw_datum, source_unique_identifier
from harvest_dagster.windows import Window


def sample_identifiers(
    connection: Connection, ingest_config_id: int, window: Window, *, count: int
) -> list[str]:
    """Return a few identifiers whose current content is live and has a datestamp in the window.

    No index has datestamps, so this reads all data of the source. It is used only if a window had records and has
    none now.
    """
    newer = raw_datum.alias("newer")
    is_outdated = exists().where(
        newer.c.suid_id == raw_datum.c.suid_id, newer.c.revision > raw_datum.c.revision
    )
    rows = connection.execute(
        select(source_unique_identifier.c.identifier)
        .join(raw_datum, raw_datum.c.suid_id == source_unique_identifier.c.id)
        .where(
            source_unique_identifier.c.ingest_config_id == ingest_config_id,
            raw_datum.c.datestamp >= window.start,
            raw_datum.c.datestamp < window.end,
            raw_datum.c.deleted.is_(False),
            ~is_outdated,
        )
        .limit(count)
    )
    return list(rows.scalars())


@dataclass(frozen=True)
class Arrival:
    """The newest content of an identifier.

    Attributes:
        date: when it was first stored.
        datestamp: the datestamp of the current content; None if it has none.
    """

    date: datetime
    datestamp: datetime | None


def find_newest_arrivals(
    connection: Connection, ingest_config_id: int, identifiers: Sequence[str]
) -> dict[str, Arrival]:
    """Return the newest content of each of these identifiers, for those that are stored."""
    suid = source_unique_identifier
    rows = connection.execute(
        select(suid.c.identifier, suid.c.current_datestamp, func.max(raw_datum.c.date_created))
        .join(raw_datum, raw_datum.c.suid_id == suid.c.id)
        .where(suid.c.ingest_config_id == ingest_config_id, suid.c.identifier.in_(list(identifiers)))
        .group_by(suid.c.identifier, suid.c.current_datestamp)
    )
    return {row[0]: Arrival(row[2], row[1]) for row in rows}
