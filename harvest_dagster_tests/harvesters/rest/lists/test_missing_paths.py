"""Configured paths that match nothing. See docs/failures.md#paths-that-never-match."""

from __future__ import annotations

from typing import Any

import pytest

from harvest_dagster.errors import MisconfiguredPath, ProtocolError
from harvest_dagster.harvesters.rest.lists.missing_paths import requested_page_size
from harvest_dagster.observations import Observations
from harvest_dagster.windows import parse_instant
from harvest_dagster_tests.harvesters.rest.rest_sources import (
    DATES,
    EXACT_ENDS,
    arguments,
    found,
    listed,
    pages,
    scripted,
)

PAGE = {"by": "page", "param": "cursor"}
CURSOR = {"by": "cursor", "param": "cursor"}
LINK = {"by": "link"}
SIZE = {**DATES, "page[size]": "2"}


def page(*identifiers: str, **more: Any) -> dict[str, Any]:
    """Return a page without `next` and `total`."""
    full = listed(*identifiers)
    return {"items": full["items"], **more}


@pytest.mark.parametrize("paging", [CURSOR, LINK])
@pytest.mark.parametrize(
    ("first", "changed"),
    [
        (page("a", meta={"nextt": "1", "total": 2}), {"total": "meta.total"}),
        (page("a", meta={"nextt": "1"}, more=True), {"more": "more"}),
    ],
)
def test_a_typo_in_the_path_of_the_next_page_is_an_error_of_the_configuration(
    first: dict[str, Any], changed: dict[str, Any], paging: dict[str, Any]
) -> None:
    """The list ended after its first page, green."""
    paging = {**paging, "path": "meta.next", **({"more": changed["more"]} if "more" in changed else {})}
    source = scripted(first, next=paging, total=changed.get("total"))
    with pytest.raises((MisconfiguredPath, ProtocolError)) as caught:
        pages(source)
    assert "meta.next" in str(caught.value)


def test_the_error_names_the_yaml_key_the_path_and_the_keys_of_the_page_and_no_value() -> None:
    """It is enough to correct the line. A value could be a secret."""
    first = page("a", meta={"next_cursor": "s3cret", "count": 2}, links={})
    source = scripted(first, next={**CURSOR, "path": "meta.nextcursor"}, total="meta.count")
    with pytest.raises(MisconfiguredPath) as caught:
        pages(source)
    text = str(caught.value)
    assert "has nothing at meta.nextcursor, the path `next.path` of harvester_kwargs." in text
    assert "The page has 1 of 2 records" in text
    assert "`meta` has the keys next_cursor, count. Correct `next.path`." in text
    assert "s3cret" not in text


def test_a_full_page_without_the_next_page_is_an_error_that_shorter_lists_can_refute() -> None:
    """It may be the whole list of a source that leaves out the cursor at the end. Recovery asks for shorter lists."""
    paging = {**CURSOR, "path": "nextt"}
    with pytest.raises(ProtocolError, match="The page is full: 2 records were requested") as caught:
        pages(scripted(page("a", "b"), next=paging, total=None, params=SIZE))
    assert not isinstance(caught.value, MisconfiguredPath)
    assert found(scripted(page("a"), next=paging, total=None, params=SIZE)) == ["a"]
    assert found(scripted(page("a", "b", total=2), next=paging, params=SIZE)) == ["a", "b"]


@pytest.mark.parametrize(
    ("answers", "paging", "params"),
    [
        ([page("a", next="1")], {**CURSOR, "path": "next"}, DATES),
        ([page("a"), page("b")], PAGE, DATES),
        ([page("a", "b")], PAGE, SIZE),
        ([page("a", next="x"), page("b", next="x")], {**CURSOR, "path": "next", "end": "empty_page"}, DATES),
        ([page("a", more=True)], {**PAGE, "more": "more"}, DATES),
    ],
)
def test_a_typo_in_the_path_of_the_total_is_an_error_if_the_list_has_more_than_a_page(
    answers: list[Any], paging: dict[str, Any], params: dict[str, str]
) -> None:
    """No window was ever compared with the total, and nobody knew."""
    with pytest.raises(MisconfiguredPath, match="the path `total` of harvester_kwargs"):
        pages(scripted(*answers, next=paging, total="totl", params=params))


def test_a_source_may_leave_out_next_and_total_of_a_list_of_one_page() -> None:
    """Many do. Such a window is unverified."""
    (only,) = pages(scripted(page("a"), next={**CURSOR, "path": "next"}))
    assert (only.count, only.total, only.next) == (1, None, None)


def test_null_is_no_missing_path() -> None:
    """The source knows the key, and has no value for it."""
    assert found(scripted(listed("a", "b"), listed("c"), listed(), next=PAGE, params=SIZE)) == ["a", "b", "c"]


@pytest.mark.parametrize("first", [page("a"), page("a", flag=None)])
def test_a_typo_in_the_path_of_the_flag_is_an_error_if_the_list_goes_on(first: dict[str, Any]) -> None:
    """Without the flag, an empty page in the middle would end the list."""
    source = scripted(first, page("b"), page(), next={**PAGE, "more": "flag"}, total=None)
    if "flag" in first:
        assert found(source) == ["a", "b"]
    else:
        with pytest.raises(MisconfiguredPath, match=r"the path `next\.more` of harvester_kwargs"):
            pages(source)


def test_a_path_that_an_earlier_list_had_is_right() -> None:
    """A source may leave out the total of a list that takes it too long to count."""
    observations = Observations([EXACT_ENDS], parse_instant("2024-01-03"))
    for answers in ([page("a", total=1), page()], [page("a"), page("b"), page()]):
        source = scripted(*answers, next=PAGE)
        source.use_observations(observations)
        assert pages(source)


def test_only_the_first_page_must_have_the_total() -> None:
    """ClinicalTrials.gov sends it only there."""
    assert found(scripted(page("a", total=2), page("b"), page(), next=PAGE)) == ["a", "b"]


@pytest.mark.parametrize(
    ("params", "size"),
    [
        ({"limit": "10"}, 10),
        ({"$top": "50", "$skip": "100"}, 50),
        ({"page[size]": "25", "page[cursor]": "1"}, 25),
        ({"per-page": "20", "version": "2"}, 20),
        ({"resultRecordCount": "5"}, 5),
        ({"countTotal": "true", "version": "3"}, None),
        ({"rows": "1"}, None),
        ({"rows": "9" * 30}, None),
    ],
)
def test_the_size_of_a_page_is_known_from_the_usual_parameters(
    params: dict[str, str], size: int | None
) -> None:
    """A page of that length may not be the last one."""
    assert requested_page_size(arguments(params={**DATES, **params})) == size
    in_body = {"criteria": {"since": "{from}", "before": "{until}"}, "page": params}
    assert requested_page_size(arguments(params=None, method="POST", body=in_body)) == size
