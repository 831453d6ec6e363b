"""One run over several windows: each is done, or fails, by itself."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest

from harvest_dagster.catalog.loader import Catalog
from harvest_dagster.simulator import Fail, Request, Server
from harvest_dagster.storage import tables
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
    return request.parameters.get("from", "").startswith("2024-03-03")


def test_a_range_longer_than_max_window_is_cut_and_every_day_materialized(
    source: Server, deploy: Deploy
) -> None:
    """Lesson 5: the tail shorter than the interval was dropped, 10 days asked, 7 done."""
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
    """A window is stored before the next is fetched, so that a crash costs one window and the spool stays small."""
    deployment = on_sqlite(source.url, max_window="1d")
    result = deployment.materialize(*DAYS[::3])
    done = [
        event.step_key.partition("[")[0].rpartition(".")[2]
        for event in result.all_events
        if event.event_type_value == "STEP_SUCCESS"
    ]
    windows = ["fetch", "split", "store", "launch"] * 4
    checks = ["raw__demo_complete", "raw__demo_up_to_date"]
    assert done == ["preflight", "lock", "plan", *windows, "finish", *checks]


def test_a_day_is_materialized_as_soon_as_its_window_is_done(source: Server, on_sqlite: Deploy) -> None:
    """Lesson 34: a run that ends badly after 90 windows has done 90 windows."""
    deployment = on_sqlite(source.url, max_window="1d")
    result = deployment.materialize(*DAYS[::3])
    first = [
        (event.step_key.partition("[")[0].rpartition(".")[2], event.partition)
        for event in result.get_asset_materialization_events()
    ][:4]
    assert first == [("launch", day) for day in DAYS]


def test_a_run_of_one_window_that_ends_before_finish_has_materialized_it(
    source: Server, on_sqlite: Deploy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sensors go by the logs, and ask for what is done by nobody: the partition would stay red for ever."""
    deployment = on_sqlite(source.url)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("harvest_dagster.pipeline.finish.finish_run", killed)
    assert not deployment.materialize(*DAYS[:2]).success
    assert deployment.materialized() == set(DAYS[:2])


def test_a_day_of_several_windows_is_materialized_with_the_last_of_them(
    source: Server, on_sqlite: Deploy
) -> None:
    """With its whole count: a day is a partition, however it was cut."""
    deployment = on_sqlite(source.url, max_window="7h")
    result = deployment.materialize(*DAYS[:2])
    events = result.get_asset_materialization_events()
    of_windows = [event for event in events if event.step_key.endswith("]")]
    assert [event.partition for event in of_windows] == list(DAYS[:2])
    assert [
        event.step_materialization_data.materialization.metadata["records"].value for event in of_windows
    ] == [6, 6]


def test_a_harvest_cut_short_materializes_nothing(source: Server, deploy: Deploy) -> None:
    """A sample that shows green is a partition that nobody harvests again."""
    deployment = deploy(source.url)
    result = deployment.materialize(*DAYS[::3], assets=[RAW, TRANSFORMED], limit=7)
    assert result.success
    assert deployment.materialized() == deployment.materialized(TRANSFORMED) == set()
    assert "leaves some of its partitions unmaterialized" in messages(result, deployment.instance)
    (observation,) = deployment.instance.fetch_observations(RAW, limit=10).records
    assert observation.asset_observation.metadata["records"].value == 7


def test_narrower_dates_materialize_the_days_they_leave_whole(source: Server, on_sqlite: Deploy) -> None:
    """Half a day must not pass for the day, until the other half has come."""
    deployment = on_sqlite(source.url)
    assert deployment.materialize(*DAYS[:3:2], start_date="2024-03-01T12:00").success
    assert deployment.materialized() == set(DAYS[1:3])
    assert deployment.materialize(*DAYS[:3:2]).success
    assert deployment.materialized() == set(DAYS[:3])


def test_a_window_that_fails_fails_alone(deploy: Deploy) -> None:
    """Lesson 4: what did not come is known, what came is not thrown away."""
    with Server(REPOSITORY, behaviours=[Fail(404, when=third_day)]) as source:
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


def test_the_next_run_does_only_what_failed(on_sqlite: Deploy) -> None:
    """Lesson 4: a failed window was never tried again."""
    with Server(REPOSITORY, behaviours=[Fail(404, when=third_day)]) as source:
        on_sqlite(source.url, max_window="1d").materialize(*DAYS[::3])
    with Server(REPOSITORY) as source:
        deployment = on_sqlite(source.url, max_window="1d")
        assert deployment.materialize(*DAYS[::3]).success
        asked = {
            request.parameters.get("from") for request in source.requests if request.verb == "ListRecords"
        }
    assert asked - {None} == {"2024-03-03T00:00:00Z"}
    assert deployment.materialized() == set(DAYS)


def test_days_that_are_done_stay_done_when_the_others_fail(on_sqlite: Deploy) -> None:
    """Lesson 34: Dagster shows each partition of a failed run as failed, but for those the run says are done."""
    with Server(REPOSITORY, behaviours=[Fail(404, when=third_day)]) as source:
        deployment = on_sqlite(source.url, max_window="1d")
        assert deployment.materialize(*DAYS[:2]).success
        assert not deployment.materialize(*DAYS[::3]).success
    known = deployment.defs.resolve_assets_def(RAW).partitions_def
    assert known is not None
    states = deployment.instance.get_status_by_partition(RAW, DAYS, known)
    assert states is not None
    found = [state.value if state else None for state in map(states.get, DAYS)]
    assert found == ["MATERIALIZED", "MATERIALIZED", "FAILED", "MATERIALIZED"]


def test_nothing_left_to_do_is_a_success_that_asks_nobody(source: Server, deploy: Deploy) -> None:
    """A second run costs the source nothing, and says why it did nothing."""
    deployment = deploy(source.url, max_window="2d")
    deployment.materialize(*DAYS[::3])
    asked = len(source.requests)
    result = deployment.materialize(*DAYS[::3])
    assert result.success
    assert len(source.requests) == asked
    said = messages(result, deployment.instance)
    covering = [row.id for row in deployment.rows(tables.harvest_log) if row.status == "SUCCEEDED"]
    assert len(covering) == 2
    assert all(f"(log {number})" in said for number in covering)
    assert "nothing is left to do" in said


def test_one_partition_is_harvested_as_a_range_is(source: Server, deploy: Deploy) -> None:
    """Dagster tags a run of one partition otherwise than that of a range; the UI starts both."""
    deployment = deploy(source.url)
    assert deployment.materialize(DAYS[1]).success
    assert deployment.materialized() == {DAYS[1]}
    assert deployment.logs() == [("03-02T00", "03-03T00", "SUCCEEDED", 6)]


def test_an_ad_hoc_harvest_is_an_observation(source: Server, on_sqlite: Deploy) -> None:
    """Any two instants are no partition: nothing may show as done that was not asked for as a whole."""
    deployment = on_sqlite(source.url)
    result = deployment.harvest(
        ingest_config="demo", start_date="2024-03-01T06:00", end_date="2024-03-02T12:00:00Z"
    )
    assert result.success
    assert deployment.materialized() == set()
    (observation,) = deployment.instance.fetch_observations(RAW, limit=10).records
    assert observation.asset_observation.metadata["records"].value == 7
    assert deployment.logs() == [("03-01T06", "03-02T12", "SUCCEEDED", 7)]


def test_of_several_sources_in_a_run_one_is_done_before_the_next_begins(
    database_url: str, tmp_path: Path, instance: dg.DagsterInstance, source: Server
) -> None:
    """One run of all is what Dagster makes of a backfill over equal partitions; no lease may wait and run out."""
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
