"""Identifiers and raw data, in bulk: what a page brings, in a few statements and the caller's transaction.

Probe, then insert: one statement tells what is there, `revisions` decides, and only what is new is written.
No conflict is awaited: identifiers belong to an IngestConfig, and whoever writes for one holds its lease, so
that a unique violation is a lost lease or a bug. The statements are each dialect's own, in
`raw_data_postgresql` and `raw_data_sqlite`. Splitting, quarantine and ingest logs are elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from sqlalchemy import Connection

from harvest_dagster.records import Record
from harvest_dagster.storage import raw_data_postgresql, raw_data_sqlite
from harvest_dagster.storage.revisions import Content, NewDatum, Probed, fold


@dataclass(frozen=True)
class StoreCounts:
    """What a batch added.

    Attributes:
        new_identifiers: rows of source_unique_identifier.
        new_data: rows of raw_datum; content that came back has its row already.
    """

    new_identifiers: int
    new_data: int


class Statements(Protocol):
    """What a dialect's module has."""

    def probe(
        self, connection: Connection, ingest_config_id: int, contents: Sequence[Content]
    ) -> dict[Content, Probed]:
        """What is there of these contents, which are all different, by content."""

    def insert_identifiers(
        self, connection: Connection, ingest_config_id: int, identifiers: Sequence[str]
    ) -> dict[str, int]:
        """Creates them; their keys by identifier."""

    def insert_data(
        self, connection: Connection, data: Sequence[tuple[int, NewDatum]], now: datetime
    ) -> None:
        """Creates them, each under the key of its identifier."""

    def revise(self, connection: Connection, revisions: dict[int, int]) -> None:
        """Sets the revision of data by their key."""


def store(
    connection: Connection, ingest_config_id: int, records: Sequence[Record], now: datetime
) -> StoreCounts:
    """Get or create the identifiers and contents of a batch; a thousand or a few are a good size.

    What is there stays as it was first stored, but for the revision. The same bytes under two identifiers are
    two rows (Lesson 29).

    Args:
        connection: a write transaction whose caller holds the config's lease.
        ingest_config_id: whose records they are; identifiers are its own.
        records: in the source's order; the same identifier may come several times.
        now: the time, for the rows' date_created.
    """
    statements = _statements(connection)
    contents = _contents(records)
    probed = statements.probe(connection, ingest_config_id, list(dict.fromkeys(contents)))
    changes = fold(records, contents, probed)
    created = statements.insert_identifiers(connection, ingest_config_id, changes.identifiers)
    suid_ids = changes.suid_ids | created
    statements.insert_data(
        connection, [(suid_ids[datum.record.identifier], datum) for datum in changes.data], now
    )
    statements.revise(connection, changes.revisions)
    return StoreCounts(len(changes.identifiers), len(changes.data))


def find(connection: Connection, ingest_config_id: int, records: Sequence[Record]) -> list[tuple[int, int]]:
    """Key and revision of each record's datum, in the records' order, with one statement.

    Raises:
        LookupError: one of them is not stored.
    """
    contents = _contents(records)
    probed = _statements(connection).probe(connection, ingest_config_id, list(dict.fromkeys(contents)))
    return [_stored(probed.get(content), content) for content in contents]


def _statements(connection: Connection) -> Statements:
    return raw_data_postgresql if connection.dialect.name == "postgresql" else raw_data_sqlite


def _contents(records: Sequence[Record]) -> list[Content]:
    return [(record.identifier, record.hash) for record in records]


def _stored(probed: Probed | None, content: Content) -> tuple[int, int]:
    if probed is None or probed.raw_id is None or probed.revision is None:
        raise LookupError(f"the record {content[0]!r} is not stored with the hash {content[1]}")
    return probed.raw_id, probed.revision
