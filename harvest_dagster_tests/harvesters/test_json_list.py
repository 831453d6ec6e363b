"""A JSON list from its first page to its end, and each record of it."""

from __future__ import annotations

import re
from collections import Counter
from datetime import datetime, timedelta, timezone
from itertools import pairwise
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvest_dagster.errors import (
    CursorRefused,
    EndlessList,
    MaintenancePage,
    MalformedResponse,
    ProtocolError,
    SourceRefused,
    Truncated,
)
from harvest_dagster.records import Cursor, Record, Unreadable
from harvest_dagster.windows import Window, parse_instant
from harvest_dagster_tests.harvesters.json_sources import (
    DATES,
    DAY,
    Api,
    Item,
    found,
    harvest,
    listed,
    pages,
    scripted,
    tokens,
)
from harvest_dagster_tests.harvesters.sources import Answered

CURSOR = {"by": "cursor", "path": "next", "param": "cursor"}
LINK = {"by": "link", "path": "next"}
START = datetime(2024, 2, 28, tzinfo=timezone.utc)


def one(item: object, **changed: object) -> Record | Unreadable:
    """What becomes of the only member of a list."""
    (only,) = harvest(scripted({"items": [item], "next": None}, **changed))
    return only


def test_a_list_goes_on_until_there_is_no_cursor() -> None:
    """Lesson 2: an empty page that carries a cursor was taken for the end."""
    source = scripted(listed("a", next="1"), listed(next="2"), listed("b", next=""))
    assert found(source) == ["a", "b"]
    assert tokens(source) == [None, "1", "2"]


def test_a_cursor_that_stays_the_same_is_followed_where_an_empty_page_is_the_end() -> None:
    """Crossref's never changes: to stop where it repeats loses everything after the second page."""
    source = scripted(
        *(listed(name, next="same") for name in "abc"),
        listed(next="same"),
        next={**CURSOR, "first": "*", "end": "empty_page"},
    )
    assert found(source) == ["a", "b", "c"]
    assert tokens(source) == ["*", "same", "same", "same"]


def test_where_only_an_empty_page_is_the_end_a_missing_cursor_breaks_the_list() -> None:
    """It may be the end or half an answer; only the config can know that the source ends so."""
    with pytest.raises(ProtocolError, match="end: either"):
        pages(scripted(listed("a"), next={**CURSOR, "end": "empty_page"}))


@pytest.mark.parametrize("last", [listed("b"), listed(next="2")])
def test_either_may_end_a_list_that_ends_so_or_so(last) -> None:
    """Europe PMC's last page has no cursor, or the next one is empty and repeats it."""
    source = scripted(listed("a", next="1"), last, next={**CURSOR, "end": "either"})
    assert len(pages(source)) == 2


def test_an_empty_page_that_leads_to_itself_is_no_list() -> None:
    """Followed as any empty page, it was asked for 583 times in half a minute."""
    with pytest.raises(EndlessList, match="end: either"):
        pages(scripted(listed("a", next="1"), listed(next="1")))


@pytest.mark.parametrize(
    ("by", "first", "asked"), [("page", None, ["1", "2", "3"]), ("offset", "10", ["10", "12", "13"])]
)
def test_numbers_go_on_until_a_page_is_empty(by, first, asked) -> None:
    """A total that says too little would end the list early: 40 announced, 100 there."""
    counted = {"by": by, "param": "cursor"} | ({"first": first} if first else {})
    source = scripted(listed("a", "b", total=1), listed("c", total=1), listed(total=1), next=counted)
    assert found(source) == ["a", "b", "c"]
    assert tokens(source) == asked


def test_a_number_may_stand_in_the_path() -> None:
    """bioRxiv: /details/biorxiv/2024-01-01/2024-01-01/0."""
    source = scripted(
        listed("a"),
        listed(),
        base_url="https://api.test/{from}/{until}/{next}/json",
        params={},
        next={"by": "offset"},
    )
    assert found(source) == ["a"]
    assert [url for url, _ in source.session.asked] == [
        f"https://api.test/2024-01-01/2024-01-01/{offset}/json" for offset in (0, 1)
    ]


def test_a_link_is_asked_as_it_is() -> None:
    """It holds whatever the source needs; ours beside it would be there twice."""
    source = scripted(
        listed("a", next="/works?page%5Bnumber%5D=2"), listed("b", next="?page=3"), listed("c"), next=LINK
    )
    assert found(source) == ["a", "b", "c"]
    assert source.session.asked[1:] == [
        ("https://api.test/works?page%5Bnumber%5D=2", {}),
        ("https://api.test/works?page=3", {}),
    ]


@pytest.mark.parametrize(
    "link", ["https://elsewhere.test/works?page=2", "file:///etc/passwd", "https://api.test:99x/", "http://["]
)
def test_a_link_to_another_place_is_refused(link) -> None:
    """It would get the key that the headers carry."""
    with pytest.raises(ProtocolError, match=r"api\.test"):
        pages(scripted(listed("a", next=link), next=LINK))


def test_a_link_is_never_followed_without_tls_where_the_config_has_it() -> None:
    """Servers behind a proxy write http into their links."""
    source = scripted(listed("a", next="http://api.test/works?page=2"), listed("b"), next=LINK)
    assert found(source) == ["a", "b"]
    assert source.session.asked[1][0] == "https://api.test/works?page=2"


def test_a_link_does_not_say_as_whom_we_ask() -> None:
    """User and password in it became our Authorization; those of the config go with every page."""
    source = scripted(
        listed("a", next="https://evil:choice@api.test/works?page=2"),
        listed("b", next="/works?page=3"),
        listed("c"),
        base_url="https://anna:pass@api.test/works",
        next=LINK,
    )
    assert [page.next and page.next.token for page in pages(source)] == [
        "https://api.test/works?page=2",
        "https://api.test/works?page=3",
        None,
    ]
    hosts = [urlsplit(url).netloc for url, _ in source.session.asked]
    assert hosts == ["anna:pass@api.test"] * 3


def test_a_key_that_came_masked_in_a_link_is_sent_as_it_is() -> None:
    """The session masks what a source echoes of a secret; under the name of a parameter of ours it is ours."""
    source = scripted(
        listed("a", next="/works?key=***1***&page=2"),
        listed("b"),
        next=LINK,
        params={**DATES, "key": "s3cret"},
    )
    first, _ = pages(source)
    assert "key=%7Bkey%7D" in first.next.token
    assert dict(parse_qsl(urlsplit(source.session.asked[1][0]).query)) == {"key": "s3cret", "page": "2"}


def test_a_key_that_a_link_repeats_is_sent_and_not_kept() -> None:
    """Lesson 32: cursors are written to the spool, and a source echoes the query that it was asked with."""
    source = scripted(
        listed("a", next="/works?key=s3cret&page=2"),
        listed("b"),
        next=LINK,
        params={**DATES, "key": "s3cret"},
    )
    first, _ = pages(source)
    assert "s3cret" not in first.next.token
    assert dict(parse_qsl(urlsplit(source.session.asked[1][0]).query)) == {"key": "s3cret", "page": "2"}


def test_a_harvest_goes_on_at_the_page_of_a_cursor() -> None:
    """After a crash no page is asked for again."""
    source = scripted(listed("c"))
    (page,) = source.pages(DAY, Cursor("2"))
    assert (page.cursor, page.next, tokens(source)) == (Cursor("2"), None, ["2"])


def test_every_request_carries_the_headers_and_whether_it_may_be_sent_twice() -> None:
    """A key that the second page lacks is a 401; a scroll that is asked again loses a page (Lesson 23)."""
    source = scripted(
        listed("a", next="1"), listed("b"), headers={"X-Key": "k"}, next={**CURSOR, "single_use": True}
    )
    assert found(source) == ["a", "b"]
    assert source.session.headers == [{"X-Key": "k"}] * 2
    assert source.session.repeatable == [False] * 2
    assert not source.repeatable


def test_a_cursor_that_can_be_used_once_is_gone_on_with_only_where_a_total_tells_what_is_lost() -> None:
    """Lesson 23: killed between answer and spool, the next run would get the page after the one that is lost."""
    once = {**CURSOR, "single_use": True}
    counted = scripted(listed("c"), next=once)
    assert len(list(counted.pages(DAY, Cursor("2")))) == 1
    for uncounted in (scripted(next=once, total=None), scripted(next=once, trust_total=False)):
        with pytest.raises(CursorRefused, match="begun again"):
            next(uncounted.pages(DAY, Cursor("2")))
        assert uncounted.session.asked == []


@pytest.mark.parametrize("status", [400, 404, 410, 422])
def test_a_cursor_that_is_refused_is_said_to_be(status) -> None:
    """Lesson 22: the list is then begun anew, where any other 404 ends the window."""
    refusal = Answered(b'{"error": "cursor expired"}', "https://api.test/works", status)
    with pytest.raises(CursorRefused, match="cursor expired"):
        pages(scripted(listed("a", next="1"), refusal))


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ({"error": "try later"}, ProtocolError),
        ({"items": {"a": 1}, "next": None}, ProtocolError),
        ({"items": None, "next": None}, ProtocolError),
        ([{"id": "a"}], ProtocolError),
        ({"items": [], "next": {"href": "x"}}, ProtocolError),
        (b'{"items": [], "items": [{"id": "a"}]}', MalformedResponse),
        (b'{"items": [{"id": "a"}', Truncated),
        (b"<html><h1>Down for maintenance</h1></html>", MaintenancePage),
    ],
)
def test_what_is_no_page_is_an_error_and_never_the_end(answer, kind) -> None:
    """Lesson 1: 0 records and success."""
    with pytest.raises(kind):
        pages(scripted(listed("a", next="1"), answer))


@pytest.mark.parametrize(
    ("total", "expected"),
    [
        (7, 7),
        ("7", 7),
        (0, 0),
        (7.0, 7),
        (None, None),
    ],
)
def test_a_total_is_a_whole_number_or_none(total, expected) -> None:
    """bioRxiv writes it as text, others as what a division gave."""
    (page,) = pages(scripted(listed("a", total=total)))
    assert page.total == expected


@pytest.mark.parametrize(
    ("total", "said"),
    [
        ({"value": 30, "relation": "eq"}, r"the keys value, relation. Write `total: total.value`"),
        ({"relation": "eq"}, "the keys relation. Check `total`"),
        (-1, "-1. Check `total`; leave it out"),
        (7.5, "7.5. Check `total`"),
        ("many", "many. "),
        (True, "true. "),
        (10**30, "10{30}. "),
        ([], r"\[\]. "),
    ],
)
def test_a_total_that_is_no_number_is_an_error(total, said) -> None:
    """Elasticsearch's is an object: passed over, every window would stay unverified and nobody would know why."""
    with pytest.raises(ProtocolError, match=f"has no number of records at total, but {said}"):
        pages(scripted(listed("a", total=total)))


@pytest.mark.parametrize("error", [None, "", False, 0, [], {}])
def test_an_error_that_is_none_is_none(error) -> None:
    assert found(scripted(listed("a", error=error), error="error")) == ["a"]


@pytest.mark.parametrize(
    ("error", "said"), [("database down", "database down"), ({"code": 7}, '{"code":7}'), (True, "true")]
)
def test_an_error_in_an_answer_that_is_a_success_is_said_to_be(error, said) -> None:
    """Lesson 1: `{"total": 0, "items": [], "error": "database down"}` is no empty window."""
    with pytest.raises(SourceRefused, match=f"an error at error: {re.escape(said)}"):
        pages(scripted(listed(total=0, error=error), error="error"))


def test_a_page_that_is_nested_too_deeply_is_said_to_be() -> None:
    deep = b"[" * 100_000 + b"]" * 100_000
    with pytest.raises(MalformedResponse, match="nested too deeply"):
        pages(scripted(b'{"items": [{"id": "a", "x": ' + deep + b"}]}"))


def test_a_total_that_is_not_to_be_trusted_is_not_read() -> None:
    """The config says that the source is known to be wrong."""
    (page,) = pages(scripted(listed("a", total=7), trust_total=False))
    assert page.total is None


def test_a_page_names_its_records() -> None:
    """By these the fetch sees that a list repeats itself, or gives fewer records than it says."""
    (page,) = pages(scripted({"items": [{"id": "a"}, {}, {"id": 7}, 8], "next": None}))
    assert (page.count, page.identifiers) == (4, ("a", "7"))


@given(
    st.lists(st.integers(0, 3 * 86_400_000_000), max_size=8),
    st.lists(st.integers(1, 3 * 86_400 - 1), max_size=3, unique=True),
    st.sampled_from(["day", "second"]),
    st.sampled_from(["inclusive", "exclusive"]),
)
def test_windows_side_by_side_bring_every_record_once(changed, cuts, granularity, until) -> None:
    """Lesson 24. Datestamps are finer than what can be asked: until 23:59:59 would lose the last second's."""
    items = [Item(str(n), START + timedelta(microseconds=moment)) for n, moment in enumerate(changed)]
    edges = [START + timedelta(seconds=second) for second in (0, *sorted(cuts), 3 * 86_400 + 1)]
    came = Counter[str]()
    for start, end in pairwise(edges):
        came.update(
            r.identifier for r in harvest(Api(items, granularity, until).harvester(), Window(start, end))
        )
    assert came == Counter(item.identifier for item in items)


def test_days_are_asked_for_as_days_and_seconds_as_instants() -> None:
    """An API of days refuses instants, or worse, ignores them."""
    window = Window(parse_instant("2024-01-01T06:00:00.5Z"), parse_instant("2024-01-02T00:00:00Z"))
    asked = {}
    for granularity in ("day", "second"):
        for until in ("inclusive", "exclusive"):
            source = scripted(listed(), granularity=granularity, until=until)
            list(source.pages(window))
            asked[granularity, until] = tuple(source.session.asked[0][1].values())
    assert asked == {
        ("day", "inclusive"): ("2024-01-01", "2024-01-01"),
        ("day", "exclusive"): ("2024-01-01", "2024-01-02"),
        ("second", "inclusive"): ("2024-01-01T06:00:00Z", "2024-01-02T00:00:00Z"),
        ("second", "exclusive"): ("2024-01-01T06:00:00Z", "2024-01-02T00:00:00Z"),
    }


@pytest.mark.parametrize(
    "changed", [None, "yesterday", 20240101, "2019-05-05", "2024-01-01T23:59:59.9+00:00"]
)
def test_a_record_with_no_date_or_a_foreign_one_is_given(changed) -> None:
    """Lesson 10: no other window would bring it."""
    assert isinstance(one({"id": "a", "changed": changed}), Record)


def test_a_record_is_its_json_without_what_changes_by_itself() -> None:
    """Lesson 28: Crossref's `indexed` and a score change, and 96 % of a source were new without a change."""
    item = {"id": " a ", "z": 1, "score": 2.5, "indexed": {"at": "now"}, "by": [{"h": 1, "n": "x"}, {"h": 2}]}
    record = one(item, volatile=["score", "indexed", "by.*.h", "not.there"])
    assert (record.identifier, record.deleted) == ("a", False)
    assert record.blob == '{"by":[{"n":"x"},{}],"id":" a ","z":1}'


def test_an_identifier_may_be_of_several_parts_and_of_numbers() -> None:
    """Europe PMC's id is one within its source only; Zenodo's is a number."""
    assert one({"source": "MED", "id": 35}, identifier=["source", "id"]).identifier == "MED:35"
    assert isinstance(one({"source": "MED"}, identifier=["source", "id"]), Unreadable)


@pytest.mark.parametrize(
    ("rule", "item", "deleted"),
    [
        ({"path": "gone"}, {"gone": True}, True),
        ({"path": "gone"}, {"gone": False}, False),
        ({"path": "gone"}, {}, False),
        ({"path": "state.now", "values": ["withdrawn", "deleted"]}, {"state": {"now": "deleted"}}, True),
        ({"path": "state.now", "values": ["withdrawn", "deleted"]}, {"state": {"now": "here"}}, False),
        ({"path": "code", "values": [410]}, {"code": 410}, True),
        ({"path": "code", "values": [410]}, {"code": [410]}, False),
    ],
)
def test_a_deletion_is_what_the_config_says(rule, item, deleted) -> None:
    """REST has no common way to say that a record is gone."""
    made = one({"id": "a", **item}, deleted=rule)
    assert getattr(made, "deleted", False) is deleted


@pytest.mark.parametrize(
    ("item", "fault"),
    [
        (b'{"name": "x"}', "without identifier"),
        (b'{"id": null}', "without identifier"),
        (b'{"id": ""}', "without identifier"),
        (b'{"id": ["a"]}', "without identifier"),
        (b'"a"', "no object"),
        (b"null", "no object"),
        (b'{"id": "b", "t": 1, "t": 2}', "twice"),
        (b'{"id": "b", "t": "caf\xe9"}', "surrogates"),
        (b'{"id": "b", "t": "\\udfff"}', "surrogates"),
        (b'{"id": "b", "t": NaN}', "NaN"),
    ],
)
def test_a_record_that_cannot_be_read_is_set_aside_with_its_bytes(item, fault) -> None:
    """Lesson 10: one bad record ended a harvest, or was dropped without a trace."""
    body = b'{"items": [{"id": "a"}, ' + item + b', {"id": "c"}], "next": null}'
    first, bad, last = harvest(scripted(body))
    assert (first.identifier, last.identifier) == ("a", "c")
    assert isinstance(bad, Unreadable)
    assert fault in bad.error
    assert bad.datum == item
    assert bad.identifier == ("b" if b'"b"' in item else None)
