"""The list of identifiers of a REST API: few fields, no details, the same identifiers and datestamps."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from harvest_dagster.errors import BotChallenge, HttpStatusError
from harvest_dagster.harvesters.rest.harvester import RestHarvester
from harvest_dagster.http.rate_limit.budget import ProcessBudget
from harvest_dagster.http.session import HttpSession
from harvest_dagster.observations import Observations
from harvest_dagster.rate_limits import Limit
from harvest_dagster.records import InvalidRecord, RecordHeader
from harvest_dagster.testing.simulator import Repository, Server
from harvest_dagster.windows import ALL_TIME, Window, parse_instant
from harvest_dagster_tests.harvesters.rest.rest_sources import (
    BASE_URL,
    DATES,
    DAY,
    EXACT_ENDS,
    RestSession,
    arguments,
    listed,
)

TEN = parse_instant("2024-01-01T10:00:00Z")
DETAIL = {"url": f"{BASE_URL}/{{identifier}}"}


def headers_of(answer: Any, window: Window = DAY, **changed: Any) -> tuple[list[Any], RestSession]:
    """Return the headers of an API with one page, and its session."""
    source, session = RestHarvester(arguments(**changed)), RestSession(lambda *_: answer)
    client = source.header_client(session)
    client.use_observations(Observations([EXACT_ENDS]))
    parser = source.header_parser()
    return [found for page in client.pages(window) for found in parser.headers(page, window)], session


def test_without_identifiers_the_list_is_the_list_of_the_harvest() -> None:
    """Not every API can be asked for few fields."""
    found, session = headers_of(listed("a", "b"), deleted={"path": "id", "values": ["b"]})
    assert found == [RecordHeader("a", TEN), RecordHeader("b", TEN, True)]
    assert session.asked == [(BASE_URL, {"since": "2024-01-01", "before": "2024-01-01"})]


def test_few_fields_are_requested_and_read_at_their_own_paths() -> None:
    """A record of OpenAlex has ten kilobytes, and its identifier and date have a hundred bytes."""
    page = {"hits": [{"key": "a", "at": "2024-01-01T10:00:00Z", "gone": True}], "total": 1}
    found, session = headers_of(
        page,
        params={**DATES, "select": "all"},
        identifiers={
            "params": {"select": "key,at,gone", "size": 1000},
            "records": "hits",
            "identifier": "key",
            "datestamp": "at",
            "deleted": {"path": "gone"},
        },
    )
    assert found == [RecordHeader("a", TEN, True)]
    (asked,) = session.asked
    assert asked[1] == {
        "since": "2024-01-01",
        "before": "2024-01-01",
        "select": "key,at,gone",
        "size": "1000",
    }


def test_the_harvest_does_not_use_the_arguments_of_the_list_of_identifiers() -> None:
    """It would store records without their content."""
    source = RestHarvester(arguments(identifiers={"params": {"select": "id"}}))
    session = RestSession(lambda *_: listed("a"))
    client = source.client(session)
    client.use_observations(Observations([EXACT_ENDS]))
    list(client.pages(DAY))
    assert "select" not in session.asked[0][1]


def test_no_detail_is_requested_and_its_record_has_the_identifier_and_the_date_of_the_list() -> None:
    """A sweep of a million records would send a million requests."""
    found, session = headers_of(listed("a", "b"), detail=DETAIL)
    assert found == [RecordHeader("a", TEN), RecordHeader("b", TEN)]
    assert {url for url, _ in session.asked} == {BASE_URL}


def test_an_item_without_identifier_is_invalid_and_the_others_are_listed() -> None:
    page = {"items": [{"name": "x"}, {"id": "a"}], "next": None}
    found, _ = headers_of(page, total=None)
    assert isinstance(found[0], InvalidRecord)
    assert found[0].datum == b'{"name": "x"}'
    assert found[1] == RecordHeader("a", None)


def test_a_list_without_an_upper_bound_gives_the_headers_of_its_window() -> None:
    page = {"items": [{"id": day, "changed": f"2024-01-{day}T10:00:00Z"} for day in ("01", "02")]}
    found, _ = headers_of(page, total=None, params={"since": "{from}"})
    assert [header.identifier for header in found] == ["01"]


@pytest.mark.parametrize(
    ("identifiers", "message"),
    [
        ({"params": {"since": "{from}"}}, "must not contain {from}"),
        ({"params": {"since": "2020"}}, "must not replace since"),
        ({"params": {"cursor": "x"}}, "'cursor': next sets it"),
        ({"identifier": ["id", "version"]}, "as many paths as `identifier`: 1"),
        ({"records": "$..items"}, "must not contain `..`"),
        ({"fields": ["id"]}, "Extra inputs"),
    ],
)
def test_wrong_arguments_are_reported_when_the_catalog_is_loaded(
    identifiers: dict[str, Any], message: str
) -> None:
    """A sweep would otherwise find the mistake after hours, or call every record gone."""
    with pytest.raises(ValidationError) as caught:
        arguments(identifiers=identifiers)
    assert message in str(caught.value)


def test_identifiers_do_not_change_what_is_covered() -> None:
    """A new key would otherwise harvest the whole source again."""
    field = RestHarvester.Arguments.model_fields["identifiers"]
    assert any(type(mark).__name__ == "NotDeciding" for mark in field.metadata)


def status_error(status: int, page: Any = None) -> HttpStatusError:
    return HttpStatusError(f"HTTP {status}", status=status, url=BASE_URL, page=page)


def ask(
    answer: Any,
    name: str = "a/1",
    window: Window = ALL_TIME,
    *,
    is_list_of_records: bool = False,
    **changed: Any,
) -> tuple[Any, list[str]]:
    """Ask a client of the list of identifiers, or of the list of records, for a record."""

    def reply(*_: Any) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer

    session = RestSession(reply)
    source = RestHarvester(arguments(**{"detail": DETAIL, **changed}))
    client = source.client(session) if is_list_of_records else source.header_client(session)
    assert client.requests_records_separately is (is_list_of_records and source.arguments.detail is not None)
    return client.has_record(name, window), [url for url, _ in session.asked]


@pytest.mark.parametrize(
    ("answer", "expected"), [({"id": "a"}, True), (status_error(404), False), (status_error(410), False)]
)
@pytest.mark.parametrize("is_list_of_records", [False, True])
def test_the_request_for_a_detail_shows_whether_the_source_has_a_record(
    answer: Any, expected: bool, is_list_of_records: bool
) -> None:
    """Both clients of a sweep can ask."""
    assert ask(answer, is_list_of_records=is_list_of_records) == (expected, [f"{BASE_URL}/a%2F1"])


@pytest.mark.parametrize(
    "failure", [status_error(500), status_error(401), status_error(403), status_error(404, BotChallenge)]
)
def test_another_failure_says_nothing_about_a_record(failure: HttpStatusError) -> None:
    """A source that is down or refuses access would lose its records here."""
    with pytest.raises(HttpStatusError):
        ask(failure)


def test_a_number_is_requested_as_the_source_writes_it() -> None:
    assert ask({"id": 7}, "#7")[1] == [f"{BASE_URL}/7"]


@pytest.mark.parametrize(
    ("name", "window", "changed"),
    [
        ("a", ALL_TIME, {"detail": None}),
        ("a", DAY, {}),
        ("..", ALL_TIME, {}),
        ("a:b", ALL_TIME, {"identifier": ["id", "version", "part"]}),
    ],
)
def test_a_source_that_cannot_be_asked_gives_no_answer(
    name: str, window: Window, changed: dict[str, Any]
) -> None:
    assert ask(status_error(404), name, window, **changed) == (None, [])


@pytest.mark.parametrize("paging", ["cursor", "offset"])
def test_the_headers_over_http_equal_those_of_the_records(paging: str) -> None:
    """Pages, dates and deletions, with each kind of position."""
    repository = Repository(first_day=date(2024, 3, 1), days=3, records_per_day=10, page_size=4, deleted=0.2)
    by = {
        "cursor": {"by": "cursor", "path": "next", "param": "cursor"},
        "offset": {"by": "offset", "param": "offset"},
    }
    window = Window(repository.midnight, repository.midnight + timedelta(days=3))
    with (
        Server(repository, paging=paging) as server,
        HttpSession(Limit(1000, 1.0), budget=ProcessBudget()) as session,
    ):
        source = RestHarvester(
            RestHarvester.Arguments.model_validate(
                {
                    "base_url": server.json_url,
                    "params": {"from": "{from}", "until": "{until}", "size": 4},
                    "records": "records",
                    "identifier": "id",
                    "datestamp": "updated",
                    "deleted": {"path": "deleted"},
                    "total": "total",
                    "next": by[paging],
                }
            )
        )
        whole = [
            one
            for page in source.client(session).pages(window)
            for one in source.parser().headers(page, window)
        ]
        cheap = [
            one
            for page in source.header_client(session).pages(window)
            for one in source.header_parser().headers(page, window)
        ]
    assert cheap == whole
    assert len(cheap) == 30
    assert sum(one.deleted for one in cheap if isinstance(one, RecordHeader)) > 0
