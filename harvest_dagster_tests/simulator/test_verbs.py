"""The six verbs and the eight errors, over HTTP."""

from __future__ import annotations

import pytest

from harvest_dagster.simulator import SETS, Repository, Server
from harvest_dagster_tests.simulator.client import LIST, ask

REPOSITORY = Repository(days=2, records_per_day=40, page_size=100, deleted=0.2)


@pytest.mark.parametrize(
    ("granularity", "earliest", "name"),
    [("second", "2024-03-01T00:00:00Z", "YYYY-MM-DDThh:mm:ssZ"), ("day", "2024-03-01", "YYYY-MM-DD")],
)
def test_identify_tells_the_granularity_and_the_earliest_datestamp(granularity, earliest, name) -> None:
    """Harvesters choose the form of from and until by it."""
    with Server(Repository(granularity=granularity)) as server:
        answer = ask(server, {"verb": "Identify"})
        assert answer.texts("o:Identify/o:granularity") == [name]
        assert answer.texts("o:Identify/o:earliestDatestamp") == [earliest]
        assert answer.texts("o:Identify/o:baseURL") == [server.url]
        assert answer.texts("o:Identify/o:deletedRecord") == ["persistent"]


def test_get_record_gives_what_the_list_gives() -> None:
    """A harvester that fetches records one by one must see the same content."""
    with Server(REPOSITORY) as server:
        listed = ask(server, LIST).find("//o:record")
        for record in listed[:10]:
            identifier = record.findtext("{*}header/{*}identifier")
            answer = ask(server, {"verb": "GetRecord", "metadataPrefix": "oai_dc", "identifier": identifier})
            (alone,) = answer.find("o:GetRecord/o:record")
            assert [*alone.itertext()] == [*record.itertext()]


def test_list_identifiers_gives_the_headers_of_list_records() -> None:
    """Deletions, sets and datestamps must not depend on the verb."""
    with Server(REPOSITORY) as server:
        records, headers = ask(server, LIST), ask(server, LIST | {"verb": "ListIdentifiers"})
        for path in ("//o:identifier", "//o:datestamp", "//o:setSpec", "//o:header/@status"):
            assert records.texts(path) == headers.texts(path)
        assert not headers.find("//o:metadata")


def test_list_sets_and_list_metadata_formats() -> None:
    with Server(REPOSITORY) as server:
        assert ask(server, {"verb": "ListSets"}).texts("//o:setSpec") == [subset.spec for subset in SETS]
        assert ask(server, {"verb": "ListMetadataFormats"}).texts("//o:metadataPrefix") == ["oai_dc"]


def test_records_read_like_real_ones() -> None:
    """The transformer's tests and the demo live on it: every element, several of a kind, beyond ASCII."""
    with Server(REPOSITORY) as server:
        answer = ask(server, LIST)
    elements = {element.tag.rpartition("}")[2] for element in answer.find("//dc:*")}
    assert elements == {
        "title", "creator", "subject", "description", "publisher", "contributor", "date", "type", "format",
        "identifier", "source", "language", "relation", "coverage", "rights",
    }  # fmt: skip
    assert answer.find("//o:record[count(.//dc:creator) > 1]")
    assert answer.find("//o:record[count(.//dc:title) > 1]")
    assert not "".join(answer.texts("//dc:creator")).isascii()
    assert len(set(answer.texts("//dc:title"))) > len(answer.find("//o:record[o:metadata]")) / 2


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
def test_errors_are_documents_with_the_code_of_the_specification(arguments, code) -> None:
    """A harvester must meet each of them; with status 200, as section 3.6 has it."""
    with Server(REPOSITORY) as server:
        answer = ask(server, arguments)
    assert (answer.status, answer.error) == (200, code)


def test_the_request_is_echoed_unless_it_was_wrong() -> None:
    """Section 3.2: no attributes after badVerb and badArgument."""
    with Server(REPOSITORY) as server:
        asked = {"verb": "ListRecords", "metadataPrefix": "oai_dc", "set": 'a<&">b'}
        assert dict(ask(server, asked).find("o:request")[0].attrib) == asked
        assert not ask(server, {"verb": "ListRecords", "set": "science"}).find("o:request")[0].attrib


def test_days_repositories_refuse_seconds() -> None:
    """Lesson 24: a harvester that guesses the granularity learns that it was wrong."""
    with Server(Repository(granularity="day")) as server:
        assert ask(server, LIST | {"from": "2024-03-01T00:00:00Z"}).error == "badArgument"


def test_a_repository_without_sets_says_so() -> None:
    with Server(Repository(sets=())) as server:
        assert ask(server, {"verb": "ListSets"}).error == "noSetHierarchy"
        assert ask(server, LIST | {"set": "science"}).error == "noSetHierarchy"


def test_a_deleted_record_has_no_formats() -> None:
    with Server(REPOSITORY) as server:
        (gone, *_) = ask(server, LIST).texts("//o:header[@status='deleted']/o:identifier")
        answer = ask(server, {"verb": "ListMetadataFormats", "identifier": gone})
    assert answer.error == "noMetadataFormats"
