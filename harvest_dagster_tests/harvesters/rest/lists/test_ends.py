"""The odd ways in which JSON lists end, and what contradicts an end. See docs/failures.md#odd-list-ends."""

from __future__ import annotations

from typing import Any

import pytest

from harvest_dagster.errors import (
    CursorRefused,
    LoginPage,
    PaginationLoop,
    ProtocolError,
    SourceError,
)
from harvest_dagster.observations import Observations
from harvest_dagster.records import Cursor
from harvest_dagster.windows import parse_instant
from harvest_dagster_tests.harvesters.rest.rest_sources import (
    DATES,
    DAY,
    EXACT_ENDS,
    RestSession,
    RestSource,
    arguments,
    found,
    listed,
    pages,
    scripted,
    tokens,
)
from harvest_dagster_tests.harvesters.sources import Answered

PAGE = {"by": "page", "param": "cursor"}
OFFSET = {"by": "offset", "param": "cursor"}
CURSOR = {"by": "cursor", "path": "next", "param": "cursor"}
LINK = {"by": "link", "path": "next"}


def answer(
    status: int, body: bytes = b'{"detail": "Invalid page."}', content_type: str = "application/json"
) -> Answered:
    return Answered(body, "https://api.test/works", status, content_type)


NO_CONTENT = answer(204, b"")
ENDS = [
    *(answer(status) for status in (400, 404, 410, 416, 422)),
    NO_CONTENT,
    {"items": None, "total": None},
    {"items": None},
    {"next": None},
    {},
    [],
    listed("c"),
    listed(),
]


@pytest.mark.parametrize("paging", [PAGE, OFFSET])
@pytest.mark.parametrize("total", [3, None])
@pytest.mark.parametrize("end", ENDS, ids=str)
def test_each_way_in_which_a_counted_list_ends_is_accepted(
    end: Any, total: int | None, paging: dict[str, str]
) -> None:
    """A 404, null or the last page again failed windows although all their records had arrived."""
    source = scripted(listed("a", "b", total=total), listed("c", total=total), end, next=paging)
    read = pages(source)
    assert [page.identifiers for page in read] == [("a", "b"), ("c",), ()]
    assert [page.count for page in read] == [2, 1, 0]
    assert read[-1].next is None
    assert len(tokens(source)) == 3


def test_the_last_page_again_gives_no_records() -> None:
    """Its records were stored twice, and counted twice."""
    source = scripted(listed("a", "b"), listed("c"), listed("c"), next=PAGE)
    assert found(source) == ["a", "b", "c"]


@pytest.mark.parametrize("end", [answer(404), answer(400), {"next": None}, listed("c")], ids=str)
def test_an_end_before_the_total_is_reached_breaks_the_list(end: Any) -> None:
    """A list of 4 records that ends after 3 is not complete, in whatever way it ends."""
    source = scripted(listed("a", "b", total=4), listed("c", total=4), end, next=PAGE)
    with pytest.raises(SourceError, match=r"3 of 4|after 3 records"):
        pages(source)


@pytest.mark.parametrize("end", [answer(404), answer(400), NO_CONTENT, {"next": None}, listed("c")], ids=str)
def test_an_end_after_a_page_that_announces_more_breaks_the_list(end: Any) -> None:
    source = scripted(
        listed("a", "b", more=True), listed("c", more=True), end, next={**PAGE, "more": "more"}, total=None
    )
    with pytest.raises(SourceError):
        list(source.pages(DAY))


@pytest.mark.parametrize(
    "text", ["Result window is too large", "Only the first 100 results", "max_result_window"]
)
def test_a_status_that_says_too_long_is_no_end(text: str) -> None:
    """Search engines refuse pages beyond some thousand records. See docs/failures.md#result-cap."""
    with pytest.raises(CursorRefused, match="too long"):
        pages(scripted(listed("a"), answer(400, text.encode()), next=PAGE))


@pytest.mark.parametrize(
    "page",
    [
        {"error": "try later"},
        {"items_": [], "next": None},
        {"next": "database error"},
        {"next": {"a": 1}},
        [{"id": "a"}],
        "nothing",
    ],
    ids=str,
)
def test_a_page_without_list_is_an_error_if_something_speaks_against_an_end(page: Any) -> None:
    """`{"error": "try later"}` after the first page must not end the list, green."""
    with pytest.raises(ProtocolError, match="no list at items"):
        pages(scripted(listed("a", next="x"), page, next=PAGE))


@pytest.mark.parametrize("page", [{"total": 0}, {"total": "0", "items": None}], ids=str)
def test_a_first_page_without_list_is_empty_if_the_source_counts_0(page: Any) -> None:
    """Some APIs leave out an empty list, or write null. The source itself counts 0."""
    (only,) = pages(scripted(page, next=OFFSET))
    assert (only.count, only.total, only.next) == (0, 0, None)


@pytest.mark.parametrize("page", [{}, {"total": None}, {"total": 2}, [], answer(404)], ids=str)
def test_a_first_page_without_list_is_an_error(page: Any) -> None:
    """A typo in `records` or `base_url` would be an empty window, green."""
    with pytest.raises((ProtocolError, AssertionError)):
        pages(scripted(page, next=PAGE))


@pytest.mark.parametrize("paging", [PAGE, OFFSET, CURSOR, LINK])
@pytest.mark.parametrize("empty", [answer(404), NO_CONTENT, {"items": None}], ids=str)
def test_a_configured_status_204_and_null_mean_an_empty_window(empty: Any, paging: dict[str, str]) -> None:
    """Some APIs answer 404 if a window has no records."""
    (only,) = pages(scripted(empty, empty_status=[404], next=paging))
    assert (only.count, only.total, only.next) == (0, None, None)
    assert not list(RestSource(arguments(next=paging), RestSession(lambda *_: {})).records(only, DAY))


def test_a_login_page_is_no_end_although_its_status_means_empty() -> None:
    """A source behind a login would be empty forever."""
    login = answer(404, b"<html><form><input type=password name=p></form></html>", "text/html")
    with pytest.raises(LoginPage):
        pages(scripted(listed("a"), login, next=PAGE, empty_status=404))


@pytest.mark.parametrize(("total", "ends"), [(1, True), (2, False), (None, False)])
@pytest.mark.parametrize("status", [400, 404, 410, 422])
def test_a_refused_cursor_ends_a_list_only_if_the_total_is_reached(
    status: int, total: int | None, ends: bool
) -> None:
    """The source gave the cursor, so it has announced another page, unless all records have come."""
    source = scripted(listed("a", next="1", total=total), answer(status))
    if ends:
        assert [page.count for page in pages(source)] == [1, 0]
    else:
        with pytest.raises(CursorRefused):
            pages(source)


SIZE = {**DATES, "limit": "2"}


@pytest.mark.parametrize(
    ("identifiers", "changed", "accepted"),
    [
        ("ab", {"params": SIZE}, False),
        ("a", {"params": SIZE}, True),
        ("abcde", {}, False),
        ("abcd", {}, True),
        ("abcde", {"total": 5}, True),
        ("abcd", {"total": 9}, False),
    ],
)
def test_a_source_that_ignores_the_number_of_the_page_is_not_complete(
    identifiers: str, changed: dict[str, Any], accepted: bool
) -> None:
    """With a typo in `param`, each page is the first one. That is no proof that there is only one."""
    total = changed.pop("total", None)
    page = listed(*identifiers, total=total)
    source = scripted(page, page, next=PAGE, **changed)
    if accepted:
        assert found(source) == list(identifiers)
    else:
        with pytest.raises(PaginationLoop, match=r"Check `next.param` \(cursor\)"):
            pages(source)


@pytest.mark.parametrize("first", [[], [listed("a", "b", "c", "d")]], ids=["first page", "second page"])
def test_an_empty_list_with_a_message_of_a_limit_is_no_end(first: list[Any]) -> None:
    """The rest of the list was missing, and the window succeeded without a total."""
    limited = {"items": [], "message": "Rate limit exceeded, slow down"}
    with pytest.raises(ProtocolError, match=r"empty list and the message 'Rate limit exceeded"):
        pages(scripted(*first, limited, next=PAGE))
    friendly = {"items": [], "message": "No more records"}
    assert pages(scripted(*first, friendly, next=PAGE))[-1].count == 0
    assert pages(scripted(*first, limited, next=PAGE, error="failure"))[-1].count == 0


def test_a_message_that_each_page_has_is_no_failure() -> None:
    """Some APIs explain their limits on each page."""
    explained = {"message": "At most 100 requests a minute, a limit of the source"}
    answers = [{**listed("a", "b", "c", "d"), **explained}, {"items": [], **explained}]
    assert pages(scripted(*answers, next=PAGE))[-1].count == 0


@pytest.mark.parametrize(("size", "is_doubtful"), [(5, True), (10, False)])
def test_a_total_of_one_full_page_is_no_proof_if_that_page_is_sent_again(
    size: int, is_doubtful: bool
) -> None:
    """A source that ignores the offset counted the records of each page: 10 of 25 records were complete."""
    page = listed("a", "b", "c", "d", "e", total=5)
    *_, last = pages(scripted(page, page, next=PAGE, params={**DATES, "limit": size}))
    assert (last.count, last.ends_at_limit) == (0, is_doubtful)


def test_a_full_page_that_is_repeated_is_an_end_once_the_source_has_sent_two_different_pages() -> None:
    """Then it is known that it reads the number. The observation is kept with the source."""
    observations = Observations([EXACT_ENDS], parse_instant("2024-01-03"))
    for answers in ([listed("a"), listed("b"), listed("b")], [listed("a", "b", "c", "d", "e")] * 2):
        source = scripted(*answers, next=PAGE)
        source.use_observations(observations)
        assert [page.count for page in pages(source)][-1] == 0


def test_a_page_that_changed_a_little_does_not_show_that_the_source_reads_the_number() -> None:
    """A record was added to the only page that it sends, while it was asked for the second."""
    first, second = listed("a", "b", "c", "d", "e"), listed("n", "a", "b", "c", "d")
    with pytest.raises(PaginationLoop):
        pages(scripted(first, second, second, next=PAGE))


@pytest.mark.parametrize("paging", [OFFSET, PAGE])
def test_a_flag_announces_more_records_after_a_short_or_empty_page(paging: dict[str, str]) -> None:
    """ArcGIS filters after paging: an empty page in the middle ended the list with 5 of 10 records."""
    source = scripted(
        *(
            listed(*"abcde", more=True),
            listed(more=True),
            listed(*"fgh", more="true"),
            listed("i", more=0),
            listed(),
        ),
        next={**paging, "more": "more"},
    )
    assert found(source) == list("abcdefghi")
    offsets = ["0", "5", "10", "13", "14"] if paging is OFFSET else ["1", "2", "3", "4", "5"]
    assert tokens(source) == offsets


@pytest.mark.parametrize(
    "flag", [{"exceededTransferLimit": True}, {"properties": {"exceededTransferLimit": True}}]
)
def test_the_flag_of_arcgis_needs_no_path(flag: dict[str, Any]) -> None:
    """Its name is the same everywhere. Without it, half of a layer was missing, green."""
    source = scripted(listed("a", **flag), listed(**flag), listed("b"), listed(), next=OFFSET)
    assert found(source) == ["a", "b"]


def test_an_empty_first_page_that_announces_more_is_an_error_without_a_known_page_size() -> None:
    """The offset of the next page is not known. A guess could skip records."""
    source = scripted(listed(more=True), next={**OFFSET, "more": "more"})
    with pytest.raises(ProtocolError, match="next offset is not known"):
        pages(source)


def test_a_flag_that_announces_nothing_ends_a_list_with_a_cursor() -> None:
    """Slack and Stripe send a cursor with the last page as well."""
    last = listed("b", next="2", has_more=False)
    source = scripted(listed("a", next="1", has_more=True), last, next={**CURSOR, "more": "has_more"})
    assert found(source) == ["a", "b"]


def test_a_flag_that_announces_more_without_a_cursor_is_an_error() -> None:
    with pytest.raises(ProtocolError, match="says that there are more"):
        pages(scripted(listed("a", has_more=True), next={**CURSOR, "more": "has_more"}))


@pytest.mark.parametrize("flag", [{"a": 1}, [], "many", 7])
def test_a_value_that_is_no_flag_is_an_error(flag: Any) -> None:
    """A wrong path of the flag would end lists too early."""
    with pytest.raises(ProtocolError, match="has no flag at more"):
        pages(scripted(listed("a", more=flag), next={**PAGE, "more": "more"}))


def test_a_harvest_that_resumes_past_the_end_leaves_the_comparison_with_the_total_to_the_pipeline() -> None:
    """The client does not know how many records came before."""
    source = scripted(answer(404), next=PAGE)
    (only,) = source.pages(DAY, Cursor("3"))
    assert (only.count, only.next) == (0, None)
    with pytest.raises(ProtocolError):
        list(scripted({"next": None}, next=PAGE).pages(DAY, Cursor("3")))


@pytest.mark.parametrize(
    ("answers", "changed", "may_be_cut"),
    [
        ([listed(*"abcde"), listed(*"fghij"), answer(404)], {}, True),
        ([listed(*"abcde"), listed(*"fghi"), answer(404)], {}, False),
        ([listed(*"abcde"), listed(*"fghij"), answer(404)], {"empty_status": 404}, False),
        ([listed(*"abcde"), listed(*"fghij"), NO_CONTENT], {}, False),
        ([listed(*"abcde"), listed(*"fghij"), listed(*"fghij")], {}, True),
        ([listed(*"abcde"), listed(*"fghij"), listed()], {}, False),
        ([listed("a", "b"), listed("c", "d"), answer(404)], {"params": SIZE}, True),
        ([listed(*"abcde"), answer(404)], {"params": {**DATES, "limit": "7"}}, False),
    ],
)
def test_an_odd_end_after_a_full_page_is_doubtful(
    answers: list[Any], changed: dict[str, Any], may_be_cut: bool
) -> None:
    """A source may refuse deep pages with a plain 404, or repeat the deepest one. Shorter lists show it."""
    *_, last = pages(scripted(*answers, next=PAGE, **changed))
    assert last.may_be_cut is may_be_cut


@pytest.mark.parametrize(("identifiers", "may_be_cut"), [("abcde", True), ("abcd", False), ("", False)])
def test_a_page_that_may_be_full_and_has_no_next_page_is_doubtful(identifiers: str, may_be_cut: bool) -> None:
    """The path of the next page may be wrong. Null at the path shows that it is right."""
    page = listed(*identifiers)
    assert [only.may_be_cut for only in pages(scripted(page, next=LINK))] == [False]
    del page["next"]
    assert [only.may_be_cut for only in pages(scripted(page, next=LINK))] == [may_be_cut]


def test_an_error_in_place_of_the_first_list_is_quoted() -> None:
    """MediaWiki reports a wrong parameter with status 200. Its text says which one is wrong."""
    page = {"error": {"code": "badvalue", "info": "Unrecognized value for parameter list"}, "servedby": "mw1"}
    with pytest.raises(ProtocolError, match=r"an error at error: .*Unrecognized value.*Check `params`"):
        list(scripted(page, records="query.recentchanges").pages(DAY))
