"""Records that could not be read, with their bytes and what is wrong with them.

A row stands until the record comes well (`clear`), or until the whole list of its window comes without it
(`drop_outdated`). Nothing takes one away before that: a window that is begun anew and fails at once keeps them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ARRAY, Connection, Text, any_, bindparam, delete, false, func, insert, or_, select

from harvest_dagster.records import Unreadable
from harvest_dagster.storage.harvest_logs import HarvestLog, Series
from harvest_dagster.storage.tables import harvest_log, quarantine


@dataclass(frozen=True)
class Quarantined:
    """A row, without its bytes.

    Attributes:
        identifier: None where it could not be read.
        page: of its window's list, from 0.
    """

    harvest_log_id: int
    identifier: str | None
    error: str
    page: int


def set_aside(
    connection: Connection, log: HarvestLog, page: int, unreadable: Sequence[Unreadable], now: datetime
) -> None:
    """Keep the unreadable pieces of a page of the present attempt; the caller's transaction stores its good records."""
    if not unreadable:
        return
    connection.execute(
        insert(quarantine),
        [
            {
                "harvest_log_id": log.id,
                "identifier": piece.identifier,
                "datum": piece.datum,
                "error": piece.error,
                "page": page,
                "date_created": now,
                "attempt": log.attempt,
            }
            for piece in unreadable
        ],
    )


def identifiers(connection: Connection, ingest_config_id: int, most: int) -> set[str] | None:
    """The identifiers that a config has in quarantine; None where there are more than `most`."""
    rows = connection.scalars(
        select(quarantine.c.identifier)
        .distinct()
        .join(harvest_log, harvest_log.c.id == quarantine.c.harvest_log_id)
        .where(harvest_log.c.ingest_config_id == ingest_config_id, quarantine.c.identifier.is_not(None))
        .limit(most + 1)
    )
    found = set(rows)
    return found if len(found) <= most else None


def clear(connection: Connection, ingest_config_id: int, good: Sequence[str]) -> None:
    """Away with what a config has set aside of these identifiers: they came well."""
    logs = select(harvest_log.c.id).where(harvest_log.c.ingest_config_id == ingest_config_id)
    if connection.dialect.name == "postgresql":
        is_good = quarantine.c.identifier == any_(bindparam("good", good, type_=ARRAY(Text)))
    else:
        # One array: there may be more of them than SQLite takes parameters.
        listed = func.json_each(json.dumps(good)).table_valued("value")
        is_good = quarantine.c.identifier.in_(select(listed.c.value))
    connection.execute(delete(quarantine).where(is_good, quarantine.c.harvest_log_id.in_(logs)))


def drop_outdated(connection: Connection, log: HarvestLog) -> None:
    """Once a list was stored to its end: what only earlier lists had, and what came several times, but for the last.

    A list that a limit cut says nothing of what else the window holds: then what earlier lists had stays.

    Args:
        connection: a transaction under the lease.
        log: the window's, at the attempt that was stored.
    """
    newest = (
        select(func.max(quarantine.c.id))
        .where(quarantine.c.harvest_log_id == log.id)
        .group_by(quarantine.c.identifier, quarantine.c.datum)
    )
    # By number: the list may have been begun on another machine, whose clock is ahead of this one's.
    is_before = quarantine.c.attempt < log.attempt if log.record_limit is None else false()
    is_outdated = or_(quarantine.c.id.not_in(newest), is_before)
    connection.execute(delete(quarantine).where(quarantine.c.harvest_log_id == log.id, is_outdated))


def of_logs(connection: Connection, harvest_log_ids: Sequence[int], most: int) -> list[Quarantined]:
    """What was set aside of some windows, the first of very many."""
    rows = connection.execute(
        select(quarantine.c.harvest_log_id, quarantine.c.identifier, quarantine.c.error, quarantine.c.page)
        .where(quarantine.c.harvest_log_id.in_(harvest_log_ids))
        .order_by(quarantine.c.harvest_log_id, quarantine.c.page, quarantine.c.id)
        .limit(most)
    )
    return [Quarantined(*row) for row in rows]


def count_by_log(connection: Connection, harvest_log_ids: Sequence[int]) -> dict[int, int]:
    """How much is set aside of each of some windows, where there is anything."""
    rows = connection.execute(
        select(quarantine.c.harvest_log_id, func.count())
        .where(quarantine.c.harvest_log_id.in_(harvest_log_ids))
        .group_by(quarantine.c.harvest_log_id)
    )
    return {row[0]: row[1] for row in rows}


def count(connection: Connection, series: Series) -> int:
    """How much is set aside of all windows of a series."""
    rows = select(func.count()).join_from(quarantine, harvest_log).where(series.clause)
    return connection.execute(rows).scalar_one()
