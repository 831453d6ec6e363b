"""IngestConfigs, to which other rows refer."""

from __future__ import annotations

from datetime import datetime, timezone
from itertools import count
from typing import Any

from harvest_dagster.storage import ingest_configs
from harvest_dagster.storage.database import Database

NOW = datetime(2024, 5, 1, 12, tzinfo=timezone.utc)
_numbers = count(1)


def definition(label: str, **changes: Any) -> dict[str, Any]:
    """Return an IngestConfig as JSON."""
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
    """Create an IngestConfig and return its primary key."""
    with database.begin() as connection:
        return ingest_configs.save_config(connection, definition(f"source_{next(_numbers)}"), NOW)
