"""A database with a row in each table about what a source no longer has."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection, insert, select

from harvest_dagster.records import Record
from harvest_dagster.storage import record_lags
from harvest_dagster.storage.database import Database
from harvest_dagster.storage.raw_data.store import store_records
from harvest_dagster.storage.tables import (
    absent_record,
    deletion,
    deletion_decision,
    raw_datum,
    source_unique_identifier,
    sweep,
)
from harvest_dagster.windows import utc_now

DECISION = 5
_REVISIONS = (
    ("live", False, ("gone", "back", "absent")),
    ("tombstone", True, ("gone", "back")),
    ("again", False, ("back",)),
)


def fill_deletions(database: Database, config_id: int, then: datetime) -> dict[str, int]:
    """Delete the records `gone` and `back` by one decision, after which `back` returns. `absent` is absent.

    Returns:
        the keys of all contents, by content: the identifier and `live`, `tombstone` or `again`.
    """
    with database.begin() as connection:
        for content, is_deleted, names in _REVISIONS:
            records = [Record(name, None, is_deleted, f"{name} {content}") for name in names]
            store_records(connection, config_id, records, then)
        suid = source_unique_identifier.c
        suids = {row.identifier: row.id for row in connection.execute(select(suid.identifier, suid.id))}
        keys = {row.datum: row.id for row in connection.execute(select(raw_datum.c.datum, raw_datum.c.id))}
        of_run = {"ingest_config_id": config_id, "run_id": "sweep"}
        _add_decision(connection, of_run, suids, keys, then)
        absence = {"suid_id": suids["absent"], "since": then, "last_list": then}
        connection.execute(insert(absent_record).values(**absence, **of_run))
        holder = {"expires": utc_now(), "host": "h", "process_id": 1, "process_started": "p"}
        values = {"status": "STARTED", "date_started": then, "run_began": then, "windows": [["a", "b"]]}
        connection.execute(insert(sweep).values(**values, **holder, **of_run))
        for month in (then.date(), utc_now().date()):
            record_lags.add_lags(connection, config_id, month, {0: 7, 3: 1})
    return keys


def _add_decision(
    connection: Connection,
    of_run: Mapping[str, object],
    suids: Mapping[str, int],
    keys: Mapping[str, int],
    then: datetime,
) -> None:
    values = {"id": DECISION, "approved": True, "records": 2, "date_created": then}
    connection.execute(insert(deletion_decision).values(**values, **of_run))
    shared = {"decision_id": DECISION, "evidence": "absent_twice", "run_id": "sweep", "date_created": then}
    for name in ("gone", "back"):
        of_record = {"raw_id": keys[f"{name} tombstone"], "previous_raw_id": keys[f"{name} live"]}
        connection.execute(insert(deletion).values(suid_id=suids[name], **of_record, **shared))
