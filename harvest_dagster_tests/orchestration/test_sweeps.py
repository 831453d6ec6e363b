"""The job `reconcile` compares all identifiers of a source with the stored ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from harvest_dagster.catalog.loader import Catalog
from harvest_dagster.orchestration.build import build_defs
from harvest_dagster.orchestration.resources import Stores
from harvest_dagster.storage import tables
from harvest_dagster.testing.simulator import Server
from harvest_dagster_tests.databases import SLOW_ON_POSTGRESQL
from harvest_dagster_tests.orchestration.conftest import Deploy
from harvest_dagster_tests.orchestration.deployment import (
    DAYS,
    LABEL,
    REPOSITORY,
    Deployment,
    config,
    messages,
)

LATE = REPOSITORY.identifier(8)


def run(deployment: Deployment, **parameters: Any) -> dg.ExecuteInProcessResult:
    """Run the job `reconcile`."""
    job = deployment.defs.resolve_job_def("reconcile")
    return job.execute_in_process(
        run_config={"ingest_config": LABEL, **parameters}, instance=deployment.instance, raise_on_error=False
    )


def stored(deployment: Deployment) -> set[str]:
    """Return all stored identifiers."""
    return {row.identifier for row in deployment.rows(tables.source_unique_identifier)}


@SLOW_ON_POSTGRESQL
def test_a_sweep_harvests_a_late_record_and_reports_it(deploy: Deploy, source: Server) -> None:
    """A record that is published late under an old date would otherwise be lost."""
    source.edits.hide(LATE)
    deployment = deploy(source.url)
    assert deployment.materialize(DAYS[0], DAYS[-1]).success
    source.edits.show(LATE)
    result = run(deployment)
    assert result.success, messages(result, deployment.instance)
    (sweep,) = deployment.rows(tables.sweep)
    assert (sweep.status, sweep.missing, sweep.repaired, sweep.gone) == ("SUCCEEDED", 1, 1, 0)
    assert LATE in stored(deployment)
    tags = deployment.instance.get_run_by_id(result.run_id).tags
    assert (tags["harvest/label"], tags["dagster/priority"]) == (LABEL, "-1")
    assert any("1 missing" in line for line in messages(result, deployment.instance).splitlines())
    assert not list((deployment.spool / LABEL).glob("sweep-*"))


def test_a_repaired_day_is_reported_once_and_its_check_names_the_evidence(
    on_sqlite: Deploy, source: Server
) -> None:
    """Otherwise assets downstream do not see the late record."""
    source.edits.hide(LATE)
    deployment = on_sqlite(source.url)
    assert deployment.materialize(DAYS[0], DAYS[-1]).success
    source.edits.show(LATE)
    first, second = run(deployment), run(deployment)
    reported = [[event.partition for event in events(one)] for one in (first, second)]
    assert reported == [[DAYS[1]], []]


def events(result: dg.ExecuteInProcessResult) -> list[dg.AssetMaterialization]:
    """Return the materializations of a run."""
    assert result.success
    return [
        event.step_materialization_data.materialization
        for event in result.all_events
        if event.event_type_value == "ASSET_MATERIALIZATION"
    ]


def with_processes(base_url: str, database_url: str, spool: str) -> dg.JobDefinition:
    """Return the job with an executor that gives each op a process. Every process of a run calls this function."""
    stores = Stores(database_url=database_url, spool_url=spool)
    defs = build_defs(
        Catalog((config(base_url),)),
        resources={"harvest_stores": stores},
        executor=dg.multiprocess_executor.configured(
            {
                "start_method": {
                    "forkserver": {"preload_modules": ["harvest_dagster_tests.crash.preloaded", __name__]}
                }
            }
        ),
    )
    return defs.resolve_job_def("reconcile")


@pytest.mark.slow
def test_each_op_of_a_sweep_can_run_in_its_own_process(
    deploy: Deploy, source: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ops must pass on the sweep and its pages without shared memory."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\nnux: {enabled: false}\n")
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    source.edits.hide(LATE)
    deployment = deploy(source.url)
    assert deployment.materialize(DAYS[0], DAYS[-1]).success
    source.edits.show(LATE)
    given = {
        "base_url": source.url,
        "database_url": deployment.database_url,
        "spool": str(deployment.spool),
    }
    with dg.DagsterInstance.get() as instance:
        result = dg.execute_job(
            dg.build_reconstructable_job(__name__, "with_processes", reconstructable_kwargs=given),
            instance=instance,
            run_config={"ingest_config": LABEL},
        )
    assert result.success
    ended = [event for event in result.all_events if event.event_type_value == "STEP_SUCCESS"]
    assert [event.step_key for event in ended] == ["preflight", "list_identifiers", "compare", "finish"]
    assert len({event.pid for event in ended}) == len(ended)
    (sweep,) = deployment.rows(tables.sweep)
    assert (sweep.status, sweep.missing, sweep.repaired) == ("SUCCEEDED", 1, 1)
    assert LATE in stored(deployment)
