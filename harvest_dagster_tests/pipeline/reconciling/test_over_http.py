"""Sweeps with the real harvesters over HTTP: after a harvest, the cheap list of a source names what is stored."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import pytest

from harvest_dagster.pipeline.reconciling.sweep import finish_sweep, list_headers, reconcile
from harvest_dagster.testing.simulator import SETS, Repository, Server
from harvest_dagster.windows import whole_day
from harvest_dagster_tests.pipeline.reconciling.sweep_world import held_lease, held_sweep
from harvest_dagster_tests.pipeline.served import harvest_window, serving
from harvest_dagster_tests.pipeline.world import World

REPOSITORY = Repository(
    first_day=date(2024, 4, 30), days=1, records_per_day=60, page_size=20, deleted=0.1, sets=SETS
)
DAY = whole_day(date(2024, 4, 30))
REST: Mapping[str, Any] = {
    "params": {"from": "{from}", "until": "{until}", "size": 20},
    "granularity": "second",
    "records": "records",
    "identifier": "id",
    "datestamp": "updated",
    "deleted": {"path": "deleted"},
    "total": "total",
    "next": {"by": "cursor", "path": "next", "param": "cursor"},
    "identifiers": {"params": {"size": 50}},
}


def use(world: World, server: Server, harvester: str) -> None:
    if harvester == "rest":
        world.change(harvester="rest", harvester_kwargs={"base_url": server.json_url, **REST})


@pytest.mark.parametrize("harvester", ["oai", "rest"])
def test_a_sweep_after_a_harvest_finds_no_difference(world: World, harvester: str) -> None:
    """Identifiers, datestamps, deletions and sets of both lists agree, in the database and over HTTP."""
    with serving(world, REPOSITORY) as server:
        use(world, server, harvester)
        harvest_window(world, "run 1", DAY)
        before = len(server.requests)
        harvest = world.harvest("sweep 1")
        with held_sweep(harvest) as guard:
            list_headers(harvest, guard)
            with held_lease(harvest) as lease:
                reconcile(world.window_run(harvest, lease), guard)
                sweep = finish_sweep(harvest, guard, lease)
        requests = [request.operation for request in server.requests[before:]]
    found = sweep.findings
    assert (found.missing, found.changed, found.gone, found.duplicates, found.sets_differ) == (0, 0, 0, 0, 0)
    assert sweep.is_complete
    assert not {"GetRecord", "ListRecords"} & set(requests)
