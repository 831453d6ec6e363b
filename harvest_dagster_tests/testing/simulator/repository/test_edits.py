"""Edits: changes of a repository between two harvests."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from harvest_dagster.testing.simulator import Repository, Server
from harvest_dagster_tests.testing.simulator.oai_client import LIST, identifiers, request

REPOSITORY = Repository(days=2, records_per_day=10, page_size=4, deleted=0)
LATER = datetime(2024, 3, 5, 12, 30, tzinfo=timezone.utc)
FIRST, SECOND = REPOSITORY.identifier(1), REPOSITORY.identifier(2)


def get_record(server: Server, identifier: str):
    return request(server, {"verb": "GetRecord", "metadataPrefix": "oai_dc", "identifier": identifier})


def test_a_changed_record_has_its_new_title_and_its_new_datestamp() -> None:
    """An incremental harvest must find the record in the new window, and no longer in the old window."""
    with Server(REPOSITORY) as server:
        before = get_record(server, FIRST)
        server.edits.change(FIRST, "Salt & pepper <revised>", LATER)
        after = get_record(server, FIRST)
        assert after.texts("//dc:title")[0] == "Salt & pepper <revised>"
        assert after.texts("//o:datestamp") == ["2024-03-05T12:30:00Z"]
        assert after.texts("//dc:identifier") == before.texts("//dc:identifier")
        assert identifiers(server, from_="2024-03-05") == [FIRST]
        assert FIRST not in identifiers(server, until="2024-03-04")
        assert len(identifiers(server)) == REPOSITORY.size


def test_a_new_datestamp_leaves_the_content_unchanged() -> None:
    """Real sources give all records new datestamps without a change (docs/failures.md#noise-counts-as-change)."""
    with Server(REPOSITORY) as server:
        before = get_record(server, FIRST).texts("//dc:*")
        server.edits.set_datestamp(FIRST, LATER)
        assert get_record(server, FIRST).texts("//dc:*") == before
        assert identifiers(server, from_="2024-03-05") == [FIRST]


def test_a_deleted_record_is_listed_as_a_header() -> None:
    with Server(REPOSITORY) as server:
        server.edits.delete(FIRST, LATER)
        response = request(server, LIST | {"from": "2024-03-05"})
        assert response.texts("//o:header/@status") == ["deleted"]
        assert response.identifiers == [FIRST]
        assert not response.find("//o:metadata")


def test_a_change_restores_a_deleted_record() -> None:
    """Real sources reuse identifiers after a deletion (docs/failures.md#identifier-reuse)."""
    with Server(REPOSITORY) as server:
        server.edits.delete(FIRST, LATER)
        server.edits.change(FIRST, "Back", LATER)
        assert get_record(server, FIRST).texts("//dc:title")[0] == "Back"


def test_a_hidden_record_appears_later_with_its_old_datestamp() -> None:
    """Real sources publish records late with an old datestamp (docs/failures.md#late-records)."""
    with Server(REPOSITORY) as server:
        server.edits.hide(FIRST)
        assert get_record(server, FIRST).error == "idDoesNotExist"
        assert FIRST not in identifiers(server)
        server.edits.show(FIRST)
        assert identifiers(server)[:3] == [REPOSITORY.identifier(0), FIRST, SECOND]


def test_undo_restores_the_original_record() -> None:
    """Real records return to an earlier content (docs/failures.md#content-returns)."""
    with Server(REPOSITORY) as server:
        before = request(server, LIST).find("//o:record")
        server.edits.change(FIRST, "B", LATER)
        server.edits.undo(FIRST)
        after = request(server, LIST).find("//o:record")
        assert [[*record.itertext()] for record in after] == [[*record.itertext()] for record in before]


def test_day_granularity_truncates_the_time_of_an_edit() -> None:
    repository = Repository(days=1, records_per_day=3, granularity="day")
    with Server(repository) as server:
        server.edits.set_datestamp(repository.identifier(0), LATER)
        assert get_record(server, repository.identifier(0)).texts("//o:datestamp") == ["2024-03-05"]


def test_the_earliest_datestamp_includes_the_edits() -> None:
    """A harvester that starts at earliestDatestamp must not miss a record with an earlier new datestamp."""
    with Server(REPOSITORY) as server:
        server.edits.set_datestamp(FIRST, datetime(1999, 12, 31, tzinfo=timezone.utc))
        earliest = request(server, {"verb": "Identify"}).texts("//o:earliestDatestamp")
    assert earliest == ["1999-12-31T00:00:00Z"]


def test_edits_can_be_passed_to_the_next_server() -> None:
    """A test that restarts its source continues with the same content."""
    with Server(REPOSITORY) as server:
        server.edits.change(FIRST, "Kept", LATER)
    with Server(REPOSITORY, edits=server.edits) as restarted:
        assert get_record(restarted, FIRST).texts("//dc:title")[0] == "Kept"


def test_an_edit_of_an_unknown_identifier_is_an_error() -> None:
    """A misspelt identifier in a test must not be ignored."""
    with Server(REPOSITORY) as server, pytest.raises(KeyError, match="oai:no:1"):
        server.edits.hide("oai:no:1")
