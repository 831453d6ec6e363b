"""Normalized documents: one for each identifier, made from its current content.

If the current content cannot be transformed, the document of older content stays, and the column `error` says that it
is outdated (docs/document.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import (
    Connection,
    Row,
    Text,
    bindparam,
    case,
    cast,
    or_,
    select,
    update,
)

from harvest_dagster.storage.change_instants import next_instant
from harvest_dagster.storage.copy_rows import copy_rows
from harvest_dagster.storage.key_sets import is_one_of, prefer_indexes
from harvest_dagster.storage.tables import (
    Instant,
    Json,
    normalized_datum,
    raw_datum,
    source_unique_identifier,
)
from harvest_dagster.storage.upsert import dialect_insert

if TYPE_CHECKING:
    from harvest_dagster.storage.upsert import DialectInsert

_REPLACED = ("raw_id", "transformer_version", "revision", "document", "deleted", "date_modified", "error")
_VISIBLE = (
    "transformer_version",
    "document",
    "deleted",
)  # what readers of the view current_document see of them


_COPIED = {
    "suid_id": "int8",
    "raw_id": "int8",
    "revision": "int4",
    "document": "jsonb",
    "deleted": "bool",
    "ingest_config_id": "int4",
    "transformer_version": "int4",
    "date_modified": "timestamptz",
    "changed_at": "timestamptz",
}


@dataclass(frozen=True, slots=True)
class NormalizedDocument:
    """The document of an identifier.

    Attributes:
        document: its JSON text; None if the source has deleted the record.
    """

    suid_id: int
    raw_id: int
    revision: int
    document: str | None


@dataclass(frozen=True)
class FailedTransform:
    """The content of an identifier that gave no document, and the reason."""

    suid_id: int
    revision: int
    error: str


@dataclass(frozen=True)
class _SharedValues:
    """Values that all documents of a batch share."""

    ingest_config_id: int
    transformer_version: int
    now: datetime
    instant: datetime


def put_documents(
    connection: Connection,
    ingest_config_id: int,
    transformer_version: int,
    documents: Sequence[NormalizedDocument],
    now: datetime,
) -> list[NormalizedDocument]:
    """Insert or replace documents in bulk. Return those that differ from the documents in the database.

    A document that was made from newer content stays.
    """
    if not documents:
        return []
    instant = next_instant(connection, normalized_datum.c.changed_at, ingest_config_id, now)
    prefer_indexes(connection)
    newest = _newest(documents)
    stored = _find_stored(connection, newest)
    shared = _SharedValues(ingest_config_id, transformer_version, now, instant)
    new = (
        [one for one in newest if one.suid_id not in stored]
        if connection.dialect.name == "postgresql"
        else []
    )
    if new:
        _copy(connection, new, shared)
    known = [one for one in newest if one.suid_id in stored] if new else newest
    if known:
        _upsert(connection, known, shared)
    return [one for one in newest if _differs(one, stored.get(one.suid_id))]


def _newest(documents: Sequence[NormalizedDocument]) -> list[NormalizedDocument]:
    """Return the document of the newest content of each identifier, so that each identifier has one row."""
    newest: dict[int, NormalizedDocument] = {}
    for document in documents:
        known = newest.get(document.suid_id)
        if known is None or known.revision <= document.revision:
            newest[document.suid_id] = document
    return list(newest.values())


def _copy(connection: Connection, documents: Sequence[NormalizedDocument], shared: _SharedValues) -> None:
    """Insert the documents of identifiers that have none. No other transaction can insert one meanwhile."""
    from psycopg.types.json import Jsonb  # noqa: PLC0415 - only with PostgreSQL

    same = (shared.ingest_config_id, shared.transformer_version, shared.now, shared.instant)
    rows = (
        (
            one.suid_id,
            one.raw_id,
            one.revision,
            None if one.document is None else Jsonb(one.document, dumps=str),
            one.document is None,
            *same,
        )
        for one in documents
    )
    copy_rows(connection, "normalized_datum", _COPIED, rows)


def _upsert(connection: Connection, documents: Sequence[NormalizedDocument], shared: _SharedValues) -> None:
    """Insert or replace documents."""
    is_sqlite = connection.dialect.name == "sqlite"
    text = bindparam("text", type_=Text)
    # SQLite has texts. It would take longer to convert the instants of each row than to write the row.
    modified, changed = (
        map(_as_text, (shared.now, shared.instant)) if is_sqlite else (shared.now, shared.instant)
    )
    instant = Text() if is_sqlite else Instant()
    added = dialect_insert(connection, normalized_datum).values(
        suid_id=bindparam("suid"),
        raw_id=bindparam("raw"),
        ingest_config_id=bindparam("config"),
        transformer_version=bindparam("version"),
        revision=bindparam("number"),
        document=text if is_sqlite else cast(text, Json),
        deleted=bindparam("is_deleted"),
        date_modified=bindparam("modified", type_=instant),
        changed_at=bindparam("changed", type_=instant),
    )
    rows = [
        {
            "suid": one.suid_id,
            "raw": one.raw_id,
            "config": shared.ingest_config_id,
            "version": shared.transformer_version,
            "number": one.revision,
            "text": one.document,
            "is_deleted": one.document is None,
            "modified": modified,
            "changed": changed,
        }
        for one in documents
    ]
    connection.execute(_on_conflict(added), rows)


def _on_conflict(added: DialectInsert) -> DialectInsert:
    replaced: dict[str, Any] = {name: added.excluded[name] for name in _REPLACED} | {"error": None}
    # A transform that gives the same document again is no change for a reader.
    differs = or_(*(normalized_datum.c[name].is_distinct_from(added.excluded[name]) for name in _VISIBLE))
    replaced["changed_at"] = case((differs, added.excluded.changed_at), else_=normalized_datum.c.changed_at)
    return added.on_conflict_do_update(
        index_elements=["suid_id"],
        set_=replaced,
        where=normalized_datum.c.revision <= added.excluded.revision,
    )


def _as_text(instant: datetime) -> str:
    """Return an instant as SQLAlchemy stores it on SQLite."""
    return f"{instant.astimezone(timezone.utc):%Y-%m-%d %H:%M:%S.%f}"


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


def find_current(connection: Connection, documents: Sequence[NormalizedDocument]) -> list[NormalizedDocument]:
    """Return the documents of current content.

    A document of other content must not be put: it would pose as the current one if the current content cannot be
    transformed.
    """
    if not documents:
        return []
    prefer_indexes(connection)
    known = source_unique_identifier.c
    asked = {document.suid_id for document in documents}
    # The rows of all revisions would be five times as expensive.
    rows = connection.execute(
        select(known.id, raw_datum.c.revision)
        .join(raw_datum, raw_datum.c.id == known.raw_id)
        .where(is_one_of(connection, known.id, asked))
    )
    newest: dict[int, int] = dict(rows.tuples().all())
    return [document for document in documents if document.revision >= newest[document.suid_id]]


def _find_stored(connection: Connection, documents: Sequence[NormalizedDocument]) -> dict[int, Row[Any]]:
    """Return the rows of these identifiers, by identifier."""
    table = normalized_datum.c
    rows = connection.execute(
        select(table.suid_id, table.raw_id, table.revision, table.document).where(
            is_one_of(connection, table.suid_id, [document.suid_id for document in documents])
        )
    )
    return {row.suid_id: row for row in rows}


def _differs(document: NormalizedDocument, stored: Row[Any] | None) -> bool:
    """Return whether a document changes its row. The same document of another datum may belong to another day."""
    if stored is None or stored.revision > document.revision:
        return stored is None
    content = None if document.document is None else msgspec.json.decode(document.document)
    return bool(stored.raw_id != document.raw_id or stored.document != content)
