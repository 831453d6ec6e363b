"""The whole way with the real harvester, over HTTP: what the source's own request log says of a broken harvest."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date

import pytest

from harvest_dagster.errors import SourceError
from harvest_dagster.pipeline import fetch, finish, launch, lock, split, store
from harvest_dagster.pipeline.harvest import Fate
from harvest_dagster.pipeline.source import open_source
from harvest_dagster.simulator import Cut, Repository, Server
from harvest_dagster.simulator.conditions import from_nth
from harvest_dagster.storage.harvest_logs import HarvestLog
from harvest_dagster.windows import whole_day
from harvest_dagster_tests.pipeline.fakes import Clock
from harvest_dagster_tests.pipeline.world import World

REPOSITORY = Repository(first_day=date(2024, 4, 30), days=1, records_per_day=95, page_size=20)
DAY = whole_day(date(2024, 4, 30))


@contextmanager
def serving(world: World, clock: Clock) -> Iterator[Server]:
    """The repository, by its own clock, that cuts all pages from the third on in the first run."""
    from_the_third = from_nth(3, "ListRecords") & (lambda _: "run 1" not in world.fates)
    cut = Cut(3000, announced=False, when=from_the_third)
    with Server(REPOSITORY, behaviours=[cut], clock=clock) as server:
        world.config = world.config.model_copy(
            update={
                "harvester": "oai",
                "harvester_kwargs": {"base_url": server.url},
                "rate_limit": world.config.rate_limit.model_copy(update={"calls": 100_000}),
            }
        )
        yield server


def run(world: World, name: str) -> HarvestLog:
    """One window by one run, as the ops do it; where it raises, the run is over."""
    harvest = world.harvest(name)
    with lock.holding(harvest) as grip:
        log = fetch.begin(harvest, DAY, grip, parent_id=None, limit=None)
        with open_source(harvest, grip, log) as source:
            fetch.fetch(harvest, source.harvester, log, grip, source.check)
            split.split(harvest, source.harvester, world.log(log.id), source.check)
        store.store(harvest, world.log(log.id), grip, grip.check)
        launch.launch(harvest, world.log(log.id), grip, grip.check)
        finish.finish_window(harvest, world.log(log.id), grip)
        lock.release(harvest, grip)
    return world.log(log.id)


def fail(world: World) -> None:
    """The first run."""
    with pytest.raises(SourceError):
        run(world, "run 1")
    world.fates["run 1"] = Fate("FAILED", "its run failed")


def lists(server: Server) -> list[str | None]:
    """The tokens of the pages that were asked for, None for the first page."""
    return [request.token for request in server.requests if request.verb == "ListRecords"]


def test_after_a_page_that_was_cut_no_whole_page_is_asked_for_twice(world: World) -> None:
    """Lessons 1 and 22: half a page is a failure, and the next run goes on with that page."""
    with serving(world, world.clock) as server:
        fail(world)
        before = lists(server)
        world.clock.forward(minutes=2)
        log = run(world, "run 2")
    after = lists(server)[len(before) :]
    assert after[0] == before[2]
    assert len(set(before[:2] + after)) == len(before[:2] + after) == 5
    assert (log.status, log.counts.records, log.completeness) == ("SUCCEEDED", 95, "complete")
    assert {identifier for identifier, _ in world.stored()} == {REPOSITORY.identifier(n) for n in range(95)}
    assert log.requests == len(server.requests)


@pytest.mark.parametrize("is_said", [True, False])
def test_a_token_that_expired_in_the_pause_costs_a_new_list_of_the_rest_alone(
    small_world: World, is_said: bool
) -> None:
    """Lesson 22: died at 678k of 1.5M, and began again from zero. `expirationDate` saves a request."""
    clock = Clock(small_world.clock())
    with serving(small_world, clock) as server:
        fail(small_world)
        before = len(lists(server))
        clock.forward(hours=2)
        small_world.clock.forward(**({"hours": 2} if is_said else {"minutes": 2}))
        log = run(small_world, "run 2")
    tokens = lists(server)[before:]
    assert [token is None for token in tokens] == [*([] if is_said else [False]), True, False, False]
    assert (log.status, log.completeness, log.expected) == ("SUCCEEDED", "complete", 95)
    assert log.identifiers == len(small_world.stored()) == 95
    assert log.counts.records == 96
