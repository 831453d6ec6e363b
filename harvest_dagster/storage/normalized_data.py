"""Normalized documents: one for each identifier, made from what the source says now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from harvest_dagster.storage.statements import dialect_insert
from harvest_dagster.storage.tables import normalized_datum


@dataclass(frozen=True)
class Normalized:
    """The document of an identifier; None where the source deleted the record."""

    suid_id: int
    raw_id: int
    revision: int
    document: dict[str, Any] | None


def put(
    connection: Connection,
    ingest_config_id: int,
    transformer_version: int,
    documents: Sequence[Normalized],
    now: datetime,
) -> None:
    """Insert or replace the documents, in bulk. One that was made from newer content stays."""
    if not documents:
        return
    of_all = {
        "ingest_config_id": ingest_config_id,
        "transformer_version": transformer_version,
        "date_modified": now,
    }
    added = dialect_insert(connection, normalized_datum)
    replaced = ("raw_id", "transformer_version", "revision", "document", "deleted", "date_modified")
    connection.execute(
        added.on_conflict_do_update(
            index_elements=["suid_id"],
            set_={name: added.excluded[name] for name in replaced},
            where=normalized_datum.c.revision <= added.excluded.revision,
        ),
        [{**_values(one), **of_all} for one in documents],
    )


def _values(one: Normalized) -> dict[str, Any]:
    return {
        "suid_id": one.suid_id,
        "raw_id": one.raw_id,
        "revision": one.revision,
        "document": one.document,
        "deleted": one.document is None,
    }
