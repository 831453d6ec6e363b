"""Decide what a batch of records changes: new identifiers, new contents, and the current content of each identifier.

The functions are pure; `store` executes the statements. The content with the newest datestamp is the current one,
whatever order the contents arrive in (docs/failures.md#old-version-arrives-late). If two datestamps are equal, or one
is missing, the content that arrives last is the current one.

The revision of a datum counts the changes of its identifier's content, so that the highest revision is the current
content. If content returns (A, B, A), its old row gets a new revision (docs/failures.md#content-returns). Content that
was never the current one has the revision 0. Storing a batch twice changes nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from harvest_dagster.records import Record

Content = tuple[str, bytes]  # identifier, hash
HISTORY = 0
"""The revision of content that was never the current one."""


class Probed(NamedTuple):
    """What the database has of a content. A new identifier has no such value.

    Attributes:
        suid_id: the identifier's key.
        newest: the highest revision of the identifier, 0 if it has no datum.
        raw_id: the key of the datum, None if the content is new.
        revision: the revision of the datum, None if the content is new.
        datestamp: the newest datestamp of the current content, None if it has none.
    """

    suid_id: int
    newest: int
    raw_id: int | None
    revision: int | None
    datestamp: datetime | None

    @property
    def is_current(self) -> bool:
        """Whether this content is the current one."""
        return self.revision is not None and self.revision == self.newest


class NewDatum(NamedTuple):
    """A row of raw_datum to insert.

    Attributes:
        is_current: whether it is the current content of its identifier after the batch.
    """

    record: Record
    hash: bytes
    revision: int
    is_current: bool = False


class Current(NamedTuple):
    """The current content of an identifier, if the batch changes it.

    Attributes:
        raw_id: the key of its datum.
        changed_at: when it became the current content (`storage.change_instants`).
        datestamp: its newest datestamp. Only for a new identifier; `Changes.datestamps` has those of known ones.
    """

    raw_id: int
    changed_at: datetime
    datestamp: datetime | None = None


@dataclass
class Changes:
    """What is to be written.

    Attributes:
        identifiers: new identifiers, each with the datestamp of its current content.
        data: new data.
        revisions: new revisions of existing data, by their key.
        returned: the keys of these data, by identifier. They are the current contents after the batch.
        datestamps: new datestamps of the current contents of existing identifiers, by the key of the identifier.
        suid_ids: keys of existing identifiers, by identifier.
        outdated: number of records that are older than the current content, by their datestamps.
    """

    identifiers: dict[str, datetime | None] = field(default_factory=dict)
    data: list[NewDatum] = field(default_factory=list)
    revisions: dict[int, int] = field(default_factory=dict)
    returned: dict[str, int] = field(default_factory=dict)
    datestamps: dict[int, datetime | None] = field(default_factory=dict)
    suid_ids: dict[str, int] = field(default_factory=dict)
    outdated: int = 0


def find_changes(
    records: Sequence[Record], contents: Sequence[Content], probed: Mapping[Content, Probed]
) -> Changes:
    """Return what is to be written for a batch.

    Args:
        records: in the order of the source.
        contents: identifier and hash of each record.
        probed: what the database has of these contents.
    """
    changes = Changes()
    histories: dict[str, _History] = {}
    occurrences = Counter(record.identifier for record in records)
    for record, content in zip(records, contents, strict=True):
        found = probed.get(content)
        # Nearly all records are of these two kinds. They need no history.
        if occurrences[record.identifier] == 1:
            if found is None:
                changes.identifiers[record.identifier] = record.datestamp
                changes.data.append(NewDatum(record, content[1], HISTORY + 1, is_current=True))
                continue
            if found.is_current and _newer(found.datestamp, record.datestamp) == found.datestamp:
                continue
        history = histories.get(record.identifier)
        if history is None:
            history = histories[record.identifier] = _History.of(found)
        history.add(record, content[1], found)
    for identifier, history in histories.items():
        history.add_changes(identifier, changes)
    return changes


@dataclass
class _History:
    """The contents of one identifier in a batch.

    Attributes:
        suid_id: the key of the identifier, None if it is new.
        newest: the highest revision so far.
        stored_datestamp: the datestamp of the current content in the database.
        datestamp: the newest datestamp of the current content so far.
        current: the hash of the current content so far; empty if it is the one of the database and not in this batch.
        stored: key and revision of the contents that the database has, by hash.
        new: the other contents, by hash.
        outdated: number of records that are older than the current content.
    """

    suid_id: int | None
    newest: int
    stored_datestamp: datetime | None
    datestamp: datetime | None
    current: bytes = b""
    stored: dict[bytes, tuple[int, int]] = field(default_factory=dict)
    new: dict[bytes, NewDatum] = field(default_factory=dict)
    outdated: int = 0

    @classmethod
    def of(cls, probed: Probed | None) -> _History:
        if probed is None:
            return cls(None, HISTORY, None, None)
        return cls(probed.suid_id, probed.newest, probed.datestamp, probed.datestamp)

    def add(self, record: Record, content_hash: bytes, probed: Probed | None) -> None:
        if probed is not None and probed.is_current and not self.current:
            self.current = content_hash
        if probed is not None and probed.raw_id is not None and probed.revision is not None:
            self.stored[content_hash] = (probed.raw_id, probed.revision)
        becomes_current = self._becomes_current(record.datestamp, content_hash)
        if content_hash not in self.stored and content_hash not in self.new:
            revision = self.newest + 1 if becomes_current else HISTORY
            self.new[content_hash] = NewDatum(record, content_hash, revision)
            self.newest = max(self.newest, revision)

    def _becomes_current(self, datestamp: datetime | None, content_hash: bytes) -> bool:
        """Return whether a record is the current content, and remember it."""
        if content_hash == self.current:
            self.datestamp = _newer(self.datestamp, datestamp)
            return True
        if datestamp is not None and self.datestamp is not None and datestamp < self.datestamp:
            self.outdated += 1
            return False
        self.current, self.datestamp = content_hash, datestamp
        return True

    def add_changes(self, identifier: str, changes: Changes) -> None:
        if self.suid_id is None:
            changes.identifiers[identifier] = self.datestamp
        else:
            changes.suid_ids[identifier] = self.suid_id
            if self.datestamp != self.stored_datestamp:
                changes.datestamps[self.suid_id] = self.datestamp
        self._make_current_newest(identifier, changes)
        changes.data.extend(self.new.values())
        changes.outdated += self.outdated

    def _make_current_newest(self, identifier: str, changes: Changes) -> None:
        if (datum := self.new.get(self.current)) is not None:
            revision = datum.revision if datum.revision == self.newest else self.newest + 1
            self.new[self.current] = datum._replace(revision=revision, is_current=True)
        elif (found := self.stored.get(self.current)) is not None:
            raw_id, revision = found
            if revision < self.newest:
                changes.revisions[raw_id] = self.newest + 1
                changes.returned[identifier] = raw_id


def _newer(first: datetime | None, second: datetime | None) -> datetime | None:
    if first is None or second is None:
        return first or second
    return max(first, second)
