"""Faults of tokens, totals and lists, as a raw client receives them in both protocols."""

from __future__ import annotations

import json
import re
from http.client import RemoteDisconnected
from itertools import chain

import pytest

from harvest_dagster.testing.simulator import Repository, Server, nth
from harvest_dagster.testing.simulator.behaviours.registry import REGISTRY
from harvest_dagster_tests.testing.simulator.raw_client import RawResponse, get, list_pages, list_url

REPOSITORY = Repository(days=1, records_per_day=20, page_size=5, deleted=0)
ALL = list(range(20))
BOTH = pytest.mark.parametrize("protocol", ["oai", "json"])


def flat(pages: list[list[int]]) -> list[int]:
    return list(chain.from_iterable(pages))


def numbers_by_page(name: str, protocol: str, **settings: object) -> list[list[int]]:
    """Return the numbers of the records of each page of a list."""
    with Server(REPOSITORY, behaviours=[REGISTRY[name](**settings)]) as server:
        return [response.numbers for response in list_pages(server, protocol)]


def totals(name: str, protocol: str, **settings: object) -> list[str]:
    with Server(REPOSITORY, behaviours=[REGISTRY[name](**settings)]) as server:
        bodies = [response.body.decode() for response in list_pages(server, protocol)]
    found = [re.search(r'completeListSize="([^"]*)"|"total": ([^,}]*)', body) for body in bodies]
    return ["" if each is None else (each[1] or each[2]).replace("null", "") for each in found]


@BOTH
def test_a_list_whose_token_repeats_never_ends(protocol) -> None:
    """The client of these tests stops after twelve pages. A harvester must detect the loop."""
    pages = numbers_by_page("token-repeats", protocol)
    assert pages[0] == ALL[:5]
    assert pages[1:] == [ALL[5:10]] * 11


@BOTH
def test_a_token_circle_leads_back_to_the_second_page(protocol) -> None:
    pages = numbers_by_page("token-circle", protocol)
    assert pages[:5] == [ALL[:5], ALL[5:10], ALL[10:15], ALL[5:10], ALL[10:15]]


@BOTH
def test_an_unchanging_token_gives_all_pages_and_then_empty_ones(protocol) -> None:
    """Crossref does this. A client that stops at a repeated cursor loses all pages after the second."""
    with Server(REPOSITORY, behaviours=[REGISTRY["token-stays"]()]) as server:
        pages = list(list_pages(server, protocol, max_pages=6))
    assert flat([page.numbers for page in pages]) == ALL
    assert [len(page.numbers) for page in pages] == [5, 5, 5, 5, 0, 0]
    assert len({page.token for page in pages}) == 1


@BOTH
def test_an_expired_token_is_refused(protocol) -> None:
    """badResumptionToken is not the end of a list (docs/failures.md#empty-page-with-token)."""
    with Server(REPOSITORY, behaviours=[REGISTRY["token-expires"]()]) as server:
        _, second = list_pages(server, protocol)
    assert second.numbers == []
    assert b"badResumptionToken" in second.body
    assert second.status == {"oai": 200, "json": 400}[protocol]


def first_and_second_use(name: str, protocol: str) -> tuple[RawResponse, RawResponse]:
    with Server(REPOSITORY, behaviours=[REGISTRY[name](lost=0)]) as server:
        token = get(list_url(server, protocol)).token
        first, second = (get(list_url(server, protocol, token)) for _ in range(2))
    return first, second


@BOTH
def test_a_used_token_is_refused(protocol) -> None:
    """A retry of the same request fails (docs/failures.md#single-use-token)."""
    first, second = first_and_second_use("token-burns", protocol)
    assert first.numbers == ALL[5:10]
    assert b"badResumptionToken" in second.body


@BOTH
def test_a_used_token_gives_the_page_after_the_requested_one(protocol) -> None:
    """A blind retry loses a page without an error (docs/failures.md#single-use-token)."""
    first, second = first_and_second_use("token-burns-silently", protocol)
    assert (first.numbers, second.numbers) == (ALL[5:10], ALL[10:15])


@BOTH
def test_a_token_is_used_even_if_its_response_was_lost(protocol) -> None:
    """A client repeats the request for the lost response (docs/failures.md#single-use-token)."""
    with Server(REPOSITORY, behaviours=[REGISTRY["token-burns-silently"]()]) as server:
        token = get(list_url(server, protocol)).token
        lost, repeated = (get(list_url(server, protocol, token)) for _ in range(2))
        (_, second, *_) = list_pages(server, protocol)
    assert isinstance(lost.error, RemoteDisconnected)
    assert (repeated.numbers, second.numbers) == (ALL[10:15], ALL[5:10])


@BOTH
def test_the_end_of_a_list_can_be_an_empty_page(protocol) -> None:
    assert numbers_by_page("ends-in-empty", protocol) == [ALL[:5], ALL[5:10], ALL[10:15], ALL[15:], []]


def test_the_end_of_a_list_can_be_an_error() -> None:
    """At commons.mla.org the page of the last token is noRecordsMatch."""
    with Server(REPOSITORY, behaviours=[REGISTRY["ends-in-error"]()]) as server:
        *pages, last = list_pages(server, "oai")
    assert flat([page.numbers for page in pages]) == ALL
    assert b'code="noRecordsMatch"' in last.body


@pytest.mark.parametrize(
    ("name", "status", "body"),
    [
        ("ends-in-404", 404, b'{"detail": "Invalid page."}'),
        ("ends-in-400", 400, b'{"detail": "Invalid page."}'),
        ("ends-in-204", 204, b""),
        ("ends-in-null", 200, b'{"total": 20, "records": null, "next": null}'),
        ("ends-without-list", 200, b'{"total": 20}'),
    ],
)
def test_the_end_of_a_json_list_can_be_odd(name: str, status: int, body: bytes) -> None:
    """Real APIs end their lists in these ways. See docs/failures.md#odd-list-ends."""
    with Server(REPOSITORY, behaviours=[REGISTRY[name]()]) as server:
        responses = list_pages(server, "json")
        pages = [next(responses) for _ in range(4)]
        last = get(list_url(server, "json", pages[-1].token))
    assert flat([page.numbers for page in pages]) == ALL
    assert (last.status, last.body) == (status, body)


def test_the_last_page_of_a_json_list_can_be_repeated() -> None:
    assert numbers_by_page("ends-in-repetition", "json")[3:5] == [ALL[15:], ALL[15:]]


@pytest.mark.parametrize("key", ["total", "next"])
def test_the_pages_of_the_json_api_can_lack_a_key(key: str) -> None:
    """As if the config had a typo. See docs/failures.md#paths-that-never-match."""
    with Server(REPOSITORY, behaviours=[REGISTRY[f"{key}-missing"]()]) as server:
        assert key not in json.loads(get(list_url(server, "json")).body)


@BOTH
def test_an_empty_page_is_not_the_end(protocol) -> None:
    """The token of an empty page leads to more records (docs/failures.md#empty-page-with-token)."""
    assert numbers_by_page("empty-page", protocol) == [ALL[:5], [], ALL[5:10], ALL[10:15], ALL[15:]]


@BOTH
def test_a_capped_list_ends_without_an_error(protocol) -> None:
    """A harvester can detect this with the true total, but not without a total (docs/failures.md#result-cap)."""
    assert numbers_by_page("cap", protocol, limit=7) == [ALL[:5], ALL[5:7]]
    assert totals("cap", protocol, limit=7) == ["20", "20"]
    assert totals("cap-hidden", protocol, limit=7) == ["", ""]


@BOTH
def test_pages_beyond_a_depth_are_refused(protocol) -> None:
    assert numbers_by_page("depth", protocol, limit=10) == [ALL[:5], ALL[5:10], []]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("total-higher", ["21", "21", "21", "21"]),
        ("total-lower", ["19", "19", "19", "19"]),
        ("total-changing", ["20", "21", "21", "21"]),
        ("total-negative", ["-1", "-1", "-1", "-1"]),
        ("total-none", ["", "", "", ""]),
    ],
)
@BOTH
def test_totals_are_wrong_and_the_list_is_complete(name, expected, protocol) -> None:
    assert totals(name, protocol) == expected
    assert flat(numbers_by_page(name, protocol)) == ALL


def test_a_total_can_be_a_word() -> None:
    """bioRxiv sends its total as a string, so a harvester cannot rely on the type."""
    assert totals("total-text", "json")[0] == '"many"'
    assert totals("total-text", "oai")[0] == "many"


@BOTH
@pytest.mark.parametrize(
    ("name", "pages"),
    [
        ("list-shrinks", [ALL[:5], ALL[6:11], ALL[11:16], ALL[16:]]),
        ("list-grows", [ALL[1:6], ALL[5:10], ALL[10:15], ALL[15:]]),
        ("list-moves", [ALL[:5], ALL[6:11], ALL[11:16], [16, 17, 18, 0, 19]]),
    ],
)
def test_a_change_on_an_earlier_page_shifts_the_later_pages(name, pages, protocol) -> None:
    """Record 5 is never listed, or is listed twice, although every page is correct."""
    assert numbers_by_page(name, protocol, when=nth(2, "list")) == pages


def test_a_change_also_affects_the_next_list() -> None:
    """Otherwise a harvester that repeats the list would get the removed record."""
    with Server(REPOSITORY, behaviours=[REGISTRY["list-shrinks"](when=nth(2, "list"))]) as server:
        list(list_pages(server, "oai"))
        second_list = [response.numbers for response in list_pages(server, "oai")]
    assert flat(second_list) == ALL[1:]


@BOTH
def test_pages_that_overlap_repeat_a_record(protocol) -> None:
    assert numbers_by_page("pages-overlap", protocol) == [ALL[:5], ALL[4:10], ALL[9:15], ALL[14:]]
    assert numbers_by_page("duplicate", protocol)[0] == [0, 1, 2, 3, 4, 0]


@BOTH
def test_only_one_record_is_corrupt_and_in_every_response(protocol) -> None:
    """A harvester that fetches records one by one must find the same invalid record."""
    corruption = REGISTRY["record-control-character"](record=7)
    with Server(REPOSITORY, behaviours=[corruption]) as server:
        pages = list(list_pages(server, protocol))
        name = REPOSITORY.identifier(7)
        arguments = f"verb=GetRecord&metadataPrefix=oai_dc&identifier={name}"
        single = get(f"{server.url}?{arguments}" if protocol == "oai" else f"{server.json_url}/{name}")
    assert [page.body.count(b"\x0b") for page in pages] == [0, 1, 0, 0]
    assert single.body.count(b"\x0b") == 1
    assert flat([page.numbers for page in pages]) == ALL


@BOTH
def test_bytes_that_are_not_utf_8_are_sent_unchanged(protocol) -> None:
    with Server(REPOSITORY, behaviours=[REGISTRY["record-bad-utf-8"]()]) as server:
        response = get(list_url(server, protocol))
    assert response.body.count(b"\xff\xfe") == 1


@BOTH
def test_an_identifier_can_be_missing_or_shared(protocol) -> None:
    assert numbers_by_page("record-no-identifier", protocol)[0] == [0, 1, 2, 4]
    assert numbers_by_page("same-identifier", protocol)[0] == [0, 1, 2, 2, 4]


def test_records_have_the_datestamp_that_the_setting_names() -> None:
    with Server(REPOSITORY, behaviours=[REGISTRY["datestamp-impossible"](text="2023-02-29")]) as server:
        records = json.loads(get(list_url(server, "json")).body)["records"]
    assert [record["updated"][:10] for record in records] == ["2024-03-01"] * 3 + ["2023-02-29", "2024-03-01"]
