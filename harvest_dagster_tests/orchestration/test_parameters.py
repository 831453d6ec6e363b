"""Each parameter of a run, and what it changes: on an asset and on the job `harvest`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dagster as dg
import pytest

from harvest_dagster.simulator import Server
from harvest_dagster.storage import tables
from harvest_dagster_tests.orchestration.conftest import Deploy
from harvest_dagster_tests.orchestration.deployment import DAYS, TRANSFORMED, Deployment, reason

Run = Callable[..., dg.ExecuteInProcessResult]


def on_asset(deployment: Deployment, **parameters: Any) -> dg.ExecuteInProcessResult:
    return deployment.materialize(*DAYS[::3], **parameters)


def ad_hoc(deployment: Deployment, **parameters: Any) -> dg.ExecuteInProcessResult:
    return deployment.harvest(
        ingest_config="demo", **{"start_date": DAYS[0], "end_date": "2024-03-05", **parameters}
    )


@pytest.fixture(params=[on_asset, ad_hoc], ids=["asset", "job"])
def run(request: pytest.FixtureRequest) -> Run:
    """Both ways to ask for the same four days."""
    way: Run = request.param
    return way


# Both ways and both databases, where rows are written a second time.
EACH = pytest.mark.parametrize(
    ("run", "database_url"),
    [(on_asset, "postgresql"), (ad_hoc, "sqlite")],
    indirect=["database_url"],
    ids=["asset-postgresql", "job-sqlite"],
)


def statuses(deployment: Deployment) -> set[str]:
    return {row.status for row in deployment.rows(tables.ingest_log)}


def test_by_default_all_is_collected_and_launched(run: Run, source: Server, on_sqlite: Deploy) -> None:
    """Who types nothing gets the harvest."""
    deployment = on_sqlite(source.url)
    assert run(deployment).success
    assert deployment.logs() == [("03-01T00", "03-05T00", "SUCCEEDED", 24)]
    assert statuses(deployment) == {"PENDING"}


@EACH
def test_limit_cuts_and_covers_nothing(run: Run, source: Server, deploy: Deploy) -> None:
    """Lesson 4: a sample must never pass for the harvest."""
    deployment = deploy(source.url, max_window="2d")
    assert run(deployment, limit=14).success
    assert len(deployment.rows(tables.raw_datum)) == 14
    assert {row.completeness for row in deployment.rows(tables.harvest_log) if row.records} == {"unverified"}
    assert run(deployment).success
    assert len(deployment.rows(tables.raw_datum)) == 24


def test_limit_is_reached_before_the_last_windows(run: Run, source: Server, on_sqlite: Deploy) -> None:
    """It is the run's and not each window's; what it leaves out is not asked for."""
    deployment = on_sqlite(source.url, max_window="1d")
    assert run(deployment, limit=3).success
    assert len(deployment.rows(tables.raw_datum)) == 3
    assert [log for log in deployment.logs() if log[2] != "SPLIT"] == [
        ("03-01T00", "03-02T00", "SUCCEEDED", 3)
    ]


@EACH
def test_superfluous_does_again_what_has_succeeded(run: Run, source: Server, deploy: Deploy) -> None:
    """Lesson 14: a superfluous run hit a unique constraint."""
    deployment = deploy(source.url)
    run(deployment)
    asked = len(source.requests)
    assert run(deployment, superfluous=True).success
    assert len(source.requests) == 2 * asked
    (log,) = deployment.rows(tables.harvest_log)
    assert (log.status, log.completions, log.records, log.new_data) == ("SUCCEEDED", 2, 24, 0)


def test_superfluous_launches_again_what_is_transformed(source: Server, on_sqlite: Deploy) -> None:
    """Otherwise nobody could redo a transform that went wrong upstream."""
    deployment = on_sqlite(source.url)
    deployment.materialize(*DAYS[::3])
    deployment.materialize(*DAYS[::3], assets=[TRANSFORMED])
    assert statuses(deployment) == {"SUCCEEDED"}
    deployment.materialize(*DAYS[::3], superfluous=True)
    assert statuses(deployment) == {"PENDING"}


def test_without_transform_nothing_waits_to_be_transformed(
    run: Run, source: Server, on_sqlite: Deploy
) -> None:
    """The logs are there, so that nothing is lost; only nobody takes them up."""
    deployment = on_sqlite(source.url)
    assert run(deployment, transform=False).success
    assert statuses(deployment) == {"CREATED"}


@pytest.mark.parametrize("parameters", [{"ignore_disabled": True}, {"force": True}])
def test_a_disabled_config_runs_only_when_told_to(
    run: Run, parameters: dict[str, bool], source: Server, on_sqlite: Deploy
) -> None:
    """Disabled is what an operator said last; a schedule must not talk over it."""
    deployment = on_sqlite(source.url, disabled=True)
    refused = run(deployment)
    assert "demo is disabled" in reason(refused)
    assert "ignore_disabled: true" in reason(refused)
    assert not source.requests
    assert deployment.logs() == []
    assert run(deployment, **parameters).success


def test_force_runs_after_repeated_failures(run: Run, source: Server, on_sqlite: Deploy) -> None:
    """The operator mends the cause, and then wants to know."""
    nowhere = source.url.replace("/oai", "/gone")
    broken = on_sqlite(nowhere, failure_threshold=2)
    for day in DAYS[2:]:
        assert "404" in reason(run(broken, end_date=day))
    mended = on_sqlite(source.url, failure_threshold=2)
    refused = reason(run(mended))
    assert "force: true" in refused
    assert "404" in refused
    assert run(mended, force=True).success


def test_no_split_makes_one_window_of_any_length(run: Run, source: Server, on_sqlite: Deploy) -> None:
    """For sources that count requests by the list, not by the page."""
    deployment = on_sqlite(source.url, max_window="1d")
    assert run(deployment, no_split=True).success
    assert deployment.logs() == [("03-01T00", "03-05T00", "SUCCEEDED", 24)]


@EACH
def test_optimize_leaves_out_what_is_covered(run: Run, source: Server, deploy: Deploy) -> None:
    """Overlapping ranges cost the source only what is new."""
    deployment = deploy(source.url)
    deployment.materialize(DAYS[1])
    assert run(deployment).success
    assert deployment.logs() == [
        ("03-01T00", "03-02T00", "SUCCEEDED", 6),
        ("03-01T00", "03-05T00", "SPLIT", 0),
        ("03-02T00", "03-03T00", "SUCCEEDED", 6),
        ("03-03T00", "03-05T00", "SUCCEEDED", 12),
    ]


def test_without_optimize_all_is_fetched_again(run: Run, source: Server, on_sqlite: Deploy) -> None:
    """For a source that changes records without a new datestamp."""
    deployment = on_sqlite(source.url)
    deployment.materialize(DAYS[1])
    assert run(deployment, optimize=False).success
    assert ("03-01T00", "03-05T00", "SUCCEEDED", 24) in deployment.logs()


def test_start_and_end_narrow_the_partitions(source: Server, on_sqlite: Deploy) -> None:
    """Half a day is harvested as half a day, and never shown as more (zones other than UTC are converted)."""
    deployment = on_sqlite(source.url)
    result = deployment.materialize(
        *DAYS[:2], start_date="2024-03-01T12:00", end_date="2024-03-02T14:00:00+02:00"
    )
    assert result.success
    assert deployment.logs() == [("03-01T12", "03-02T12", "SUCCEEDED", 6)]


@pytest.mark.parametrize("parameters", [{"start_date": "2024-02-29"}, {"end_date": "2024-03-03T00:00:01Z"}])
def test_start_and_end_reach_no_further_than_the_partitions(
    parameters: dict[str, str], source: Server, on_sqlite: Deploy
) -> None:
    """The partitions would stand for other days than those that were harvested."""
    deployment = on_sqlite(source.url)
    refused = deployment.materialize(*DAYS[:2], **parameters)
    assert "may only narrow the partitions chosen, [2024-03-01, 2024-03-03)" in reason(refused)
    assert "job `harvest`" in reason(refused)
    assert deployment.is_untouched()
    assert not source.requests


def test_the_job_finds_a_config_by_its_primary_key(source: Server, deploy: Deploy) -> None:
    """Who comes from a row of harvest_log has no label at hand."""
    deployment = deploy(source.url)
    deployment.materialize(DAYS[0])
    (row,) = deployment.rows(tables.ingest_config)
    result = deployment.harvest(ingest_config_id=row.id, start_date=DAYS[1], end_date=DAYS[2])
    assert result.success
    assert ("03-02T00", "03-03T00", "SUCCEEDED", 6) in deployment.logs()
