"""What happens to the records of a repository, as events at instants.

    History(repository, [Hide(monday, "oai:repository.example.org:000000003"), Outage(tuesday, tuesday + HOUR)])

Both the answers of the source and the truth follow from the events, for each instant of a clock. With a clock, a record
of the repository exists from its datestamp on. A record whose first event is `Add` or `Late` exists from that event on.
A history without events is the repository as it is, without regard to the clock.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import ClassVar

from harvest_dagster.testing.simulator.repository.edits import Edit
from harvest_dagster.testing.simulator.repository.repository import Repository


class Status(Enum):
    """Whether a source has a record."""

    ABSENT = "absent"
    LIVE = "live"
    DELETED = "deleted"
    HIDDEN = "hidden"


@dataclass(frozen=True)
class RecordState:
    """A record at one instant.

    Attributes:
        status: whether the source has it; DELETED leaves a tombstone, HIDDEN leaves none.
        edit: its title and datestamp, if they differ from those of the repository.
        removed: when it was removed, as an instant of the repository, if it is hidden.
        appears: the source does not show it before this instant.
    """

    status: Status
    edit: Edit = field(default_factory=Edit)
    removed: int | None = None
    appears: datetime | None = None

    def true_edit(self) -> Edit:
        """Return the edit that gives the true record; a record that the source does not have is hidden."""
        is_hidden = self.status in {Status.ABSENT, Status.HIDDEN}
        return replace(self.edit, deleted=self.status is Status.DELETED, hidden=is_hidden)

    def answered_edit(self, now: datetime) -> Edit:
        """Return the edit that gives the record as the source shows it."""
        is_early = self.appears is not None and now < self.appears
        return replace(self.true_edit(), hidden=True) if is_early else self.true_edit()


@dataclass(frozen=True)
class RecordEvent(ABC):
    """A change of one record.

    Attributes:
        at: when it happens, aware.
        identifier: the identifier of the record.
        allowed: the statuses in which a record can have this event.
    """

    at: datetime
    identifier: str
    allowed: ClassVar[frozenset[Status]] = frozenset({Status.LIVE})

    @abstractmethod
    def after(self, before: RecordState, instant: int) -> RecordState:
        """Return the record after the event. `instant` is `at` in the granularity of the repository."""


@dataclass(frozen=True)
class Add(RecordEvent):
    """Adds a record, with the datestamp of the event."""

    allowed = frozenset({Status.ABSENT})

    def after(self, before: RecordState, instant: int) -> RecordState:  # noqa: D102
        return RecordState(Status.LIVE, replace(before.edit, datestamp=instant))


@dataclass(frozen=True)
class Late(RecordEvent):
    """Adds a record with the datestamp of the event; the source shows it only later.

    Attributes:
        appears: the instant from which on the source shows the record.
    """

    appears: datetime
    allowed = frozenset({Status.ABSENT})

    def after(self, before: RecordState, instant: int) -> RecordState:  # noqa: D102
        return RecordState(Status.LIVE, replace(before.edit, datestamp=instant), appears=self.appears)


@dataclass(frozen=True)
class Change(RecordEvent):
    """Gives a record a new title and the datestamp of the event. A deleted record becomes available again."""

    title: str
    allowed = frozenset({Status.LIVE, Status.DELETED})

    def after(self, before: RecordState, instant: int) -> RecordState:  # noqa: D102
        edit = replace(before.edit, title=self.title, datestamp=instant)
        return replace(before, status=Status.LIVE, edit=edit)


@dataclass(frozen=True)
class Delete(RecordEvent):
    """Removes a record and leaves a tombstone with the datestamp of the event."""

    def after(self, before: RecordState, instant: int) -> RecordState:  # noqa: D102
        return replace(before, status=Status.DELETED, edit=replace(before.edit, datestamp=instant))


@dataclass(frozen=True)
class Hide(RecordEvent):
    """Removes a record, or a tombstone, and leaves nothing."""

    allowed = frozenset({Status.LIVE, Status.DELETED})

    def after(self, before: RecordState, instant: int) -> RecordState:  # noqa: D102
        return replace(before, status=Status.HIDDEN, removed=instant)


@dataclass(frozen=True)
class Return(RecordEvent):
    """Brings a removed record back: with its old datestamp if it was hidden, else with that of the event."""

    allowed = frozenset({Status.HIDDEN, Status.DELETED})

    def after(self, before: RecordState, instant: int) -> RecordState:  # noqa: D102
        edit = replace(before.edit, datestamp=instant) if before.status is Status.DELETED else before.edit
        return replace(before, status=Status.LIVE, edit=edit, removed=None)


@dataclass(frozen=True)
class Outage:
    """The source answers every list with an empty one from `at` to `until`, without `until`. It loses no record."""

    at: datetime
    until: datetime


Event = RecordEvent | Outage


class History:
    """The events of one repository, and what follows from them at each instant.

    Args:
        repository: the repository.
        events: the events in any order; events at the same instant keep theirs.

    Raises:
        KeyError: if the repository has no record with an identifier.
        ValueError: with every event that is impossible, such as the deletion of a record that does not exist.
    """

    def __init__(self, repository: Repository, events: Iterable[Event] = ()) -> None:
        self.repository = repository
        self.events = tuple(sorted(events, key=lambda event: event.at))
        self._outages = tuple(event for event in self.events if isinstance(event, Outage))
        self._by_record: dict[int, list[RecordEvent]] = {}
        for event in self.events:
            if isinstance(event, RecordEvent):
                self._by_record.setdefault(self._index(event.identifier), []).append(event)
        problems = [problem for index in self._by_record for problem in self._problems(index)]
        if problems:
            raise ValueError("; ".join(problems))

    def state_at(self, identifier: str, now: datetime) -> RecordState:
        """Return a record at an instant."""
        return self._state_at(self._index(identifier), now)

    def true_edits_at(self, now: datetime) -> Mapping[int, Edit]:
        """Return the edits, by record number, that give the true records at an instant."""
        return {index: state.true_edit() for index, state in self._states_at(now).items()}

    def answered_edits_at(self, now: datetime) -> Mapping[int, Edit]:
        """Return the edits, by record number, that give the records that the source shows without an outage."""
        return {index: state.answered_edit(now) for index, state in self._states_at(now).items()}

    def removals_at(self, now: datetime) -> Mapping[int, int]:
        """Return when each hidden record was removed, by record number, as instants of the repository."""
        states = self._states_at(now)
        return {
            index: state.removed
            for index, state in states.items()
            if state.status is Status.HIDDEN and state.removed is not None
        }

    def has_outage_at(self, now: datetime) -> bool:
        """Return whether the source answers every list with an empty one at an instant."""
        return any(outage.at <= now < outage.until for outage in self._outages)

    def _states_at(self, now: datetime) -> dict[int, RecordState]:
        """Return the records that differ from those of the repository: those with events, and those of the future."""
        if not self.events:
            return {}
        first = self.repository.count_before(_seconds(self.repository, now) + 1)
        indexes = self._by_record.keys() | set(range(first, self.repository.size))
        return {index: self._state_at(index, now) for index in indexes}

    def _state_at(self, index: int, now: datetime) -> RecordState:
        events = self._by_record.get(index, [])
        state = self._initial_state(index, now)
        for event in events:
            if event.at > now:
                break
            state = event.after(state, self.repository.to_instant(event.at))
        return state

    def _initial_state(self, index: int, now: datetime) -> RecordState:
        """Return the record of the repository, before its events."""
        events = self._by_record.get(index, [])
        is_added = bool(events) and isinstance(events[0], Add | Late)
        if is_added or (self.events and self.repository.datestamp(index) > _seconds(self.repository, now)):
            return RecordState(Status.ABSENT)
        is_deleted = self.repository.is_deleted(self.repository.random_bytes(index))
        return RecordState(Status.DELETED if is_deleted else Status.LIVE)

    def _problems(self, index: int) -> list[str]:
        """Return the events of a record that its status does not allow."""
        events, problems = self._by_record[index], []
        state = self._initial_state(index, events[0].at)
        for event in events:
            if state.status not in event.allowed:
                kind = type(event).__name__
                problems.append(
                    f"{kind} of {event.identifier} at {event.at}: the record is {state.status.value}"
                )
            state = event.after(state, self.repository.to_instant(event.at))
        return problems

    def _index(self, identifier: str) -> int:
        index = self.repository.index(identifier)
        if index is None:
            raise KeyError(identifier)
        return index


def _seconds(repository: Repository, moment: datetime) -> int:
    return (moment - repository.midnight) // timedelta(seconds=1)
