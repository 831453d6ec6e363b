"""Edits of the repository since its start: new titles, deletions, new datestamps, hidden records.

`Edits` is the only mutable state of the repository; the server reads a snapshot for each request. `select` computes a
list from the settings of the repository and the few edited records.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType

from harvest_dagster.testing.simulator.repository.repository import RecordSet, Repository


@dataclass(frozen=True)
class Edit:
    """The changes of one record; None means unchanged.

    Attributes:
        datestamp: the new datestamp, as an instant of the repository.
        title: the new first title, as plain text.
        deleted: the new deletion status.
        hidden: True if the repository does not list the record.
    """

    datestamp: int | None = None
    title: str | None = None
    deleted: bool | None = None
    hidden: bool = False


class Edits:
    """The edits of one repository. They can be changed while a server reads them.

    Every method identifies a record by its identifier and raises KeyError if the repository does not have it. `at` is
    the new datestamp, an aware datetime.

    Attributes:
        repository: the edited repository.
        current: the edits by record number, an immutable snapshot.
    """

    def __init__(self, repository: Repository) -> None:
        self.repository = repository
        self.current: Mapping[int, Edit] = MappingProxyType({})

    def change(self, identifier: str, title: str, at: datetime) -> None:
        """Give a record a new title. A deleted record becomes available again."""
        self._edit(identifier, title=title, deleted=False, datestamp=self.repository.to_instant(at))

    def delete(self, identifier: str, at: datetime) -> None:
        """Delete a record. The repository keeps listing it as deleted."""
        self._edit(identifier, deleted=True, datestamp=self.repository.to_instant(at))

    def set_datestamp(self, identifier: str, at: datetime) -> None:
        """Give a record a new datestamp and change nothing else."""
        self._edit(identifier, datestamp=self.repository.to_instant(at))

    def hide(self, identifier: str) -> None:
        """Remove a record from the repository until `show` is called."""
        self._edit(identifier, hidden=True)

    def show(self, identifier: str) -> None:
        """Add a hidden record to the repository, with its old datestamp unless `set_datestamp` changed it."""
        self._edit(identifier, hidden=False)

    def undo(self, identifier: str) -> None:
        """Restore the original record."""
        index = self._index(identifier)
        self.current = MappingProxyType({key: edit for key, edit in self.current.items() if key != index})

    def _edit(self, identifier: str, **changes: object) -> None:
        index = self._index(identifier)
        edit = replace(self.current.get(index, Edit()), **changes)  # type: ignore[arg-type]
        # A new mapping: a thread that answers a request keeps the snapshot with which it started.
        self.current = MappingProxyType({**self.current, index: edit})

    def _index(self, identifier: str) -> int:
        index = self.repository.index(identifier)
        if index is None:
            raise KeyError(identifier)
        return index


@dataclass(frozen=True)
class Selection:
    """The records of one list, in order: ranges of the repository with the edited records between them."""

    ranges: tuple[range, ...]

    def __len__(self) -> int:
        return sum(map(len, self.ranges))

    def page(self, offset: int, count: int) -> list[int]:
        """Return at most `count` records, beginning at `offset`."""
        page: list[int] = []
        for records in self.ranges:
            page += records[offset : offset + count - len(page)]
            offset = max(offset - len(records), 0)
        return page


def select(
    repository: Repository, edits: Mapping[int, Edit], start: int, end: int, record_set: RecordSet
) -> Selection:
    """Return the records of `[start, end)` in a set, sorted by (datestamp, identifier)."""
    first, last = repository.count_before(start), repository.count_before(end)
    ranges: list[range] = []
    for position, is_removal, _, index in sorted(_removals_and_insertions(repository, edits, start, end)):
        if is_removal and first <= position < last:
            ranges.append(range(first, position))
            first = position + 1
        elif not is_removal:
            ranges += [range(first, position), range(index, index + 1)]
            first = position
    ranges.append(range(first, last))
    return Selection(tuple(filter(None, map(record_set.within, ranges))))


def _removals_and_insertions(
    repository: Repository, edits: Mapping[int, Edit], start: int, end: int
) -> Iterator[tuple[int, bool, int, int]]:
    """Yield for each edited record its old position and, if it belongs to `[start, end)`, its new position.

    Each item is (position, whether it is a removal, datestamp, record).
    """
    for index, edit in edits.items():
        yield index, True, 0, index
        datestamp = repository.datestamp(index) if edit.datestamp is None else edit.datestamp
        if start <= datestamp < end and not edit.hidden:
            # Records with the same datestamp are sorted by identifier, which is the order of their numbers.
            lowest, highest = repository.count_before(datestamp), repository.count_before(datestamp + 1)
            yield min(max(index, lowest), highest), False, datestamp, index
