"""The list of parents, and the arguments for the list of each of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from harvest_dagster.errors import HttpStatusError, MisconfiguredSource, PaginationLoop, ProtocolError
from harvest_dagster.harvesters.rest.harvester import RestHarvester
from harvest_dagster.harvesters.rest.parents import ParentsClient, with_parent
from harvest_dagster_tests.harvesters.rest.rest_sources import (
    BASE_URL,
    DATES,
    DAY,
    RestSession,
    arguments,
    listed,
)

URL = "https://api.test/sets"
PARENTS = {"url": URL, "records": "sets", "value": "name"}
IN_PARAMS = {**DATES, "set": "{parent}"}


def client(
    answer: Callable[[dict[str, str]], Any], **changed: Any
) -> tuple[ParentsClient, Callable[[], list[str]]]:
    """Return a client of an API whose list of parents is answered by a function, and the sets that it asked for."""

    def reply(url: str, params: dict[str, str]) -> Any:
        answered = listed("x") if url == BASE_URL else answer(params)
        if isinstance(answered, Exception):
            raise answered
        return answered

    session = RestSession(reply)
    found = RestHarvester(arguments(params=IN_PARAMS, parents={**PARENTS, **changed})).client(session)
    assert isinstance(found, ParentsClient)
    return found, lambda: [params["set"] for url, params in session.asked if url == BASE_URL]


def sets(*names: Any, **more: Any) -> dict[str, Any]:
    return {"sets": [{"name": name} for name in names], **more}


def test_each_parent_is_requested_once_in_a_fixed_order() -> None:
    """Some APIs list a parent twice, or in another order each time."""
    found, asked = client(lambda _: sets("b", 7, "a", "b"))
    assert len(list(found.pages(DAY))) == 3
    assert list(dict.fromkeys(asked())) == ["7", "a", "b"]


def test_a_parent_that_each_row_names_is_one_parent() -> None:
    """The list of parents may be a list of records that name their collection."""
    found, asked = client(lambda _: sets(*["a"] * 7))
    assert len(list(found.pages(DAY))) == 1
    assert set(asked()) == {"a"}


def test_a_look_at_the_lists_requests_the_parents_once() -> None:
    """Only a harvest needs to know whether they have changed."""
    found, asked = client(lambda _: sets("a", "b"))
    assert [page.cursor.list_number for page in found.list_pages(DAY)] == [0, 1]
    assert (list(dict.fromkeys(asked())), found.list_count) == (["a", "b"], 2)


def test_too_many_parents_fail_before_their_lists() -> None:
    """A wrong path made each of a million records a parent."""
    found, asked = client(lambda _: sets("a", "b", "c"), most=2)
    with pytest.raises(MisconfiguredSource, match=r"more than 2 parents.*raise `most`"):
        list(found.pages(DAY))
    assert asked() == []


def test_a_list_of_parents_that_is_too_short_fails() -> None:
    """A parent that is missing is not noticed in the other lists."""
    found, _ = client(lambda _: sets("a", total=2), total="total")
    with pytest.raises(ProtocolError, match="announced 2 parents, but delivered 1"):
        list(found.pages(DAY))


def test_a_list_of_parents_that_changed_while_it_was_read_is_read_again() -> None:
    """A page by number shifts when a parent is added."""
    answers = iter([sets("a", total=2), *[sets("a", "b", total=2)] * 2])
    found, asked = client(lambda _: next(answers), total="total")
    list(found.pages(DAY))
    assert list(dict.fromkeys(asked())) == ["a", "b"]
    assert found.has_all_lists()


def test_an_empty_list_of_parents_fails() -> None:
    """No list was requested, and each window was empty."""
    found, _ = client(lambda _: sets())
    with pytest.raises(MisconfiguredSource, match="has no parents"):
        list(found.pages(DAY))


@pytest.mark.parametrize("name", [None, "", "..", "{from}", {"a": 1}])
def test_a_parent_without_a_usable_value_fails(name: Any) -> None:
    """Its list would be left out."""
    found, _ = client(lambda _: sets("a", name))
    with pytest.raises(MisconfiguredSource, match="the path `value` of `parents`"):
        list(found.pages(DAY))


def test_a_list_of_parents_without_an_end_fails() -> None:
    """A source that ignores the number of the page sends the same parents forever."""
    numbers = iter(range(1000))
    paging = {"by": "cursor", "path": "next", "param": "cursor"}
    found, _ = client(lambda _: sets("a", next=f"c{next(numbers)}"), next=paging)
    with pytest.raises(PaginationLoop, match="100 pages in a row had no new parent"):
        list(found.pages(DAY))


def test_without_an_answer_the_lists_are_not_proven() -> None:
    """A run that was killed after the last page asks for the parents only here."""
    error = HttpStatusError("HTTP 500", status=500, url=URL)
    assert not client(lambda _: error, total="total")[0].has_all_lists()
    assert client(lambda _: sets("a", total=1), total="total")[0].has_all_lists()


def test_the_pages_past_the_end_of_the_list_of_parents_have_none() -> None:
    """The list ends with an empty page, or with an error."""
    pages = {"1": sets("a"), "2": sets()}
    found, asked = client(lambda params: pages[params["page"]], next={"by": "page", "param": "page"})
    list(found.pages(DAY))
    assert set(asked()) == {"a"}


def test_the_value_of_a_parent_stands_wherever_the_arguments_name_it() -> None:
    """Some APIs have the parent in the path, others in the query or in the content."""
    filled = with_parent(
        arguments(
            base_url=f"{BASE_URL}/{{parent}}/list",
            method="POST",
            body={"filter": [{"set": "{parent}"}, 1]},
            params={**DATES, "set": ["{parent}", "x"]},
            detail={"url": f"{BASE_URL}/{{parent}}/{{identifier}}"},
            parents=PARENTS,
        ),
        "a/b c",
    )
    assert filled.base_url == f"{BASE_URL}/a%2Fb%20c/list"
    assert filled.body == {"filter": [{"set": "a/b c"}, 1]}
    assert filled.params == {**DATES, "set": ("a/b c", "x")}
    assert filled.detail is not None
    assert filled.detail.url == f"{BASE_URL}/a%2Fb%20c/{{identifier}}"


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"params": DATES}, "must contain {parent}"),
        ({"params": DATES, "base_url": f"{BASE_URL}/{{parent}}", "parents": None}, "`parents` must say"),
        ({"parents": {**PARENTS, "url": "https://other.test/sets"}}, "the scheme and the host of base_url"),
        ({"parents": {**PARENTS, "url": f"{URL}?a=1"}}, "must not have a query"),
        ({"parents": {**PARENTS, "params": {"since": "{from}"}}}, "it has no dates"),
        ({"parents": {**PARENTS, "next": {"by": "page"}}}, "needs either `param` or {next}"),
        ({"parents": {**PARENTS, "most": 0}}, "greater than or equal to 1"),
        ({"base_url": "https://{parent}.test/works"}, "base_url must name its host"),
        (
            {"response": "csv", "records": "$", "total": None, "next": {"by": "page", "param": "p"}},
            "parents need `response: json`",
        ),
    ],
)
def test_wrong_arguments_are_reported_before_any_request(changed: dict[str, Any], message: str) -> None:
    """The first error came when a harvest ran, or credentials went to another host."""
    with pytest.raises(ValidationError) as error:
        arguments(**{"params": IN_PARAMS, "parents": PARENTS, **changed})
    assert message in str(error.value)
