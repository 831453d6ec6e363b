"""The JSON API: the same records as OAI-PMH has, in four ways of paging."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from harvest_dagster.simulator import Repository, Server
from harvest_dagster_tests.simulator.client import LIST, ask
from harvest_dagster_tests.simulator.raw import get, walk

REPOSITORY = Repository(days=2, records_per_day=10, page_size=6, deleted=0.2)


@pytest.fixture(scope="module")
def server():
    with Server(REPOSITORY) as running:
        yield running


def following(server: Server, paging: str, got: object, seen: int, number: int) -> str | None:
    """Where a client of each kind goes on."""
    if paging == "cursor":
        return got["next"] and f"{server.json_url}?cursor={got['next']}"
    if paging == "links":
        return got["links"]["next"]
    more = got["records"] and {"page": f"page={number + 1}", "offset": f"offset={seen}"}[paging]
    return f"{server.json_url}?size=6&{more}" if more else None


@pytest.mark.parametrize("paging", ["cursor", "links", "page", "offset"])
def test_a_list_is_whole_in_each_way_of_paging(paging) -> None:
    with Server(REPOSITORY, paging=paging) as server:
        url: str | None = f"{server.json_url}?size=6"
        records, number = [], 1
        while url:
            got = get(url).json
            records += got["records"]
            url, number = following(server, paging, got, len(records), number), number + 1
            assert got["total"] == 20
    assert [record["id"] for record in records] == [REPOSITORY.identifier(index) for index in range(20)]


def test_records_say_what_they_say_in_oai(server) -> None:
    """One content, two protocols: a test compares harvesters, not sources."""
    xml = ask(server, {**LIST})
    for record, element in zip(get(server.json_url).json["records"], xml.find("//o:record"), strict=True):
        assert record["id"] == element.findtext("{*}header/{*}identifier")
        assert record["updated"] == element.findtext("{*}header/{*}datestamp")
        assert record["sets"] == [each.text for each in element.findall("{*}header/{*}setSpec")]
        assert record["deleted"] == (element.find("{*}header").get("status") == "deleted")
        titles = [each.text for each in element.findall(".//{http://purl.org/dc/elements/1.1/}title")]
        assert record.get("metadata", {}).get("title", []) == titles


def test_a_record_can_be_asked_for_alone(server) -> None:
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
def test_from_until_and_set_select_as_in_oai(server, query, count) -> None:
    """Both ends are inclusive."""
    assert get(f"{server.json_url}?{query}").json["total"] == count


def test_the_client_chooses_the_size_of_a_page(server) -> None:
    assert [len(get(f"{server.json_url}?size={size}").json["records"]) for size in (1, 7, 5000)] == [1, 7, 20]


def test_a_list_that_is_edited_shows_it() -> None:
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
def test_what_is_wrong_is_refused_in_json(server, query, code) -> None:
    got = get(f"{server.json_url}?{query}")
    assert (got.status, got.json["error"]["code"]) == (400, code)
    assert got.header("Content-Type") == "application/json"


def test_a_source_may_have_no_total() -> None:
    with Server(Repository(days=1, records_per_day=3, totals=False)) as server:
        assert "total" not in get(server.json_url).json


def test_a_token_of_one_protocol_is_none_of_the_other(server) -> None:
    (first, *_) = walk(server, "json")
    answer = ask(server, {"verb": "ListRecords", "resumptionToken": first.token})
    assert answer.error == "badResumptionToken"
