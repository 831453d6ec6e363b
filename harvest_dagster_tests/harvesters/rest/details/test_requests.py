"""Requests for the full record of each list item."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError

from harvest_dagster.errors import (
    CursorRefused,
    HttpStatusError,
    LoginPage,
    MisconfiguredPath,
    SourceError,
    SourceUnreachable,
)
from harvest_dagster.harvesters.rest.details.requests import detail_url
from harvest_dagster.observations import Observations
from harvest_dagster.records import InvalidRecord, Page, Record
from harvest_dagster.windows import Window, parse_instant
from harvest_dagster_tests.harvesters.rest.rest_sources import (
    BASE_URL,
    DAY,
    EXACT_ENDS,
    RestSession,
    RestSource,
    arguments,
    harvest,
    listed,
)

DETAIL = {"url": f"{BASE_URL}/{{identifier}}"}

Answer = Callable[[str], Any]


def status_error(status: int) -> HttpStatusError:
    return HttpStatusError(f"HTTP {status}", status=status, url=f"{BASE_URL}/masked")


def source(page: Any, answer: Answer = lambda name: {"title": name}, **changed: Any) -> RestSource:
    """Return an API with one page, and a function that answers the requests for details."""

    def reply(url: str, _: dict[str, str]) -> Any:
        if url == BASE_URL:
            return page
        answered = answer(url.removeprefix(f"{BASE_URL}/"))
        if isinstance(answered, Exception):
            raise answered
        return answered

    found = RestSource(arguments(**{"detail": DETAIL, **changed}), RestSession(reply))
    found.use_observations(Observations([EXACT_ENDS]))
    return found


def asked(found: RestSource) -> list[str]:
    """Return the names of the requested details."""
    urls = [url for url, _ in found.session.asked]  # type: ignore[attr-defined]
    return [url.removeprefix(f"{BASE_URL}/") for url in urls if url != BASE_URL]


def test_identifier_and_datestamp_are_those_of_the_list() -> None:
    """The date in a detail may have another meaning, and the rule of the windows depends on it."""
    found = source(listed("a"), lambda _: {"id": "other", "changed": "1999-01-01"})
    (record,) = harvest(found)
    assert isinstance(record, Record)
    assert (record.identifier, record.datestamp) == ("a", parse_instant("2024-01-01T10:00:00Z"))
    assert record.blob == '{"changed":"1999-01-01","id":"other"}'


def test_a_list_may_consist_of_identifiers() -> None:
    """Some APIs list only numbers."""
    found = source({"items": [7, 8]}, identifier="$", datestamp=None, total=None)
    assert [record.identifier for record in harvest(found)] == ["#7", "#8"]
    assert asked(found) == ["7", "8"]


def test_a_detail_may_show_that_its_record_is_deleted() -> None:
    """A list of identifiers does not show it."""
    deleted = {"path": "state", "values": ["withdrawn"]}
    found = source(listed("a"), lambda _: {"state": "withdrawn"}, deleted=deleted)
    (record,) = harvest(found)
    assert isinstance(record, Record)
    assert record.deleted


def test_only_records_of_the_window_need_a_detail() -> None:
    """Each hour requested the details of the whole day."""
    page = {"items": [{"id": name, "changed": f"2024-01-01T{name}:30:00Z"} for name in ("10", "11", "12")]}
    found = source(page, total=None)
    hour = Window(parse_instant("2024-01-01T11:00:00Z"), parse_instant("2024-01-01T12:00:00Z"))
    assert [record.identifier for record in harvest(found, hour)] == ["11"]
    assert asked(found) == ["11"]


def test_a_part_of_a_window_requests_what_the_parser_keeps_of_it() -> None:
    """The parser keeps the records of the whole window, and those before the part had no detail."""
    page = {"items": [{"id": name, "changed": f"2024-01-01T{name}:30:00Z"} for name in ("10", "11", "12")]}
    found = source(page, total=None)
    found.whole_window = DAY
    part = Window(parse_instant("2024-01-01T11:00:00Z"), DAY.end)
    records = [record for page in found.pages(part) for record in found.records(page, DAY)]
    assert [record.identifier for record in records] == ["10", "11", "12"]


def test_a_list_without_an_upper_bound_needs_the_details_of_its_window() -> None:
    """Each window requested the details of all later ones."""
    page = {"items": [{"id": day, "changed": f"2024-01-{day}T10:00:00Z"} for day in ("01", "02", "03")]}
    found = source(page, total=None, params={"since": "{from}"})
    assert [record.identifier for record in harvest(found)] == ["01"]
    assert asked(found) == ["01"]


def test_a_record_that_comes_twice_on_a_page_is_requested_once() -> None:
    """Each request counts in the budget of the host."""
    found = source(listed("a", "b", "a"))
    assert [record.identifier for record in harvest(found)] == ["a", "b"]
    assert asked(found) == ["a", "b"]


def test_a_look_at_the_list_requests_no_detail() -> None:
    """The comparison after a pause requested the details of a page again."""
    found = source(listed("a", "b"))
    (page,) = found.list_pages(DAY)
    assert (page.count, asked(found)) == (2, [])
    records = list(found.records(page, DAY))
    assert [record.error for record in records if isinstance(record, InvalidRecord)] == [
        "its detail was not requested"
    ] * 2


def test_an_item_without_identifier_is_quarantined_with_its_bytes() -> None:
    """There is nothing to request."""
    found = source({"items": [{"name": "x"}, {"id": "a"}]}, total=None)
    records = list(harvest(found))
    assert [record.datum for record in records if isinstance(record, InvalidRecord)] == [b'{"name": "x"}']
    assert asked(found) == ["a"]


@pytest.mark.parametrize("error", [status_error(500), SourceUnreachable("timeout")])
def test_a_transient_failure_of_one_record_costs_only_that_record(error: SourceError) -> None:
    """A record whose page always fails would fail its window forever."""
    found = source(listed("a", "b", "c"), lambda name: error if name != "b" else {})
    results = [(type(record), record.identifier) for record in harvest(found)]
    assert results == [(InvalidRecord, "a"), (Record, "b"), (InvalidRecord, "c")]


def test_three_transient_failures_in_a_row_fail_the_window() -> None:
    """The source is down. None of these records goes to the quarantine."""
    found = source(listed("a", "b", "c", "d", "e"), lambda name: {} if name == "a" else status_error(500))
    pages: list[Page] = []
    with pytest.raises(HttpStatusError):
        pages += found.pages(DAY)
    assert asked(found) == ["a", "b", "c", "d"]


@pytest.mark.parametrize("status", [401, 403, 429, 503])
def test_some_statuses_concern_all_records(status: int) -> None:
    """The records went to the quarantine, and the window was green."""
    with pytest.raises(HttpStatusError):
        list(source(listed("a"), lambda _: status_error(status)).pages(DAY))


def test_a_host_that_is_gone_concerns_all_records() -> None:
    """No other request would succeed."""
    error = SourceUnreachable("no connection")
    error.was_connected = False
    with pytest.raises(SourceUnreachable):
        list(source(listed("a"), lambda _: error).pages(DAY))


def test_a_login_page_concerns_all_records() -> None:
    """It comes with status 200 in place of each detail."""
    login = b'<html><form><input type="password" name="p"></form></html>'
    with pytest.raises(LoginPage):
        list(source(listed("a"), lambda _: login).pages(DAY))


def test_a_damaged_detail_is_requested_again() -> None:
    """A connection that broke cost a record."""
    answers = iter([b'{"title": ', {"title": "a"}])
    (record,) = harvest(source(listed("a"), lambda _: next(answers)))
    assert isinstance(record, Record)


def test_a_wrong_address_costs_a_hundred_requests() -> None:
    """A typing error cost one request for each of a million records."""
    found = source(listed(*(f"x{number}" for number in range(200))), detail={**DETAIL, "record": "wrok"})
    with pytest.raises(MisconfiguredPath, match=r"no object at wrok.*Check `url` and `record`"):
        list(found.pages(DAY))
    assert len(asked(found)) == 100


def test_a_page_whose_cursor_may_be_used_once_cannot_be_continued() -> None:
    """The cursor would bring the next page, and the rest of this one was lost."""
    paging = {"by": "cursor", "path": "next", "param": "cursor", "single_use": True}
    found = source(listed("a", "b", next="2", total=4), next=paging)
    single = next(iter(found.pages(DAY)))
    assert single.next is not None
    with pytest.raises(CursorRefused, match="Start the list again"):
        list(found.pages(DAY, replace(single.next, token="2")))


def test_the_originals_are_those_of_the_details() -> None:
    """`keep_original` kept the list item."""
    found = source(listed("a"), lambda _: b'{"work" : {"b":1, "a":2} }', detail={**DETAIL, "record": "work"})
    single = next(iter(found.pages(DAY)))
    parser = found._parser
    parser.keep_original = True
    (record,) = parser.records(single, DAY)
    assert isinstance(record, Record)
    assert (record.blob, record.original) == ('{"a":2,"b":1}', b'{"b":1, "a":2}')
    assert parser.single_record(b"{}", DAY) is None


def test_an_error_at_the_configured_path_is_no_detail() -> None:
    """An API that reports errors with status 200 gave the error as the record."""
    found = source(listed("a"), lambda _: {"fault": "unknown"}, error="fault")
    (record,) = harvest(found)
    assert isinstance(record, InvalidRecord)
    assert "answered with an error at fault: unknown" in record.error


def test_a_record_may_have_a_key_that_elsewhere_means_an_error() -> None:
    """The record itself is the whole response, and it has its identifier."""
    (record,) = harvest(source(listed("a"), lambda _: {"id": "a", "status": "failed"}))
    assert isinstance(record, Record)


def test_the_address_of_a_detail_contains_the_identifier_as_the_source_writes_it() -> None:
    """The stored identifier of a number begins with `#`, which ends the path of a URL."""
    one = arguments(detail=DETAIL)
    several = arguments(
        identifier=["source", "id"], detail={"url": f"{BASE_URL}/{{identifier.0}}?id={{identifier.1}}"}
    )
    joined = arguments(identifier=["source", "id"], detail=DETAIL)
    assert detail_url(one, ["a/b?c#ü"]) == f"{BASE_URL}/a%2Fb%3Fc%23%C3%BC"
    assert detail_url(several, ["MED", "3 5&x"]) == f"{BASE_URL}/MED?id=3%205%26x"
    assert detail_url(joined, ["MED", "35"]) == f"{BASE_URL}/MED%3A35"
    with_user = arguments(base_url="https://anna:pw@api.test/works", detail=DETAIL)
    assert detail_url(with_user, ["a"]) == "https://anna:pw@api.test/works/a"


def test_an_identifier_cannot_lead_to_another_path() -> None:
    """Clients remove `..` from a path, percent-encoded or not."""
    found = source(listed("..", "a"))
    assert [type(record) for record in harvest(found)] == [InvalidRecord, Record]
    assert asked(found) == ["a"]


@pytest.mark.parametrize(
    ("url", "message"),
    [
        (f"{BASE_URL}/x", "must contain {identifier}"),
        (f"{BASE_URL}/{{identifier}}/{{until}}", "must not contain {until}"),
        (f"{BASE_URL}/{{identifier}}/{{identifier.1}}", "must not contain {identifier.1}"),
        ("https://other.test/{identifier}", "the scheme and the host of base_url"),
        ("http://api.test/{identifier}", "the scheme and the host of base_url"),
        ("https://anna@api.test/{identifier}", "must not contain a user"),
        ("works/{identifier}", "http or https URL"),
        ("https://{identifier}/works", "must name its host"),
    ],
)
def test_a_wrong_url_is_reported_before_any_request(url: str, message: str) -> None:
    """The first error came after the list was fetched, or credentials went to another host."""
    with pytest.raises(ValidationError) as error:
        arguments(detail={"url": url})
    assert message in str(error.value)


def test_each_value_of_an_identifier_is_needed() -> None:
    """`MED` alone names no record."""
    with pytest.raises(ValidationError, match=r"or \{identifier.0\} and \{identifier.1\}"):
        arguments(identifier=["source", "id"], detail={"url": f"{BASE_URL}/{{identifier.0}}"})


def test_details_are_json() -> None:
    """The harvester would look for JSON in the details of a list of XML."""
    with pytest.raises(ValidationError, match="detail needs `response: json`"):
        arguments(response="csv", records="$", total=None, next={"by": "page", "param": "p"}, detail=DETAIL)
