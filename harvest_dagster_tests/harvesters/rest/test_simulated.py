"""The harvester `json` and the simulator's REST API over HTTP, with each kind of pagination."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import date, timedelta

import pytest

from harvest_dagster.harvesters.rest.arguments import RestArguments
from harvest_dagster.http.rate_limit.budget import ProcessBudget
from harvest_dagster.http.session import HttpSession
from harvest_dagster.rate_limits import Limit
from harvest_dagster.testing.simulator import Repository, Server
from harvest_dagster.windows import Window
from harvest_dagster_tests.harvesters.rest.rest_sources import RestSource

NEXT = {
    "cursor": {"by": "cursor", "path": "next", "param": "cursor"},
    "links": {"by": "link", "path": "links.next"},
    "link_header": {"by": "link_header"},
    "page": {"by": "page", "param": "page"},
    "offset": {"by": "offset", "param": "offset"},
}


@pytest.mark.parametrize("granularity", ["day", "second"])
@pytest.mark.parametrize("paging", NEXT)
def test_three_neighbouring_windows_deliver_every_record(paging, granularity) -> None:
    """The requests over HTTP are those that the YAML of a source describes, including links."""
    repository = Repository(
        first_day=date(2024, 3, 1),
        days=3,
        records_per_day=10,
        page_size=4,
        granularity=granularity,
        deleted=0.2,
    )
    arguments = {
        "params": {"from": "{from}", "until": "{until}", "size": 4},
        "granularity": granularity,
        "records": "records",
        "identifier": "id",
        "datestamp": "updated",
        "deleted": {"path": "deleted"},
        "total": "total",
        "next": NEXT[paging],
    }
    edges = [repository.midnight + timedelta(hours=hours) for hours in (0, 24, 48, 72)]
    with (
        Server(repository, paging=paging) as server,
        HttpSession(Limit(1000, 1.0), budget=ProcessBudget()) as session,
    ):
        kwargs = RestArguments.model_validate({"base_url": server.json_url, **arguments})
        source = RestSource(kwargs, session)
        found = [
            record
            for start, end in itertools.pairwise(edges)
            for page in source.pages(Window(start, end))
            for record in source.records(page, Window(start, end))
        ]
    found = list({record.identifier: record for record in found}.values())
    assert sorted(record.identifier for record in found) == [repository.identifier(n) for n in range(30)]
    expected = [repository.is_deleted(repository.random_bytes(n)) for n in range(30)]
    assert [record.deleted for record in sorted(found, key=lambda record: record.identifier)] == expected
    assert all(record.datestamp for record in found)


def test_a_page_in_memory_gives_the_same_records_as_from_the_spool() -> None:
    """Otherwise the stored records depend on whether the process was killed. And a page would be parsed twice."""
    repository = Repository(
        first_day=date(2024, 3, 1), days=1, records_per_day=10, page_size=4, granularity="second", deleted=0.2
    )
    day = Window(repository.midnight, repository.midnight + timedelta(days=1))
    with (
        Server(repository, paging="cursor") as server,
        HttpSession(Limit(1000, 1.0), budget=ProcessBudget()) as session,
    ):
        kwargs = RestArguments.model_validate(
            {
                "base_url": server.json_url,
                "params": {"from": "{from}", "until": "{until}", "size": 4},
                "granularity": "second",
                "records": "records",
                "identifier": "id",
                "datestamp": "updated",
                "deleted": {"path": "deleted"},
                "next": NEXT["cursor"],
            }
        )
        source = RestSource(kwargs, session)
        pages = list(source.pages(day))
    assert sum(page.count for page in pages) == 10
    for page in pages:
        assert page.parsed is not None
        from_memory = list(source.records(replace(page, body=b""), day))
        assert from_memory == list(source.records(replace(page, parsed=None), day))
