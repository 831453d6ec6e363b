"""Re-execution from failure: the UI's button goes on with the op that failed, from the spool."""

from __future__ import annotations

import dagster as dg
import pytest
from sqlalchemy import text

from harvest_dagster.catalog.loader import load_catalog
from harvest_dagster.orchestration.build import build_defs
from harvest_dagster.storage.engine import Database
from harvest_dagster_tests.crash.commands import LABEL, Deployment
from harvest_dagster_tests.crash.conftest import FIRST, LAST, REPOSITORY, Deploy
from harvest_dagster_tests.crash.contents import assert_whole, lists

RANGE = {
    "dagster/asset_partition_range_start": str(FIRST),
    "dagster/asset_partition_range_end": str(LAST),
}


@pytest.fixture
def deployment(deploy: Deploy, monkeypatch: pytest.MonkeyPatch) -> Deployment:
    """One whose environment this process has: the button's run starts in another process, this one in ours."""
    made = deploy()
    for name, value in made.environment.items():
        monkeypatch.setenv(name, value)
    return made


def job_of(deployment: Deployment) -> dg.ReconstructableJob:
    """As Dagster's own processes build it anew."""
    return dg.build_reconstructable_job(
        __name__, "make_job", reconstructable_kwargs={"sources": str(deployment.folder / "sources")}
    )


def make_job(sources: str) -> dg.JobDefinition:
    """The job that the UI runs for a source's asset."""
    defs = build_defs(load_catalog(sources))
    only = dg.define_asset_job("only", selection=[dg.AssetKey(["raw", LABEL])])
    return dg.Definitions.merge(defs, dg.Definitions(jobs=[only])).resolve_job_def("only")


@pytest.mark.parametrize(
    ("table", "database_url"),
    [("raw_datum", "postgresql"), ("ingest_log", "sqlite")],
    indirect=["database_url"],
    ids=["store", "launch"],
)
def test_it_goes_on_with_the_op_that_failed_and_asks_the_source_for_nothing(
    deployment: Deployment, table: str
) -> None:
    """Without it a bulk write that failed once costs all that was fetched for it."""
    job = job_of(deployment)
    with Database.open(deployment.database_url) as database, deployment.instance() as instance:
        with database.begin() as connection:
            connection.execute(text(f"ALTER TABLE {table} RENAME TO away"))
        failed = dg.execute_job(job, instance, tags=RANGE)
        assert not failed.success
        assert len(lists(deployment.source.requests)) == REPOSITORY.size // REPOSITORY.page_size
        with database.begin() as connection:
            connection.execute(text(f"ALTER TABLE away RENAME TO {table}"))
        asked = len(deployment.source.requests)
        again = dg.execute_job(
            job,
            instance,
            reexecution_options=dg.ReexecutionOptions.from_failure(failed.run_id, instance),
        )
        assert again.success
        assert len(deployment.source.requests) == asked
        assert_whole(database, deployment.source)
    done = {event.step_key for event in again.get_step_success_events()}
    assert not any(".fetch" in key or ".split" in key for key in done)
