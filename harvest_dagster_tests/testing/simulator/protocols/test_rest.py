"""The JSON API: the same records as in OAI-PMH, with four kinds of paging."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from harvest_dagster.testing.simulator import Repository, Server
from harvest_dagster_tests.testing.simulator.oai_client import LIST, request
from harvest_dagster_tests.testing.simulator.raw_client import get, list_pages

REPOSITORY = Repository(days=2, records_per_day=10, page_size=6, deleted=0.2)


@pytest.fixture(scope="module")
def server():
    with Server(REPOSITORY) as running:
        yield running


def next_url(server: Server, paging: str, page: object, seen: int, number: int) -> str | None:
    """Return the URL of the next page as a client of this kind of paging computes it."""
    if paging == "cursor":
        return page["next"] and f"{server.json_url}?cursor={page['next']}"
    if paging == "links":
        return page["links"]["next"]
    parameter = page["records"] and {"page": f"page={number + 1}", "offset": f"offset={seen}"}[paging]
    return f"{server.json_url}?size=6&{parameter}" if parameter else None


@pytest.mark.parametrize("paging", ["cursor", "links", "page", "offset"])
def test_a_list_is_complete_with_each_kind_of_paging(paging) -> None:
    with Server(REPOSITORY, paging=paging) as server:
        url: str | None = f"{server.json_url}?size=6"
        records, number = [], 1
        while url:
            page = get(url).json
            records += page["records"]
            url, number = next_url(server, paging, page, len(records), number), number + 1
            assert page["total"] == 20
    assert [record["id"] for record in records] == [REPOSITORY.identifier(index) for index in range(20)]


def test_records_have_the_same_content_as_in_oai_pmh(server) -> None:
    """A test that compares two harvesters must not compare two different sources."""
    xml = request(server, {**LIST})
    for record, element in zip(get(server.json_url).json["records"], xml.find("//o:record"), strict=True):
        assert record["id"] == element.findtext("{*}header/{*}identifier")
        assert record["updated"] == element.findtext("{*}header/{*}datestamp")
        assert record["sets"] == [each.text for each in element.findall("{*}header/{*}setSpec")]
        assert record["deleted"] == (element.find("{*}header").get("status") == "deleted")
        titles = [each.text for each in element.findall(".//{http://purl.org/dc/elements/1.1/}title")]
        assert record.get("metadata", {}).get("title", []) == titles


def test_a_single_record_can_be_requested(server) -> None:
    first = get(server.json_url).json["records"][0]
    assert get(f"{server.json_url}/{first['id']}").json == first
    missing = get(f"{server.json_url}/oai:repository.example.org:999999999")
    assert (missing.status, missing.json["error"]["code"]) == (404, "idDoesNotExist")


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("from=2024-03-02", 10),
        ("until=2024-03-01", 10),
        ("from=2024-03-01&until=2024-03-02", 20),
        ("from=2024-03-01T00:00:00Z&until=2024-03-01T00:00:00Z", 1),
        ("set=science", 10),
        ("until=1990-01-01", 0),
        ("size=3", 20),
    ],
)
def test_from_until_and_set_select_as_in_oai_pmh(server, query, count) -> None:
    """Both bounds are inclusive."""
    assert get(f"{server.json_url}?{query}").json["total"] == count


def test_the_client_chooses_the_size_of_a_page(server) -> None:
    assert [len(get(f"{server.json_url}?size={size}").json["records"]) for size in (1, 7, 5000)] == [1, 7, 20]


def test_edits_appear_in_the_json_api() -> None:
    with Server(REPOSITORY) as server:
        at = datetime(2024, 3, 2, 23, tzinfo=timezone.utc)
        server.edits.change(REPOSITORY.identifier(0), "Another title", at)
        record = get(f"{server.json_url}/{REPOSITORY.identifier(0)}").json
    assert (record["updated"], record["metadata"]["title"][0]) == ("2024-03-02T23:00:00Z", "Another title")


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("form=2024-03-01", "badArgument"),
        ("from=yesterday", "badArgument"),
        ("from=2024-03-02&until=2024-03-01", "badArgument"),
        ("size=0", "badArgument"),
        ("size=many", "badArgument"),
        ("cursor=made-up", "badResumptionToken"),
    ],
)
def test_errors_are_json(server, query, code) -> None:
    response = get(f"{server.json_url}?{query}")
    assert (response.status, response.json["error"]["code"]) == (400, code)
    assert response.header("Content-Type") == "application/json"


def test_a_source_can_omit_its_total() -> None:
    with Server(Repository(days=1, records_per_day=3, totals=False)) as server:
        assert "total" not in get(server.json_url).json


def test_a_token_of_one_protocol_is_refused_by_the_other(server) -> None:
    (first, *_) = list_pages(server, "json")
    response = request(server, {"verb": "ListRecords", "resumptionToken": first.token})
    assert response.error == "badResumptionToken"
