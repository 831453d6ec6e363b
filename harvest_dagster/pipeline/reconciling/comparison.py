"""Compare a sorted list of the source with the sorted records of the database. The functions are pure.

Both sides are streams, ordered by identifier in the order of code points. So memory does not depend on their length.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time
from typing import Literal, NamedTuple

from harvest_dagster.records import RecordHeader, sets_digest
from harvest_dagster.storage.raw_data.known_records import KnownRecord
from harvest_dagster.windows import ALL_TIME

Kind = Literal["missing", "changed", "gone", "duplicate", "sets", "quarantined"]


class Difference(NamedTuple):
    """A record about which the list and the database differ.

    Attributes:
        kind: `missing`, listed as live, and not stored as live; `changed`, listed with a newer datestamp than the
            stored one; `gone`, stored as live, and not listed as live; `duplicate`, listed more than once; `sets`,
            listed with other sets. `known_invalid.mark_invalid` also sets `quarantined`.
        identifier: the identifier.
        header: what the list says. None if the list does not contain the record. Only then is a record that is gone
            also absent: otherwise the source itself marks it as deleted.
        known: what is stored. None if the identifier is not stored.
    """

    kind: Kind
    identifier: str
    header: RecordHeader | None
    known: KnownRecord | None


@dataclass
class ComparedRecords:
    """Counts what a comparison has read so far.

    Attributes:
        listed: different identifiers in the list, live and deleted.
        live: those that are listed as live.
        known: records that are stored as live.
        other_days: the days of live records whose listed and stored datestamps are on different days. If the listed one
            is the older one, that is no difference: the stored record is not out of date.
    """

    listed: int = 0
    live: int = 0
    known: int = 0
    other_days: set[date] = field(default_factory=set)

    def add_days(self, header: RecordHeader | None, stored: KnownRecord | None) -> None:
        """Add the days of a record that is live on both sides, if they differ."""
        if header is None or stored is None or header.deleted or stored.deleted:
            return
        listed, known = header.datestamp, stored.datestamp
        if listed is not None and known is not None and listed.date() != known.date():
            self.other_days.update((listed.date(), known.date()))


def compare(
    listed: Iterable[RecordHeader],
    known: Iterable[KnownRecord],
    began: datetime,
    counts: ComparedRecords | None = None,
) -> Iterator[Difference]:
    """Yield the differences, ordered by identifier.

    A record that changed here at `began` or later is left out, except as a duplicate: the list may be older than the
    change. If the list contains an identifier several times, its newest datestamp counts; if datestamps are equal, the
    record is live. Datestamps are compared at the coarser granularity of the two: see `is_newer`.

    Args:
        listed: the headers of a complete list, ordered by identifier.
        known: the records of the database, ordered by identifier.
        began: when the list began.
        counts: counts the records while they are read.

    Raises:
        ValueError: one of the two is not ordered. All records would seem to be gone.
    """
    counts = counts or ComparedRecords()
    for entry, stored in _joined(_merge_repetitions(listed), iter(known)):
        header = None if entry is None else entry.header
        counts.listed += header is not None
        counts.live += header is not None and not header.deleted
        counts.known += stored is not None and not stored.deleted
        if entry is not None and entry.is_repeated:
            yield Difference("duplicate", entry.header.identifier, header, stored)
        if stored is not None and stored.changed_at is not None and stored.changed_at >= began:
            continue
        counts.add_days(header, stored)
        kind = find_difference(header, stored)
        if kind is not None:
            yield Difference(kind, _identifier(header, stored), header, stored)


def find_difference(header: RecordHeader | None, stored: KnownRecord | None) -> Kind | None:
    """Return how the list and the database differ about one record, None if they agree."""
    is_listed = header is not None and not header.deleted
    if stored is None or stored.deleted:
        return "missing" if is_listed else None
    if header is None or header.deleted:
        return "gone"
    if is_newer(header.datestamp, stored.datestamp):
        return "changed"
    digest = sets_digest(tuple(sorted(set(header.sets))))
    differs = digest is not None and stored.sets_digest is not None and digest != stored.sets_digest
    return "sets" if differs else None


def is_newer(listed: datetime | None, stored: datetime | None) -> bool:
    """Return whether the listed datestamp is newer, at the coarser granularity of the two. Missing ones are not newer.

    A datestamp without fractions of a second has the granularity of a second, and one at midnight that of a day. So a
    change on the same day as a stored midnight is not seen. In a source with seconds, one of 86,400 records has that.
    """
    if listed is None or stored is None or listed <= stored:
        return False
    both = (listed, stored)
    if any(stamp.timetz().replace(tzinfo=None) == time() for stamp in both):
        return listed.date() > stored.date()
    if any(stamp.microsecond == 0 for stamp in both):
        return listed.replace(microsecond=0) > stored.replace(microsecond=0)
    return True


class _Entry(NamedTuple):
    """What a list says about an identifier: its newest header, and whether it has several."""

    header: RecordHeader
    is_repeated: bool


def _merge_repetitions(listed: Iterable[RecordHeader]) -> Iterator[_Entry]:
    """Yield each identifier of a list once."""
    entry: _Entry | None = None
    for header in listed:
        if entry is not None and header.identifier == entry.header.identifier:
            entry = _Entry(max(entry.header, header, key=_age), is_repeated=True)
            continue
        if entry is not None:
            yield entry
        entry = _Entry(header, is_repeated=False)
    if entry is not None:
        yield entry


def _age(header: RecordHeader) -> tuple[datetime, bool]:
    """Return a sort key. The header with the highest key counts: the newest datestamp, then a live record."""
    return header.datestamp or ALL_TIME.start, not header.deleted


def _joined(
    listed: Iterator[_Entry], known: Iterator[KnownRecord]
) -> Iterator[tuple[_Entry | None, KnownRecord | None]]:
    """Yield what both sides have of each identifier that is on at least one side."""
    entry, stored = next(listed, None), next(known, None)
    while entry is not None or stored is not None:
        taken_entry, taken_stored = _first(entry, stored)
        yield taken_entry, taken_stored
        before = _identifier(taken_entry and taken_entry.header, taken_stored)
        if taken_entry is not None:
            entry = next(listed, None)
        if taken_stored is not None:
            stored = next(known, None)
        if entry is not None:
            _verify_order(before, entry.header.identifier)
        if stored is not None:
            _verify_order(before, stored.identifier)


def _first(entry: _Entry | None, stored: KnownRecord | None) -> tuple[_Entry | None, KnownRecord | None]:
    """Return the side with the lower identifier, or both if they are equal."""
    if entry is None or stored is None or entry.header.identifier == stored.identifier:
        return entry, stored
    return (entry, None) if entry.header.identifier < stored.identifier else (None, stored)


def _identifier(header: RecordHeader | None, stored: KnownRecord | None) -> str:
    found = header or stored
    return "" if found is None else found.identifier


def _verify_order(before: str, after: str) -> None:
    if after <= before:
        message = f"the identifiers are not ordered: {after!r} comes after {before!r}"
        raise ValueError(message)
