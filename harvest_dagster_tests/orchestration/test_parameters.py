"""The effect of each parameter of a run, on an asset and on the job `harvest`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dagster as dg
import pytest

from harvest_dagster.storage import tables
from harvest_dagster.testing.simulator import Server
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
    """Both ways to harvest the same four days."""
    function: Run = request.param
    return function


# Both ways and both databases, for tests that write rows a second time.
EACH = pytest.mark.parametrize(
    ("run", "database_url"),
    [(on_asset, "postgresql"), (ad_hoc, "sqlite")],
    indirect=["database_url"],
    ids=["asset-postgresql", "job-sqlite"],
)


def statuses(deployment: Deployment) -> set[str]:
    return {row.status for row in deployment.rows(tables.ingest_log)}


def test_by_default_all_records_are_collected_and_launched(
    run: Run, source: Server, on_sqlite: Deploy
) -> None:
    """A run without parameters must harvest everything."""
    deployment = on_sqlite(source.url)
    assert run(deployment).success
    assert deployment.logs() == [("03-01T00", "03-05T00", "SUCCEEDED", 24)]
    assert statuses(deployment) == {"PENDING"}


@EACH
def test_a_harvest_with_a_limit_covers_nothing(run: Run, source: Server, deploy: Deploy) -> None:
    """A sample must never count as the harvest: docs/failures.md#watermark-hides-gap"""
    deployment = deploy(source.url, max_window="2d")
    assert run(deployment, limit=14).success
    assert len(deployment.rows(tables.raw_datum)) == 14
    assert {row.completeness for row in deployment.rows(tables.harvest_log) if row.records} == {"unverified"}
    assert run(deployment).success
    assert len(deployment.rows(tables.raw_datum)) == 24


def test_windows_after_the_limit_are_not_requested(run: Run, source: Server, on_sqlite: Deploy) -> None:
    """The limit applies to the run, not to each window."""
    deployment = on_sqlite(source.url, max_window="1d")
    assert run(deployment, limit=3).success
    assert len(deployment.rows(tables.raw_datum)) == 3
    assert [log for log in deployment.logs() if log[2] != "SPLIT"] == [
        ("03-01T00", "03-02T00", "SUCCEEDED", 3)
    ]


@EACH
def test_superfluous_repeats_what_has_succeeded(run: Run, source: Server, deploy: Deploy) -> None:
    """A superfluous run violated a unique constraint: docs/failures.md#second-run-breaks-job"""
    deployment = deploy(source.url)
    run(deployment)
    requests = len(source.requests)
    assert run(deployment, superfluous=True).success
    assert len(source.requests) == 2 * requests
    (log,) = deployment.rows(tables.harvest_log)
    assert (log.status, log.completions, log.records, log.new_data) == ("SUCCEEDED", 2, 24, 0)


def test_superfluous_launches_transformed_data_again(source: Server, on_sqlite: Deploy) -> None:
    """Otherwise nobody could repeat a transform after an error upstream."""
    deployment = on_sqlite(source.url)
    deployment.materialize(*DAYS[::3])
    deployment.materialize(*DAYS[::3], assets=[TRANSFORMED])
    assert statuses(deployment) == {"SUCCEEDED"}
    deployment.materialize(*DAYS[::3], superfluous=True)
    assert statuses(deployment) == {"PENDING"}


def test_without_transform_no_data_become_pending(run: Run, source: Server, on_sqlite: Deploy) -> None:
    """The ingest logs exist, so that nothing is lost, but no run takes them."""
    deployment = on_sqlite(source.url)
    assert run(deployment, transform=False).success
    assert statuses(deployment) == {"CREATED"}


@pytest.mark.parametrize("parameters", [{"ignore_disabled": True}, {"force": True}])
def test_a_disabled_config_runs_only_with_ignore_disabled_or_force(
    run: Run, parameters: dict[str, bool], source: Server, on_sqlite: Deploy
) -> None:
    """An operator disabled the config, and a schedule must not override that."""
    deployment = on_sqlite(source.url, disabled=True)
    refused = run(deployment)
    assert "demo is disabled" in reason(refused)
    assert "ignore_disabled: true" in reason(refused)
    assert not source.requests
    assert deployment.logs() == []
    assert run(deployment, **parameters).success


def test_force_runs_after_repeated_failures(run: Run, source: Server, on_sqlite: Deploy) -> None:
    """After an operator has corrected the cause, a run must be possible at once."""
    broken = on_sqlite(source.url.replace("/oai", "/missing"), failure_threshold=2)
    for day in DAYS[2:]:
        assert "404" in reason(run(broken, end_date=day))
    corrected = on_sqlite(source.url, failure_threshold=2)
    refused = reason(run(corrected))
    assert "force: true" in refused
    assert "404" in refused
    assert run(corrected, force=True).success


def test_no_split_makes_one_window_of_any_length(run: Run, source: Server, on_sqlite: Deploy) -> None:
    """Some sources count requests by the list, not by the page."""
    deployment = on_sqlite(source.url, max_window="1d")
    assert run(deployment, no_split=True).success
    assert deployment.logs() == [("03-01T00", "03-05T00", "SUCCEEDED", 24)]


@EACH
def test_optimize_skips_covered_windows(run: Run, source: Server, deploy: Deploy) -> None:
    """A range that overlaps a harvested one would cost the source requests again."""
    deployment = deploy(source.url)
    deployment.materialize(DAYS[1])
    assert run(deployment).success
    assert deployment.logs() == [
        ("03-01T00", "03-02T00", "SUCCEEDED", 6),
        ("03-01T00", "03-05T00", "SPLIT", 0),
        ("03-02T00", "03-03T00", "SUCCEEDED", 6),
        ("03-03T00", "03-05T00", "SUCCEEDED", 12),
    ]


def test_without_optimize_everything_is_fetched_again(run: Run, source: Server, on_sqlite: Deploy) -> None:
    """A source may change records without a new datestamp."""
    deployment = on_sqlite(source.url)
    deployment.materialize(DAYS[1])
    assert run(deployment, optimize=False).success
    assert ("03-01T00", "03-05T00", "SUCCEEDED", 24) in deployment.logs()


def test_start_and_end_narrow_the_partitions(source: Server, on_sqlite: Deploy) -> None:
    """Half a day must never count as more. Zones other than UTC are converted."""
    deployment = on_sqlite(source.url)
    result = deployment.materialize(
        *DAYS[:2], start_date="2024-03-01T12:00", end_date="2024-03-02T14:00:00+02:00"
    )
    assert result.success
    assert deployment.logs() == [("03-01T12", "03-02T12", "SUCCEEDED", 6)]


@pytest.mark.parametrize("parameters", [{"start_date": "2024-02-29"}, {"end_date": "2024-03-03T00:00:01Z"}])
def test_start_and_end_must_be_within_the_partitions(
    parameters: dict[str, str], source: Server, on_sqlite: Deploy
) -> None:
    """Otherwise the partitions would show other days than those that were harvested."""
    deployment = on_sqlite(source.url)
    refused = deployment.materialize(*DAYS[:2], **parameters)
    assert "may only narrow the selected partitions, [2024-03-01, 2024-03-03)" in reason(refused)
    assert "job `harvest`" in reason(refused)
    assert deployment.is_untouched()
    assert not source.requests


def test_the_job_finds_a_config_by_its_primary_key(source: Server, deploy: Deploy) -> None:
    """A person who starts from a row of harvest_log has no label."""
    deployment = deploy(source.url)
    deployment.materialize(DAYS[0])
    (row,) = deployment.rows(tables.ingest_config)
    result = deployment.harvest(ingest_config_id=row.id, start_date=DAYS[1], end_date=DAYS[2])
    assert result.success
    assert ("03-02T00", "03-03T00", "SUCCEEDED", 6) in deployment.logs()
