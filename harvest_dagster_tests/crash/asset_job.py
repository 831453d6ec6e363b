"""A job of one asset with a name: unlike Dagster's own job of all assets, it can be rebuilt to execute a run again."""

from __future__ import annotations

import os
from typing import Any

import dagster as dg

from harvest_dagster.catalog.loader import load_catalog
from harvest_dagster.orchestration.build import build_defs
from harvest_dagster_tests.crash.commands import LABEL, Deployment

NAME = "only"
RANGE = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")


def make_job(sources: str) -> dg.JobDefinition:
    """Return the job that the UI runs for the asset of a source. `sources` is the directory of the catalog."""
    job = dg.define_asset_job(NAME, selection=[dg.AssetKey(["raw", LABEL])])
    definitions = dg.Definitions.merge(build_defs(load_catalog(sources)), dg.Definitions(jobs=[job]))
    return definitions.resolve_job_def(NAME)


def _reconstructable_job() -> dg.ReconstructableJob:
    """Return the job of the environment's deployment.

    The directory of its catalog is an argument, because Dagster caches the last job of a process by its function and
    its arguments. Without the argument, the tests of a process would harvest the source of the first one.
    """
    return dg.build_reconstructable_job(__name__, "make_job", (os.environ["HARVEST_SOURCES"],))


def job_of(deployment: Deployment) -> dg.ReconstructableJob:
    """Return the job in the form that Dagster's processes build again."""
    assert os.environ["HARVEST_SOURCES"] == deployment.environment["HARVEST_SOURCES"]
    return _reconstructable_job()


def execute(first: str, last: str) -> None:
    """Run the job for some days, in the instance and the deployment that the environment names."""
    tags = dict(zip(RANGE, (first, last), strict=True))
    with dg.DagsterInstance.get() as instance:
        dg.execute_job(_reconstructable_job(), instance, tags=tags)


def reexecute(
    deployment: Deployment, instance: dg.DagsterInstance, run_id: str, **execution: Any
) -> dg.JobExecutionResult:
    """Execute a run again from its failure, with its tags, as the UI and `run_retries` do."""
    run = instance.get_run_by_id(run_id)
    assert run is not None
    tags = {name: run.tags[name] for name in RANGE}
    return dg.execute_job(
        job_of(deployment),
        instance,
        tags=tags,
        run_config={"execution": {"config": execution}} if execution else None,
        reexecution_options=dg.ReexecutionOptions.from_failure(run_id, instance),
    )
