"""One run of several sources: what happens to one of them happens to no other."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Collection
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from harvest_dagster.catalog.loader import Catalog
from harvest_dagster.orchestration.on_demand import ASSET_JOB
from harvest_dagster.orchestration.reports.day_reports import report_days_of_failed_run
from harvest_dagster.orchestration.reports.transformed_days import report_transformed_days_of_failed_run
from harvest_dagster.orchestration.resources import RetrySettings
from harvest_dagster.orchestration.sensors.active_runs import days_of_run
from harvest_dagster.pipeline import run_window
from harvest_dagster.pipeline.context import HarvestContext
from harvest_dagster.storage import ingest_configs, tables
from harvest_dagster.storage.database import Database
from harvest_dagster.storage.lease import leases
from harvest_dagster.storage.lease.leases import LeaseOwner
from harvest_dagster.testing.simulator import HttpErrorStatus, Server
from harvest_dagster_tests.orchestration.deployment import DAYS, REPOSITORY, Deployment, config

LABELS = ("first", "second", "third")
GREEN, RED = "MATERIALIZED", "FAILED"


def deployed(
    database_url: str, spool: Path, instance: dg.DagsterInstance, urls: Collection[str], **changes: Any
) -> Deployment:
    """Return a code location with three sources whose partitions begin on different days."""
    starts = ("2024-03-01", "2023-11-30", "2024-02-29")
    configs = [
        config(url, **{"label": label, "earliest_date": start, **changes})
        for label, url, start in zip(LABELS, urls, starts, strict=True)
    ]
    return Deployment(
        Catalog(tuple(configs)),
        database_url,
        spool,
        instance,
        RetrySettings(first=0.01, longest=0.01, retries=2),
    )


def job_of(deployment: Deployment) -> dg.JobDefinition:
    """Return the job of both assets of all sources."""
    keys = {dg.AssetKey([kind, label]) for kind in ("raw", "transformed") for label in LABELS}
    job = deployment.defs.get_repository_def().get_job(ASSET_JOB)
    return job.get_subset(asset_selection=keys, asset_check_selection=set())


def run_all(deployment: Deployment, first: str, last: str, **parameters: Any) -> dg.ExecuteInProcessResult:
    """Run both assets of all sources in one run, as the sensor requests it."""
    return job_of(deployment).execute_in_process(
        run_config={"ops": {f"raw__{label}": {"config": parameters} for label in LABELS}},
        tags={
            "dagster/asset_partition_range_start": first,
            "dagster/asset_partition_range_end": last,
        },
        instance=deployment.instance,
        raise_on_error=False,
    )


def states(deployment: Deployment, kind: str, days: Collection[str]) -> dict[str, list[str | None]]:
    """Return the status of the days of each source, as the UI computes it."""
    found = {}
    for label in LABELS:
        key = dg.AssetKey([kind, label])
        partitions = deployment.defs.resolve_assets_def(key).partitions_def
        assert partitions is not None
        shown = deployment.instance.get_status_by_partition(key, list(days), partitions) or {}
        found[label] = [state.value if (state := shown.get(day)) else None for day in days]
    return found


def report_days(deployment: Deployment, run_id: str) -> None:
    """Report the finished days of a failed run, as the sensor does."""
    run = deployment.instance.get_run_by_id(run_id)
    assert run is not None
    days = days_of_run(run.tags)
    assert days is not None
    with Database.open(deployment.database_url) as database:
        report_days_of_failed_run(deployment.instance, run, database, deployment.catalog)
    report_transformed_days_of_failed_run(deployment.instance, run, days, deployment.catalog)


def records(deployment: Deployment) -> dict[str, int]:
    """Return the number of records of each source."""
    labels = {row.id: row.label for row in deployment.rows(tables.ingest_config)}
    found = dict.fromkeys(LABELS, 0)
    for row in deployment.rows(tables.harvest_log):
        found[labels[row.ingest_config_id]] += row.records if row.status == "SUCCEEDED" else 0
    return found


def test_one_run_harvests_sources_with_different_first_days(
    source: Server, database_url: str, tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    """Dagster accepts only assets with the same partitions, so almost every source would have a run of its own."""
    deployment = deployed(database_url, tmp_path / "spool", instance, [source.url] * 3)
    result = run_all(deployment, DAYS[0], DAYS[1])
    assert result.success
    for kind in ("raw", "transformed"):
        assert states(deployment, kind, DAYS[:2]) == {label: [GREEN, GREEN] for label in LABELS}
    assert records(deployment) == dict.fromkeys(LABELS, 12)
    run = instance.get_run_by_id(result.run_id)
    assert run is not None
    assert "harvest/label" not in run.tags, "a tag has one value"


def test_a_limit_is_that_of_each_source(
    source: Server, database_url: str, tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    """The second source collected nothing after the first had collected `limit` records."""
    deployment = deployed(database_url, tmp_path / "spool", instance, [source.url] * 3)
    run_all(deployment, DAYS[0], DAYS[0], limit=4)
    assert records(deployment) == dict.fromkeys(LABELS, 4)


@pytest.mark.usefixtures("without_retries")
def test_a_failing_source_fails_alone(
    source: Server, database_url: str, tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    """The days of the others are green, also those whose data has not changed; so are their documents and checks."""
    with Server(source.repository, behaviours=[HttpErrorStatus(404)]) as failing:
        urls = [source.url, failing.url, source.url]
        deployment = deployed(database_url, tmp_path / "spool", instance, urls)
        for _ in range(2):  # the second time, nothing has changed
            result = run_all(deployment, DAYS[0], DAYS[0], optimize=False)
            assert not result.success
            report_days(deployment, result.run_id)
            for kind in ("raw", "transformed"):
                assert states(deployment, kind, DAYS[:1]) == {
                    "first": [GREEN],
                    "second": [RED],
                    "third": [GREEN],
                }, kind
            evaluation = dg.DagsterEventType.ASSET_CHECK_EVALUATION
            events = [one.dagster_event for one in instance.all_logs(result.run_id, of_type=evaluation)]
            found = [event.asset_check_evaluation_data for event in events if event is not None]
            checks = {one.asset_key.path[-1]: one.passed for one in found if one.check_name == "complete"}
            assert checks == {"first": True, "second": False, "third": True}
    assert records(deployment) == {"first": 6, "second": 0, "third": 6}


def test_a_source_that_another_run_harvests_does_not_stop_the_others(
    source: Server, database_url: str, tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    """The op `lock` of the second source waits for the lease. The others are harvested meanwhile."""
    deployment = deployed(database_url, tmp_path / "spool", instance, [source.url] * 3)
    assert run_all(deployment, DAYS[0], DAYS[0]).success
    with Database.open(database_url) as database, database.begin() as connection:
        config_id = ingest_configs.find_id(connection, "second")
        assert config_id is not None
        leases.acquire(connection, config_id, LeaseOwner("other run", None))
    result = run_all(deployment, DAYS[1], DAYS[1])
    (failed,) = {event.step_key for event in result.all_events if event.event_type_value == "STEP_FAILURE"}
    assert failed == "raw__second.lock"
    assert records(deployment) == {"first": 12, "second": 6, "third": 12}
    report_days(deployment, result.run_id)
    for kind in ("raw", "transformed"):
        assert states(deployment, kind, DAYS[:2]) == {
            "first": [GREEN, GREEN],
            "second": [GREEN, RED],
            "third": [GREEN, GREEN],
        }


def stored_job(urls: list[str], database_url: str, spool: str) -> dg.JobDefinition:
    """Return a job of all assets. Each process of a run calls this function.

    Dagster builds the job of a user alone, so the sources have the same first day.
    """
    with dg.DagsterInstance.ephemeral() as instance:
        deployment = deployed(database_url, Path(spool), instance, urls, earliest_date=DAYS[0])
        jobs = dg.Definitions(jobs=[dg.define_asset_job("all_of_them")])
        return dg.Definitions.merge(deployment.defs, jobs).resolve_job_def("all_of_them")


def execute(given: dict[str, Any], failed_run: str | None = None) -> None:
    """Run the job in the instance of the environment, or execute a failed run again from its failure."""
    job = dg.build_reconstructable_job(__name__, "stored_job", reconstructable_kwargs=given)
    tags = dict.fromkeys(
        ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end"), DAYS[0]
    )
    with dg.DagsterInstance.get() as instance:
        options = dg.ReexecutionOptions.from_failure(failed_run, instance) if failed_run else None
        dg.execute_job(job, instance, tags=tags, reexecution_options=options)


def kill_in_second(given: dict[str, Any]) -> None:
    """Run the job, and kill the process before it stores a page of the second of the sources."""
    begun: set[str] = set()

    def store(harvest: HarvestContext, *arguments: Any) -> Any:
        begun.add(harvest.config.label)
        if len(begun) == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(harvest, *arguments)

    original, run_window.store.store = run_window.store.store, store
    execute(given)


@pytest.mark.slow
def test_a_killed_run_loses_nothing_of_any_source(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed in the second of three sources and executed again, it asks the first one for nothing."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\nnux: {enabled: false}\n")
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    with ExitStack() as stack:
        servers = [stack.enter_context(Server(REPOSITORY)) for _ in LABELS]
        spool = tmp_path / "spool"
        urls = [server.url for server in servers]
        given = {"urls": urls, "database_url": database_url, "spool": str(spool)}
        call = f"from {__name__} import kill_in_second; kill_in_second({given!r})"
        ended = subprocess.run([sys.executable, "-c", call], check=False, capture_output=True)
        assert ended.returncode == -signal.SIGKILL, ended.stderr
        before = {label: len(server.requests) for label, server in zip(LABELS, servers, strict=True)}
        instance = stack.enter_context(dg.DagsterInstance.get())
        deployment = deployed(database_url, spool, instance, urls)
        (done,) = (label for label, count in records(deployment).items() if count)
        (untouched,) = (label for label, count in before.items() if count == 0)
        (run,) = instance.get_runs()
        instance.report_run_failed(run)
        report_days(deployment, run.run_id)
        for kind in ("raw", "transformed"):
            expected = {label: [GREEN if label == done else RED] for label in LABELS}
            assert states(deployment, kind, DAYS[:1]) == expected
        execute(given, run.run_id)
        assert records(deployment) == dict.fromkeys(LABELS, 6)
        for kind in ("raw", "transformed"):
            assert states(deployment, kind, DAYS[:1]) == {label: [GREEN] for label in LABELS}
        asked = {
            label: len(server.requests) - before[label]
            for label, server in zip(LABELS, servers, strict=True)
            if label != untouched
        }
        assert set(asked.values()) == {0}, "the pages were in the spool"
