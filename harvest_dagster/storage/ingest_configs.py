"""The copy of the catalog in the database: a row for each IngestConfig that was ever harvested."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NoReturn

from sqlalchemy import Connection, bindparam, delete, exists, func, or_, select, update

from harvest_dagster.errors import BadInput, LeaseHeld
from harvest_dagster.storage.clock import database_now
from harvest_dagster.storage.tables import (
    Instant,
    coverage_change,
    coverage_scope,
    covered_window,
    day_version,
    harvest_log,
    ingest_config,
    lease,
    lease_grant,
    reported_state,
    source_observation,
    source_unique_identifier,
)
from harvest_dagster.storage.upsert import insert_or_ignore


def save_config(connection: Connection, definition: Mapping[str, Any], now: datetime) -> int:
    """Write a config if it is new or has changed.

    Args:
        connection: a write transaction.
        definition: the whole config as JSON, with unresolved `${NAME}`.
        now: the time.

    Returns:
        The primary key.
    """
    values = _values(definition)
    insert_or_ignore(connection, ingest_config, {**values, "date_modified": now})
    row = connection.execute(
        select(ingest_config.c.id, ingest_config.c.definition).where(
            ingest_config.c.label == definition["label"]
        )
    ).one()
    if row.definition != values["definition"]:
        connection.execute(
            update(ingest_config).where(ingest_config.c.id == row.id).values(**values, date_modified=now)
        )
    return int(row.id)


def find_unchanged(connection: Connection, definition: Mapping[str, Any]) -> int | None:
    """Return the primary key of a config if its row has exactly this definition, otherwise None."""
    row = connection.execute(
        select(ingest_config.c.id, ingest_config.c.definition).where(
            ingest_config.c.label == definition["label"]
        )
    ).first()
    return int(row.id) if row is not None and row.definition == dict(definition) else None


def find_id(connection: Connection, label: str) -> int | None:
    """Return the primary key of a label, or None if it has no row."""
    return connection.scalar(select(ingest_config.c.id).where(ingest_config.c.label == label))


def list_labels(connection: Connection) -> list[str]:
    """Return the labels of all sources that were ever harvested, in order."""
    return list(connection.scalars(select(ingest_config.c.label).order_by(ingest_config.c.label)))


def find_label(connection: Connection, ingest_config_id: int) -> str | None:
    """Return the label of a primary key, or None if there is no such row."""
    return connection.scalar(select(ingest_config.c.label).where(ingest_config.c.id == ingest_config_id))


def find_reconcile_times(
    connection: Connection, ids: Collection[int]
) -> dict[int, tuple[str | None, datetime]]:
    """Return the value of `reconcile` that the last harvest of each of these configs saw, and when the row changed."""
    expression = ingest_config.c.definition["reconcile"].as_string().label("expression")
    columns = (ingest_config.c.id, expression, ingest_config.c.date_modified)
    rows = connection.execute(select(*columns).where(ingest_config.c.id.in_(ids))) if ids else ()
    return {row.id: (row.expression, row.date_modified) for row in rows}


def rename_source(connection: Connection, label: str, former_labels: Collection[str]) -> str | None:
    """Give the row of a renamed source its new label. Its identifiers, logs, documents and coverage stay with the row.

    A row of the new label that has no data is deleted: a run that was refused may have written it.

    Args:
        connection: a write transaction.
        label: the new label.
        former_labels: the earlier labels of the source.

    Returns:
        The former label of the row; None if nothing was to be renamed.

    Raises:
        BadInput: several rows have data, so none of them can become the other.
        LeaseHeld: a run of the source is active under one of the labels.
    """
    rows = connection.execute(
        select(ingest_config.c.id, ingest_config.c.label)
        .where(ingest_config.c.label.in_([label, *former_labels]))
        .order_by(ingest_config.c.id)
        .with_for_update()
    ).all()
    former = [row for row in rows if row.label != label]
    if not former:
        return None
    with_data = _ids_with_data(connection, [row.id for row in rows])
    if len(with_data) > 1:
        _raise_conflict(label, [row.label for row in rows if row.id in with_data])
    renamed = next((row for row in former if row.id in with_data), None if with_data else former[0])
    own = next((row for row in rows if row.label == label), None)
    if renamed is None or (own is not None and not with_data):
        return None
    _raise_if_active(connection, [row.id for row in (renamed, own) if row is not None], renamed.label)
    if own is not None:
        _delete_without_data(connection, own.id)
    connection.execute(update(ingest_config).where(ingest_config.c.id == renamed.id).values(label=label))
    connection.execute(delete(reported_state).where(reported_state.c.label == label))
    connection.execute(
        update(reported_state).where(reported_state.c.label == renamed.label).values(label=label)
    )
    return str(renamed.label)


def _ids_with_data(connection: Connection, ids: Sequence[int]) -> set[int]:
    tables = (harvest_log, source_unique_identifier)
    has_data = or_(*(exists().where(table.c.ingest_config_id == ingest_config.c.id) for table in tables))
    return set(connection.scalars(select(ingest_config.c.id).where(ingest_config.c.id.in_(ids), has_data)))


def _raise_conflict(label: str, labels: Sequence[str]) -> NoReturn:
    message = (
        f"the source {label} cannot take over the data of its former labels, because several of them have data in the "
        f"database: {', '.join(labels)}. Remove from former_labels those that this source does not continue; their "
        "data stay."
    )
    raise BadInput(message)


def _raise_if_active(connection: Connection, ids: Sequence[int], former: str) -> None:
    """Raise LeaseHeld if a run holds the lease of one of these rows. It would continue under a label without a row."""
    held = select(lease.c.owner).where(
        lease.c.ingest_config_id.in_(ids),
        lease.c.owner.is_not(None),
        lease.c.expires > database_now(connection),
    )
    if owner := connection.scalar(held):
        message = f"the run {owner} still harvests the source under its former label {former}. Wait until it has ended."
        raise LeaseHeld(message)


def _delete_without_data(connection: Connection, ingest_config_id: int) -> None:
    scopes = select(coverage_scope.c.id).where(coverage_scope.c.ingest_config_id == ingest_config_id)
    connection.execute(delete(covered_window).where(covered_window.c.scope_id.in_(scopes)))
    for table in (coverage_scope, coverage_change, lease, lease_grant, source_observation, day_version):
        connection.execute(delete(table).where(table.c.ingest_config_id == ingest_config_id))
    connection.execute(delete(ingest_config).where(ingest_config.c.id == ingest_config_id))


@dataclass(frozen=True)
class Refusal:
    """Why preflight refuses the runs of a source.

    Attributes:
        since: when it first refused one of the runs that followed each other.
        reason: the last error.
    """

    since: datetime
    reason: str


def mark_refused(connection: Connection, ingest_config_id: int, reason: str, now: datetime) -> None:
    """Record that preflight refused a run."""
    row = ingest_config.c
    connection.execute(
        update(ingest_config)
        .where(row.id == ingest_config_id)
        .values(
            refusal=reason, refused_since=func.coalesce(row.refused_since, bindparam("now", now, Instant))
        )
    )


def is_refused(connection: Connection, ingest_config_id: int) -> bool:
    """Return whether preflight refused the last run of a config."""
    since = select(ingest_config.c.refused_since).where(ingest_config.c.id == ingest_config_id)
    return connection.scalar(since) is not None


def clear_refusal(connection: Connection, ingest_config_id: int) -> None:
    """Record that preflight let a run pass."""
    cleared = {"refusal": None, "refused_since": None}
    connection.execute(update(ingest_config).where(ingest_config.c.id == ingest_config_id).values(**cleared))


def find_refusals(connection: Connection) -> dict[str, Refusal]:
    """Return the refusals of all sources whose last run was refused, by label."""
    row = ingest_config.c
    rows = connection.execute(
        select(row.label, row.refused_since, row.refusal).where(row.refused_since.is_not(None))
    )
    return {label: Refusal(since, reason or "no reason is on record") for label, since, reason in rows}


def _values(definition: Mapping[str, Any]) -> dict[str, Any]:
    copied = ("label", "name", "home_page", "harvester", "transformer", "disabled")
    return {name: definition[name] for name in copied} | {"definition": dict(definition)}
