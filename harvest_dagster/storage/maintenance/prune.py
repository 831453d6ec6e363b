"""Delete what no later run needs.

Each function returns the number of rows that it deletes, or with `dry_run` that it would delete. None of them changes
what is covered, what is current, or what a lost run may still do.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, Table, and_, delete, exists, func, or_, select, update

from harvest_dagster.storage.database import Database
from harvest_dagster.storage.rate_limit.rows import database_time, host_of_row
from harvest_dagster.storage.tables import (
    deletion,
    deletion_decision,
    harvest_log,
    harvest_log_run,
    ingest_log,
    lease_grant,
    normalized_datum,
    raw_datum,
    raw_original,
    record_lag,
    request_departure,
    request_host,
    source_unique_identifier,
    transform_run,
)

_ROWS_AT_A_TIME = 5000
# `record_lags.find_lags` reads twelve months.
_KEEP_LAGS = timedelta(days=366)


def prune_lease_grants(connection: Connection, before: datetime, *, dry_run: bool) -> int:
    """Delete old acquisitions of leases. The newest of each source stays, because an error may name it.

    A run that lost its lease cannot acquire it again while its row exists. No run lives as long as the rows stay.
    """
    newer = lease_grant.alias("newer")
    has_newer = exists().where(
        newer.c.ingest_config_id == lease_grant.c.ingest_config_id, newer.c.token > lease_grant.c.token
    )
    return _delete(connection, lease_grant, and_(lease_grant.c.acquired < before, has_newer), dry_run=dry_run)


def prune_run_attempts(connection: Connection, before: datetime, *, dry_run: bool) -> int:
    """Delete old run attempts at windows that have succeeded since.

    The last attempt at each window stays, and so do all attempts since the last success of a source: they decide
    whether its next run is refused.
    """
    later, its_log, own_log = (
        harvest_log_run.alias("later"),
        harvest_log.alias("its_log"),
        harvest_log.alias("own"),
    )
    has_later_success = exists().where(
        own_log.c.id == harvest_log_run.c.harvest_log_id,
        its_log.c.ingest_config_id == own_log.c.ingest_config_id,
        its_log.c.harvester_version == own_log.c.harvester_version,
        later.c.harvest_log_id == its_log.c.id,
        later.c.status == "SUCCEEDED",
        later.c.date_completed > harvest_log_run.c.date_completed,
    )
    is_over = exists().where(
        harvest_log.c.id == harvest_log_run.c.harvest_log_id,
        harvest_log.c.status == "SUCCEEDED",
        or_(harvest_log.c.run_id.is_(None), harvest_log.c.run_id != harvest_log_run.c.run_id),
    )
    old = and_(harvest_log_run.c.status != "STARTED", harvest_log_run.c.date_completed < before)
    return _delete(connection, harvest_log_run, and_(old, is_over, has_later_success), dry_run=dry_run)


def prune_transform_runs(connection: Connection, before: datetime, *, dry_run: bool) -> int:
    """Delete the processes of transform runs that have not reported for long and have claimed nothing."""
    has_claims = exists().where(
        ingest_log.c.status == "STARTED", ingest_log.c.run_id == transform_run.c.run_id
    )
    condition = and_(transform_run.c.last_seen < before, ~has_claims)
    return _delete(connection, transform_run, condition, dry_run=dry_run)


def prune_lags(connection: Connection, before: datetime, now: datetime, *, dry_run: bool) -> int:
    """Delete the months of the histograms of late records that no lookback is learned from any more."""
    oldest = min(before, now - _KEEP_LAGS).date().replace(day=1)
    return _delete(connection, record_lag, record_lag.c.month < oldest, dry_run=dry_run)


def prune_departures(connection: Connection, *, dry_run: bool) -> int:
    """Delete the requests that no limit of their host needs any more. The newest of each host stays."""
    now = database_time(connection) if connection.dialect.name == "postgresql" else time.monotonic()
    return sum(
        _prune_host(connection, key, now, dry_run=dry_run)
        for key in connection.scalars(select(request_host.c.id)).all()
    )


def _prune_host(connection: Connection, key: int, now: float, *, dry_run: bool) -> int:
    row = connection.execute(
        select(request_host).where(request_host.c.id == key).with_for_update(key_share=True)
    ).one()
    limits = list(host_of_row(row).throttle.limits)
    of_host = request_departure.c.host_id == key
    newest = connection.scalar(select(func.max(request_departure.c.number)).where(of_host)) or 0
    # As in `rows.forget_departures`: twice the spacing, because a departure may have been recorded again later.
    horizon = now - 2 * max((limit.spacing for limit in limits), default=0.0)
    first_needed = connection.scalar(
        select(func.min(request_departure.c.number)).where(of_host, request_departure.c.departed > horizon)
    )
    by_count = newest - max((limit.calls for limit in limits), default=0)
    end = min(newest, max(by_count, newest if first_needed is None else first_needed))
    deleted = _delete(
        connection, request_departure, and_(of_host, request_departure.c.number < end), dry_run=dry_run
    )
    if deleted and not dry_run:
        connection.execute(update(request_host).where(request_host.c.id == key).values(oldest=end))
    return deleted


def prune_superseded_data(database: Database, before: datetime, *, dry_run: bool) -> int:
    """Delete old contents of identifiers that have a newer current content, with their ingest logs, in batches.

    The history of these identifiers is lost, and with it the deletions of records that exist again. A content whose
    document is still the present one stays, and so does a content that a transform waits for or works on, or that the
    undoing of a deletion would bring back.
    """
    newer, known = raw_datum.alias("newer"), source_unique_identifier
    superseded = and_(
        raw_datum.c.date_created < before,
        exists().where(newer.c.suid_id == raw_datum.c.suid_id, newer.c.revision > raw_datum.c.revision),
        ~exists().where(known.c.id == raw_datum.c.suid_id, known.c.raw_id == raw_datum.c.id),
        ~exists().where(normalized_datum.c.raw_id == raw_datum.c.id),
        ~exists().where(
            ingest_log.c.raw_id == raw_datum.c.id, ingest_log.c.status.in_(("PENDING", "STARTED"))
        ),
        ~_is_needed_to_undo(),
    )
    if dry_run:
        with database.read() as connection:
            return connection.scalar(select(func.count()).select_from(raw_datum).where(superseded)) or 0
    deleted = 0
    while True:
        with database.begin() as connection:
            keys = list(connection.scalars(select(raw_datum.c.id).where(superseded).limit(_ROWS_AT_A_TIME)))
            _delete_data(connection, keys)
        deleted += len(keys)
        if len(keys) < _ROWS_AT_A_TIME:
            return deleted


def _is_needed_to_undo() -> ColumnElement[bool]:
    """Return the condition that the current content is a deletion that replaced this content and can be undone."""
    known = source_unique_identifier.alias("deleted")
    return (
        select(deletion.c.id)
        .join(deletion_decision, deletion_decision.c.id == deletion.c.decision_id)
        .join(known, known.c.id == deletion.c.suid_id)
        .where(
            deletion.c.suid_id == raw_datum.c.suid_id,
            deletion.c.previous_raw_id == raw_datum.c.id,
            known.c.raw_id == deletion.c.raw_id,
            deletion_decision.c.date_undone.is_(None),
        )
        .exists()
    )


def _delete_data(connection: Connection, keys: Sequence[int]) -> None:
    for table in (ingest_log, raw_original, deletion):
        connection.execute(delete(table).where(table.c.raw_id.in_(keys)))
    # Not a foreign key. SQLite may give the key to another content. The identifiers are there for their index.
    identifiers = select(raw_datum.c.suid_id).where(raw_datum.c.id.in_(keys))
    replaced = and_(deletion.c.suid_id.in_(identifiers), deletion.c.previous_raw_id.in_(keys))
    connection.execute(update(deletion).where(replaced).values(previous_raw_id=None))
    connection.execute(delete(raw_datum).where(raw_datum.c.id.in_(keys)))


def _delete(connection: Connection, table: Table, condition: ColumnElement[bool], *, dry_run: bool) -> int:
    if dry_run:
        return connection.scalar(select(func.count()).select_from(table).where(condition)) or 0
    return int(connection.execute(delete(table).where(condition)).rowcount)
