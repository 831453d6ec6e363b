"""Lists: every record once, in order, within the bounds; tokens; determinism; memory."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harvest_dagster.testing.simulator import SETS, Edit, Repository, Server
from harvest_dagster.testing.simulator.protocols.oai import respond
from harvest_dagster.testing.simulator.repository.edits import select
from harvest_dagster.testing.simulator.repository.lists import RepositorySnapshot
from harvest_dagster.testing.simulator.repository.repository import DAY, RecordSet
from harvest_dagster.testing.simulator.repository.tokens import ListPosition, encode
from harvest_dagster_tests.testing.simulator.oai_client import LIST, identifiers, pages, request

NOON = datetime(2025, 1, 1, 12, tzinfo=timezone.utc)


def every_identifier(repository: Repository) -> list[str]:
    return [repository.identifier(index) for index in range(repository.size)]


@pytest.mark.parametrize("granularity", ["day", "second"])
@pytest.mark.parametrize("page_size", [1, 7, 30, 31])
def test_a_list_contains_each_record_once_and_in_order(granularity, page_size) -> None:
    """The last page may contain some records, a full page, or the whole list."""
    repository = Repository(days=3, records_per_day=10, page_size=page_size, granularity=granularity)
    with Server(repository) as server:
        assert identifiers(server) == every_identifier(repository)


def test_a_paged_list_has_cursor_and_total() -> None:
    """Harvesters prove completeness with completeListSize and cursor. The token of the last page is empty."""
    with Server(Repository(days=1, records_per_day=25, page_size=10)) as server:
        tokens = [page.find("//o:resumptionToken")[0] for page in pages(server, LIST)]
    assert [token.get("cursor") for token in tokens] == ["0", "10", "20"]
    assert {token.get("completeListSize") for token in tokens} == {"25"}
    assert [bool(token.text) for token in tokens] == [True, True, False]
    assert [token.get("expirationDate") is not None for token in tokens] == [True, True, False]


def test_a_list_of_one_page_has_no_token() -> None:
    with Server(Repository(days=1, records_per_day=10, page_size=10)) as server:
        assert not request(server, LIST).find("//o:resumptionToken")


def test_a_repository_can_omit_its_totals() -> None:
    """A harvester must then report the window as unverified."""
    with Server(Repository(totals=False)) as server:
        (token,) = request(server, LIST).find("//o:resumptionToken")
        assert token.get("completeListSize") is None


@pytest.mark.parametrize("granularity", ["day", "second"])
def test_from_and_until_are_inclusive(granularity) -> None:
    """Otherwise adjacent windows share or lose a day (docs/failures.md#inclusive-until)."""
    repository = Repository(days=3, records_per_day=10, granularity=granularity)
    with Server(repository) as server:
        day = identifiers(server, from_="2024-03-02", until="2024-03-02")
        assert day == every_identifier(repository)[10:20]
        assert identifiers(server, from_="2024-03-02") == every_identifier(repository)[10:]
        assert identifiers(server, until="2024-03-02") == every_identifier(repository)[:20]


def test_bounds_in_seconds_are_inclusive() -> None:
    """The distance of ten records per day is 8,640 seconds."""
    repository = Repository(days=1, records_per_day=10)
    with Server(repository) as server:
        between = {"from_": "2024-03-01T02:24:00Z", "until": "2024-03-01T04:48:00Z"}
        assert identifiers(server, **between) == every_identifier(repository)[1:3]
        inside = {"from_": "2024-03-01T02:24:01Z", "until": "2024-03-01T04:47:59Z"}
        assert identifiers(server, **inside) == []


@pytest.mark.parametrize("record_set", SETS, ids=lambda record_set: record_set.spec)
def test_a_set_lists_the_records_that_belong_to_it(record_set: RecordSet) -> None:
    """The token must contain the set. The tokens of django-oai-pmh do not."""
    repository = Repository(days=2, records_per_day=33, page_size=5)
    with Server(repository) as server:
        headers = [header for page in pages(server, LIST) for header in page.find("//o:header")]
        members = [
            header.findtext("{*}identifier")
            for header in headers
            if record_set.spec in [spec.text for spec in header.iterfind("{*}setSpec")]
        ]
        assert identifiers(server, set=record_set.spec) == members
        assert members


def test_the_share_of_deleted_records_is_correct() -> None:
    with Server(Repository(days=1, records_per_day=1000, page_size=1000, deleted=0.1)) as server:
        response = request(server, LIST)
    deleted = response.find("//o:record[o:header/@status='deleted']")
    assert 50 < len(deleted) < 150
    assert all(record.find("{*}metadata") is None for record in deleted)


def test_a_token_is_valid_for_its_verb_until_it_expires() -> None:
    """A token that expires during a pause is an error, not the end of the list (docs/failures.md#no-resume)."""
    now = [NOON]
    repository = Repository(token_lifetime=timedelta(minutes=10))
    with Server(repository, clock=lambda: now[0]) as server:
        token = request(server, LIST).token
        assert (
            request(server, {"verb": "ListIdentifiers", "resumptionToken": token}).error
            == "badResumptionToken"
        )
        now[0] += timedelta(minutes=9)
        assert not request(server, {"verb": "ListRecords", "resumptionToken": token}).error
        now[0] += timedelta(minutes=1)
        assert (
            request(server, {"verb": "ListRecords", "resumptionToken": token}).error == "badResumptionToken"
        )


def test_a_changed_token_is_refused() -> None:
    with Server(Repository()) as server:
        token = request(server, LIST).token
        changed = token[:-4] + token[-4:].swapcase()
        assert (
            request(server, {"verb": "ListRecords", "resumptionToken": changed}).error == "badResumptionToken"
        )


def test_the_same_settings_give_the_same_bytes() -> None:
    """Tests and benchmarks compare the results of two servers."""
    repository = Repository(days=1, records_per_day=100, page_size=30)
    with Server(repository, clock=lambda: NOON) as server:
        first = [page.body for page in pages(server, LIST)]
        url = server.url
    with Server(repository, clock=lambda: NOON) as server:
        second = [page.body.replace(server.url.encode(), url.encode()) for page in pages(server, LIST)]
    assert first == second


def test_another_seed_gives_other_records() -> None:
    with Server(Repository(seed=1)) as first, Server(Repository(seed=2)) as second:
        assert request(first, LIST).texts("//dc:title") != request(second, LIST).texts("//dc:title")


def test_padded_records_have_the_requested_length() -> None:
    """A benchmark with 2 KB per record must use records of this length."""
    with Server(Repository(page_size=50, record_bytes=2000, deleted=0)) as server:
        body = request(server, LIST).body
    records = body[body.index(b"<record>") : body.index(b"<resumptionToken")]
    assert {len(record) for record in records.split(b"</record>")[:-1]} == {2000 - len(b"</record>")}


def test_the_last_page_of_a_million_records_needs_the_memory_of_one_page() -> None:
    """The server may neither store nor count the records of the repository one by one."""
    repository = Repository(days=100, records_per_day=10_000, page_size=100)
    snapshot = RepositorySnapshot(repository, {}, "http://127.0.0.1/oai", NOON)
    token = encode(ListPosition("ListRecords", offset=repository.size - 100), NOON + timedelta(hours=1))
    arguments = (("verb", "ListRecords"), ("resumptionToken", token))
    respond(snapshot, arguments)
    tracemalloc.start()
    try:
        page = respond(snapshot, arguments).body
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert repository.identifier(repository.size - 1).encode() in page
    # A list of a million references needs eight million bytes.
    assert peak < 2 * repository.size


MOMENTS = st.integers(min_value=-2 * DAY, max_value=5 * DAY)


@settings(max_examples=300, deadline=None)
@given(
    repository=st.builds(
        Repository,
        days=st.integers(0, 3),
        records_per_day=st.integers(1, 9),
        granularity=st.sampled_from(["day", "second"]),
    ),
    edits=st.dictionaries(
        st.integers(0, 26),
        st.builds(Edit, datestamp=st.none() | MOMENTS, hidden=st.booleans()),
        max_size=6,
    ),
    bounds=st.tuples(MOMENTS, MOMENTS),
    record_set=st.sampled_from([RecordSet("", ""), *SETS]),
    page=st.tuples(st.integers(0, 30), st.integers(1, 10)),
)
def test_select_gives_the_same_records_as_a_sorted_list(repository, edits, bounds, record_set, page) -> None:
    """`select` never builds the list. Compare it with a list that is built, for any edits, bounds and page."""
    (start, end), (offset, count) = sorted(bounds), page
    edits = {index: truncated(repository, edit) for index, edit in edits.items() if index < repository.size}
    dated = []
    for index in range(repository.size):
        edit = edits.get(index, Edit())
        datestamp = repository.datestamp(index) if edit.datestamp is None else edit.datestamp
        if start <= datestamp < end and not edit.hidden and index in record_set:
            dated.append((datestamp, repository.identifier(index), index))
    expected = [index for _, _, index in sorted(dated)]
    selection = select(repository, edits, start, end, record_set)
    assert len(selection) == len(expected)
    assert selection.page(offset, count) == expected[offset : offset + count]


def truncated(repository: Repository, edit: Edit) -> Edit:
    """Return the edit as `Edits` creates it: a datestamp truncated to the granularity."""
    if repository.granularity == "second" or edit.datestamp is None:
        return edit
    return replace(edit, datestamp=edit.datestamp // DAY * DAY)
