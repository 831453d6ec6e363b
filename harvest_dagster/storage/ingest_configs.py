"""The mirror of the catalogue in the database: a row for each IngestConfig that was ever harvested."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select, update

from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.storage.statements import insert_or_ignore
from harvest_dagster.storage.tables import ingest_config


def mirror(connection: Connection, config: IngestConfig, now: datetime) -> int:
    """Write a config as it was read, `${NAME}` unresolved, where it is new or has changed.

    Returns:
        its primary key.
    """
    values = _values(config)
    insert_or_ignore(connection, ingest_config, {**values, "date_modified": now})
    row = connection.execute(
        select(ingest_config.c.id, ingest_config.c.definition).where(ingest_config.c.label == config.label)
    ).one()
    if row.definition != values["definition"]:
        connection.execute(
            update(ingest_config).where(ingest_config.c.id == row.id).values(**values, date_modified=now)
        )
    return int(row.id)


def find_id(connection: Connection, label: str) -> int | None:
    """The primary key of a label; None where it was never mirrored."""
    return connection.scalar(select(ingest_config.c.id).where(ingest_config.c.label == label))


def find_label(connection: Connection, ingest_config_id: int) -> str | None:
    """The label of a primary key; None where there is no such row."""
    return connection.scalar(select(ingest_config.c.label).where(ingest_config.c.id == ingest_config_id))


def _values(config: IngestConfig) -> dict[str, Any]:
    return {
        "label": config.label,
        "name": config.name,
        "home_page": config.home_page,
        "harvester": config.harvester,
        "transformer": config.transformer,
        "disabled": config.disabled,
        "definition": config.model_dump(mode="json"),
    }
