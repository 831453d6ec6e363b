"""Lists: their pages, tokens, ends and sets."""

from __future__ import annotations

from datetime import timedelta
from itertools import cycle, islice

import pytest

from harvest_dagster.errors import CursorRefused, PaginationLoop, ProtocolError, UnexpectedResponse
from harvest_dagster.harvesters.oai.endpoint import TokenLoopDetector
from harvest_dagster.harvesters.oai.errors import BadResumptionToken
from harvest_dagster.records import Cursor
from harvest_dagster_tests.harvesters.sources import (
    BASE_URL,
    DAY,
    FIRST,
    RECEIVED,
    Item,
    Model,
    error,
    found,
    listed,
    oai_source,
    record,
    requests,
    scripted,
)


@pytest.mark.parametrize(
    "content",
    [
        f"<records>{record('a')}{record('b')}</records>",
        f"{record('a')}<records>{record('b')}</records>",
        f"<page><records>{record('a')}</records></page>",
        "<message>There are no records</message>",
        "There are no records",
        '<resumptionToken completeListSize="1"/><error>try later</error>',
    ],
)
def test_a_list_with_content_that_is_no_record_is_an_error(content: str) -> None:
    """`<records><record>…` was a list without records, and the day was complete: one response was the whole list."""
    with pytest.raises(ProtocolError, match="where its records should be"):
        found(scripted(listed(content)))


@pytest.mark.parametrize("element", ["<about/>", '<record xmlns="urn:other"/>'])
def test_an_unknown_element_beside_records_is_an_invalid_record(element: str) -> None:
    """It must not cost the other records of the page, and it must not disappear."""
    assert found(scripted(listed(record("a"), element))) == ["a", None]


def test_a_list_ends_with_an_empty_token() -> None:
    """A token is an exclusive argument (section 3.5), so a request with a token has only the verb besides it."""
    source = scripted(
        *(listed(record(name), token=token) for name, token in [("a", "1"), ("b", "2"), ("c", "")])
    )
    assert found(source) == ["a", "b", "c"]
    tokens = [{"verb": "ListRecords", "resumptionToken": token} for token in "12"]
    assert requests(source) == [FIRST, *tokens]


def test_a_list_may_end_without_a_token() -> None:
    """The server oaipmh on PyPI sends no empty token in its last page."""
    assert found(scripted(listed(record("a"), token="1"), listed(record("b")))) == ["a", "b"]


def test_pages_are_requested_lazily() -> None:
    """Memory is bounded by one page, for a list of any length."""
    source = scripted(*(listed(record(str(number)), token=str(number)) for number in range(1000)))
    assert len(list(islice(source.pages(DAY), 3))) == 3
    assert len(requests(source)) == 3


def test_a_page_contains_its_request_and_the_next_cursor() -> None:
    """The manifest of the spool is written from it. It is the checkpoint of a harvest."""
    attributes = {"completeListSize": "3", "cursor": "0", "expirationDate": "2024-06-01T13:00:00Z"}
    body = listed(record("a"), record("b"), token="1", **attributes)
    first, last = scripted(body, listed(record("c"), token="", completeListSize="3", cursor="2")).pages(DAY)
    assert (first.body, first.status, first.content_type) == (body.encode(), 200, "text/xml;charset=utf-8")
    assert first.request.url.startswith(f"{BASE_URL}?verb=ListRecords&metadataPrefix=oai_dc&from=")
    assert (first.received, first.source_time) == (RECEIVED, RECEIVED - timedelta(seconds=2))
    assert (first.count, first.total, first.position) == (2, 3, 0)
    assert first.expires == RECEIVED + timedelta(hours=1)
    assert (first.cursor, first.next) == (Cursor(), Cursor("1"))
    assert (last.count, last.total, last.position, last.expires) == (1, 3, 2, None)
    assert (last.cursor, last.next) == (Cursor("1"), None)


@pytest.mark.parametrize("total", ["", "-1", "many", "1,000", "\N{ARABIC-INDIC DIGIT ONE}"])
def test_a_total_that_is_not_a_number_is_none(total) -> None:
    """Some sources send -1 for "unknown". A window must not fail because of that."""
    (page,) = scripted(listed(record("a"), token="", completeListSize=total)).pages(DAY)
    assert page.total is None


def test_a_total_that_is_known_to_be_wrong_is_ignored() -> None:
    """The window is then unverified, and does not fail."""
    (page,) = scripted(listed(record("a"), token="", completeListSize=9), trust_total=False).pages(DAY)
    assert page.total is None


def test_an_empty_page_with_a_token_does_not_end_the_list() -> None:
    """SHARE treated such a page as the end of the list. See docs/failures.md#empty-page-with-token."""
    source = scripted(
        listed(token="1"), listed(record("a"), token="2"), listed(token="3"), listed(record("b"))
    )
    assert found(source) == ["a", "b"]


def test_no_records_match_is_an_empty_list() -> None:
    """It is a page without records. It proves that the source was asked."""
    (page,) = scripted(error("noRecordsMatch", "nothing")).pages(DAY)
    assert (page.count, page.next, page.total) == (0, None, 0)
    assert page.source_time == RECEIVED - timedelta(seconds=2)
    assert found(scripted(error("noRecordsMatch"))) == []


def test_no_records_match_in_a_later_page_ends_the_list() -> None:
    """The last token of commons.mla.org leads to noRecordsMatch."""
    source = scripted(listed(record("a"), token="1"), error("noRecordsMatch"))
    assert [page.count for page in source.pages(DAY)] == [1, 0]


def test_a_page_of_another_repository_is_refused_also_in_a_second_attempt() -> None:
    """A cache confused two repositories: records were stored under the wrong source, and others were missing."""
    other = listed(record("b")).replace(f"<request>{BASE_URL}", "<request>http://other.test/oai")
    source = scripted(listed(record("a"), token="1"), other, other)
    (first,) = islice(source.pages(DAY), 1)
    for _ in range(2):
        with pytest.raises(
            UnexpectedResponse, match=r"a page of other\.test/oai, but .* are from repository\.test/oai"
        ):
            next(source.pages(DAY, first.next))


def test_with_several_names_the_pages_may_name_different_repositories() -> None:
    """Otherwise nobody could harvest a source whose nodes have different names at one address."""
    other = listed(record("b")).replace(f"<request>{BASE_URL}", "<request>http://node2.test/oai")
    source = scripted(listed(record("a"), token="1"), other, several_names=True)
    assert found(source) == ["a", "b"]


@pytest.mark.parametrize(
    "base_url", ["https://repository.test/oai/", f"{BASE_URL}?verb=ListRecords&amp;from=x", ""]
)
def test_a_repository_may_write_its_base_url_in_several_forms(base_url) -> None:
    """cyberleninka.ru writes the whole request URL there."""
    last = listed(record("b")).replace(f"<request>{BASE_URL}", f"<request>{base_url}")
    assert found(scripted(listed(record("a"), token="1"), last)) == ["a", "b"]


def test_a_refused_token_is_never_the_end_of_a_list() -> None:
    """miku/metha took badResumptionToken for the end. See docs/failures.md#empty-page-with-token."""
    pages = scripted(listed(record("a"), token="1"), error("badResumptionToken", "expired")).pages(DAY)
    assert next(pages).count == 1
    with pytest.raises(BadResumptionToken) as caught:
        next(pages)
    assert isinstance(caught.value, CursorRefused)


def test_a_harvest_can_resume_from_any_cursor() -> None:
    """A harvester died after 678,000 of 1.5 million records and had to start from zero.

    See docs/failures.md#no-resume.
    """
    model = Model([Item(str(number), DAY.start) for number in range(8)])
    pages = list(oai_source(model.session).pages(DAY))
    assert len(pages) == 3
    for number, page in enumerate(pages[:-1]):
        assert list(oai_source(model.session).pages(DAY, page.next)) == pages[number + 1 :]


@pytest.mark.parametrize("before", [0, 1, 2, 5])
def test_a_token_that_leads_to_itself_is_detected_at_once(before) -> None:
    """The page that contains it is not yielded: a retry would start with the same token."""
    source = scripted(*(listed(record(token), token=token) for token in [*map(str, range(before)), "x", "x"]))
    pages = source.pages(DAY)
    assert len(list(islice(pages, before + 1))) == before + 1
    with pytest.raises(PaginationLoop, match="resumptionToken 'x', which this list has used before"):
        next(pages)
    assert len(requests(source)) == before + 2


@pytest.mark.parametrize("loop", ["12", "123", "1234567"])
@pytest.mark.parametrize("before", ["", "9", "987"])
def test_a_loop_of_tokens_is_an_error(before, loop) -> None:
    """Such a list never ends. The harvest would run forever and store nothing new."""
    tokens = [*before, *islice(cycle(loop), 50)]
    pages = scripted(
        *(listed(record(str(number)), token=token) for number, token in enumerate(tokens))
    ).pages(DAY)
    with pytest.raises(PaginationLoop, match="resumptionToken"):
        list(pages)


@pytest.mark.parametrize("before", [0, 1, 5, 100])
@pytest.mark.parametrize("length", [1, 2, 3, 64, 100])
def test_a_loop_is_detected_within_three_times_its_length(before, length) -> None:
    """This is the bound that the detector promises although it remembers only two tokens."""
    detector = TokenLoopDetector(None)
    loop = cycle(f"c{number}" for number in range(length))
    tokens = [*map(str, range(before)), *islice(loop, 4 * (before + length))]
    steps = next(number for number, token in enumerate(tokens, 1) if detector.is_repeated(token))
    assert before + length < steps <= 3 * (before + length) + 1


def test_tokens_that_never_repeat_are_not_a_loop() -> None:
    """Otherwise a long list could not be harvested."""
    detector = TokenLoopDetector("start")
    assert not any(detector.is_repeated(str(number)) for number in range(10_000))


def test_each_of_several_sets_is_a_list_of_its_own() -> None:
    """A harvest can resume from any page of any of them."""
    sets = {"a": "x", "b": "y", "c": "xy", "d": ""}
    model = Model([Item(name, DAY.start, list(specs)) for name, specs in sets.items()], page_size=1)
    asked = ["x", "y", "none"]
    pages = list(oai_source(model.session, set=asked).pages(DAY))
    assert [(page.cursor.list_number, page.count) for page in pages] == [
        (0, 1),
        (0, 1),
        (1, 1),
        (1, 1),
        (2, 0),
    ]
    assert pages[1].next == Cursor(None, 1)
    assert pages[-1].next is None
    for number, page in enumerate(pages[:-1]):
        assert list(oai_source(model.session, set=asked).pages(DAY, page.next)) == pages[number + 1 :]


def test_one_set_is_requested_by_its_spec() -> None:
    source = scripted(listed(record("a")), set="cs")
    assert found(source) == ["a"]
    assert requests(source) == [FIRST | {"set": "cs"}]


def test_the_same_token_in_two_sets_is_not_a_loop() -> None:
    """If a server's tokens count pages, they are the same in every list."""
    pages = [listed(record(name), token=token) for name in "ab" for token in ("1", "")]
    assert len(list(scripted(*pages, set=["x", "y"]).pages(DAY))) == 4


def repeating(page: str, **attributes: str) -> str:
    """Return a page whose `request` repeats these arguments."""
    text = "".join(f' {name}="{value}"' for name, value in attributes.items())
    return page.replace("<request>", f"<request{text}>")


@pytest.mark.parametrize(
    "attributes",
    [
        {"metadataPrefix": "marcxml"},
        {"set": "other"},
        {"verb": "ListIdentifiers"},
        {"from": "2023-11-01", "until": "2023-11-30"},
        {"until": "2024-06-01T00:00:00Z"},
    ],
)
@pytest.mark.parametrize("number", [0, 1], ids=["first page", "after a token"])
def test_a_page_whose_request_differs_from_the_list_is_refused(
    attributes: dict[str, str], number: int
) -> None:
    """After a token, a source sent the records in another format (docs/failures.md#format-changes-after-token)."""
    pages = [listed(record("a"), token="1"), listed(record("b"), token="")]
    pages[number] = repeating(pages[number], **attributes)
    source = scripted(*pages, set="s")
    with pytest.raises(UnexpectedResponse, match=f"differ in .*{list(attributes)[-1]}"):
        list(source.pages(DAY))


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"resumptionToken": "1"},
        {"verb": "ListRecords", "metadataPrefix": "oai_dc", "set": "s"},
        {"from": "2024-01-01", "until": "2024-01-01"},
        {"from": "2024-01-01T06:00:00Z", "until": "2024-01-02T05:59:59Z"},
        {"from": "2023-12-31T18:00:00Z", "until": "2024-01-01T17:59:59Z"},
        {"from": "2024-01-01T12:00:00Z"},
        {"from": "yesterday", "until": "2024-01-01T23:59:59Z}"},
    ],
)
def test_a_page_after_a_token_may_repeat_the_arguments_of_its_list_or_none(
    attributes: dict[str, str],
) -> None:
    """Servers repeat nothing, only the token, or dates in another form or time zone."""
    pages = [listed(record("a"), token="1"), repeating(listed(record("b"), token=""), **attributes)]
    assert found(scripted(*pages, set="s")) == ["a", "b"]


@pytest.mark.parametrize("tag", ['resumptionToken xmlns=""', "ResumptionToken", "resumptiontoken"])
def test_a_token_with_another_namespace_or_case_continues_the_list(tag) -> None:
    """It was taken for a record, and the list for a whole one: 10 of 35 records, complete."""
    first = listed(record("a"), token="1").replace("<resumptionToken", f"<{tag}")
    source = scripted(
        first.replace("</resumptionToken", f"</{tag.split()[0]}"), listed(record("b"), token="")
    )
    assert found(source) == ["a", "b"]


@pytest.mark.parametrize(
    "page",
    [
        listed(record("a"), "<resumptionToken/>", token="1"),
        listed(record("a"), "<x><resumptionToken>1</resumptionToken></x>"),
    ],
    ids=["two tokens", "in another element"],
)
def test_a_page_whose_token_is_not_clear_is_refused(page) -> None:
    """The list would end after this page, with success."""
    with pytest.raises(ProtocolError, match="not clear how the list continues"):
        found(scripted(page))


def test_a_token_in_the_metadata_of_a_record_is_no_token() -> None:
    """A record may describe a harvest."""
    other = record("a").replace("</metadata>", "<resumptionToken>9</resumptionToken></metadata>")
    assert found(scripted(listed(other))) == ["a"]
