"""Lists whose next page is a link in the HTTP header Link, such as those of GitHub and WordPress."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest

from harvest_dagster.errors import ProtocolError
from harvest_dagster.harvesters.rest.client import RestClient
from harvest_dagster.observations import Observations
from harvest_dagster_tests.harvesters.rest.rest_sources import (
    BASE_URL,
    DATES,
    DAY,
    EXACT_ENDS,
    RestSession,
    arguments,
)
from harvest_dagster_tests.harvesters.sources import Answered

PAGING = {"next": {"by": "link_header"}, "records": "$", "total": None}
SIZE = {**DATES, "per_page": 2}


@dataclass(frozen=True)
class Linked(Answered):
    """A response with a link to the next page."""

    next_link: str | None = None


def page(*identifiers: str, following: str | None = None) -> Linked:
    """Return a page that is a list, as GitHub, Socrata and WordPress send it."""
    body = json.dumps([{"id": name, "changed": "2024-01-01T10:00:00Z"} for name in identifiers]).encode()
    return Linked(body, BASE_URL, content_type="application/json", next_link=following)


def source(*answers: Linked, **changed: Any) -> tuple[RestClient, RestSession]:
    remaining = iter(answers)
    session = RestSession(lambda *_: next(remaining))
    client = RestClient(arguments(**{**PAGING, **changed}), session)
    client.use_observations(Observations([EXACT_ENDS]))
    return client, session


def test_the_link_of_the_header_is_followed_to_the_end() -> None:
    """The list is the whole body, so the body has no place for a link."""
    client, session = source(page("a", "b", following=f"{BASE_URL}?page=2"), page("c"), params=SIZE)
    found = [name for one in client.pages(DAY) for name in one.identifiers]
    assert found == ["a", "b", "c"]
    assert session.asked[1] == (f"{BASE_URL}?page=2", {})


def test_the_link_keeps_the_values_of_the_config_out_of_the_spool() -> None:
    """A source repeats the API key of the request in its link."""
    key = {**SIZE, "api_key": "s3cret-of-the-source"}
    following = f"{BASE_URL}?api_key=s3cret-of-the-source&page=2"
    client, session = source(page("a", "b", following=following), page("c"), params=key)
    first = next(iter(client.pages(DAY)))
    assert first.next is not None
    assert "s3cret" not in (first.next.token or "")
    list(client.pages(DAY, first.next))
    assert "api_key=s3cret-of-the-source" in session.asked[1][0]


def test_a_link_to_another_host_is_refused() -> None:
    """The headers of the request may contain a key."""
    client, _ = source(page("a", "b", following="https://other.test/works?page=2"))
    with pytest.raises(ProtocolError, match="link to its next page that is not on"):
        list(client.pages(DAY))


def test_a_full_first_page_without_a_link_may_be_cut() -> None:
    """A proxy may drop the header. A short page is the whole list."""
    for names, may_be_cut in ((("a", "b"), True), (("a",), False)):
        client, _ = source(page(*names), params=SIZE)
        (only,) = client.pages(DAY)
        assert only.may_be_cut is may_be_cut
