"""Runs that take snapshots of a source over HTTP."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from harvest_dagster.pipeline import lease_guard
from harvest_dagster.pipeline.run_window import WindowRun, run_window
from harvest_dagster.pipeline.steps import finish, plan
from harvest_dagster.pipeline.steps.plan import Plan
from harvest_dagster.storage.harvest_log.queries import HarvestLog
from harvest_dagster.windows import Window
from harvest_dagster_tests.pipeline.world import World


def take(
    world: World, run: str, wanted: Window, earlier_ids: tuple[str, ...] = (), **parameters: Any
) -> tuple[Plan, list[HarvestLog]]:
    """Harvest a range with one run, as the ops do. Return its plan and its logs."""
    harvest = world.harvest(run, **parameters)
    harvest = replace(harvest, run=replace(harvest.run, earlier_ids=earlier_ids))
    with lease_guard.hold_lease(harvest) as lease:
        try:
            planned = plan.plan_windows(harvest, wanted, lease)
            logs = [
                run_window(WindowRun(harvest, lease), window, parent_id=planned.parent_id)
                for window in planned.windows
            ]
            finish.finish_run(harvest, [log.id for log in logs if log], lease)
        finally:
            lease_guard.release(harvest, lease)
    return planned, [log for log in logs if log is not None]
