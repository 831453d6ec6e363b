"""A REST list from its first page to its end, and its records."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from urllib.parse import parse_qsl, urlsplit

import pytest

from harvest_dagster.errors import (
    CursorRefused,
    MaintenancePage,
    MalformedResponse,
    PaginationLoop,
    ProtocolError,
    SourceRefused,
    TruncatedResponse,
)
from harvest_dagster.records import Cursor, InvalidRecord, Record
from harvest_dagster.windows import Window, parse_instant
from harvest_dagster_tests.harvesters.rest.rest_sources import (
    DATES,
    DAY,
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


def parse_item(item: object, **changed: object) -> Record | InvalidRecord:
    """Return the result for the only item of a list."""
    (only,) = harvest(scripted({"items": [item], "next": None}, **changed))
    return only


def test_a_list_ends_with_a_page_without_cursor() -> None:
    """An empty page with a cursor does not end it. See docs/failures.md#empty-page-with-token."""
    source = scripted(listed("a", next="1"), listed(next="2"), listed("b", next=""))
    assert found(source) == ["a", "b"]
    assert tokens(source) == [None, "1", "2"]


def test_a_constant_cursor_is_followed_if_only_an_empty_page_ends_the_list() -> None:
    """Crossref's cursor never changes. To stop at a repeated cursor loses everything after the second page."""
    source = scripted(
        *(listed(name, next="same") for name in "abc"),
        listed(next="same"),
        next={**CURSOR, "first": "*", "end": "empty_page"},
    )
    assert found(source) == ["a", "b", "c"]
    assert tokens(source) == ["*", "same", "same", "same"]


def test_a_missing_cursor_is_an_error_if_only_an_empty_page_ends_the_list() -> None:
    """It may be the end, or half a response. Only the config can tell that the source ends a list this way."""
    with pytest.raises(ProtocolError, match="end: either"):
        pages(scripted(listed("a"), next={**CURSOR, "end": "empty_page"}))


@pytest.mark.parametrize("last", [listed("b"), listed(next="2")])
def test_with_end_either_a_missing_cursor_or_an_empty_page_ends_the_list(last) -> None:
    """The last page of Europe PMC has no cursor, or is empty and repeats it."""
    source = scripted(listed("a", next="1"), last, next={**CURSOR, "end": "either"})
    assert len(pages(source)) == 2


def test_an_empty_page_that_leads_to_itself_is_an_error() -> None:
    """Once, such a page was requested 583 times in half a minute."""
    with pytest.raises(PaginationLoop, match="end: either"):
        pages(scripted(listed("a", next="1"), listed(next="1")))


@pytest.mark.parametrize(
    ("by", "first", "asked"), [("page", None, ["1", "2", "3"]), ("offset", "10", ["10", "12", "13"])]
)
def test_a_list_by_page_or_offset_ends_with_an_empty_page(by, first, asked) -> None:
    """A total that is too low must not end the list: one source announced 40 records and had 100."""
    paging = {"by": by, "param": "cursor"} | ({"first": first} if first else {})
    source = scripted(listed("a", "b", total=1), listed("c", total=1), listed(total=1), next=paging)
    assert found(source) == ["a", "b", "c"]
    assert tokens(source) == asked


def test_a_record_that_comes_twice_on_a_page_does_not_advance_the_offset() -> None:
    """If the source counts it once, the next page would begin one record too late, and the total looks reached."""
    items = {**listed("a", "b", "b"), "items": [*listed("a", "b", "b")["items"], {"changed": "2024-01-01"}]}
    source = scripted(items, listed("c"), listed(), next={"by": "offset", "param": "cursor"})
    assert found(source) == ["a", "b", "b", None, "c"]
    assert tokens(source) == ["0", "3", "4"]


def test_the_path_may_contain_the_offset() -> None:
    """As in /details/biorxiv/2024-01-01/2024-01-01/0 of bioRxiv."""
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


@pytest.mark.parametrize("paging", [{"by": "page", "param": "page"}, {"by": "link", "path": "next"}])
def test_a_list_of_values_repeats_the_parameter(paging) -> None:
    """`facet=a&facet=b` could not be written in YAML, because a key of a mapping is unique."""
    fields = {**DATES, "fields": ["id", "title"], "draft": False}
    source = scripted(listed("a"), {"items": []}, params=fields, next=paging)
    pages(source)
    url, params = source.session.asked[0]
    query = parse_qsl(urlsplit(url).query)
    assert params == {}
    assert [value for name, value in query if name == "fields"] == ["id", "title"]
    assert ("draft", "false") in query
    assert dict(query)["since"] == "2024-01-01"


def test_a_link_is_requested_without_additional_parameters() -> None:
    """It contains everything that the source needs. With our parameters, it would contain them twice."""
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
def test_a_link_to_another_host_is_refused(link) -> None:
    """That host would receive the key in our headers."""
    with pytest.raises(ProtocolError, match=r"api\.test"):
        pages(scripted(listed("a", next=link), next=LINK))


def test_a_link_is_requested_with_the_scheme_of_the_config() -> None:
    """Servers behind a proxy that terminates TLS write http into their links."""
    source = scripted(listed("a", next="http://api.test/works?page=2"), listed("b"), next=LINK)
    assert found(source) == ["a", "b"]
    assert source.session.asked[1][0] == "https://api.test/works?page=2"


def test_user_and_password_of_a_link_are_ignored() -> None:
    """They would become our Authorization header. Each request uses those of the config."""
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


def test_a_masked_key_in_a_link_is_replaced_by_the_key_of_the_config() -> None:
    """The session masks a secret that the source echoes. A parameter with the name of one of ours has our value."""
    source = scripted(
        listed("a", next="/works?key=***1***&page=2"),
        listed("b"),
        next=LINK,
        params={**DATES, "key": "s3cret"},
    )
    first, _ = pages(source)
    assert "key=%7Bkey%7D" in first.next.token
    assert dict(parse_qsl(urlsplit(source.session.asked[1][0]).query)) == {"key": "s3cret", "page": "2"}


def test_a_key_in_a_link_is_sent_and_not_stored() -> None:
    """Sources echo our query in their links, and cursors are written to the spool.

    See docs/failures.md#secret-in-log.
    """
    source = scripted(
        listed("a", next="/works?key=s3cret&page=2"),
        listed("b"),
        next=LINK,
        params={**DATES, "key": "s3cret"},
    )
    first, _ = pages(source)
    assert "s3cret" not in first.next.token
    assert dict(parse_qsl(urlsplit(source.session.asked[1][0]).query)) == {"key": "s3cret", "page": "2"}


def test_a_harvest_resumes_at_the_page_of_a_cursor() -> None:
    """After a crash, no earlier page is requested again."""
    source = scripted(listed("c"))
    (page,) = source.pages(DAY, Cursor("2"))
    assert (page.cursor, page.next, tokens(source)) == (Cursor("2"), None, ["2"])


def test_every_request_has_the_headers_and_the_repeatable_flag() -> None:
    """Without the key, the second page is a 401. A scroll loses a page if its request is repeated.

    See docs/failures.md#single-use-token.
    """
    source = scripted(
        listed("a", next="1"), listed("b"), headers={"X-Key": "k"}, next={**CURSOR, "single_use": True}
    )
    assert found(source) == ["a", "b"]
    assert source.session.headers == [{"X-Key": "k"}] * 2
    assert source.session.repeatable == [False] * 2
    assert not source.cursors_are_reusable


def test_a_harvest_resumes_from_a_single_use_cursor_only_if_a_total_would_show_a_lost_page() -> None:
    """If a run was killed between response and spool, the next request returns the page after the lost one.

    See docs/failures.md#single-use-token.
    """
    single_use = {**CURSOR, "single_use": True}
    with_total = scripted(listed("c"), next=single_use)
    assert len(list(with_total.pages(DAY, Cursor("2")))) == 1
    for without_total in (
        scripted(next=single_use, total=None),
        scripted(next=single_use, trust_total=False),
    ):
        with pytest.raises(CursorRefused, match="may be used only once"):
            next(without_total.pages(DAY, Cursor("2")))
        assert without_total.session.asked == []


@pytest.mark.parametrize("status", [400, 404, 410, 422])
def test_a_refused_cursor_raises_cursor_refused(status) -> None:
    """The list then starts again, while any other 404 fails the window. See docs/failures.md#no-resume."""
    refusal = Answered(b'{"error": "cursor expired"}', "https://api.test/works", status)
    with pytest.raises(CursorRefused, match="cursor expired"):
        pages(scripted(listed("a", next="1"), refusal))


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ({"error": "try later"}, ProtocolError),
        ({"items": {"a": 1}, "next": None}, ProtocolError),
        ([{"id": "a"}], ProtocolError),
        ({"items": [], "next": {"href": "x"}}, ProtocolError),
        (b'{"items": [], "items": [{"id": "a"}]}', MalformedResponse),
        (b'{"items": [{"id": "a"}', TruncatedResponse),
        (b"<html><h1>Down for maintenance</h1></html>", MaintenancePage),
    ],
)
def test_a_response_that_is_not_a_page_is_an_error_and_never_the_end(answer, kind) -> None:
    """Otherwise the harvest succeeds with 0 records. See docs/failures.md#truncated-page."""
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
    """bioRxiv writes it as text, and others write the result of a division."""
    (page,) = pages(scripted(listed("a", total=total)))
    assert page.total == expected


@pytest.mark.parametrize(
    ("total", "description"),
    [
        ({"value": 30, "relation": "eq"}, r"the keys value, relation. Write `total: total.value`"),
        ({"relation": "eq"}, "the keys relation. Check `total`"),
        (-1, "-1. Check `total`. Remove it"),
        (7.5, "7.5. Check `total`"),
        ("many", "many. "),
        (True, "true. "),
        (10**30, "10{30}. "),
        ([], r"\[\]. "),
    ],
)
def test_a_total_that_is_not_a_whole_number_is_an_error(total, description) -> None:
    """Elasticsearch's total is an object. If it was ignored, every window would stay unverified without a reason."""
    with pytest.raises(ProtocolError, match=f"has no number of records at total, but {description}"):
        pages(scripted(listed("a", total=total)))


@pytest.mark.parametrize("error", [None, "", False, 0, [], {}])
def test_an_empty_value_is_not_an_error(error) -> None:
    assert found(scripted(listed("a", error=error), error="error")) == ["a"]


@pytest.mark.parametrize(
    ("error", "message"), [("database down", "database down"), ({"code": 7}, '{"code":7}'), (True, "true")]
)
def test_an_error_in_a_response_with_status_200_raises_source_refused(error, message) -> None:
    """`{"total": 0, "items": [], "error": "database down"}` is not an empty window."""
    with pytest.raises(SourceRefused, match=f"an error at error: {re.escape(message)}"):
        pages(scripted(listed(total=0, error=error), error="error"))


@pytest.mark.parametrize(
    "failure",
    [
        {"error": "backend timeout"},
        {"errors": [{"message": "shard 3"}]},
        {"timed_out": True},
        {"success": False},
        {"status": "error"},
    ],
    ids=str,
)
@pytest.mark.parametrize("names", ["", "ab"], ids=["an empty list", "a part of the list"])
def test_a_page_that_says_that_it_failed_does_not_end_the_list(names, failure) -> None:
    """`{"items": [], "error": "backend timeout"}` ended a list at 10 of 35 records, green."""
    with pytest.raises(ProtocolError, match=f"an error at {next(iter(failure))}"):
        pages(scripted(listed(*names, **failure)))


@pytest.mark.parametrize(
    "harmless",
    [{"error": None}, {"errors": []}, {"error": "0"}, {"status": "ok"}, {"success": True}],
    ids=str,
)
def test_a_page_that_says_that_there_is_no_error_is_read(harmless) -> None:
    assert found(scripted(listed("a", **harmless))) == ["a"]


def test_a_path_of_errors_replaces_the_usual_ones() -> None:
    """A source may have a key `error` that is none."""
    assert found(scripted(listed("a", errors=["a remark"]), error="problem")) == ["a"]


def test_a_page_that_is_nested_too_deeply_is_malformed() -> None:
    deep = b"[" * 100_000 + b"]" * 100_000
    with pytest.raises(MalformedResponse, match="nested too deeply"):
        pages(scripted(b'{"items": [{"id": "a", "x": ' + deep + b"}]}"))


def test_an_untrusted_total_is_ignored() -> None:
    """The config says that the source's total is known to be wrong."""
    (page,) = pages(scripted(listed("a", total=7), trust_total=False))
    assert page.total is None


def test_a_page_contains_the_identifiers_of_its_records() -> None:
    """They show the fetch that a list repeats itself, or has fewer records than its total."""
    (page,) = pages(scripted({"items": [{"id": "a"}, {}, {"id": 7}, 8], "next": None}))
    assert (page.count, page.identifiers) == (4, ("a", "#7"))


def test_days_are_requested_as_dates_and_seconds_as_instants() -> None:
    """An API that knows only days refuses instants, or ignores them, which is worse."""
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
        ("second", "inclusive"): ("2024-01-01T05:59:59Z", "2024-01-02T00:00:00Z"),
        ("second", "exclusive"): ("2024-01-01T05:59:59Z", "2024-01-02T00:00:00Z"),
    }


@pytest.mark.parametrize(
    "changed", [None, "yesterday", 20240101, "2019-05-05", "2024-01-01T23:59:59.9+00:00"]
)
def test_a_record_without_datestamp_or_outside_the_requested_dates_is_kept(changed) -> None:
    """No other window would deliver it. See docs/failures.md#one-invalid-record."""
    assert isinstance(parse_item({"id": "a", "changed": changed}), Record)


def test_the_blob_has_no_volatile_values() -> None:
    """Crossref changes `indexed` and a score without a change of the record, in one source for 96 % of the records.

    See docs/failures.md#noise-counts-as-change.
    """
    item = {"id": " a ", "z": 1, "score": 2.5, "indexed": {"at": "now"}, "by": [{"h": 1, "n": "x"}, {"h": 2}]}
    record = parse_item(item, volatile=["score", "indexed", "by.*.h", "not.there"])
    assert (record.identifier, record.deleted) == ("a", False)
    assert record.blob == '{"by":[{"n":"x"},{}],"id":" a ","z":1}'


def test_a_datestamp_may_be_digits() -> None:
    """MARC 21 writes dates so. As a number since 1970, it would lie in a window that is never harvested."""
    record = parse_item({"id": "a", "at": "20240131120005.0"}, datestamp="at")
    assert record.datestamp == datetime(2024, 1, 31, 12, 0, 5, tzinfo=timezone.utc)


def test_an_identifier_may_have_several_parts_and_be_a_number() -> None:
    """Europe PMC's id is unique only within its source. Zenodo's id is a number."""
    assert parse_item({"source": "MED", "id": "35"}, identifier=["source", "id"]).identifier == "MED:35"
    assert parse_item({"source": "MED", "id": 35}, identifier=["source", "id"]).identifier == "MED:#35"
    assert isinstance(parse_item({"source": "MED"}, identifier=["source", "id"]), InvalidRecord)


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
def test_the_config_describes_deleted_records(rule, item, deleted) -> None:
    """REST APIs have no common form for deleted records."""
    record = parse_item({"id": "a", **item}, deleted=rule)
    assert getattr(record, "deleted", False) is deleted


@pytest.mark.parametrize(
    ("item", "fault"),
    [
        (b'{"name": "x"}', "without identifier"),
        (b'{"id": null}', "without identifier"),
        (b'{"id": ""}', "without identifier"),
        (b'{"id": ["a"]}', "without identifier"),
        (b'"a"', "not an object"),
        (b"null", "not an object"),
        (b'{"id": "b", "t": 1, "t": 2}', "twice"),
        (b'{"id": "b", "t": "caf\xe9"}', "surrogates"),
        (b'{"id": "b", "t": "\\udfff"}', "surrogates"),
        (b'{"id": "b", "t": NaN}', "NaN"),
    ],
)
def test_an_invalid_record_has_its_bytes_and_does_not_affect_the_others(item, fault) -> None:
    """Elsewhere, one invalid record ended a harvest, or was dropped silently.

    See docs/failures.md#one-invalid-record.
    """
    body = b'{"items": [{"id": "a"}, ' + item + b', {"id": "c"}], "next": null}'
    first, invalid, last = harvest(scripted(body))
    assert (first.identifier, last.identifier) == ("a", "c")
    assert isinstance(invalid, InvalidRecord)
    assert fault in invalid.error
    assert invalid.datum == item
    assert invalid.identifier == ("b" if b'"b"' in item else None)
