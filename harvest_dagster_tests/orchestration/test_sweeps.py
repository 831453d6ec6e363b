"""The job `reconcile` compares all identifiers of a source with the stored ones."""

from __future__ import annotations

from typing import Any

import dagster as dg

from harvest_dagster.storage import tables
from harvest_dagster.testing.simulator import Server
from harvest_dagster_tests.orchestration.conftest import Deploy
from harvest_dagster_tests.orchestration.deployment import DAYS, LABEL, REPOSITORY, Deployment, messages

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
