"""Rows that other tables refer to."""

from __future__ import annotations

from datetime import datetime, timezone
from itertools import count
from typing import Any

from harvest_dagster.storage import ingest_configs
from harvest_dagster.storage.engine import Database

NOW = datetime(2024, 5, 1, 12, tzinfo=timezone.utc)
_numbers = count(1)


def definition(label: str, **changes: Any) -> dict[str, Any]:
    """An IngestConfig as JSON has it."""
    return {
        "label": label,
        "name": label,
        "home_page": None,
        "harvester": "oai",
        "transformer": None,
        "disabled": False,
        **changes,
    }


def new_config(database: Database) -> int:
    """The primary key of an IngestConfig that nothing else uses."""
    with database.begin() as connection:
        return ingest_configs.mirror(connection, definition(f"source_{next(_numbers)}"), NOW)
