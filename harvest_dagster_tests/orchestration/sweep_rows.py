"""Rows of the table sweep and held deletions, as the job `reconcile` writes them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, insert

from harvest_dagster.records import Record
from harvest_dagster.storage.deletions import absences
from harvest_dagster.storage.raw_data.known_records import stream_known_records
from harvest_dagster.storage.raw_data.store import store_records
from harvest_dagster.storage.tables import sweep


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
    records = [Record(f"oai:held:{count}", since, False, "{}") for count in range(number)]
    store_records(connection, ingest_config_id, records, since)
    suid_ids = [
        one.suid_id
        for one in stream_known_records(connection, ingest_config_id)
        if one.identifier.startswith("oai:held:")
    ]
    absences.add_absences(connection, ingest_config_id, suid_ids, since, "run")
    absences.set_evidence(connection, ingest_config_id, "absent_twice", since, keep_not_found=False)
    absences.hold_all(connection, ingest_config_id)
