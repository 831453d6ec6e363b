"""The harvester `json` and the simulator's JSON API over HTTP, in each of its ways of paging."""

from __future__ import annotations

import itertools
from datetime import date, timedelta

import pytest

from harvest_dagster.harvesters.json_list import JsonListArguments, JsonListHarvester
from harvest_dagster.http.budget import ProcessBudget
from harvest_dagster.http.session import HttpSession
from harvest_dagster.limits import Limit
from harvest_dagster.simulator import Repository, Server
from harvest_dagster.windows import Window

NEXT = {
    "cursor": {"by": "cursor", "path": "next", "param": "cursor"},
    "links": {"by": "link", "path": "links.next"},
    "page": {"by": "page", "param": "page"},
    "offset": {"by": "offset", "param": "offset"},
}


@pytest.mark.parametrize("granularity", ["day", "second"])
@pytest.mark.parametrize("paging", NEXT)
def test_three_windows_side_by_side_bring_all_once(paging, granularity) -> None:
    """Over the wire, links and all: what a source's YAML says is what is asked."""
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
        HttpSession(Limit(1000, 1.0), budget=ProcessBudget()) as way,
    ):
        made = JsonListArguments.model_validate({"base_url": server.json_url, **arguments})
        harvester = JsonListHarvester(made, way)
        found = [
            record
            for start, end in itertools.pairwise(edges)
            for page in harvester.pages(Window(start, end))
            for record in harvester.records(page, Window(start, end))
        ]
    assert sorted(record.identifier for record in found) == [repository.identifier(n) for n in range(30)]
    dice = [repository.is_deleted(repository.dice(n)) for n in range(30)]
    assert [record.deleted for record in sorted(found, key=lambda record: record.identifier)] == dice
    assert all(record.datestamp for record in found)
