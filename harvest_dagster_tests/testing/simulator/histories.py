"""A hypothesis strategy for random histories of a source."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from hypothesis import strategies as st

from harvest_dagster.testing.simulator import (
    Add,
    Change,
    Delete,
    Event,
    Hide,
    History,
    Late,
    Outage,
    Repository,
    Return,
)
from harvest_dagster.testing.simulator.repository.history import RecordEvent


@st.composite
def histories(
    draw: st.DrawFn, repository: Repository, start: datetime, end: datetime, max_events: int = 12
) -> History:
    """Return a history of a repository with events of all kinds between two instants.

    A record that is older than `start` may have any event, so use instants after the last day of the repository.
    """
    seconds = st.integers(0, int((end - start).total_seconds()))
    events: list[Event] = []
    for number, second in enumerate(sorted(draw(st.lists(seconds, max_size=max_events)))):
        at = start + timedelta(seconds=second)
        until = at + timedelta(hours=draw(st.integers(1, 72)))
        identifier = repository.identifier(draw(st.integers(0, repository.size - 1)))
        possible = possible_events(repository, events, identifier, at, until, f"Title {number}")
        events.append(draw(st.sampled_from(possible)))
    return History(repository, events)


def possible_events(  # noqa: PLR0917 - all of them describe the next event
    repository: Repository,
    events: Sequence[Event],
    identifier: str,
    at: datetime,
    until: datetime,
    title: str,
) -> list[Event]:
    """Return the events that a record can have after others, and an outage."""
    status = History(repository, events).state_at(identifier, at).status
    has_events = any(isinstance(each, RecordEvent) and each.identifier == identifier for each in events)
    additions = (Add(at, identifier), Late(at, identifier, until))
    changes = (
        Change(at, identifier, title),
        Delete(at, identifier),
        Hide(at, identifier),
        Return(at, identifier),
    )
    possible = [each for each in changes if status in each.allowed]
    return [*possible, *(() if has_events else additions), Outage(at, until)]
