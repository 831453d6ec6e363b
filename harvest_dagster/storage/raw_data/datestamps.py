"""Count the stored records of a source by the day of their datestamp."""

from __future__ import annotations

from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, Connection, Date, cast, func, select

from harvest_dagster.storage.tables import source_unique_identifier


def count_by_day(connection: Connection, ingest_config_id: int) -> dict[date, int]:
    """Return the number of identifiers by the UTC day of their newest datestamp, in order. Others are left out."""
    stamp = source_unique_identifier.c.current_datestamp
    day: ColumnElement[Any]
    if connection.dialect.name == "postgresql":
        day = cast(func.timezone("UTC", stamp), Date)
    else:
        day = func.substr(stamp, 1, 10)
    counted = (
        select(day.label("day"), func.count().label("records"))
        .where(source_unique_identifier.c.ingest_config_id == ingest_config_id, stamp.is_not(None))
        .group_by("day")
        .order_by("day")
    )
    return {_as_date(row.day): row.records for row in connection.execute(counted)}


def _as_date(value: date | str) -> date:
    return date.fromisoformat(value) if isinstance(value, str) else value
