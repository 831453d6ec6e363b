"""Histories: the answers of a source over time, and the truth, as a plain client compares them over HTTP."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings

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
    Server,
)
from harvest_dagster_tests.testing.simulator.histories import histories
from harvest_dagster_tests.testing.simulator.source_client import (
    Answer,
    json_list,
    json_record,
    oai,
    oai_list,
    oai_record,
)

REPOSITORY = Repository(first_day=date(2024, 3, 1), days=2, records_per_day=4, page_size=3, deleted=0)
START = datetime(2024, 3, 10, tzinfo=timezone.utc)
HOUR = timedelta(hours=1)
NAME = REPOSITORY.identifier(1)
ALL = {REPOSITORY.identifier(index) for index in range(REPOSITORY.size)}


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now


def at_hour(hour: float) -> datetime:
    return START + hour * HOUR


def answers(hour: float, *events: Event) -> tuple[Answer | str, int, bool, str]:
    """Return how the source answers for one record, the length of its list, and the truth about the record."""
    with Server(history=History(REPOSITORY, events), clock=lambda: at_hour(hour)) as server:
        records, truth = oai_list(server), server.truth
        assert records == json_list(server)
        assert oai_list(server, "ListIdentifiers") == {
            name: replace(each, titles=()) for name, each in records.items()
        }
        answer = oai_record(server, NAME)
        assert answer == records.get(NAME, "idDoesNotExist")
        assert json_record(server, NAME) == records.get(NAME, 404)
    return answer, len(records), NAME in truth.live, truth.deleted.get(NAME, "")


@pytest.mark.parametrize(
    ("events", "hour", "shown", "truth"),
    [
        ([Add(at_hour(2), NAME)], 1, "idDoesNotExist", (7, False, "")),
        ([Add(at_hour(2), NAME)], 2, "2024-03-10T02:00:00Z", (8, True, "")),
        ([Change(at_hour(2), NAME, "New")], 2, "2024-03-10T02:00:00Z New", (8, True, "")),
        ([Delete(at_hour(2), NAME)], 2, "2024-03-10T02:00:00Z deleted", (8, False, "2024-03-10T02:00:00Z")),
        ([Hide(at_hour(2), NAME)], 2, "idDoesNotExist", (7, False, "2024-03-10T02:00:00Z")),
        ([Hide(at_hour(2), NAME), Return(at_hour(3), NAME)], 3, "2024-03-01T06:00:00Z", (8, True, "")),
        ([Delete(at_hour(2), NAME), Return(at_hour(3), NAME)], 3, "2024-03-10T03:00:00Z", (8, True, "")),
        ([Late(at_hour(2), NAME, at_hour(50))], 49, "idDoesNotExist", (7, True, "")),
        ([Late(at_hour(2), NAME, at_hour(50))], 50, "2024-03-10T02:00:00Z", (8, True, "")),
        ([Outage(at_hour(2), at_hour(3))], 2, "idDoesNotExist", (0, True, "")),
        ([Outage(at_hour(2), at_hour(3))], 3, "2024-03-01T06:00:00Z", (8, True, "")),
    ],
)
def test_each_event_changes_the_answers_and_the_truth(events, hour, shown, truth) -> None:
    """A test of a harvester compares the state of the harvester with the truth, so each event must be right."""
    answer, *rest = answers(hour, *events)
    assert tuple(rest) == truth
    if isinstance(answer, str):
        assert answer == shown
        return
    text = f"{answer.datestamp}{' deleted' * answer.deleted}{' New' * ('New' in answer.titles)}"
    assert text == shown


def test_records_of_the_future_do_not_exist_yet() -> None:
    """The clock may go through the days of the repository."""
    clock, history = Clock(), History(REPOSITORY, [Change(at_hour(1), NAME, "New")])
    clock.now = datetime(2024, 3, 1, 12, tzinfo=timezone.utc)
    with Server(history=history, clock=clock) as server:
        assert set(oai_list(server)) == {REPOSITORY.identifier(index) for index in range(3)}
        assert set(server.truth.live) == set(oai_list(server))


def test_an_impossible_event_is_an_error() -> None:
    """A history that deletes a record twice would give a truth that no source has. All problems are reported."""
    events = [Hide(at_hour(1), NAME), Delete(at_hour(2), NAME), Return(at_hour(1), REPOSITORY.identifier(0))]
    with pytest.raises(
        ValueError, match=r"Delete of .*: the record is hidden; Return of .*: the record is live"
    ):
        History(REPOSITORY, events)
    with pytest.raises(KeyError, match="oai:no:1"):
        History(REPOSITORY, [Hide(START, "oai:no:1")])
    with pytest.raises(ValueError, match="another repository"):
        Server(Repository(), history=History(REPOSITORY))


def test_the_truth_of_a_server_without_a_history_is_its_repository_with_its_edits() -> None:
    """Behaviours apply to such a server, too."""
    with Server(replace(REPOSITORY, deleted=0.5)) as server:
        records = oai_list(server)
        server.edits.delete(NAME, at_hour(1))
        truth = server.truth
    assert truth.deleted.pop(NAME) == "2024-03-10T01:00:00Z"  # type: ignore[attr-defined]
    assert set(truth.deleted) == {name for name, each in records.items() if each.deleted} - {NAME}
    assert set(truth.live) == {name for name, each in records.items() if not each.deleted} - {NAME}


def is_late(history: History, name: str, now: datetime) -> bool:
    return any(
        isinstance(event, Late) and event.identifier == name and event.at <= now < event.appears
        for event in history.events
    )


@settings(max_examples=20, deadline=None)
@given(history=histories(REPOSITORY, START, at_hour(240)))
def test_the_answers_follow_from_the_truth_except_for_outages_and_late_records(history: History) -> None:
    """A harvester that reads everything at the end must then have the truth."""
    clock = Clock()
    with Server(history=history, clock=clock) as server:
        for event in history.events[-4:]:
            clock.now = event.at
            shown, truth = oai_list(server, "ListIdentifiers"), server.truth
            live = {name for name, each in shown.items() if not each.deleted}
            late = {name for name in truth.live if is_late(history, name, clock.now)}
            if history.has_outage_at(clock.now):
                assert shown == {}
                assert oai(server, "ListRecords", metadataPrefix="oai_dc").findtext("{*}error") is not None
            else:
                assert live == truth.live.keys() - late
                assert {name: shown[name].datestamp for name in live} == {
                    name: truth.live[name].datestamp for name in live
                }
                assert shown.keys() - live <= truth.deleted.keys()
            assert not truth.live.keys() & truth.deleted.keys()
