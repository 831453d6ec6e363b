"""The whole way with the real harvester, over HTTP: what the source's own request log says of a broken harvest."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date

import pytest

from harvest_dagster.errors import SourceError
from harvest_dagster.pipeline import fetch, finish, launch, lock, split, store
from harvest_dagster.pipeline.source import open_source
from harvest_dagster.simulator import Cut, Repository, Server, nth
from harvest_dagster.storage.harvest_logs import HarvestLog
from harvest_dagster.windows import whole_day
from harvest_dagster_tests.pipeline.fakes import Clock
from harvest_dagster_tests.pipeline.world import World

REPOSITORY = Repository(first_day=date(2024, 4, 30), days=1, records_per_day=95, page_size=20)
DAY = whole_day(date(2024, 4, 30))


@contextmanager
def serving(world: World, clock: Clock) -> Iterator[Server]:
    """The repository, by its own clock, whose third page is cut; the config of the world leads to it."""
    cut = Cut(3000, announced=False, when=nth(3, "ListRecords"))
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


def lists(server: Server) -> list[str | None]:
    """The tokens of the pages that were asked for, None for the first page."""
    return [request.token for request in server.requests if request.verb == "ListRecords"]


def test_after_a_page_that_was_cut_no_whole_page_is_asked_for_twice(world: World) -> None:
    """Lessons 1 and 22: half a page is a failure, and the next run goes on with that page."""
    with serving(world, world.clock) as server:
        with pytest.raises(SourceError):
            run(world, "run 1")
        before = lists(server)
        world.clock.forward(minutes=2)
        log = run(world, "run 2")
    after = lists(server)[len(before) :]
    assert len(before) == 3
    assert after[0] == before[-1]
    assert len(set(before + after)) == len(before + after) - 1 == 5
    assert (log.status, log.counts.records, log.completeness) == ("SUCCEEDED", 95, "complete")
    assert {identifier for identifier, _ in world.stored()} == {REPOSITORY.identifier(n) for n in range(95)}
    assert log.requests == len(server.requests)


def test_a_token_that_expired_in_the_pause_begins_the_list_anew_and_loses_nothing(world: World) -> None:
    """Lesson 22: a real badResumptionToken, of a source whose clock is ahead of ours."""
    clock = Clock(world.clock())
    with serving(world, clock) as server:
        with pytest.raises(SourceError):
            run(world, "run 1")
        clock.forward(hours=2)
        world.clock.forward(minutes=2)
        log = run(world, "run 2")
    tokens = lists(server)
    assert [token is None for token in tokens] == [True, False, False, False, True, *[False] * 4]
    assert tokens[3] == tokens[2]
    assert (log.status, log.counts.records, log.completeness) == ("SUCCEEDED", 95, "complete")
    assert len(world.stored()) == 95


def test_a_token_that_the_source_says_has_expired_is_not_sent(world: World) -> None:
    """`expirationDate`: the request would be refused, and some sources answer with an empty list instead."""
    with serving(world, world.clock) as server:
        with pytest.raises(SourceError):
            run(world, "run 1")
        world.clock.forward(hours=2)
        log = run(world, "run 2")
    assert [token is None for token in lists(server)] == [True, False, False, True, *[False] * 4]
    assert (log.status, log.counts.records) == ("SUCCEEDED", 95)
