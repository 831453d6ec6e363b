"""The version under which the data of each source are transformed.

It is the `VERSION` of the transformer's class plus `transform_base` of the source. The base increases if the YAML names
another transformer or other arguments. Otherwise the documents of the earlier one would stay. See docs/decisions/0065.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Connection, exists, func, select, update

from harvest_dagster.storage.database import Database
from harvest_dagster.storage.tables import ingest_config, ingest_log
from harvest_dagster.storage.transform_queue.queue import TransformQueue, enqueue_older_versions


@dataclass(frozen=True)
class DeclaredTransformer:
    """What the YAML of a source names.

    Attributes:
        version: the `VERSION` of the transformer's class.
        digest: of the transformer's key and arguments.
    """

    version: int
    digest: str


@dataclass(frozen=True)
class TransformState:
    """What the database knows about the transformer of a source.

    Attributes:
        ingest_config_id: the row of the source.
        base: what is added to the version of the transformer's class.
        digest: of the transformer and its arguments when they were last seen; None if they never were.
        requeued: the version for which all data of older versions were queued.
    """

    ingest_config_id: int
    base: int
    digest: str | None
    requeued: int


def find_version(connection: Connection, ingest_config_id: int, declared: DeclaredTransformer) -> int:
    """Return the version under which the data of a source are transformed now."""
    return declared.version + _state(connection, ingest_config_id).base


def find_states(connection: Connection) -> dict[str, TransformState]:
    """Return the state of each source that has a row, by label."""
    rows = connection.execute(select(ingest_config.c.label, *_COLUMNS))
    return {row[0]: TransformState(*row[1:]) for row in rows}


def update_version(database: Database, ingest_config_id: int, declared: DeclaredTransformer) -> int:
    """Return the version of a source. Increase it first if the YAML names another transformer or other arguments."""
    with database.read() as connection:
        state = _state(connection, ingest_config_id)
    if state.digest == declared.digest:
        return declared.version + state.base
    with database.begin() as connection:
        state = _state(connection, ingest_config_id)
        base = state.base
        if state.digest not in (None, declared.digest):
            base = max(0, _newest_version(connection, ingest_config_id) + 1 - declared.version)
        connection.execute(
            update(ingest_config)
            .where(ingest_config.c.id == ingest_config_id)
            .values(transform_base=base, transform_digest=declared.digest)
        )
    return declared.version + base


_COLUMNS = (
    ingest_config.c.id,
    ingest_config.c.transform_base,
    ingest_config.c.transform_digest,
    ingest_config.c.requeued_version,
)


def _state(connection: Connection, ingest_config_id: int) -> TransformState:
    found = connection.execute(select(*_COLUMNS).where(ingest_config.c.id == ingest_config_id))
    return TransformState(*found.one())


def _newest_version(connection: Connection, ingest_config_id: int) -> int:
    """Return the newest version under which data of a source were queued; -1 if there are none."""
    newest = connection.scalar(
        select(func.max(ingest_log.c.transformer_version)).where(
            ingest_log.c.ingest_config_id == ingest_config_id
        )
    )
    return -1 if newest is None else int(newest)


def find_outdated_days(connection: Connection, queue: TransformQueue) -> list[date]:
    """Return the days with data that only older versions have transformed, the newest day first."""
    current = ingest_log.alias("current")
    has_current = exists().where(
        current.c.raw_id == ingest_log.c.raw_id,
        current.c.ingest_config_id == queue.ingest_config_id,
        current.c.transformer_version == queue.transformer_version,
    )
    days = (
        select(ingest_log.c.partition_date)
        .where(
            ingest_log.c.ingest_config_id == queue.ingest_config_id,
            ingest_log.c.transformer_version < queue.transformer_version,
            ingest_log.c.status != "CREATED",
            ~has_current,
        )
        .distinct()
        .order_by(ingest_log.c.partition_date.desc())
    )
    return list(connection.scalars(days))


def requeue_day(database: Database, queue: TransformQueue, day: date, now: datetime) -> None:
    """Mark the data of a day PENDING that only older versions have transformed."""
    with database.begin() as connection:
        enqueue_older_versions(connection, queue, (day, day), now)


def mark_requeued(database: Database, queue: TransformQueue) -> None:
    """Record that all data of older versions are in the queue of the present version."""
    with database.begin() as connection:
        connection.execute(
            update(ingest_config)
            .where(ingest_config.c.id == queue.ingest_config_id)
            .values(requeued_version=queue.transformer_version)
        )
