"""The mirror of the catalogue in the database: a row for each IngestConfig that was ever harvested."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select, update

from harvest_dagster.storage.statements import insert_or_ignore
from harvest_dagster.storage.tables import ingest_config


def mirror(connection: Connection, definition: Mapping[str, Any], now: datetime) -> int:
    """Write a config where it is new or has changed.

    Args:
        connection: a write transaction.
        definition: the whole config as JSON has it, `${NAME}` unresolved.
        now: the time.

    Returns:
        its primary key.
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


def find_same(connection: Connection, definition: Mapping[str, Any]) -> int | None:
    """The primary key of a config that was mirrored just so; None where it is new or has changed."""
    row = connection.execute(
        select(ingest_config.c.id, ingest_config.c.definition).where(
            ingest_config.c.label == definition["label"]
        )
    ).first()
    return int(row.id) if row is not None and row.definition == dict(definition) else None


def find_id(connection: Connection, label: str) -> int | None:
    """The primary key of a label; None where it was never mirrored."""
    return connection.scalar(select(ingest_config.c.id).where(ingest_config.c.label == label))


def find_label(connection: Connection, ingest_config_id: int) -> str | None:
    """The label of a primary key; None where there is no such row."""
    return connection.scalar(select(ingest_config.c.label).where(ingest_config.c.id == ingest_config_id))


def _values(definition: Mapping[str, Any]) -> dict[str, Any]:
    copied = ("label", "name", "home_page", "harvester", "transformer", "disabled")
    return {name: definition[name] for name in copied} | {"definition": dict(definition)}
