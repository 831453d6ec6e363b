"""Execution of a run again from its failure, wherever the run was killed: every planned window is harvested."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from harvest_dagster.catalog.loader import Catalog
from harvest_dagster.errors import RetryLater
from harvest_dagster.orchestration.build import build_defs
from harvest_dagster.orchestration.resources import Stores
from harvest_dagster.orchestration.runs import run_history
from harvest_dagster.orchestration.runs import turns as orchestration_turns
from harvest_dagster.pipeline import turns
from harvest_dagster.pipeline.run_window import WindowRun
from harvest_dagster.storage import tables
from harvest_dagster.storage.harvest_log.queries import HarvestLog
from harvest_dagster.testing.simulator import HttpErrorStatus, Server
from harvest_dagster_tests.orchestration.deployment import (
    DAYS,
    RAW,
    REPOSITORY,
    Deployment,
    asked_day,
    config,
)

JOB = "everything"
RANGE = {"dagster/asset_partition_range_start": DAYS[0], "dagster/asset_partition_range_end": DAYS[-1]}
# Four windows of one day each.
ALL_WINDOWS = [(f"03-0{day}T00", f"03-0{day + 1}T00", "SUCCEEDED", 6) for day in (1, 2, 3, 4)]


def everything(base_url: str, database_url: str, spool: str, changes: dict[str, Any]) -> dg.JobDefinition:
    """Return the job of all assets. Every process of a run calls this function."""
    stores = Stores(database_url=database_url, spool_url=spool)
    defs = build_defs(Catalog((config(base_url, **changes),)), resources={"harvest_stores": stores})
    job = dg.Definitions(jobs=[dg.define_asset_job(JOB)])
    return dg.Definitions.merge(defs, job).resolve_job_def(JOB)


class Killed(BaseException):
    """The process was killed."""


@dataclass
class Kill:
    """Kills the process just after Dagster has stored an event. Nothing is stored after that.

    Attributes:
        after: the event, as its type and step, or its number; None if the process is not killed.
        stored: the events that were stored.
    """

    after: str | int | None = None
    stored: list[str] = field(default_factory=list)

    def raise_if_dead(self) -> None:
        if self.after is not None and self.after in (*self.stored, len(self.stored)):
            raise Killed


@pytest.fixture
def kill(monkeypatch: pytest.MonkeyPatch) -> Kill:
    """Watches the events that Dagster stores."""
    kill = Kill()
    store = dg.DagsterInstance.handle_new_event

    def handle(instance: dg.DagsterInstance, entry: Any, **more: Any) -> Any:
        kill.raise_if_dead()
        result = store(instance, entry, **more)
        if entry.dagster_event is not None:
            step = (entry.step_key or "").rpartition(".")[2]
            kill.stored.append(f"{entry.dagster_event.event_type_value} {step}".strip())
            kill.raise_if_dead()
        return result

    monkeypatch.setattr(dg.DagsterInstance, "handle_new_event", handle)
    return kill


@dataclass
class Job:
    """The job of all assets of a deployment, which can be executed again.

    Attributes:
        failing_days: the days for which the source answers 404.
    """

    deployment: Deployment
    changes: dict[str, Any]
    failing_days: set[str]

    def execute(self, **parameters: Any) -> dg.JobExecutionResult:
        """Run all days."""
        return dg.execute_job(
            self._job(),
            self.deployment.instance,
            run_config={"ops": {"raw__demo": {"config": parameters}}} if parameters else None,
            tags=RANGE,
            asset_selection=[RAW],
        )

    def execute_again(self, run_id: str | None = None) -> dg.JobExecutionResult:
        """Execute a run again from its failure, by default the newest run, as the UI and `run_retries` do."""
        instance = self.deployment.instance
        run = instance.get_run_by_id(run_id) if run_id else instance.get_runs(limit=1)[0]
        assert run is not None
        if not run.is_finished:
            instance.report_run_failed(run, "its process was killed")
        options = dg.ReexecutionOptions.from_failure(run.run_id, instance)
        # The UI and `run_retries` copy the tags. `execute_job` does not.
        return dg.execute_job(self._job(), instance, tags=RANGE, reexecution_options=options)

    def _job(self) -> dg.ReconstructableJob:
        (source,) = self.deployment.catalog.configs
        given = {
            "base_url": source.harvester_kwargs["base_url"],
            "database_url": self.deployment.database_url,
            "spool": str(self.deployment.spool),
            "changes": self.changes,
        }
        return dg.build_reconstructable_job(__name__, "everything", reconstructable_kwargs=given)


@pytest.fixture
def job(tmp_path: Path, migrated_sqlite: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Job]:
    """A deployment on SQLite with windows of one day, and an instance on disk, which a re-execution needs."""
    (tmp_path / "harvest.db").write_bytes(migrated_sqlite.read_bytes())
    home = tmp_path / "home"
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\nnux: {enabled: false}\n")
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    changes = {"max_window": "1d"}
    failing_days: set[str] = set()
    fails = HttpErrorStatus(404, when=lambda request: asked_day(request) in failing_days)
    with dg.DagsterInstance.get() as instance, Server(REPOSITORY, behaviours=[fails]) as source:
        database_url = f"sqlite:///{tmp_path / 'harvest.db'}"
        catalog = Catalog((config(source.url, **changes),))
        yield Job(Deployment(catalog, database_url, tmp_path / "spool", instance), changes, failing_days)


def assert_all_harvested(job: Job) -> None:
    """Assert that each window is harvested once, and that each day is materialized."""
    deployment = job.deployment
    assert [log for log in deployment.logs() if log[2] != "SPLIT"] == ALL_WINDOWS
    windows = [row for row in deployment.rows(tables.harvest_log) if row.status != "SPLIT"]
    assert [row.completions for row in windows] == [1] * len(ALL_WINDOWS)
    assert len(deployment.rows(tables.raw_datum)) == REPOSITORY.size
    assert deployment.materialized() == set(DAYS)
    assert not outputs(job)


def outputs(job: Job) -> list[Path]:
    """Return the outputs of ops that are in the spool."""
    return list(job.deployment.spool.glob("_runs/*/*/*"))


def execute_until_killed(job: Job, kill: Kill, after: str | int) -> None:
    """Run the job and kill it after an event."""
    kill.stored.clear()
    kill.after = after
    with suppress(Killed):
        job.execute()
    assert after in (kill.stored[-1], len(kill.stored))
    kill.after = None


@pytest.mark.parametrize(
    ("moment", "window"),
    [
        ("STEP_SUCCESS fetch", 2),
        ("STEP_SUCCESS plan", 0),
        pytest.param("STEP_START fetch", 1, marks=pytest.mark.slow),
        pytest.param("STEP_OUTPUT launch", 3, marks=pytest.mark.slow),
    ],
)
def test_a_run_killed_in_any_window_is_executed_again_to_its_end(
    job: Job, kill: Kill, moment: str, window: int
) -> None:
    """After a kill in window 2 the later windows were skipped, after a kill in window 1 they failed.

    docs/failures.md#skipped-windows
    """
    mapping_key = f"[202403{window:02}_202403{window + 1:02}]" if window else ""
    execute_until_killed(job, kill, f"{moment}{mapping_key}")
    assert bool(outputs(job)) == (window > 1)  # the op launch of an ended window passes its report to finish
    # Another machine has the spool, but not the files below the DAGSTER_HOME of this one.
    shutil.rmtree(Path(os.environ["DAGSTER_HOME"], "storage"), ignore_errors=True)
    assert job.execute_again().success
    assert_all_harvested(job)


def test_a_run_killed_after_it_has_deleted_its_outputs_is_executed_again_to_its_end(
    job: Job, kill: Kill
) -> None:
    """The op finish did all its work, but Dagster has not stored that: the next execution would miss its inputs."""
    execute_until_killed(job, kill, "STEP_OUTPUT finish")
    assert not outputs(job)
    assert job.execute_again().success
    assert_all_harvested(job)


def test_a_reexecution_that_fails_again_keeps_finished_days_green_and_tries_the_other_windows(
    job: Job, kill: Kill
) -> None:
    """It turned the days of the failed run red, and each execution stopped at the same window."""
    execute_until_killed(job, kill, "STEP_START fetch[20240302_20240303]")
    job.failing_days.add(DAYS[1])
    assert not job.execute_again().success
    assert job.deployment.materialized() == {DAYS[0], DAYS[2], DAYS[3]}
    partitions = job.deployment.defs.resolve_assets_def(RAW).partitions_def
    assert partitions is not None
    states = job.deployment.instance.get_status_by_partition(RAW, DAYS, partitions) or {}
    values = [state.value if state else None for state in map(states.get, DAYS)]
    assert values == ["MATERIALIZED", "FAILED", "MATERIALIZED", "MATERIALIZED"]
    job.failing_days.clear()
    assert job.execute_again().success
    assert_all_harvested(job)


def test_no_window_is_harvested_twice_if_a_run_of_many_processes_is_executed_again(
    job: Job, kill: Kill, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The op of a failed window also took the windows that waited for their turn, each with an op of its own."""
    for module in (run_history, orchestration_turns):
        monkeypatch.setattr(module, "is_single_process", lambda *_: False)
    monkeypatch.setattr(turns, "pause_before_next_look", lambda *_: 0.001)
    fetch, deferred = WindowRun.fetch, iter([True])

    def deferred_once(run: WindowRun, log: HarvestLog) -> Any:
        if next(deferred, False):
            raise RetryLater("come back later.", seconds=0.001)
        return fetch(run, log)

    monkeypatch.setattr(WindowRun, "fetch", deferred_once)
    execute_until_killed(job, kill, "STEP_UP_FOR_RETRY fetch[20240302_20240303]")
    job.failing_days.add(DAYS[0])
    assert not job.execute_again().success
    assert job.deployment.materialized() == set(DAYS[1:])
    windows = [row for row in job.deployment.rows(tables.harvest_log) if row.status == "SUCCEEDED"]
    assert [row.completions for row in windows] == [1, 1, 1]


@pytest.mark.slow
@pytest.mark.parametrize("number", range(3, 105, 3))
def test_a_run_killed_after_any_event_is_executed_again_to_its_end(job: Job, kill: Kill, number: int) -> None:
    """The same between any two events of Dagster, also while it plans the run or evaluates the asset checks."""
    execute_until_killed(job, kill, number)
    assert job.execute_again().success
    assert_all_harvested(job)
