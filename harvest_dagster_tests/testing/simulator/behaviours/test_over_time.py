"""Sources that hide or alter what they have: a plain client reads their answers, and the truth stays the same."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone

import pytest
import requests

from harvest_dagster.testing.simulator import Delete, History, Repository, Server, Truth, scenario
from harvest_dagster_tests.testing.simulator.source_client import (
    Answers,
    json_list,
    json_record,
    oai,
    oai_list,
    oai_record,
    texts,
)

REPOSITORY = Repository(first_day=date(2024, 3, 1), days=2, records_per_day=10, page_size=6, deleted=0)
START = datetime(2024, 3, 10, tzinfo=timezone.utc)
DAY = timedelta(days=1)
GONE = REPOSITORY.identifier(3)
ALL = [REPOSITORY.identifier(index) for index in range(REPOSITORY.size)]
HISTORY = History(REPOSITORY, [Delete(START, GONE)])


class Source:
    """A server with a behaviour and a clock. Each reading compares the protocols and the verbs with each other."""

    def __init__(self, behaviour: str) -> None:
        self.now = START
        self.server = Server(
            history=HISTORY, behaviours=[scenario.parse_behaviour(behaviour)], clock=lambda: self.now
        )

    def read(self, **arguments: str) -> Answers:
        """Return the list of a request. Each record is shown alone if, and only if, it is in a complete list."""
        records = oai_list(self.server, **arguments)
        assert json_list(self.server, **arguments) == records
        headers = oai_list(self.server, "ListIdentifiers", **arguments)
        assert {name: each.datestamp for name, each in headers.items()} == {
            name: each.datestamp for name, each in records.items()
        }
        if not arguments:
            for name in (ALL[0], ALL[1], GONE, ALL[-1]):
                assert oai_record(self.server, name) == records.get(name, "idDoesNotExist")
                assert json_record(self.server, name) == records.get(name, 404)
        return records

    @property
    def declared(self) -> str:
        return "".join(texts(oai(self.server, "Identify"), "//o:deletedRecord"))


def truth() -> Truth:
    """Return the truth of a source without a behaviour."""
    return Server(history=HISTORY, clock=lambda: START).truth


@pytest.mark.parametrize(
    "behaviour",
    [
        "dates-ignored",
        "published-late:days=100",
        "all-restamped",
        "deletions-forgotten",
        "deletions-transient:days=1",
        "empty-for-an-hour",
        "set-lost",
        "half-missing",
    ],
)
def test_no_behaviour_changes_the_truth(behaviour) -> None:
    """Tests compare a harvester with the truth while the source is broken."""
    source = Source(behaviour)
    with source.server:
        source.read()
        found = source.server.truth
    assert (found.live, found.deleted) == (truth().live, truth().deleted)
    assert (set(found.live), found.deleted) == ({*ALL} - {GONE}, {GONE: "2024-03-10T00:00:00Z"})


def test_dates_that_are_ignored_have_no_effect() -> None:
    source = Source("dates-ignored")
    with source.server:
        assert source.read(from_="1990-01-01", until="1990-01-02") == source.read()
        assert set(source.read(from_="2024-03-02")) == {*ALL}


def test_a_late_record_appears_some_days_after_its_datestamp() -> None:
    source = Source("published-late:days=8.5")
    with source.server:
        assert set(source.read()) == {*ALL[:6], GONE}
        source.now = START + 2 * DAY
        assert set(source.read(until="2024-03-02")) == {*ALL} - {GONE}


def test_new_datestamps_leave_the_content_unchanged() -> None:
    source = Source("all-restamped")
    with source.server:
        stamps = {each.datestamp for each in source.read().values()}
        source.now = START + DAY
        after = source.read()
    assert stamps == {each.datestamp for each in after.values()} == {"2024-03-10T00:00:00Z"}
    assert {name: each.titles for name, each in after.items() if not each.deleted} == {
        name: each.metadata["title"] for name, each in truth().live.items()
    }


def test_forgotten_deletions_leave_no_tombstone() -> None:
    source = Source("deletions-forgotten")
    with source.server:
        assert set(source.read()) == {*ALL} - {GONE}
        assert source.declared == "no"


def test_transient_deletions_are_forgotten_after_some_days() -> None:
    source = Source("deletions-transient:days=2")
    with source.server:
        assert source.read()[GONE].deleted
        assert source.declared == "transient"
        source.now = START + 3 * DAY
        assert set(source.read()) == {*ALL} - {GONE}


def test_an_empty_source_has_its_records_again_after_an_hour() -> None:
    source = Source("empty-for-an-hour")
    with source.server:
        assert source.read() == {}
        listed = oai(source.server, "ListRecords", metadataPrefix="oai_dc")
        assert texts(listed, "o:error/@code") == ["noRecordsMatch"]
        source.now = START + DAY / 24
        assert set(source.read()) == {*ALL}


def test_the_records_of_a_lost_set_stay() -> None:
    source = Source("set-lost:spec=science")
    with source.server:
        records = source.read()
        assert set(records) == {*ALL}
        assert not any("science" in each.sets for each in records.values())
        assert oai_list(source.server, set="science") == {}
        lost = requests.get(source.server.json_url, {"set": "science"}, timeout=30)
        assert (lost.status_code, lost.json()["error"]["code"]) == (400, "noRecordsMatch")
        assert len(source.read(set="humanities")) == 10
        assert "science" not in texts(oai(source.server, "ListSets"), "//o:setSpec")
        assert "science" in source.server.truth.live[ALL[0]].sets


def test_half_of_the_records_are_missing_with_a_total_that_agrees() -> None:
    source = Source("half-missing:share=0.5,seed=3")
    with source.server:
        records = source.read()
        assert source.read() == records
        first = oai(source.server, "ListRecords", metadataPrefix="oai_dc")
        assert texts(first, "//o:resumptionToken/@completeListSize") == [str(len(records))]
        assert {each for request in source.server.requests for each in request.behaviours} == {"half-missing"}
    assert 5 <= len(records) <= 15
