"""Edits: what changes in a repository between two harvests."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from harvest_dagster.simulator import Repository, Server
from harvest_dagster_tests.simulator.client import LIST, ask, identifiers

REPOSITORY = Repository(days=2, records_per_day=10, page_size=4, deleted=0)
LATER = datetime(2024, 3, 5, 12, 30, tzinfo=timezone.utc)
ONE, TWO = REPOSITORY.identifier(1), REPOSITORY.identifier(2)


def record(server: Server, identifier: str):
    return ask(server, {"verb": "GetRecord", "metadataPrefix": "oai_dc", "identifier": identifier})


def test_a_changed_record_moves_to_its_new_datestamp_with_its_new_title() -> None:
    """An incremental harvest must find it in the new window, and no longer in the old one."""
    with Server(REPOSITORY) as server:
        before = record(server, ONE)
        server.edits.change(ONE, "Salt & pepper <revised>", LATER)
        after = record(server, ONE)
        assert after.texts("//dc:title")[0] == "Salt & pepper <revised>"
        assert after.texts("//o:datestamp") == ["2024-03-05T12:30:00Z"]
        assert after.texts("//dc:identifier") == before.texts("//dc:identifier")
        assert identifiers(server, from_="2024-03-05") == [ONE]
        assert ONE not in identifiers(server, until="2024-03-04")
        assert len(identifiers(server)) == REPOSITORY.size


def test_a_restamped_record_says_the_same_as_before() -> None:
    """Lesson 28: sources re-stamp everything without a change."""
    with Server(REPOSITORY) as server:
        before = record(server, ONE).texts("//dc:*")
        server.edits.restamp(ONE, LATER)
        assert record(server, ONE).texts("//dc:*") == before
        assert identifiers(server, from_="2024-03-05") == [ONE]


def test_a_deleted_record_stays_as_a_header() -> None:
    with Server(REPOSITORY) as server:
        server.edits.delete(ONE, LATER)
        answer = ask(server, LIST | {"from": "2024-03-05"})
        assert answer.texts("//o:header/@status") == ["deleted"]
        assert answer.identifiers == [ONE]
        assert not answer.find("//o:metadata")


def test_a_changed_record_that_was_deleted_comes_back() -> None:
    """Lesson 29: identifiers are used again after deletion."""
    with Server(REPOSITORY) as server:
        server.edits.delete(ONE, LATER)
        server.edits.change(ONE, "Back", LATER)
        assert record(server, ONE).texts("//dc:title")[0] == "Back"


def test_a_withheld_record_appears_late_with_its_old_datestamp() -> None:
    """Lesson 7: records published late with an old date fall behind the cursor."""
    with Server(REPOSITORY) as server:
        server.edits.withhold(ONE)
        assert record(server, ONE).error == "idDoesNotExist"
        assert ONE not in identifiers(server)
        server.edits.publish(ONE)
        assert identifiers(server)[:3] == [REPOSITORY.identifier(0), ONE, TWO]


def test_undo_makes_a_record_what_it_was() -> None:
    """Lesson 3: content that goes A, B, A."""
    with Server(REPOSITORY) as server:
        before = ask(server, LIST).find("//o:record")
        server.edits.change(ONE, "B", LATER)
        server.edits.undo(ONE)
        after = ask(server, LIST).find("//o:record")
        assert [[*record.itertext()] for record in after] == [[*record.itertext()] for record in before]


def test_days_repositories_forget_the_time_of_an_edit() -> None:
    repository = Repository(days=1, records_per_day=3, granularity="day")
    with Server(repository) as server:
        server.edits.restamp(repository.identifier(0), LATER)
        assert record(server, repository.identifier(0)).texts("//o:datestamp") == ["2024-03-05"]


def test_the_earliest_datestamp_follows_the_edits() -> None:
    """A harvester that starts at earliestDatestamp must not miss a record stamped back."""
    with Server(REPOSITORY) as server:
        server.edits.restamp(ONE, datetime(1999, 12, 31, tzinfo=timezone.utc))
        earliest = ask(server, {"verb": "Identify"}).texts("//o:earliestDatestamp")
    assert earliest == ["1999-12-31T00:00:00Z"]


def test_edits_outlive_a_server() -> None:
    """A test that restarts its source goes on with the same content."""
    with Server(REPOSITORY) as server:
        server.edits.change(ONE, "Kept", LATER)
    with Server(REPOSITORY, edits=server.edits) as again:
        assert record(again, ONE).texts("//dc:title")[0] == "Kept"


def test_an_unknown_identifier_cannot_be_edited() -> None:
    """A misspelt identifier in a test must not pass for an edit."""
    with Server(REPOSITORY) as server, pytest.raises(KeyError, match="oai:no:1"):
        server.edits.withhold("oai:no:1")
