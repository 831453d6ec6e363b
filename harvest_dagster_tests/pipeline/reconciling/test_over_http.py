"""Sweeps with the real harvesters over HTTP: after a harvest, the cheap list of a source names what is stored."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

import pytest

from harvest_dagster.pipeline.reconciling.sweep import finish_sweep, list_headers, reconcile
from harvest_dagster.storage.sweeps import Sweep
from harvest_dagster.storage.tables import deletion
from harvest_dagster.testing.simulator import SETS, Hide, History, Repository, Server
from harvest_dagster.windows import whole_day
from harvest_dagster_tests.pipeline.reconciling.sweep_world import held_lease, held_sweep
from harvest_dagster_tests.pipeline.served import harvest_window
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


HIDDEN = REPOSITORY.identifier(7)


def use(world: World, server: Server, harvester: str, detail: str = "") -> None:
    kwargs: dict[str, Any] = {"base_url": server.url}
    if harvester == "rest":
        kwargs = {"base_url": server.json_url, **REST}
        kwargs |= {"detail": {"url": f"{server.json_url}/{detail}"}} if detail else {}
    rate_limit = {"calls": 100_000, "period": 1}
    world.change(
        harvester=harvester,
        harvester_kwargs=kwargs,
        rate_limit=rate_limit,
        deletions={"by": "reconcile", "wait": "1d"},
    )


def sweep_over_http(world: World) -> Sweep:
    harvest = world.harvest("sweep 1")
    with held_sweep(harvest) as guard:
        list_headers(harvest, guard)
        with held_lease(harvest) as lease:
            reconcile(world.window_run(harvest, lease), guard)
            return finish_sweep(harvest, guard, lease)


@pytest.mark.parametrize("harvester", ["oai", "rest"])
def test_a_sweep_after_a_harvest_finds_no_difference(world: World, harvester: str) -> None:
    """Identifiers, datestamps, deletions and sets of both lists agree, in the database and over HTTP."""
    with Server(REPOSITORY, clock=world.clock) as server:
        use(world, server, harvester)
        harvest_window(world, "run 1", DAY)
        before = len(server.requests)
        sweep = sweep_over_http(world)
        requests = [request.operation for request in server.requests[before:]]
    found = sweep.findings
    assert (found.missing, found.changed, found.gone, found.duplicates, found.sets_differ) == (0, 0, 0, 0, 0)
    assert sweep.is_complete
    assert not {"GetRecord", "ListRecords"} & set(requests)


@pytest.mark.parametrize(
    ("harvester", "detail", "deleted"),
    [("oai", "", 1), ("rest", "{identifier}", 1), ("rest", "wrong/{identifier}", 0), ("rest", "", 0)],
)
def test_what_the_source_says_it_does_not_have_is_deleted(
    small_world: World, harvester: str, detail: str, deleted: int
) -> None:
    """If it says so of the records that it lists, too, its answer proves nothing: the address of details is wrong."""
    history = History(REPOSITORY, [Hide(small_world.clock() + timedelta(hours=1), HIDDEN)])
    with Server(history=history, clock=small_world.clock) as server:
        use(small_world, server, harvester)
        harvest_window(small_world, "run 1", DAY)
        small_world.clock.forward(hours=2)
        use(small_world, server, harvester, detail)
        sweep = sweep_over_http(small_world)
    assert (sweep.findings.gone, sweep.is_complete) == (1, True)
    assert small_world.rows(deletion, "evidence").count(("not_found",)) == deleted
    assert any("but says that it does not exist" in line for line in small_world.log_lines) is (
        detail.startswith("wrong")
    )
