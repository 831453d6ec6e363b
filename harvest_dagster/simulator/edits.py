"""What has happened to the repository since it was made: changes, deletions, new datestamps, late arrivals.

`Edits` is the one thing here that changes; a server reads a snapshot for each request. `select` makes the
list of a request from the arithmetic of the repository and the few records that were edited.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType

from harvest_dagster.simulator.repository import Repository, Subset


@dataclass(frozen=True)
class Edit:
    """What is different about one record; None leaves it as it was.

    Attributes:
        stamp: its datestamp, as an instant of the repository.
        title: its first title, as plain text.
        deleted: whether it is deleted.
        withheld: the repository does not know it (yet).
    """

    stamp: int | None = None
    title: str | None = None
    deleted: bool | None = None
    withheld: bool = False


class Edits:
    """The edits of one repository, by identifier; safe to use while a server reads them.

    Every method raises KeyError for an identifier that the repository does not have. `at` is the new
    datestamp, an aware datetime.

    Attributes:
        repository: whose they are.
        current: the edits by record number, a snapshot.
    """

    def __init__(self, repository: Repository) -> None:
        self.repository = repository
        self.current: Mapping[int, Edit] = MappingProxyType({})

    def change(self, identifier: str, title: str, at: datetime) -> None:
        """Give a record another title; one that was deleted comes back."""
        self._edit(identifier, title=title, deleted=False, stamp=self.repository.instant(at))

    def delete(self, identifier: str, at: datetime) -> None:
        """Delete a record; the repository keeps saying so."""
        self._edit(identifier, deleted=True, stamp=self.repository.instant(at))

    def restamp(self, identifier: str, at: datetime) -> None:
        """Give a record another datestamp, and nothing else."""
        self._edit(identifier, stamp=self.repository.instant(at))

    def withhold(self, identifier: str) -> None:
        """Let the repository not know a record, until it is published."""
        self._edit(identifier, withheld=True)

    def publish(self, identifier: str) -> None:
        """Let a record that was withheld appear, with its old datestamp unless it got another."""
        self._edit(identifier, withheld=False)

    def undo(self, identifier: str) -> None:
        """Make a record what it was at first."""
        index = self._index(identifier)
        self.current = MappingProxyType({key: edit for key, edit in self.current.items() if key != index})

    def _edit(self, identifier: str, **changes: object) -> None:
        index = self._index(identifier)
        edit = replace(self.current.get(index, Edit()), **changes)  # type: ignore[arg-type]
        # A new mapping, never a changed one: a thread that is answering keeps the one it began with.
        self.current = MappingProxyType({**self.current, index: edit})

    def _index(self, identifier: str) -> int:
        index = self.repository.index(identifier)
        if index is None:
            raise KeyError(identifier)
        return index


@dataclass(frozen=True)
class Selection:
    """The records of one list, in its order: pieces of the repository, and edited records between them."""

    pieces: tuple[range, ...]

    def __len__(self) -> int:
        return sum(map(len, self.pieces))

    def page(self, offset: int, count: int) -> list[int]:
        """At most `count` records from `offset` on."""
        page: list[int] = []
        for piece in self.pieces:
            page += piece[offset : offset + count - len(page)]
            offset = max(offset - len(piece), 0)
        return page


def select(
    repository: Repository, edits: Mapping[int, Edit], start: int, end: int, subset: Subset
) -> Selection:
    """The records of `[start, end)` in a set, in the order of (datestamp, identifier)."""
    first, last = repository.position(start), repository.position(end)
    pieces: list[range] = []
    for place, is_gap, _, index in sorted(_events(repository, edits, start, end)):
        if is_gap and first <= place < last:
            pieces.append(range(first, place))
            first = place + 1
        elif not is_gap:
            pieces += [range(first, place), range(index, index + 1)]
            first = place
    pieces.append(range(first, last))
    return Selection(tuple(filter(None, map(subset.within, pieces))))


def _events(
    repository: Repository, edits: Mapping[int, Edit], start: int, end: int
) -> Iterator[tuple[int, bool, int, int]]:
    """For each edited record the gap that it leaves, and the place before which it now stands.

    Both as (place, whether it is a gap, datestamp, record).
    """
    for index, edit in edits.items():
        yield index, True, 0, index
        stamp = repository.stamp(index) if edit.stamp is None else edit.stamp
        if start <= stamp < end and not edit.withheld:
            # Among records of the same datestamp the identifier decides, and identifiers are in order.
            place = min(max(index, repository.position(stamp)), repository.position(stamp + 1))
            yield place, False, stamp, index
