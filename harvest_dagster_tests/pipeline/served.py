"""Whole windows with the real OAI-PMH harvester from the simulator, in the world of the pipeline's tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from harvest_dagster.pipeline import fetch, finish, launch, lock, split, store
from harvest_dagster.pipeline.source import open_source
from harvest_dagster.simulator import Behaviour, Repository, Server
from harvest_dagster.storage.harvest_logs import HarvestLog
from harvest_dagster.windows import Window
from harvest_dagster_tests.pipeline.fakes import Clock
from harvest_dagster_tests.pipeline.world import World


@contextmanager
def serving(
    world: World, repository: Repository, *behaviours: Behaviour, clock: Clock | None = None, **kwargs: Any
) -> Iterator[Server]:
    """The repository; the config of the world leads to it."""
    with Server(repository, behaviours=list(behaviours), clock=clock or world.clock) as server:
        world.change(
            harvester="oai",
            harvester_kwargs={"base_url": server.url, **kwargs},
            rate_limit={"calls": 100_000, "period": 1},
        )
        yield server


def harvest_window(world: World, name: str, window: Window) -> HarvestLog:
    """One window by one run, as the ops do it; where it raises, the log says so."""
    harvest = world.harvest(name)
    with lock.holding(harvest) as grip:
        log = fetch.begin(harvest, window, grip, parent_id=None, limit=None)
        try:
            with open_source(harvest, grip, log) as source:
                fetch.fetch(harvest, source.harvester, log, grip, source.check)
                split.split(harvest, source.harvester, world.log(log.id), source.check)
            store.store(harvest, world.log(log.id), grip, grip.check)
            launch.launch(harvest, world.log(log.id), grip, grip.check)
            finish.finish_window(harvest, world.log(log.id), grip)
        except Exception as error:
            finish.end_window(harvest, log.id, grip, "FAILED", f"{type(error).__name__}: {error}")
            raise
        finally:
            lock.release(harvest, grip)
    return world.log(log.id)


def lists(server: Server) -> list[str | None]:
    """The tokens of the pages that were asked for, None for the first page."""
    return [request.token for request in server.requests if request.verb == "ListRecords"]
