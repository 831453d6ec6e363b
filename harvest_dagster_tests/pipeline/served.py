"""Windows that the real OAI-PMH harvester fetches from the simulator."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from harvest_dagster.pipeline import lease_guard
from harvest_dagster.pipeline.run_window import WindowRun, run_window
from harvest_dagster.storage.harvest_log.queries import HarvestLog
from harvest_dagster.testing.simulator import Behaviour, Repository, Server
from harvest_dagster.windows import Window
from harvest_dagster_tests.pipeline.fakes import Clock
from harvest_dagster_tests.pipeline.world import World


@contextmanager
def serving(
    world: World, repository: Repository, *behaviours: Behaviour, clock: Clock | None = None, **kwargs: Any
) -> Iterator[Server]:
    """Yield a server of the repository. The config of the world refers to it."""
    with Server(repository, behaviours=list(behaviours), clock=clock or world.clock) as server:
        world.change(
            harvester="oai",
            harvester_kwargs={"base_url": server.url, **kwargs},
            rate_limit={"calls": 100_000, "period": 1},
        )
        yield server


def harvest_window(world: World, name: str, window: Window) -> HarvestLog:
    """Harvest one window with one run, and return its log."""
    harvest = world.harvest(name)
    with lease_guard.hold_lease(harvest) as lease:
        try:
            log = run_window(WindowRun(harvest, lease), window)
        finally:
            lease_guard.release(harvest, lease)
    assert log is not None
    return log


def lists(server: Server) -> list[str | None]:
    """Return the tokens of the requested pages, None for a first page."""
    return [request.token for request in server.requests if request.verb == "ListRecords"]
