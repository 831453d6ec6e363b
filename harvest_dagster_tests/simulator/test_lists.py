"""Lists: each record once, in order, between the right instants; tokens; determinism; memory."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harvest_dagster.simulator import SETS, Edit, Repository, Server
from harvest_dagster.simulator.edits import select
from harvest_dagster.simulator.lists import Holdings
from harvest_dagster.simulator.oai import answer
from harvest_dagster.simulator.repository import DAY, Subset
from harvest_dagster.simulator.tokens import Listing, encode
from harvest_dagster_tests.simulator.client import LIST, ask, identifiers, pages

NOON = datetime(2025, 1, 1, 12, tzinfo=timezone.utc)


def every_identifier(repository: Repository) -> list[str]:
    return [repository.identifier(index) for index in range(repository.size)]


@pytest.mark.parametrize("granularity", ["day", "second"])
@pytest.mark.parametrize("page_size", [1, 7, 30, 31])
def test_a_walk_gives_each_record_once_and_in_order(granularity, page_size) -> None:
    """Whatever the last page holds: a rest, a whole page, all."""
    repository = Repository(days=3, records_per_day=10, page_size=page_size, granularity=granularity)
    with Server(repository) as server:
        assert identifiers(server) == every_identifier(repository)


def test_a_paged_list_counts_itself() -> None:
    """Harvesters prove completeness by completeListSize and cursor; the last page's token is empty."""
    with Server(Repository(days=1, records_per_day=25, page_size=10)) as server:
        tokens = [page.find("//o:resumptionToken")[0] for page in pages(server, LIST)]
    assert [token.get("cursor") for token in tokens] == ["0", "10", "20"]
    assert {token.get("completeListSize") for token in tokens} == {"25"}
    assert [bool(token.text) for token in tokens] == [True, True, False]
    assert [token.get("expirationDate") is not None for token in tokens] == [True, True, False]


def test_a_list_that_fits_in_a_page_has_no_token() -> None:
    with Server(Repository(days=1, records_per_day=10, page_size=10)) as server:
        assert not ask(server, LIST).find("//o:resumptionToken")


def test_a_repository_may_keep_its_totals_to_itself() -> None:
    """A harvester must then call the window unverified."""
    with Server(Repository(totals=False)) as server:
        (token,) = ask(server, LIST).find("//o:resumptionToken")
        assert token.get("completeListSize") is None


@pytest.mark.parametrize("granularity", ["day", "second"])
def test_from_and_until_are_inclusive(granularity) -> None:
    """Lesson 24: neighbouring windows share a day, or lose one, when either end is read differently."""
    repository = Repository(days=3, records_per_day=10, granularity=granularity)
    with Server(repository) as server:
        day = identifiers(server, from_="2024-03-02", until="2024-03-02")
        assert day == every_identifier(repository)[10:20]
        assert identifiers(server, from_="2024-03-02") == every_identifier(repository)[10:]
        assert identifiers(server, until="2024-03-02") == every_identifier(repository)[:20]


def test_seconds_are_inclusive_at_both_ends() -> None:
    """Ten records a day stand 8,640 seconds apart."""
    repository = Repository(days=1, records_per_day=10)
    with Server(repository) as server:
        between = {"from_": "2024-03-01T02:24:00Z", "until": "2024-03-01T04:48:00Z"}
        assert identifiers(server, **between) == every_identifier(repository)[1:3]
        inside = {"from_": "2024-03-01T02:24:01Z", "until": "2024-03-01T04:47:59Z"}
        assert identifiers(server, **inside) == []


@pytest.mark.parametrize("subset", SETS, ids=lambda subset: subset.spec)
def test_a_set_lists_the_records_that_name_it(subset: Subset) -> None:
    """And all pages of it: the token keeps the set (django-oai-pmh forgets it)."""
    repository = Repository(days=2, records_per_day=33, page_size=5)
    with Server(repository) as server:
        everything = [record for page in pages(server, LIST) for record in page.find("//o:header")]
        members = [
            header.findtext("{*}identifier")
            for header in everything
            if subset.spec in [spec.text for spec in header.iterfind("{*}setSpec")]
        ]
        assert identifiers(server, set=subset.spec) == members
        assert members


def test_the_share_of_deleted_records_is_kept() -> None:
    with Server(Repository(days=1, records_per_day=1000, page_size=1000, deleted=0.1)) as server:
        answer = ask(server, LIST)
    deleted = answer.find("//o:record[o:header/@status='deleted']")
    assert 50 < len(deleted) < 150
    assert all(record.find("{*}metadata") is None for record in deleted)


def test_a_token_serves_its_own_verb_until_it_expires() -> None:
    """Lesson 22: a token that expired in the pause is an error, never the end of the list."""
    now = [NOON]
    repository = Repository(token_lifetime=timedelta(minutes=10))
    with Server(repository, clock=lambda: now[0]) as server:
        token = ask(server, LIST).token
        assert (
            ask(server, {"verb": "ListIdentifiers", "resumptionToken": token}).error == "badResumptionToken"
        )
        now[0] += timedelta(minutes=9)
        assert not ask(server, {"verb": "ListRecords", "resumptionToken": token}).error
        now[0] += timedelta(minutes=1)
        assert ask(server, {"verb": "ListRecords", "resumptionToken": token}).error == "badResumptionToken"


def test_a_token_that_somebody_changed_is_refused() -> None:
    with Server(Repository()) as server:
        token = ask(server, LIST).token
        changed = token[:-4] + token[-4:].swapcase()
        assert ask(server, {"verb": "ListRecords", "resumptionToken": changed}).error == "badResumptionToken"


def test_the_same_settings_give_the_same_bytes() -> None:
    """Tests compare runs, and benchmarks compare programs, by what two servers gave."""
    repository = Repository(days=1, records_per_day=100, page_size=30)
    with Server(repository, clock=lambda: NOON) as server:
        first = [page.body for page in pages(server, LIST)]
        url = server.url
    with Server(repository, clock=lambda: NOON) as server:
        second = [page.body.replace(server.url.encode(), url.encode()) for page in pages(server, LIST)]
    assert first == second


def test_another_seed_gives_other_records() -> None:
    with Server(Repository(seed=1)) as one, Server(Repository(seed=2)) as other:
        assert ask(one, LIST).texts("//dc:title") != ask(other, LIST).texts("//dc:title")


def test_padded_records_have_exactly_the_length_asked_for() -> None:
    """A benchmark that says 2 KB a record must mean it."""
    with Server(Repository(page_size=50, record_bytes=2000, deleted=0)) as server:
        body = ask(server, LIST).body
    records = body[body.index(b"<record>") : body.index(b"<resumptionToken")]
    assert {len(record) for record in records.split(b"</record>")[:-1]} == {2000 - len(b"</record>")}


def test_the_last_page_of_a_million_records_costs_the_memory_of_a_page() -> None:
    """Nothing may be held, or counted through, for each record of the repository."""
    repository = Repository(days=100, records_per_day=10_000, page_size=100)
    holdings = Holdings(repository, {}, "http://127.0.0.1/oai", NOON)
    token = encode(Listing("ListRecords", offset=repository.size - 100), NOON + timedelta(hours=1))
    request = (("verb", "ListRecords"), ("resumptionToken", token))
    answer(holdings, request)
    tracemalloc.start()
    try:
        page = answer(holdings, request).body
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert repository.identifier(repository.size - 1).encode() in page
    # A list of a million references alone is eight million bytes.
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
        st.builds(Edit, stamp=st.none() | MOMENTS, withheld=st.booleans()),
        max_size=6,
    ),
    bounds=st.tuples(MOMENTS, MOMENTS),
    subset=st.sampled_from([Subset("", ""), *SETS]),
    page=st.tuples(st.integers(0, 30), st.integers(1, 10)),
)
def test_arithmetic_selects_what_a_sorted_list_would(repository, edits, bounds, subset, page) -> None:
    """The list that the simulator never holds, held: any edits, any bounds, any page."""
    (start, end), (offset, count) = sorted(bounds), page
    edits = {index: coarse(repository, edit) for index, edit in edits.items() if index < repository.size}
    dated = []
    for index in range(repository.size):
        edit = edits.get(index, Edit())
        stamp = repository.stamp(index) if edit.stamp is None else edit.stamp
        if start <= stamp < end and not edit.withheld and index in subset:
            dated.append((stamp, repository.identifier(index), index))
    expected = [index for _, _, index in sorted(dated)]
    selection = select(repository, edits, start, end, subset)
    assert len(selection) == len(expected)
    assert selection.page(offset, count) == expected[offset : offset + count]


def coarse(repository: Repository, edit: Edit) -> Edit:
    """As `Edits` would have made it."""
    if repository.granularity == "second" or edit.stamp is None:
        return edit
    return replace(edit, stamp=edit.stamp // DAY * DAY)
