"""The job of one source, in the form that the run and the workers build again, and the process of a run."""

from __future__ import annotations

import json

import dagster as dg
from dagster_celery import core_execution_loop

from harvest_dagster.definitions import build_defs, load_catalog

TAG = "test/run"
_RANGE = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")


def make_job(label: str) -> dg.JobDefinition:
    """Return the job that harvests a source. It has no asset checks, which would be a quarter of its ops.

    It loads the catalog for each source: the workers live longer than one test, and the definitions that a worker has
    loaded do not have the sources that were added afterwards.
    """
    # Not above, because this loads the catalog of the environment, and the tests do not need it.
    from harvest_dagster_tests.cluster.user_module import EXECUTOR

    job = dg.define_asset_job(label, selection=_asset(label))
    of_catalog = build_defs(load_catalog(), executor=EXECUTOR)
    return dg.Definitions.merge(of_catalog, dg.Definitions(jobs=[job])).resolve_job_def(label)


def _asset(label: str) -> dg.AssetSelection:
    return dg.AssetSelection.assets(["raw", label]).without_checks()


def execute(label: str, options: str) -> None:
    """Run the job of a source in the instance of the environment.

    dagster-celery asks once a second for the results of the workers. Ten times a second saves half of the time of a
    run with ops as short as these.

    Args:
        label: the source.
        options: JSON with the first and the last of the `days`, the `run_config`, the `tag` of the run, and in `again`
            the id of a run that is executed again from its failure, or an empty text.
    """
    vars(core_execution_loop)["TICK_SECONDS"] = 0.1
    run = json.loads(options)
    job = dg.build_reconstructable_job(__name__, "make_job", (label,))
    tags = {TAG: run["tag"], **dict(zip(_RANGE, run["days"], strict=True))}
    with dg.DagsterInstance.get() as instance:
        again = dg.ReexecutionOptions.from_failure(run["again"], instance) if run["again"] else None
        dg.execute_job(
            job, instance, tags=tags, run_config=run["run_config"] or None, reexecution_options=again
        )
