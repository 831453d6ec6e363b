"""Sweeps of a source in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from harvest_dagster.pipeline import lease_guard
from harvest_dagster.pipeline.context import HarvestContext, RunOutcome
from harvest_dagster.pipeline.lease_guard import LeaseHandle
from harvest_dagster.pipeline.reconciling.sweep import (
    Reconciliation,
    end_on_failure,
    finish_sweep,
    list_headers,
    reconcile,
)
from harvest_dagster.pipeline.reconciling.sweep_guard import SweepGuard, begin_sweep, hold_sweep
from harvest_dagster.storage import sweeps
from harvest_dagster.storage.sweeps import Sweep
from harvest_dagster_tests.pipeline.world import WINDOW, World, nothing


def run_sweep(
    world: World,
    run: str = "sweep 1",
    *,
    approve: bool = False,
    between: Callable[[], object] = nothing,
) -> Sweep:
    """Run a whole sweep. If it raises, the run is on record as failed.

    Args:
        world: the world.
        run: the id of the run.
        approve: whether deletions are approved.
        between: called after the identifiers are listed, and before they are compared.
    """
    harvest = world.harvest(run)
    try:
        with held_sweep(harvest) as guard, end_on_failure(harvest, guard):
            list_headers(harvest, guard, open_headers=world.open_source)
            between()
            with held_lease(harvest) as lease:
                compare(world, harvest, lease, guard, approve=approve)
                return finish_sweep(harvest, guard, lease)
    except Exception:
        world.outcomes[run] = RunOutcome("FAILED", "its run failed")
        raise


def compare(
    world: World, harvest: HarvestContext, lease: LeaseHandle, guard: SweepGuard, *, approve: bool = False
) -> Reconciliation:
    """Compare the lists with the stored records."""
    return reconcile(world.window_run(harvest, lease), guard, approve=approve, open_headers=world.open_source)


@contextmanager
def held_sweep(harvest: HarvestContext) -> Iterator[SweepGuard]:
    """Begin or continue a sweep, and hold it."""
    sweep = begin_sweep(harvest, single_process=True)
    with hold_sweep(harvest, sweep.id) as guard:
        yield guard


@contextmanager
def held_lease(harvest: HarvestContext) -> Iterator[LeaseHandle]:
    """Hold the lease of the source."""
    lease_guard.acquire(harvest, WINDOW, single_process=True)
    with lease_guard.hold_lease(harvest) as lease:
        yield lease


def last_sweep(world: World) -> Sweep:
    """Return the newest sweep."""
    with world.database.read() as connection:
        found = sweeps.find_last(connection, 1)
    assert found is not None
    return found
