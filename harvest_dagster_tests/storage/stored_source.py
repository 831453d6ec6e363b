"""A source whose records are stored and transformed without a harvest, and what the views show of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import select, text

from harvest_dagster.records import Record
from harvest_dagster.storage.database import Database
from harvest_dagster.storage.raw_data.store import find_data, store_records
from harvest_dagster.storage.tables import ingest_config, source_unique_identifier
from harvest_dagster.storage.transform_queue.documents import (
    FailedTransform,
    NormalizedDocument,
    mark_outdated,
    put_documents,
)
from harvest_dagster_tests.storage.configs import NOW, new_config


def record(identifier: str, blob: str, datestamp: datetime | None = NOW, *, deleted: bool = False) -> Record:
    return Record(identifier, datestamp, deleted, blob)


class Source:
    """A source, what its steps store and transform, and what the views show of it."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.config_id = new_config(database)
        with database.read() as connection:
            self.label = connection.scalar(
                select(ingest_config.c.label).where(ingest_config.c.id == self.config_id)
            )

    def store(self, *records: Record, now: datetime = NOW) -> None:
        with self.database.begin() as connection:
            store_records(connection, self.config_id, records, now)

    def transform(
        self,
        *records: Record,
        now: datetime = NOW,
        version: int = 1,
        documents: Mapping[str, dict[str, Any]] | None = None,
    ) -> None:
        suid = source_unique_identifier
        with self.database.begin() as connection:
            found = find_data(connection, self.config_id, records)
            rows = connection.execute(
                select(suid.c.identifier, suid.c.id).where(
                    suid.c.ingest_config_id == self.config_id,
                    suid.c.identifier.in_([one.identifier for one in records]),
                )
            )
            keys = {row.identifier: row.id for row in rows}
            made = [
                NormalizedDocument(
                    keys[one.identifier],
                    datum.raw_id,
                    datum.revision,
                    None
                    if one.deleted
                    else json.dumps((documents or {}).get(one.identifier, {"title": one.blob})),
                )
                for one, datum in zip(records, found, strict=True)
            ]
            put_documents(connection, self.config_id, version, made, now)

    def fail(self, identifier: str, now: datetime) -> None:
        suid = source_unique_identifier
        with self.database.begin() as connection:
            key = connection.scalar(select(suid.c.id).where(suid.c.identifier == identifier))
            assert key is not None
            mark_outdated(connection, [FailedTransform(key, 99, "no")], now)

    def rows(self, view: str) -> dict[str, dict[str, Any]]:
        with self.database.read() as connection:
            found = connection.execute(
                text(f"SELECT * FROM {view} WHERE label = :label"), {"label": self.label}
            )
            return {row.identifier: dict(row._mapping) for row in found}

    def changed(self, view: str, identifier: str) -> datetime:
        found = self.rows(view)[identifier]["changed_at"]
        return found if isinstance(found, datetime) else datetime.fromisoformat(f"{found}+00:00")
