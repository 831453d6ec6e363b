"""Snapshots of a REST API without a filter by date, over HTTP."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from harvest_dagster.catalog.arguments import validate_arguments
from harvest_dagster.errors import MisconfiguredSource
from harvest_dagster.harvesters.rest.arguments import RestArguments
from harvest_dagster.harvesters.rest.client import RestClient
from harvest_dagster.windows import ALL_TIME, Window, whole_day
from harvest_dagster_tests.harvesters.sources import ScriptedSession
from harvest_dagster_tests.pipeline.list_api import (
    Killed,
    ListApi,
    configure,
    harvest,
    kill_after,
    list_kwargs,
    serving,
)
from harvest_dagster_tests.pipeline.world import MIDNIGHT, World

NAMES = [f"name {number}" for number in range(10)]
ALL_DAYS = Window(whole_day(date(2000, 1, 1)).start, MIDNIGHT)
UNDATED: dict[str, Any] = {"params": {"kind": "work"}}


def snapshots(world: World, api: ListApi, **changed: Any) -> None:
    world.change(selective=False)
    configure(world, api, **UNDATED, **changed)


def test_a_list_without_a_filter_by_date_is_harvested_and_proven(world: World) -> None:
    """Such an API could not be harvested at all."""
    with serving(ListApi(NAMES)) as api:
        snapshots(world, api)
        log = harvest(world, "run 1", window=ALL_DAYS)
    assert (log.status, log.evidence, log.counts.records) == ("SUCCEEDED", "total", 10)
    assert api.requests[0] == "/list?kind=work"
    assert log.counts.requests == len(api.requests) == 4


@pytest.mark.parametrize("pages", [1, 2, 3])
def test_a_killed_run_is_continued_with_the_cursor(small_world: World, pages: int) -> None:
    """The list of the whole source is the longest one, so it must not begin again."""
    with serving(ListApi(NAMES)) as api:
        snapshots(small_world, api)
        with pytest.raises(Killed):
            harvest(small_world, "run 1", kill_after(pages), window=ALL_DAYS)
        log = harvest(small_world, "run 2", window=ALL_DAYS)
    assert (log.status, log.evidence, log.counts.records) == ("SUCCEEDED", "total", 10)
    assert len(api.requests) == 4


def test_each_record_of_the_list_gets_its_detail(small_world: World) -> None:
    with serving(ListApi(NAMES)) as api:
        detail = {"url": f"{api.url}/works/{{identifier}}", "record": "work"}
        snapshots(small_world, api, detail=detail)
        log = harvest(small_world, "run 1", window=ALL_DAYS)
    assert (log.evidence, api.details) == ("total", NAMES)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({}, "params must not contain {from} or {until} with `selective: false`"),
        ({"params": {}, "method": "POST", "body": {"since": "{from}"}}, "Remove it from body"),
        ({"params": {}, "base_url": "http://x.test/{from}"}, "base_url must not contain {from}"),
        (UNDATED, None),
    ],
)
def test_dates_without_selective_harvesting_are_an_error_of_the_catalog(
    changed: dict[str, Any], message: str | None
) -> None:
    """A placeholder would have no value. The error names the key and the remedy."""
    kwargs = list_kwargs(ListApi([], url="http://x.test"), **changed)
    document = {"label": "x", "harvester": "rest", "selective": False, "harvester_kwargs": kwargs}
    found = [text for _, text in validate_arguments(document)]
    assert len(found) == (message is not None)
    assert message is None or message in found[0]
    selective = [text for _, text in validate_arguments({**document, "selective": True})]
    assert len(selective) == (message is None)


def test_a_source_with_dates_has_no_list_of_all_time() -> None:
    """The list of some day would be taken for the list of the whole source."""
    arguments = RestArguments.model_validate(list_kwargs(ListApi([], url="http://x.test")))
    with pytest.raises(MisconfiguredSource, match="requested with dates"):
        next(RestClient(arguments, ScriptedSession([])).pages(ALL_TIME))
