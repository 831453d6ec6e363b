"""Store the identifiers and contents of a page with a few statements in the caller's transaction.

One statement reads what the database already has, `revisions` decides, and only new rows are written. Conflicts cannot
occur: identifiers belong to an IngestConfig, and only the holder of its lease writes. A unique violation is therefore a
lost lease or a bug. The statements of each dialect are in `postgresql` and `sqlite`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol

from sqlalchemy import Connection

from harvest_dagster.records import Record
from harvest_dagster.storage.change_instants import next_instant
from harvest_dagster.storage.raw_data import postgresql, sqlite
from harvest_dagster.storage.raw_data.revisions import (
    HISTORY,
    Changes,
    Content,
    Current,
    NewDatum,
    Probed,
    find_changes,
)
from harvest_dagster.storage.tables import source_unique_identifier


class ChangedRecord(NamedTuple):
    """A record whose content is new, or has returned, with the revision that it got."""

    record: Record
    revision: int


@dataclass(frozen=True)
class StoreCounts:
    """The changes that a batch made, and the records that changed nothing because they are old.

    Attributes:
        new_identifiers: rows of source_unique_identifier.
        new_data: rows of raw_datum. Content that returns already has its row.
        outdated: records that are not the current content, because the current content has a newer datestamp.
        changed: the records whose content is new and current, and those whose older content has returned.
        newly_dated: the identifiers that are new, and those whose current content has another datestamp than before.
    """

    new_identifiers: int
    new_data: int
    outdated: int = 0
    changed: tuple[ChangedRecord, ...] = ()
    newly_dated: frozenset[str] = frozenset()

    @property
    def changed_identifiers(self) -> int:
        """How many identifiers were known before and have a new current content."""
        return len({change.record.identifier for change in self.changed}) - self.new_identifiers


class Statements(Protocol):
    """The functions of a dialect's module."""

    def probe(
        self, connection: Connection, ingest_config_id: int, contents: Sequence[Content]
    ) -> dict[Content, Probed]:
        """Return what the database has of these contents, by content. All contents are different."""

    def reserve_data(self, connection: Connection, count: int) -> Sequence[int]:
        """Return primary keys for new data."""

    def insert_identifiers(
        self, connection: Connection, ingest_config_id: int, identifiers: Mapping[str, Current], now: datetime
    ) -> dict[str, int]:
        """Insert identifiers with their current contents. Return their keys by identifier."""

    def insert_data(
        self, connection: Connection, data: Sequence[tuple[int, int, NewDatum]], now: datetime
    ) -> None:
        """Insert data, each with its key and the key of its identifier."""

    def revise(self, connection: Connection, revisions: dict[int, int]) -> None:
        """Set the revisions of existing data, by their key."""

    def set_datestamps(self, connection: Connection, datestamps: dict[int, datetime | None]) -> None:
        """Set the datestamps of the current contents of existing identifiers, by the key of the identifier."""

    def set_current(self, connection: Connection, current: dict[int, Current]) -> None:
        """Set the current contents of existing identifiers, by the key of the identifier."""


@dataclass(frozen=True)
class StoredDatum:
    """A datum that is stored.

    Attributes:
        raw_id: its primary key.
        revision: its revision.
        is_current: whether it is the current content of its identifier.
    """

    raw_id: int
    revision: int
    is_current: bool


def store_records(
    connection: Connection, ingest_config_id: int, records: Sequence[Record], now: datetime
) -> StoreCounts:
    """Get or create the identifiers and contents of a batch. A thousand records, or a few thousand, are a good size.

    Existing rows do not change, except for their revision and for the current content of their identifier. The same
    bytes under two identifiers are two rows (docs/failures.md#identifier-reuse).

    Args:
        connection: a write transaction under the config's lease.
        ingest_config_id: the config, to which the identifiers belong.
        records: in the source's order. An identifier may occur several times.
        now: the time, for `date_created`.
    """
    statements = _statements(connection)
    contents = _contents(records)
    probed = statements.probe(connection, ingest_config_id, list(dict.fromkeys(contents)))
    changes = find_changes(records, contents, probed)
    _write(connection, ingest_config_id, changes, now)
    changed = (*_new(changes), *_returned(changes, records, contents, probed))
    newly_dated = frozenset(
        change.record.identifier for change in changed if _is_newly_dated(changes, change.record.identifier)
    )
    return StoreCounts(
        len(changes.identifiers), len(changes.data), changes.outdated, changed, newly_dated=newly_dated
    )


def _write(connection: Connection, ingest_config_id: int, changes: Changes, now: datetime) -> None:
    statements = _statements(connection)
    raw_ids = statements.reserve_data(connection, len(changes.data))
    new, known = _current_contents(connection, ingest_config_id, changes, raw_ids, now)
    created = statements.insert_identifiers(connection, ingest_config_id, new, now)
    suid_ids = changes.suid_ids | created
    data = [
        (raw_id, suid_ids[datum.record.identifier], datum)
        for raw_id, datum in zip(raw_ids, changes.data, strict=True)
    ]
    statements.insert_data(connection, data, now)
    statements.revise(connection, changes.revisions)
    statements.set_datestamps(connection, changes.datestamps)
    statements.set_current(connection, known)


def _current_contents(
    connection: Connection, ingest_config_id: int, changes: Changes, raw_ids: Sequence[int], now: datetime
) -> tuple[dict[str, Current], dict[int, Current]]:
    """Return the changed current contents of the new identifiers, and of the known ones by their keys."""
    raw_id_of = dict(changes.returned)
    for raw_id, datum in zip(raw_ids, changes.data, strict=True):
        if datum.is_current:
            raw_id_of[datum.record.identifier] = raw_id
    if not raw_id_of:
        return {}, {}
    changed_at = next_instant(connection, source_unique_identifier.c.changed_at, ingest_config_id, now)
    new = {
        identifier: Current(raw_id_of[identifier], changed_at, datestamp)
        for identifier, datestamp in changes.identifiers.items()
    }
    known = {
        changes.suid_ids[identifier]: Current(raw_id, changed_at)
        for identifier, raw_id in raw_id_of.items()
        if identifier not in changes.identifiers
    }
    return new, known


def _is_newly_dated(changes: Changes, identifier: str) -> bool:
    return identifier in changes.identifiers or changes.suid_ids[identifier] in changes.datestamps


def _new(changes: Changes) -> Iterator[ChangedRecord]:
    return (
        ChangedRecord(datum.record, datum.revision) for datum in changes.data if datum.revision != HISTORY
    )


def _returned(
    changes: Changes,
    records: Sequence[Record],
    contents: Sequence[Content],
    probed: Mapping[Content, Probed],
) -> Iterator[ChangedRecord]:
    """Yield each record whose older content has returned, once."""
    left = dict(changes.revisions)
    for record, content in zip(records, contents, strict=True) if left else ():
        found = probed.get(content)
        if found is not None and found.raw_id in left:
            yield ChangedRecord(record, left.pop(found.raw_id))


def find_data(connection: Connection, ingest_config_id: int, records: Sequence[Record]) -> list[StoredDatum]:
    """Return the datum of each record, in the order of the records. This takes one statement.

    Raises:
        LookupError: a record is not stored.
    """
    contents = _contents(records)
    probed = _statements(connection).probe(connection, ingest_config_id, list(dict.fromkeys(contents)))
    return [_stored_datum(probed.get(content), content) for content in contents]


def _statements(connection: Connection) -> Statements:
    return postgresql if connection.dialect.name == "postgresql" else sqlite


def _contents(records: Sequence[Record]) -> list[Content]:
    return [(record.identifier, record.hash) for record in records]


def _stored_datum(probed: Probed | None, content: Content) -> StoredDatum:
    if probed is None or probed.raw_id is None or probed.revision is None:
        raise LookupError(f"the record {content[0]!r} is not stored with the hash {content[1]}")
    return StoredDatum(probed.raw_id, probed.revision, probed.is_current)
