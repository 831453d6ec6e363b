"""One run over several windows: each window succeeds or fails independently."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest

from harvest_dagster.catalog.loader import Catalog
from harvest_dagster.storage import tables
from harvest_dagster.testing.simulator import HttpErrorStatus, Request, Server
from harvest_dagster_tests.orchestration.conftest import Deploy
from harvest_dagster_tests.orchestration.deployment import (
    DAYS,
    RAW,
    REPOSITORY,
    TRANSFORMED,
    Deployment,
    config,
    messages,
    reason,
)


def third_day(request: Request) -> bool:
    """Return whether a request asks for noon of the third day. A harvest may ask for one second more at both ends."""
    return request.parameters.get("from", "~") < "2024-03-03T12" < request.parameters.get("until", "")


def test_a_range_longer_than_max_window_is_cut_and_every_day_materialized(
    source: Server, deploy: Deploy
) -> None:
    """A tail that was shorter than the interval was dropped: docs/failures.md#short-tail-dropped"""
    deployment = deploy(source.url, max_window="3d")
    assert deployment.materialize(*DAYS[::3]).success
    assert deployment.logs() == [
        ("03-01T00", "03-04T00", "SUCCEEDED", 18),
        ("03-01T00", "03-05T00", "SPLIT", 0),
        ("03-04T00", "03-05T00", "SUCCEEDED", 6),
    ]
    assert deployment.materialized() == set(DAYS)
    assert len(deployment.rows(tables.source_unique_identifier)) == REPOSITORY.size


def test_windows_run_one_after_the_other(source: Server, on_sqlite: Deploy) -> None:
    """If all windows were fetched first, a crash would cost all of them and the spool would hold all of them."""
    deployment = on_sqlite(source.url, max_window="1d")
    result = deployment.materialize(*DAYS[::3])
    done = [
        event.step_key.partition("[")[0].rpartition(".")[2]
        for event in result.all_events
        if event.event_type_value == "STEP_SUCCESS"
    ]
    windows = ["fetch", "split", "store", "launch"] * 4
    checks = ["raw__demo_complete", "raw__demo_reconciled", "raw__demo_up_to_date"]
    assert done == ["preflight", "lock", "plan", *windows, "finish", *checks]


def test_a_day_is_materialized_as_soon_as_its_window_has_succeeded(source: Server, on_sqlite: Deploy) -> None:
    """A run that fails after 90 windows showed all of them as failed: docs/failures.md#backfill-marks-all-failed"""
    deployment = on_sqlite(source.url, max_window="1d")
    result = deployment.materialize(*DAYS[::3])
    first = [
        (event.step_key.partition("[")[0].rpartition(".")[2], event.partition)
        for event in result.get_asset_materialization_events()
    ][:4]
    assert first == [("launch", day) for day in DAYS]


def test_a_run_that_is_killed_before_finish_has_materialized_its_window(
    source: Server, on_sqlite: Deploy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sensors go by the logs and do not harvest the window again, so its partition would stay red forever."""
    deployment = on_sqlite(source.url)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("harvest_dagster.orchestration.ops.finish_run", killed)
    assert not deployment.materialize(*DAYS[:2]).success
    assert deployment.materialized() == set(DAYS[:2])


def test_a_day_of_several_windows_is_materialized_with_its_last_window(
    source: Server, on_sqlite: Deploy
) -> None:
    """The partition shows the count of the whole day, although several windows harvested it."""
    deployment = on_sqlite(source.url, max_window="7h")
    result = deployment.materialize(*DAYS[:2])
    events = result.get_asset_materialization_events()
    of_windows = [event for event in events if event.step_key.endswith("]")]
    assert [event.partition for event in of_windows] == list(DAYS[:2])
    assert [
        event.step_materialization_data.materialization.metadata["records"].value for event in of_windows
    ] == [6, 6]


def test_a_harvest_with_a_limit_materializes_nothing(source: Server, deploy: Deploy) -> None:
    """If a sample turned a partition green, nobody would harvest the rest of it."""
    deployment = deploy(source.url)
    result = deployment.materialize(*DAYS[::3], assets=[RAW, TRANSFORMED], limit=7)
    assert result.success
    assert deployment.materialized() == deployment.materialized(TRANSFORMED) == set()
    assert "does not materialize all of its partitions" in messages(result, deployment.instance)
    (observation,) = deployment.instance.fetch_observations(RAW, limit=10).records
    assert observation.asset_observation.metadata["records"].value == 7


def test_narrower_dates_materialize_only_complete_days(source: Server, on_sqlite: Deploy) -> None:
    """Half a day must not count as the day until the other half is harvested."""
    deployment = on_sqlite(source.url)
    assert deployment.materialize(*DAYS[:3:2], start_date="2024-03-01T12:00").success
    assert deployment.materialized() == set(DAYS[1:3])
    assert deployment.materialize(*DAYS[:3:2]).success
    assert deployment.materialized() == set(DAYS[:3])


def test_a_failed_window_does_not_stop_the_others(deploy: Deploy) -> None:
    """The failed day stays visible, and the other days are kept: docs/failures.md#watermark-hides-gap"""
    with Server(REPOSITORY, behaviours=[HttpErrorStatus(404, when=third_day)]) as source:
        deployment = deploy(source.url, max_window="1d")
        result = deployment.materialize(*DAYS[::3])
    assert not result.success
    assert "404" in reason(result)
    assert deployment.materialized() == set(DAYS) - {DAYS[2]}
    assert deployment.logs() == [
        ("03-01T00", "03-02T00", "SUCCEEDED", 6),
        ("03-01T00", "03-05T00", "SPLIT", 0),
        ("03-02T00", "03-03T00", "SUCCEEDED", 6),
        ("03-03T00", "03-04T00", "FAILED", 0),
        ("03-04T00", "03-05T00", "SUCCEEDED", 6),
    ]
    (failed,) = [row for row in deployment.rows(tables.harvest_log) if row.status == "FAILED"]
    assert "404" in failed.error.splitlines()[0]
    assert "Traceback" in failed.error


def test_the_next_run_harvests_only_the_failed_window(on_sqlite: Deploy) -> None:
    """A failed window was never retried: docs/failures.md#watermark-hides-gap"""
    broken = [True]
    fails = HttpErrorStatus(404, when=lambda request: bool(broken) and third_day(request))
    with Server(REPOSITORY, behaviours=[fails]) as source:
        deployment = on_sqlite(source.url, max_window="1d")
        deployment.materialize(*DAYS[::3])
        broken.clear()
        before = len(source.requests)
        assert deployment.materialize(*DAYS[::3]).success
        first_pages = [
            request
            for request in source.requests[before:]
            if request.verb == "ListRecords" and request.token is None
        ]
    assert first_pages
    assert all(map(third_day, first_pages))
    assert deployment.materialized() == set(DAYS)


def test_materialized_days_stay_materialized_when_other_days_fail(on_sqlite: Deploy) -> None:
    """A failed run turns the partitions red that it does not report: docs/failures.md#backfill-marks-all-failed"""
    with Server(REPOSITORY, behaviours=[HttpErrorStatus(404, when=third_day)]) as source:
        deployment = on_sqlite(source.url, max_window="1d")
        assert deployment.materialize(*DAYS[:2]).success
        assert not deployment.materialize(*DAYS[::3]).success
    partitions = deployment.defs.resolve_assets_def(RAW).partitions_def
    assert partitions is not None
    states = deployment.instance.get_status_by_partition(RAW, DAYS, partitions)
    assert states is not None
    values = [state.value if state else None for state in map(states.get, DAYS)]
    assert values == ["MATERIALIZED", "MATERIALIZED", "FAILED", "MATERIALIZED"]


def test_a_run_with_nothing_to_do_succeeds_without_a_request(source: Server, deploy: Deploy) -> None:
    """A second run must cost the source nothing, and its log must name the reason."""
    deployment = deploy(source.url, max_window="2d")
    deployment.materialize(*DAYS[::3])
    requests = len(source.requests)
    result = deployment.materialize(*DAYS[::3])
    assert result.success
    assert len(source.requests) == requests
    log = messages(result, deployment.instance)
    covering = [row.id for row in deployment.rows(tables.harvest_log) if row.status == "SUCCEEDED"]
    assert len(covering) == 2
    assert all(f"(log {number})" in log for number in covering)
    assert "nothing to do: the whole range is covered" in log


def test_a_single_partition_is_harvested_like_a_range(source: Server, deploy: Deploy) -> None:
    """Dagster uses another tag for a run of one partition than for a run of a range. The UI starts both."""
    deployment = deploy(source.url)
    assert deployment.materialize(DAYS[1]).success
    assert deployment.materialized() == {DAYS[1]}
    assert deployment.logs() == [("03-02T00", "03-03T00", "SUCCEEDED", 6)]


def test_an_ad_hoc_harvest_is_an_observation(source: Server, on_sqlite: Deploy) -> None:
    """Two instants are not a partition: no partition may turn green that was not harvested as a whole."""
    deployment = on_sqlite(source.url)
    result = deployment.harvest(
        ingest_config="demo", start_date="2024-03-01T06:00", end_date="2024-03-02T12:00:00Z"
    )
    assert result.success
    assert deployment.materialized() == set()
    (observation,) = deployment.instance.fetch_observations(RAW, limit=10).records
    assert observation.asset_observation.metadata["records"].value == 7
    assert deployment.logs() == [("03-01T06", "03-02T12", "SUCCEEDED", 7)]


def test_a_run_of_several_sources_completes_one_source_before_the_next(
    database_url: str, tmp_path: Path, instance: dg.DagsterInstance, source: Server
) -> None:
    """A backfill of sources with equal partitions is one run. The lease of a source that waits would expire."""
    catalog = Catalog(tuple(config(source.url, label=label, max_window="2d") for label in ("one", "two")))
    deployment = Deployment(catalog, database_url, tmp_path / "spool", instance)
    keys = [dg.AssetKey([kind, label]) for kind in ("raw", "transformed") for label in ("one", "two")]
    result = deployment.materialize(*DAYS[::3], assets=keys)
    assert result.success
    steps = [
        event.step_key.partition(".")[0].rpartition("__")[2]
        for event in result.all_events
        if event.event_type_value == "STEP_SUCCESS" and "." in event.step_key
    ]
    assert len(set(steps)) == 2
    assert steps == sorted(steps, key=steps.index)
    assert all(deployment.materialized(key) == set(DAYS) for key in keys)
