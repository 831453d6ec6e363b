"""A REST API that takes its query as JSON in POST requests."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest

from harvest_dagster.catalog.arguments import deciding_arguments, digest_of
from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.errors import ProtocolError
from harvest_dagster.harvesters.rest.client import RestClient
from harvest_dagster.http.rate_limit.budget import ProcessBudget
from harvest_dagster.http.session import HttpSession
from harvest_dagster.observations import Observations
from harvest_dagster.rate_limits import Limit
from harvest_dagster.records import Cursor, Request
from harvest_dagster_tests.harvesters.rest.rest_sources import (
    DAY,
    EXACT_ENDS,
    RestSession,
    RestSource,
    arguments,
    found,
    listed,
    pages,
    scripted,
)
from harvest_dagster_tests.http.server import response, serving

BODY = {"query": {"range": ["{from}", "{until:%m/%d/%Y}"]}, "size": 2, "deep": [{"x": None}, True, 1.5]}
FILLED = {"query": {"range": ["2024-01-01", "01/01/2024"]}, "size": 2, "deep": [{"x": None}, True, 1.5]}


def posting(*answers: Any, body: Any = BODY, **changed: Any) -> RestSource:
    return scripted(*answers, method="POST", body=body, **{"params": None, **changed})


def bodies(source: RestSource) -> list[Any]:
    return cast("RestSession", source.session).bodies


def test_each_request_has_the_filled_body_as_json() -> None:
    """`next.param` stays a parameter of the query."""
    source = posting(listed("a", "b", next="2"), listed("c"))
    assert found(source) == ["a", "b", "c"]
    assert bodies(source) == [FILLED, FILLED]
    session = cast("RestSession", source.session)
    assert [params for _, params in session.asked] == [{}, {"cursor": "2"}]
    assert session.headers == [{"Content-Type": "application/json"}] * 2


@pytest.mark.parametrize(
    ("paging", "asked"),
    [
        ({"by": "offset"}, [0, 2, 3]),
        ({"by": "page", "first": 1}, [1, 2, 3]),
        ({"by": "cursor", "path": "next", "end": "either"}, [None, "x", "y"]),
        ({"by": "cursor", "path": "next", "first": "*", "end": "either"}, ["*", "x", "y"]),
    ],
)
def test_the_body_contains_the_number_or_the_cursor(paging: dict[str, Any], asked: list[Any]) -> None:
    """A number is sent as a number, and a cursor as a text. A first page without a cursor sends none."""
    source = posting(
        listed("a", "b", next="x"),
        listed("c", next="y"),
        listed(),
        body={**BODY, "page": {"at": "{next}"}},
        next=paging,
    )
    assert found(source) == ["a", "b", "c"]
    assert [body["page"].get("at") for body in bodies(source)] == asked


def test_a_link_is_requested_with_the_same_body() -> None:
    """The link has the position, and the body has the dates."""
    link = "https://api.test/works?page=2"
    source = posting(listed("a", next=link), listed("b"), next={"by": "link", "path": "next"})
    assert found(source) == ["a", "b"]
    assert [url for url, _ in cast("RestSession", source.session).asked] == ["https://api.test/works", link]
    assert bodies(source) == [FILLED, FILLED]


def test_a_list_resumes_from_a_cursor_in_the_body() -> None:
    """A run that was killed continues after its last page."""
    source = posting(listed("b"), body={**BODY, "at": "{next}"}, next={"by": "cursor", "path": "next"})
    assert [page.identifiers for page in source.pages(DAY, Cursor("2"))] == [("b",)]
    assert bodies(source) == [{**FILLED, "at": "2"}]


def test_a_post_request_may_have_no_body_and_another_type() -> None:
    """Some APIs only want another method, and others a type of their own."""
    source = posting(listed("a"), body=None, params={"since": "{from}", "before": "{until}"})
    assert found(source) == ["a"]
    assert bodies(source) == [None]
    assert cast("RestSession", source.session).headers == [{}]
    source = posting(listed("a"), headers={"content-type": "application/vnd.api+json"})
    assert found(source) == ["a"]
    assert cast("RestSession", source.session).headers == [{"content-type": "application/vnd.api+json"}]


def test_a_page_of_a_full_size_in_the_body_may_not_be_the_last() -> None:
    """Without a total, only the size shows whether a page without a cursor may be full."""
    with pytest.raises(ProtocolError, match="The page is full: 2 records were requested"):
        pages(posting({"items": [{"id": "a"}, {"id": "b"}]}, total=None))


def test_the_manifest_names_method_and_body_without_secrets() -> None:
    """All pages have the same URL. Only the body tells which page failed."""
    secret = "s3cret-of-the-source"
    answer = response(json.dumps(listed("a")).encode(), Content_Type="application/json")
    with (
        serving(answer) as server,
        HttpSession(
            Limit(1000, 1.0),
            budget=ProcessBudget(),
            redact=lambda text: text.replace(secret, "***"),
            secrets=[secret],
        ) as session,
    ):
        body = {**BODY, "user": secret, "at": "{next}"}
        kwargs = arguments(base_url=server.url, method="POST", params=None, body=body, next={"by": "offset"})
        client = RestClient(kwargs, session)
        client.use_observations(Observations([EXACT_ENDS]))
        page = next(client.pages(DAY))
    sent = {**FILLED, "user": secret, "at": 0}
    assert json.loads(server.requests[0].body) == sent
    assert page.request == Request(server.url, "POST", json.dumps({**sent, "user": "***"}))


def test_coverage_holds_only_for_the_same_method_and_body() -> None:
    """Another query returns other records, so the days must be harvested again."""

    def digest(**changed: Any) -> str:
        kwargs = {
            "base_url": "https://api.test/works",
            "method": "POST",
            "body": BODY,
            "records": "items",
            "identifier": "id",
            "next": {"by": "page", "param": "page"},
            **changed,
        }
        config = IngestConfig.model_validate({"label": "x", "harvester": "rest", "harvester_kwargs": kwargs})
        return digest_of(deciding_arguments(config))

    assert digest() == digest()
    assert digest(body={**BODY, "deep": [{"x": 1}, True, 1.5]}) != digest()
    assert digest(base_url="https://api.test/{from}/{until}", method="GET", body=None) != digest(
        base_url="https://api.test/{from}/{until}", body=None
    )
