"""What a batch of records changes: which identifiers and contents are new, which content is the current one.

Pure decisions on what a probe found; the statements are `raw_data`'s. A datum's revision counts the changes
of its identifier's content; the highest is the current one. Content that comes back (A, B, A; Lesson 3) gets
a new number on its old row. Within a batch the last record of an identifier decides what is current: what
stood before it is kept if it is new, and left alone if it is known. So a batch stored twice changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from harvest_dagster.records import Record

Content = tuple[str, str]  # identifier, hash


class Probed(NamedTuple):
    """What the database has of a content; there is none of an identifier that is new.

    Attributes:
        suid_id: the identifier's key.
        newest: the highest revision of the identifier, 0 where it has no datum.
        raw_id: the datum's key, None where the content is new.
        revision: the datum's, None where the content is new.
    """

    suid_id: int
    newest: int
    raw_id: int | None
    revision: int | None


class NewDatum(NamedTuple):
    """A row of raw_datum to be."""

    record: Record
    hash: str
    revision: int


@dataclass(frozen=True)
class Changes:
    """What there is to write.

    Attributes:
        identifiers: those to create.
        data: those to create.
        revisions: the new revision of data that are there, by their key.
        suid_ids: the keys of the identifiers that are there, by identifier.
    """

    identifiers: list[str] = field(default_factory=list)
    data: list[NewDatum] = field(default_factory=list)
    revisions: dict[int, int] = field(default_factory=dict)
    suid_ids: dict[str, int] = field(default_factory=dict)


def fold(records: Sequence[Record], contents: Sequence[Content], probed: Mapping[Content, Probed]) -> Changes:
    """Decide what to write of a batch.

    Args:
        records: in the order in which the source gave them.
        contents: identifier and hash of each.
        probed: what the database has of them.
    """
    histories: dict[str, _History] = {}
    for record, content in zip(records, contents, strict=True):
        history = histories.setdefault(record.identifier, _History())
        history.add(record, content[1], probed.get(content))
    changes = Changes()
    for identifier, history in histories.items():
        history.settle(identifier, changes)
    return changes


@dataclass
class _History:
    """One identifier, while the records of a batch are read."""

    suid_id: int | None = None
    newest: int = 0
    last: str = ""
    stored: dict[str, tuple[int, int]] = field(default_factory=dict)  # raw_id and revision
    new: dict[str, NewDatum] = field(default_factory=dict)

    def add(self, record: Record, content_hash: str, probed: Probed | None) -> None:
        self.last = content_hash
        if content_hash in self.stored or content_hash in self.new:
            return
        if probed is not None and self.suid_id is None:
            self.suid_id, self.newest = probed.suid_id, probed.newest
        if probed is not None and probed.raw_id is not None and probed.revision is not None:
            self.stored[content_hash] = (probed.raw_id, probed.revision)
        else:
            self.newest += 1
            self.new[content_hash] = NewDatum(record, content_hash, self.newest)

    def settle(self, identifier: str, changes: Changes) -> None:
        if self.suid_id is None:
            changes.identifiers.append(identifier)
        else:
            changes.suid_ids[identifier] = self.suid_id
        self._make_last_newest(changes)
        changes.data.extend(self.new.values())

    def _make_last_newest(self, changes: Changes) -> None:
        if (datum := self.new.get(self.last)) is not None:
            if datum.revision < self.newest:
                self.new[self.last] = datum._replace(revision=self.newest + 1)
            return
        raw_id, revision = self.stored[self.last]
        if revision < self.newest:
            changes.revisions[raw_id] = self.newest + 1
