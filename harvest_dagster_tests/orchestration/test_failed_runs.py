"""A run that fails, wherever it fails, leaves its finished days green in Dagster."""

from __future__ import annotations

from contextlib import suppress

import dagster as dg
import pytest

from harvest_dagster.errors import LeaseLost
from harvest_dagster.orchestration.reports.day_reports import report_days_of_failed_run
from harvest_dagster.orchestration.reports.failed_partitions import observe_days_of_ended_run
from harvest_dagster.orchestration.sensors.active_runs import days_of_run
from harvest_dagster.storage.database import Database
from harvest_dagster.testing.simulator import HttpErrorStatus, Server
from harvest_dagster_tests.orchestration.conftest import Deploy
from harvest_dagster_tests.orchestration.deployment import (
    DAYS,
    RAW,
    REPOSITORY,
    Deployment,
    asked_day,
    reason,
    reasons,
)

GREEN, RED = "MATERIALIZED", "FAILED"


def statuses(deployment: Deployment) -> list[str | None]:
    """Return the status of each day as the UI computes it."""
    partitions = deployment.defs.resolve_assets_def(RAW).partitions_def
    assert partitions is not None
    states = deployment.instance.get_status_by_partition(RAW, DAYS, partitions)
    assert states is not None
    return [state.value if state else None for state in map(states.get, DAYS)]


def versions(deployment: Deployment) -> list[str]:
    """Return the data version of each materialization of the first day."""
    found = deployment.instance.fetch_materializations(RAW, limit=100).records
    return [
        (record.asset_materialization.tags or {})["dagster/data_version"]
        for record in found
        if record.asset_materialization and record.partition_key == DAYS[0]
    ]


def test_days_stay_green_if_preflight_refuses_the_run(source: Server, on_sqlite: Deploy) -> None:
    """A disabled source: 40 green days became 0, because the run of a range failed."""
    assert on_sqlite(source.url).materialize(*DAYS[:2]).success
    deployment = on_sqlite(source.url, disabled=True)
    assert "is disabled" in reason(deployment.materialize(*DAYS[::3]))
    assert statuses(deployment) == [GREEN, GREEN, RED, RED]
    assert len(set(versions(deployment))) == 1, "the data has not changed"


def test_days_stay_green_if_preflight_refuses_invalid_parameters(source: Server, on_sqlite: Deploy) -> None:
    """Dates outside the partitions are refused before the run touches anything."""
    deployment = on_sqlite(source.url)
    assert deployment.materialize(*DAYS[:2]).success
    assert not deployment.materialize(*DAYS[::3], start_date="2020-01-01").success
    assert statuses(deployment) == [GREEN, GREEN, RED, RED]


@pytest.mark.parametrize(
    "step", ["lease_guard.acquire", "plan_windows", "finish_run", "harvest_unfinished_windows"]
)
def test_days_stay_green_if_an_op_fails_outside_of_a_window(
    source: Server, on_sqlite: Deploy, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """A lost lease, for example, makes the run fail in any op, also after all of its windows."""
    deployment = on_sqlite(source.url)
    assert deployment.materialize(*DAYS[:2]).success

    def lost(*_: object, **__: object) -> None:
        raise LeaseLost("another run took over.")

    monkeypatch.setattr(f"harvest_dagster.orchestration.ops.{step}", lost)
    assert not deployment.materialize(*DAYS[:2]).success
    assert statuses(deployment)[:2] == [GREEN, GREEN]


def test_days_stay_green_if_a_run_fails_again(on_sqlite: Deploy) -> None:
    """Each run over finished and failing days turned the finished ones red, unless it harvested them itself."""
    third_day = HttpErrorStatus(404, when=lambda request: asked_day(request) == DAYS[2])
    with Server(REPOSITORY, behaviours=[third_day]) as source:
        deployment = on_sqlite(source.url, max_window="1d")
        for _ in range(2):
            assert not deployment.materialize(*DAYS[::3]).success
            assert statuses(deployment) == [GREEN, GREEN, RED, GREEN]


def test_the_days_of_a_refused_run_show_why_it_was_refused(source: Server, on_sqlite: Deploy) -> None:
    """Their pages showed only that a run failed. Finished days need no reason."""
    assert on_sqlite(source.url).materialize(*DAYS[:2]).success
    deployment = on_sqlite(source.url, disabled=True)
    assert not deployment.materialize(*DAYS[::3]).success
    shown = reasons(deployment)
    assert shown.keys() == {*DAYS[2:]}
    for text in shown.values():
        assert text.startswith("This day was not requested. ConfigDisabled: ")
        assert "is disabled" in text


def test_the_days_of_a_cancelled_run_show_where_it_stopped(
    source: Server, on_sqlite: Deploy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cancelled run logs no event any more, so the sensor reports the reason."""
    deployment = on_sqlite(source.url, max_window="1d")
    assert deployment.materialize(DAYS[0]).success

    def cancelled(*_: object) -> None:
        raise dg.DagsterExecutionInterruptedError

    monkeypatch.setattr("harvest_dagster.pipeline.run_window.store.store", cancelled)
    with suppress(dg.DagsterExecutionInterruptedError):
        deployment.materialize(*DAYS[::3])
    (run,) = deployment.instance.get_runs(limit=1)
    deployment.instance.report_run_canceled(run)
    (run,) = deployment.instance.get_runs(limit=1)
    days = days_of_run(run.tags)
    assert days is not None
    with Database.open(deployment.database_url) as database:
        for expected in (["raw/demo: the reason is shown on 3 days of the run"], []):
            assert (
                observe_days_of_ended_run(deployment.instance, run, days, database, deployment.catalog)
                == expected
            )
    shown = reasons(deployment)
    assert shown.keys() == {*DAYS[1:]}
    assert shown[DAYS[1]].startswith("The run was cancelled after 0 of the 2 pages")
    assert shown[DAYS[2]] == "This day was not requested. The run was cancelled before."
    assert statuses(deployment)[0] == GREEN


class Killed(BaseException):
    """The process was killed."""


def test_finished_days_of_a_killed_run_turn_green_again(
    source: Server, on_sqlite: Deploy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A killed run can report nothing. The sensor reports its days as soon as Dagster has recorded the failure."""
    deployment = on_sqlite(source.url)
    assert deployment.materialize(*DAYS[:2]).success

    def killed(*_: object, **__: object) -> None:
        raise Killed

    monkeypatch.setattr("harvest_dagster.orchestration.ops.plan_windows", killed)
    with suppress(Killed):
        deployment.materialize(*DAYS[::3])
    (run,) = deployment.instance.get_runs(limit=1)
    deployment.instance.report_run_failed(run, "its process was killed")
    assert statuses(deployment) == [RED] * 4
    with Database.open(deployment.database_url) as database:
        lines = report_days_of_failed_run(deployment.instance, run, database, deployment.catalog)
    assert lines == ["raw/demo: 2 finished days of the failed run reported again"]
    assert statuses(deployment) == [GREEN, GREEN, RED, RED]
    assert len(set(versions(deployment))) == 1, "the data has not changed"
    newest = deployment.instance.fetch_materializations(RAW, limit=1).records[0].asset_materialization
    assert newest is not None
    assert newest.metadata["records"].value == 6, "the plot of the day stays"
