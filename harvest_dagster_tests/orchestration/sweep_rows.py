"""Rows of the table sweep and held deletions, as the job `reconcile` writes them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, insert

from harvest_dagster.storage.tables import absent_record, source_unique_identifier, sweep


def add_sweep(
    connection: Connection,
    ingest_config_id: int,
    ended: datetime,
    *,
    status: str = "SUCCEEDED",
    completeness: str | None = "complete",
    error: str | None = None,
    **counts: Any,
) -> int:
    """Add a sweep that took an hour, and return its primary key. The counts are columns of the table."""
    values = {
        "ingest_config_id": ingest_config_id,
        "run_id": "past",
        "run_began": ended - timedelta(hours=1),
        "status": status,
        "date_started": ended - timedelta(hours=1),
        "date_completed": None if status == "STARTED" else ended,
        "error": error,
        "completeness": completeness,
        "examples": {} if status == "SUCCEEDED" else None,  # a sweep with examples was compared
        "evidence": {"complete": "total", "unverified": "none", None: None}[completeness],
    }
    key = connection.execute(insert(sweep).values({**values, **counts})).inserted_primary_key
    assert key is not None
    return int(key[0])


def hold_deletions(connection: Connection, ingest_config_id: int, number: int, since: datetime) -> None:
    """Add records whose deletion is held."""
    for count in range(number):
        identifier = {"ingest_config_id": ingest_config_id, "identifier": f"oai:held:{count}"}
        key = connection.execute(insert(source_unique_identifier).values(**identifier)).inserted_primary_key
        assert key is not None
        values = {"suid_id": key[0], "ingest_config_id": ingest_config_id, "since": since, "last_list": since}
        connection.execute(insert(absent_record).values(**values, evidence="absent_twice", held=True))
