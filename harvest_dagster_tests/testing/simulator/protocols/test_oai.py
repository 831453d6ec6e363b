"""OAI-PMH: the six verbs and the eight errors, over HTTP."""

from __future__ import annotations

import pytest

from harvest_dagster.testing.simulator import SETS, Repository, Server
from harvest_dagster_tests.testing.simulator.oai_client import LIST, request

REPOSITORY = Repository(days=2, records_per_day=40, page_size=100, deleted=0.2)


@pytest.mark.parametrize(
    ("granularity", "earliest", "name"),
    [("second", "2024-03-01T00:00:00Z", "YYYY-MM-DDThh:mm:ssZ"), ("day", "2024-03-01", "YYYY-MM-DD")],
)
def test_identify_gives_granularity_and_earliest_datestamp(granularity, earliest, name) -> None:
    """Harvesters derive the format of from and until from them."""
    with Server(Repository(granularity=granularity)) as server:
        response = request(server, {"verb": "Identify"})
        assert response.texts("o:Identify/o:granularity") == [name]
        assert response.texts("o:Identify/o:earliestDatestamp") == [earliest]
        assert response.texts("o:Identify/o:baseURL") == [server.url]
        assert response.texts("o:Identify/o:deletedRecord") == ["persistent"]


def test_get_record_gives_the_same_content_as_the_list() -> None:
    """A harvester that fetches records one by one must store the same content."""
    with Server(REPOSITORY) as server:
        listed = request(server, LIST).find("//o:record")
        for record in listed[:10]:
            identifier = record.findtext("{*}header/{*}identifier")
            response = request(
                server, {"verb": "GetRecord", "metadataPrefix": "oai_dc", "identifier": identifier}
            )
            (single,) = response.find("o:GetRecord/o:record")
            assert [*single.itertext()] == [*record.itertext()]


def test_list_identifiers_gives_the_headers_of_list_records() -> None:
    """Deletions, sets and datestamps must not depend on the verb."""
    with Server(REPOSITORY) as server:
        records, headers = request(server, LIST), request(server, LIST | {"verb": "ListIdentifiers"})
        for path in ("//o:identifier", "//o:datestamp", "//o:setSpec", "//o:header/@status"):
            assert records.texts(path) == headers.texts(path)
        assert not headers.find("//o:metadata")


def test_list_sets_and_list_metadata_formats_are_complete() -> None:
    with Server(REPOSITORY) as server:
        assert request(server, {"verb": "ListSets"}).texts("//o:setSpec") == [
            record_set.spec for record_set in SETS
        ]
        assert request(server, {"verb": "ListMetadataFormats"}).texts("//o:metadataPrefix") == ["oai_dc"]


def test_records_have_the_variety_of_real_ones() -> None:
    """The tests of the transformer and the demo need every element, repeated elements, and text beyond ASCII."""
    with Server(REPOSITORY) as server:
        response = request(server, LIST)
    elements = {element.tag.rpartition("}")[2] for element in response.find("//dc:*")}
    assert elements == {
        "title", "creator", "subject", "description", "publisher", "contributor", "date", "type", "format",
        "identifier", "source", "language", "relation", "coverage", "rights",
    }  # fmt: skip
    assert response.find("//o:record[count(.//dc:creator) > 1]")
    assert response.find("//o:record[count(.//dc:title) > 1]")
    assert not "".join(response.texts("//dc:creator")).isascii()
    assert len(set(response.texts("//dc:title"))) > len(response.find("//o:record[o:metadata]")) / 2


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({}, "badVerb"),
        ({"verb": "Harvest"}, "badVerb"),
        ([("verb", "Identify"), ("verb", "Identify")], "badVerb"),
        ({"verb": "ListRecords"}, "badArgument"),
        ({"verb": "Identify", "set": "science"}, "badArgument"),
        ([*LIST.items(), ("set", "science"), ("set", "humanities")], "badArgument"),
        (LIST | {"resumptionToken": "x"}, "badArgument"),
        (LIST | {"from": "2024-03-01T00:00Z"}, "badArgument"),
        (LIST | {"from": "yesterday"}, "badArgument"),
        (LIST | {"until": "2024-02-30"}, "badArgument"),
        (LIST | {"from": "2024-03-02", "until": "2024-03-01"}, "badArgument"),
        (LIST | {"from": "2024-03-01", "until": "2024-03-02T00:00:00Z"}, "badArgument"),
        ({"verb": "ListRecords", "resumptionToken": "garbage"}, "badResumptionToken"),
        ({"verb": "ListRecords", "resumptionToken": ""}, "badResumptionToken"),
        ({"verb": "ListRecords", "resumptionToken": "é"}, "badResumptionToken"),
        ({"verb": "ListSets", "resumptionToken": "garbage"}, "badResumptionToken"),
        (LIST | {"metadataPrefix": "marcxml"}, "cannotDisseminateFormat"),
        ({"verb": "GetRecord", "metadataPrefix": "oai_dc", "identifier": "oai:no:1"}, "idDoesNotExist"),
        ({"verb": "ListMetadataFormats", "identifier": "oai:no:1"}, "idDoesNotExist"),
        (LIST | {"from": "2030-01-01"}, "noRecordsMatch"),
        (LIST | {"until": "1999-12-31"}, "noRecordsMatch"),
        (LIST | {"set": "alchemy"}, "noRecordsMatch"),
    ],
)
def test_errors_have_the_code_of_the_specification(arguments, code) -> None:
    """Errors are documents with status 200 (section 3.6)."""
    with Server(REPOSITORY) as server:
        response = request(server, arguments)
    assert (response.status, response.error) == (200, code)


def test_the_request_is_echoed_unless_it_is_invalid() -> None:
    """The element `request` has no attributes after badVerb and badArgument (section 3.2)."""
    with Server(REPOSITORY) as server:
        arguments = {"verb": "ListRecords", "metadataPrefix": "oai_dc", "set": 'a<&">b'}
        assert dict(request(server, arguments).find("o:request")[0].attrib) == arguments
        assert not request(server, {"verb": "ListRecords", "set": "science"}).find("o:request")[0].attrib


def test_a_repository_with_day_granularity_refuses_seconds() -> None:
    """A harvester that guesses the granularity gets an error (docs/failures.md#dates-only)."""
    with Server(Repository(granularity="day")) as server:
        assert request(server, LIST | {"from": "2024-03-01T00:00:00Z"}).error == "badArgument"


def test_a_repository_without_sets_has_no_set_hierarchy() -> None:
    with Server(Repository(sets=())) as server:
        assert request(server, {"verb": "ListSets"}).error == "noSetHierarchy"
        assert request(server, LIST | {"set": "science"}).error == "noSetHierarchy"


def test_a_deleted_record_has_no_metadata_formats() -> None:
    with Server(REPOSITORY) as server:
        (deleted, *_) = request(server, LIST).texts("//o:header[@status='deleted']/o:identifier")
        response = request(server, {"verb": "ListMetadataFormats", "identifier": deleted})
    assert response.error == "noMetadataFormats"
