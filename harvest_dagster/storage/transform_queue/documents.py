"""Normalized documents: one for each identifier, made from its current content.

If the current content cannot be transformed, the document of older content stays, and the column `error` says that it
is outdated (docs/document.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, case, func, or_, select, update

from harvest_dagster.storage.change_instants import next_instant
from harvest_dagster.storage.tables import normalized_datum, raw_datum
from harvest_dagster.storage.upsert import dialect_insert

_REPLACED = ("raw_id", "transformer_version", "revision", "document", "deleted", "date_modified", "error")
_VISIBLE = (
    "transformer_version",
    "document",
    "deleted",
)  # what readers of the view current_document see of them


@dataclass(frozen=True)
class NormalizedDocument:
    """The document of an identifier.

    Attributes:
        document: None if the source has deleted the record.
    """

    suid_id: int
    raw_id: int
    revision: int
    document: dict[str, Any] | None


@dataclass(frozen=True)
class FailedTransform:
    """The content of an identifier that gave no document, and the reason."""

    suid_id: int
    revision: int
    error: str


def put_documents(
    connection: Connection,
    ingest_config_id: int,
    transformer_version: int,
    documents: Sequence[NormalizedDocument],
    now: datetime,
) -> None:
    """Insert or replace documents in bulk. A document that was made from newer content stays."""
    if not documents:
        return
    shared_values = {
        "ingest_config_id": ingest_config_id,
        "transformer_version": transformer_version,
        "date_modified": now,
        "changed_at": next_instant(connection, normalized_datum.c.changed_at, ingest_config_id, now),
        "error": None,
    }
    added = dialect_insert(connection, normalized_datum)
    replaced: dict[str, Any] = {name: added.excluded[name] for name in _REPLACED}
    # A transform that gives the same document again is no change for a reader.
    differs = or_(*(normalized_datum.c[name].is_distinct_from(added.excluded[name]) for name in _VISIBLE))
    replaced["changed_at"] = case((differs, added.excluded.changed_at), else_=normalized_datum.c.changed_at)
    connection.execute(
        added.on_conflict_do_update(
            index_elements=["suid_id"],
            set_=replaced,
            where=normalized_datum.c.revision <= added.excluded.revision,
        ),
        [{**_values(document), **shared_values} for document in documents],
    )


def mark_outdated(connection: Connection, failures: Sequence[FailedTransform], now: datetime) -> None:
    """Mark the documents of identifiers whose current content gave no document. A newer document stays unmarked."""
    if failures:
        connection.execute(
            update(normalized_datum)
            .where(
                normalized_datum.c.suid_id == bindparam("identifier"),
                normalized_datum.c.revision <= bindparam("failed_revision"),
            )
            .values(error=bindparam("reason"), date_modified=now),
            [
                {"identifier": one.suid_id, "failed_revision": one.revision, "reason": one.error}
                for one in failures
            ],
        )


def _values(normalized: NormalizedDocument) -> dict[str, Any]:
    return {
        "suid_id": normalized.suid_id,
        "raw_id": normalized.raw_id,
        "revision": normalized.revision,
        "document": normalized.document,
        "deleted": normalized.document is None,
    }


def find_current(connection: Connection, documents: Sequence[NormalizedDocument]) -> list[NormalizedDocument]:
    """Return the documents of current content.

    A document of other content must not be put: it would pose as the current one if the current content cannot be
    transformed.
    """
    if not documents:
        return []
    rows = connection.execute(
        select(raw_datum.c.suid_id, func.max(raw_datum.c.revision).label("newest"))
        .where(raw_datum.c.suid_id.in_([document.suid_id for document in documents]))
        .group_by(raw_datum.c.suid_id)
    )
    newest = {row.suid_id: row.newest for row in rows}
    return [document for document in documents if document.revision >= newest[document.suid_id]]


def find_changed(connection: Connection, documents: Sequence[NormalizedDocument]) -> list[NormalizedDocument]:
    """Return the documents that differ from those in the database. Call this before `put_documents`."""
    table = normalized_datum.c
    rows = connection.execute(
        select(table.suid_id, table.raw_id, table.revision, table.document).where(
            table.suid_id.in_([document.suid_id for document in documents])
        )
    )
    stored = {row.suid_id: row for row in rows}
    return [document for document in documents if _differs(document, stored.get(document.suid_id))]


def _differs(document: NormalizedDocument, stored: Row[Any] | None) -> bool:
    """Return whether a document changes its row. The same document of another datum may belong to another day."""
    if stored is None or stored.revision > document.revision:
        return stored is None
    return bool(stored.raw_id != document.raw_id or stored.document != document.document)
