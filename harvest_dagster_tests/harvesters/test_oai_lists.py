"""Lists: pages, tokens, ends, sets."""

from __future__ import annotations

from datetime import timedelta
from itertools import cycle, islice

import pytest

from harvest_dagster.errors import CursorRefused, EndlessList, WrongVerb
from harvest_dagster.harvesters.oai_endpoint import CircleDetector
from harvest_dagster.harvesters.oai_errors import BadResumptionToken
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
    harvester,
    listed,
    record,
    requests,
    scripted,
)


def test_a_list_is_walked_to_its_empty_token() -> None:
    """A token is an exclusive argument (section 3.5): beside it stands the verb and nothing else."""
    source = scripted(
        *(listed(record(name), token=token) for name, token in [("a", "1"), ("b", "2"), ("c", "")])
    )
    assert found(source) == ["a", "b", "c"]
    tokens = [{"verb": "ListRecords", "resumptionToken": token} for token in "12"]
    assert requests(source) == [FIRST, *tokens]


def test_a_list_may_end_without_a_token() -> None:
    """PyPI's oaipmh sends no empty one on its last page."""
    assert found(scripted(listed(record("a"), token="1"), listed(record("b")))) == ["a", "b"]


def test_pages_are_fetched_when_they_are_asked_for() -> None:
    """Memory is bounded by a page at any length of a list."""
    source = scripted(*(listed(record(str(number)), token=str(number)) for number in range(1000)))
    assert len(list(islice(source.pages(DAY), 3))) == 3
    assert len(requests(source)) == 3


def test_a_page_says_how_it_was_asked_and_what_comes_next() -> None:
    """The manifest of the spool is made of it: the checkpoint of a harvest."""
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
def test_a_total_that_is_no_number_is_none(total) -> None:
    """Some say -1 for unknown: a window must not fail for that."""
    (page,) = scripted(listed(record("a"), token="", completeListSize=total)).pages(DAY)
    assert page.total is None


def test_a_total_that_is_known_to_be_wrong_is_not_read() -> None:
    """The window is then unverified, not failed."""
    (page,) = scripted(listed(record("a"), token="", completeListSize=9), trust_total=False).pages(DAY)
    assert page.total is None


def test_an_empty_page_with_a_token_is_followed() -> None:
    """Lesson 2: it was taken for the end (SHARE)."""
    source = scripted(
        listed(token="1"), listed(record("a"), token="2"), listed(token="3"), listed(record("b"))
    )
    assert found(source) == ["a", "b"]


def test_no_records_match_is_an_empty_list() -> None:
    """A page without records, kept as evidence that the source was asked."""
    (page,) = scripted(error("noRecordsMatch", "nothing")).pages(DAY)
    assert (page.count, page.next, page.total) == (0, None, 0)
    assert page.source_time == RECEIVED - timedelta(seconds=2)
    assert found(scripted(error("noRecordsMatch"))) == []


def test_no_records_match_on_a_later_page_is_the_end() -> None:
    """commons.mla.org hands out a last token whose page is noRecordsMatch."""
    source = scripted(listed(record("a"), token="1"), error("noRecordsMatch"))
    assert [page.count for page in source.pages(DAY)] == [1, 0]


def test_a_page_of_another_repository_is_refused_also_when_it_is_asked_for_again() -> None:
    """A cache mixed two repositories up: one's records under the other's name, and as many of its own missing."""
    other = listed(record("b")).replace(f"<request>{BASE_URL}", "<request>http://other.test/oai")
    source = scripted(listed(record("a"), token="1"), other, other)
    (first,) = islice(source.pages(DAY), 1)
    for _ in range(2):
        with pytest.raises(
            WrongVerb, match=r"a page of other\.test/oai, where .* are of repository\.test/oai"
        ):
            next(source.pages(DAY, first.next))


def test_nodes_behind_one_address_may_each_have_a_name() -> None:
    """Else a source that is well could not be harvested, and nothing in its YAML would help."""
    other = listed(record("b")).replace(f"<request>{BASE_URL}", "<request>http://node2.test/oai")
    source = scripted(listed(record("a"), token="1"), other, several_names=True)
    assert found(source) == ["a", "b"]


@pytest.mark.parametrize(
    "said", ["https://repository.test/oai/", f"{BASE_URL}?verb=ListRecords&amp;from=x", ""]
)
def test_a_repository_may_write_its_address_in_several_ways(said) -> None:
    """cyberleninka.ru writes the whole request there."""
    rest = listed(record("b")).replace(f"<request>{BASE_URL}", f"<request>{said}")
    assert found(scripted(listed(record("a"), token="1"), rest)) == ["a", "b"]


def test_a_refused_token_is_never_the_end_of_a_list() -> None:
    """Lesson 2: badResumptionToken was taken for the end (miku/metha)."""
    pages = scripted(listed(record("a"), token="1"), error("badResumptionToken", "expired")).pages(DAY)
    assert next(pages).count == 1
    with pytest.raises(BadResumptionToken) as caught:
        next(pages)
    assert isinstance(caught.value, CursorRefused)


def test_a_harvest_goes_on_from_any_cursor() -> None:
    """Lesson 22: died at 678k of 1.5M and began again from zero."""
    model = Model([Item(str(number), DAY.start) for number in range(8)])
    pages = list(harvester(model.session).pages(DAY))
    assert len(pages) == 3
    for number, page in enumerate(pages[:-1]):
        assert list(harvester(model.session).pages(DAY, page.next)) == pages[number + 1 :]


@pytest.mark.parametrize("lead", [0, 1, 2, 5])
def test_a_token_that_repeats_itself_ends_the_walk_at_once(lead) -> None:
    """The page that carries it is not given: a retry would begin with the same token."""
    source = scripted(*(listed(record(token), token=token) for token in [*map(str, range(lead)), "x", "x"]))
    pages = source.pages(DAY)
    assert len(list(islice(pages, lead + 1))) == lead + 1
    with pytest.raises(EndlessList, match="resumptionToken that this list had before, 'x'"):
        next(pages)
    assert len(requests(source)) == lead + 2


@pytest.mark.parametrize("circle", ["12", "123", "1234567"])
@pytest.mark.parametrize("lead", ["", "9", "987"])
def test_tokens_that_go_round_in_a_circle_are_an_error(lead, circle) -> None:
    """Such a list never ends, and neither would the harvest, which stores nothing new and stays green."""
    tokens = [*lead, *islice(cycle(circle), 50)]
    pages = scripted(
        *(listed(record(str(number)), token=token) for number, token in enumerate(tokens))
    ).pages(DAY)
    with pytest.raises(EndlessList, match="resumptionToken"):
        list(pages)


@pytest.mark.parametrize("lead", [0, 1, 5, 100])
@pytest.mark.parametrize("length", [1, 2, 3, 64, 100])
def test_a_circle_is_found_before_three_times_its_length(lead, length) -> None:
    """What the detector promises; it remembers two tokens only."""
    detector = CircleDetector(None)
    circle = cycle(f"c{number}" for number in range(length))
    tokens = [*map(str, range(lead)), *islice(circle, 4 * (lead + length))]
    steps = next(number for number, token in enumerate(tokens, 1) if detector.closes(token))
    assert lead + length < steps <= 3 * (lead + length) + 1


def test_tokens_that_never_repeat_are_no_circle() -> None:
    """A list of any length must come through."""
    detector = CircleDetector("start")
    assert not any(detector.closes(str(number)) for number in range(10_000))


def test_several_sets_are_one_list_each() -> None:
    """And a harvest goes on from any page of any of them."""
    sets = {"a": "x", "b": "y", "c": "xy", "d": ""}
    model = Model([Item(name, DAY.start, list(held)) for name, held in sets.items()], page_size=1)
    asked = ["x", "y", "none"]
    pages = list(harvester(model.session, set=asked).pages(DAY))
    assert [(page.cursor.part, page.count) for page in pages] == [(0, 1), (0, 1), (1, 1), (1, 1), (2, 0)]
    assert pages[1].next == Cursor(None, 1)
    assert pages[-1].next is None
    for number, page in enumerate(pages[:-1]):
        assert list(harvester(model.session, set=asked).pages(DAY, page.next)) == pages[number + 1 :]


def test_one_set_is_asked_for_by_name() -> None:
    source = scripted(listed(record("a")), set="cs")
    assert found(source) == ["a"]
    assert requests(source) == [FIRST | {"set": "cs"}]


def test_the_same_token_in_two_sets_is_no_circle() -> None:
    """Servers whose tokens count pages use the same ones in every list."""
    pages = [listed(record(name), token=token) for name in "ab" for token in ("1", "")]
    assert len(list(scripted(*pages, set=["x", "y"]).pages(DAY))) == 4
