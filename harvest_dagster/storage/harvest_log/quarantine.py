"""The quarantine: invalid records with their bytes and their errors.

A row is deleted when a valid version of the record is stored (`remove_identifiers`), or when a complete list of its
window is stored without it (`remove_outdated`). A new fetch attempt that fails at once deletes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Connection,
    Text,
    any_,
    bindparam,
    case,
    delete,
    false,
    func,
    insert,
    or_,
    select,
    true,
    update,
)

from harvest_dagster.records import InvalidRecord
from harvest_dagster.storage.harvest_log.queries import HarvestLog, LogScope
from harvest_dagster.storage.tables import harvest_log, ingest_config, quarantine
from harvest_dagster.windows import Window


@dataclass(frozen=True)
class QuarantinedRecord:
    """A row without its bytes.

    Attributes:
        identifier: None if it could not be read.
        page: number of the page in the list of its window, from 0.
    """

    harvest_log_id: int
    identifier: str | None
    error: str
    page: int


def add_records(
    connection: Connection, log: HarvestLog, page: int, invalid: Sequence[InvalidRecord], now: datetime
) -> None:
    """Add the invalid records of a page. The caller's transaction stores the valid records of the same page."""
    if not invalid:
        return
    connection.execute(
        insert(quarantine),
        [
            {
                "harvest_log_id": log.id,
                "identifier": record.identifier,
                "datum": record.datum,
                "error": record.error,
                "page": page,
                "date_created": now,
                "attempt": log.attempt,
            }
            for record in invalid
        ],
    )


def find_identifiers(connection: Connection, ingest_config_id: int, most: int) -> set[str] | None:
    """Return the quarantined identifiers of a config, or None if there are more than `most`."""
    rows = connection.scalars(
        select(quarantine.c.identifier)
        .distinct()
        .join(harvest_log, harvest_log.c.id == quarantine.c.harvest_log_id)
        .where(harvest_log.c.ingest_config_id == ingest_config_id, quarantine.c.identifier.is_not(None))
        .limit(most + 1)
    )
    found = set(rows)
    return found if len(found) <= most else None


def find_list_times(
    connection: Connection, scope: LogScope, identifiers: Sequence[str]
) -> dict[str, datetime]:
    """Return those of these identifiers that are quarantined, with the start of the last list that showed it.

    Lists that were asked for with other arguments do not count: the record may be valid in the present one.
    """
    digest = harvest_log.c.arguments_digest
    has_same_arguments = or_(digest.is_(None), digest == scope.arguments_digest)
    is_present = quarantine.c.attempt == harvest_log.c.attempt
    began = case((is_present, harvest_log.c.attempt_began), else_=quarantine.c.date_created)
    rows = connection.execute(
        select(quarantine.c.identifier, func.max(func.coalesce(began, quarantine.c.date_created)))
        .join_from(quarantine, harvest_log)
        .where(scope.clause, has_same_arguments, _is_one_of(connection, identifiers))
        .group_by(quarantine.c.identifier)
    )
    return {row[0]: row[1] for row in rows}


def remove_identifiers(connection: Connection, ingest_config_id: int, valid: Sequence[str]) -> None:
    """Delete the quarantined records of these identifiers, because valid versions are stored."""
    logs = select(harvest_log.c.id).where(harvest_log.c.ingest_config_id == ingest_config_id)
    is_valid = _is_one_of(connection, valid)
    connection.execute(delete(quarantine).where(is_valid, quarantine.c.harvest_log_id.in_(logs)))


def _is_one_of(connection: Connection, identifiers: Sequence[str]) -> ColumnElement[bool]:
    if connection.dialect.name == "postgresql":
        return quarantine.c.identifier == any_(bindparam("valid", identifiers, type_=ARRAY(Text)))
    # One JSON array: there may be more identifiers than SQLite accepts parameters.
    listed = func.json_each(json.dumps(identifiers)).table_valued("value")
    return quarantine.c.identifier.in_(select(listed.c.value))


def remove_outdated(connection: Connection, log: HarvestLog) -> None:
    """Delete the records of earlier lists, and all but the last of equal records, once a list is stored completely.

    A list with a `limit` does not show the whole window. The records of earlier lists then stay.

    Args:
        connection: a transaction under the lease.
        log: the log of the window, with the fetch attempt that was stored.
    """
    newest = (
        select(func.max(quarantine.c.id))
        .where(quarantine.c.harvest_log_id == log.id)
        .group_by(quarantine.c.identifier, quarantine.c.datum)
    )
    # Compare numbers, not times: the list may have begun on a machine whose clock is ahead of this one.
    is_before = quarantine.c.attempt < log.attempt if log.record_limit is None else false()
    is_outdated = or_(quarantine.c.id.not_in(newest), is_before)
    connection.execute(delete(quarantine).where(quarantine.c.harvest_log_id == log.id, is_outdated))


def count_different(connection: Connection, log: HarvestLog) -> int:
    """Return the number of different invalid records of the present fetch attempt of a window."""
    different = (
        select(quarantine.c.identifier, quarantine.c.datum)
        .where(quarantine.c.harvest_log_id == log.id, quarantine.c.attempt == log.attempt)
        .distinct()
        .subquery()
    )
    return connection.execute(select(func.count()).select_from(different)).scalar_one()


def find_by_logs(
    connection: Connection, harvest_log_ids: Sequence[int], most: int
) -> list[QuarantinedRecord]:
    """Return the quarantined records of some windows, at most `most` of them."""
    rows = connection.execute(
        select(quarantine.c.harvest_log_id, quarantine.c.identifier, quarantine.c.error, quarantine.c.page)
        .where(quarantine.c.harvest_log_id.in_(harvest_log_ids))
        .order_by(quarantine.c.harvest_log_id, quarantine.c.page, quarantine.c.id)
        .limit(most)
    )
    return [QuarantinedRecord(*row) for row in rows]


def count_by_log(connection: Connection, harvest_log_ids: Sequence[int]) -> dict[int, int]:
    """Return the number of quarantined records by log, for logs that have any."""
    rows = connection.execute(
        select(quarantine.c.harvest_log_id, func.count())
        .where(quarantine.c.harvest_log_id.in_(harvest_log_ids))
        .group_by(quarantine.c.harvest_log_id)
    )
    return {row[0]: row[1] for row in rows}


def count_by_scope(connection: Connection) -> dict[LogScope, int]:
    """Return the number of quarantined records of all sources that have any, by config and harvester version."""
    of_scope = (harvest_log.c.ingest_config_id, harvest_log.c.harvester_version)
    rows = connection.execute(
        select(*of_scope, func.count()).join_from(quarantine, harvest_log).group_by(*of_scope)
    )
    return {LogScope(config_id, version): count for config_id, version, count in rows}


def count_records(connection: Connection, scope: LogScope) -> int:
    """Return the number of quarantined records of all windows of a scope."""
    rows = select(func.count()).join_from(quarantine, harvest_log).where(scope.clause)
    return connection.execute(rows).scalar_one()


@dataclass(frozen=True)
class QuarantinedRow:
    """A quarantined record with its place.

    Attributes:
        id: its primary key.
        label: the source.
        harvest_log_id: primary key of the log of `window`.
        window: the window whose harvest quarantined it.
        identifier: its identifier; None if it could not be read.
        error: why it is invalid.
        page: the number of its page in the window, from 0.
        date_created: when it was quarantined.
        size: the number of its bytes.
    """

    id: int
    label: str
    harvest_log_id: int
    window: Window
    identifier: str | None
    error: str
    page: int
    date_created: datetime
    size: int


def find_rows(
    connection: Connection,
    *,
    label: str | None = None,
    ids: Sequence[int] | None = None,
    after: int = 0,
    most: int | None = None,
) -> list[QuarantinedRow]:
    """Return quarantined records without their bytes, ordered by primary key.

    Args:
        connection: to read with.
        label: only those of this source.
        ids: only these primary keys.
        after: only those with a higher primary key.
        most: the maximum number of records.
    """
    statement = (
        select(
            quarantine.c.id,
            ingest_config.c.label,
            quarantine.c.harvest_log_id,
            harvest_log.c.start_date,
            harvest_log.c.end_date,
            quarantine.c.identifier,
            quarantine.c.error,
            quarantine.c.page,
            quarantine.c.date_created,
            func.length(quarantine.c.datum),
        )
        .join_from(quarantine, harvest_log)
        .join(ingest_config, ingest_config.c.id == harvest_log.c.ingest_config_id)
        .where(
            quarantine.c.id > after,
            true() if label is None else ingest_config.c.label == label,
            true() if ids is None else quarantine.c.id.in_(list(ids)),
        )
        .order_by(quarantine.c.id)
        .limit(most)
    )
    rows = connection.execute(statement)
    return [QuarantinedRow(*(*row[:3], Window(row[3], row[4]), *row[5:])) for row in rows]


def find_bytes(connection: Connection, ids: Sequence[int]) -> dict[int, bytes]:
    """Return the bytes of these records, by primary key."""
    rows = connection.execute(select(quarantine.c.id, quarantine.c.datum).where(quarantine.c.id.in_(ids)))
    return {row.id: bytes(row.datum) for row in rows}


def remove_rows(connection: Connection, ids: Sequence[int]) -> int:
    """Delete these records. Return how many there were."""
    return int(connection.execute(delete(quarantine).where(quarantine.c.id.in_(ids))).rowcount)


def set_errors(connection: Connection, errors: Mapping[int, str]) -> None:
    """Replace the errors of records that were parsed again and are still invalid, by primary key."""
    if errors:
        connection.execute(
            update(quarantine).where(quarantine.c.id == bindparam("row")).values(error=bindparam("reason")),
            [{"row": key, "reason": error} for key, error in errors.items()],
        )
