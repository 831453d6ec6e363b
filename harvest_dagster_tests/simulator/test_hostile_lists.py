"""Tokens, totals and lists that change: what a client sees of them, in both protocols."""

from __future__ import annotations

import json
import re
from http.client import RemoteDisconnected
from itertools import chain

import pytest

from harvest_dagster.simulator import Repository, Server, nth
from harvest_dagster.simulator.registry import REGISTRY
from harvest_dagster_tests.simulator.raw import Got, address, get, walk

REPOSITORY = Repository(days=1, records_per_day=20, page_size=5, deleted=0)
ALL = list(range(20))
BOTH = pytest.mark.parametrize("protocol", ["oai", "json"])


def flat(pages: list[list[int]]) -> list[int]:
    return list(chain.from_iterable(pages))


def seen(name: str, protocol: str, **settings: object) -> list[list[int]]:
    """The numbers of the records of each page of a walk."""
    with Server(REPOSITORY, behaviours=[REGISTRY[name](**settings)]) as server:
        return [got.numbers for got in walk(server, protocol)]


def totals(name: str, protocol: str, **settings: object) -> list[str]:
    with Server(REPOSITORY, behaviours=[REGISTRY[name](**settings)]) as server:
        bodies = [got.body.decode() for got in walk(server, protocol)]
    found = [re.search(r'completeListSize="([^"]*)"|"total": ([^,}]*)', body) for body in bodies]
    return ["" if each is None else each[1] or each[2] for each in found]


@BOTH
def test_a_token_that_repeats_never_ends(protocol) -> None:
    """Lesson 1: the walk of these tests gives up after twelve pages; a harvester must notice."""
    pages = seen("token-repeats", protocol)
    assert pages[0] == ALL[:5]
    assert pages[1:] == [ALL[5:10]] * 11


@BOTH
def test_a_circle_comes_back_to_the_second_page(protocol) -> None:
    pages = seen("token-circle", protocol)
    assert pages[:5] == [ALL[:5], ALL[5:10], ALL[10:15], ALL[5:10], ALL[10:15]]


@BOTH
def test_a_token_that_stays_gives_the_whole_list_and_an_empty_end(protocol) -> None:
    """Crossref: who stops when the cursor repeats loses everything after the second page."""
    with Server(REPOSITORY, behaviours=[REGISTRY["token-stays"]()]) as server:
        pages = list(walk(server, protocol, most=6))
    assert flat([page.numbers for page in pages]) == ALL
    assert [len(page.numbers) for page in pages] == [5, 5, 5, 5, 0, 0]
    assert len({page.token for page in pages}) == 1


@BOTH
def test_an_expired_token_is_refused(protocol) -> None:
    """Lesson 2: in OAI-PMH with badResumptionToken, which is not the end of a list."""
    with Server(REPOSITORY, behaviours=[REGISTRY["token-expires"]()]) as server:
        _, second = walk(server, protocol)
    assert second.numbers == []
    assert b"badResumptionToken" in second.body
    assert second.status == {"oai": 200, "json": 400}[protocol]


def first_and_second_use(name: str, protocol: str) -> tuple[Got, Got]:
    with Server(REPOSITORY, behaviours=[REGISTRY[name](lost=0)]) as server:
        token = get(address(server, protocol)).token
        first, second = (get(address(server, protocol, token)) for _ in range(2))
    return first, second


@BOTH
def test_a_burnt_token_is_refused(protocol) -> None:
    """Lesson 23."""
    first, second = first_and_second_use("token-burns", protocol)
    assert first.numbers == ALL[5:10]
    assert b"badResumptionToken" in second.body


@BOTH
def test_a_token_that_burns_silently_gives_the_page_after(protocol) -> None:
    """Lesson 23: a blind retry loses a page, and nothing tells."""
    first, second = first_and_second_use("token-burns-silently", protocol)
    assert (first.numbers, second.numbers) == (ALL[5:10], ALL[10:15])


@BOTH
def test_a_token_burns_although_its_answer_was_lost(protocol) -> None:
    """Lesson 23: this is when a client asks again, once; the next list is well."""
    with Server(REPOSITORY, behaviours=[REGISTRY["token-burns-silently"]()]) as server:
        token = get(address(server, protocol)).token
        lost, again = (get(address(server, protocol, token)) for _ in range(2))
        (_, second, *_) = walk(server, protocol)
    assert isinstance(lost.error, RemoteDisconnected)
    assert (again.numbers, second.numbers) == (ALL[10:15], ALL[5:10])


@BOTH
def test_the_end_of_a_list_may_be_an_empty_page(protocol) -> None:
    assert seen("ends-in-empty", protocol) == [ALL[:5], ALL[5:10], ALL[10:15], ALL[15:], []]


def test_the_end_of_a_list_may_be_an_error() -> None:
    """commons.mla.org: a last token whose page is noRecordsMatch."""
    with Server(REPOSITORY, behaviours=[REGISTRY["ends-in-error"]()]) as server:
        *pages, last = walk(server, "oai")
    assert flat([page.numbers for page in pages]) == ALL
    assert b'code="noRecordsMatch"' in last.body


@BOTH
def test_an_empty_page_is_not_the_end(protocol) -> None:
    """Lesson 2."""
    assert seen("empty-page", protocol) == [ALL[:5], [], ALL[5:10], ALL[10:15], ALL[15:]]


@BOTH
def test_a_capped_list_ends_politely(protocol) -> None:
    """Lesson 8: with the true total a harvester can know, without one it cannot."""
    assert seen("cap", protocol, limit=7) == [ALL[:5], ALL[5:7]]
    assert totals("cap", protocol, limit=7) == ["20", "20"]
    assert totals("cap-hidden", protocol, limit=7) == ["", ""]


@BOTH
def test_pages_beyond_a_depth_are_refused(protocol) -> None:
    assert seen("depth", protocol, limit=10) == [ALL[:5], ALL[5:10], []]


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
def test_totals_lie_and_the_list_is_whole(name, expected, protocol) -> None:
    assert totals(name, protocol) == expected
    assert flat(seen(name, protocol)) == ALL


def test_a_total_that_is_a_word() -> None:
    """bioRxiv's total is a string of digits; others say less."""
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
def test_what_changes_before_a_place_shifts_what_comes_after_it(name, pages, protocol) -> None:
    """Lesson 7's kin: record 5 is never listed, or twice, and every page is well in itself."""
    assert seen(name, protocol, when=nth(2, "list")) == pages


def test_a_change_stays_for_the_next_list() -> None:
    """Else who lists anew, to be sure, would be given what is gone."""
    with Server(REPOSITORY, behaviours=[REGISTRY["list-shrinks"](when=nth(2, "list"))]) as server:
        list(walk(server, "oai"))
        again = [got.numbers for got in walk(server, "oai")]
    assert flat(again) == ALL[1:]


@BOTH
def test_pages_that_overlap_repeat_a_record(protocol) -> None:
    assert seen("pages-overlap", protocol) == [ALL[:5], ALL[4:10], ALL[9:15], ALL[14:]]
    assert seen("duplicate", protocol)[0] == [0, 1, 2, 3, 4, 0]


@BOTH
def test_one_record_is_flawed_wherever_it_appears_and_no_other(protocol) -> None:
    """Lesson 10: whoever fetches records one by one to find the culprit must meet it again."""
    flaw = REGISTRY["record-control-character"](record=7)
    with Server(REPOSITORY, behaviours=[flaw]) as server:
        pages = list(walk(server, protocol))
        name = REPOSITORY.identifier(7)
        arguments = f"verb=GetRecord&metadataPrefix=oai_dc&identifier={name}"
        alone = get(f"{server.url}?{arguments}" if protocol == "oai" else f"{server.json_url}/{name}")
    assert [page.body.count(b"\x0b") for page in pages] == [0, 1, 0, 0]
    assert alone.body.count(b"\x0b") == 1
    assert flat([page.numbers for page in pages]) == ALL


@BOTH
def test_bytes_that_are_no_utf_8_leave_as_they_are(protocol) -> None:
    with Server(REPOSITORY, behaviours=[REGISTRY["record-bad-utf-8"]()]) as server:
        got = get(address(server, protocol))
    assert got.body.count(b"\xff\xfe") == 1


@BOTH
def test_a_record_may_have_no_identifier_or_another_ones(protocol) -> None:
    assert seen("record-no-identifier", protocol)[0] == [0, 1, 2, 4]
    assert seen("same-identifier", protocol)[0] == [0, 1, 2, 2, 4]


def test_datestamps_are_what_the_setting_says() -> None:
    with Server(REPOSITORY, behaviours=[REGISTRY["datestamp-impossible"](text="2023-02-29")]) as server:
        records = json.loads(get(address(server, "json")).body)["records"]
    assert [record["updated"][:10] for record in records] == ["2024-03-01"] * 3 + ["2023-02-29", "2024-03-01"]
