"""The executor: all ops in one process by default, one process for each op if the run config selects it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from harvest_dagster.catalog.loader import Catalog
from harvest_dagster.orchestration.build import build_defs
from harvest_dagster.orchestration.executor import EXECUTOR, is_single_process
from harvest_dagster.orchestration.resources import Stores
from harvest_dagster.storage import tables
from harvest_dagster.testing.simulator import Server
from harvest_dagster_tests.orchestration.deployment import DAYS, RAW, REPOSITORY, Deployment, config

# Processes are forked from one that has imported Dagster: an op takes half a second instead of three.
FORKED = {
    "start_method": {"forkserver": {"preload_modules": ["harvest_dagster_tests.crash.preloaded", __name__]}}
}


def everything(
    base_url: str, database_url: str, spool: str, executor: dg.ExecutorDefinition | None = EXECUTOR
) -> dg.JobDefinition:
    """Return the job of all assets. Every process of a run calls this function."""
    stores = Stores(database_url=database_url, spool_url=spool)
    catalog = Catalog((config(base_url, max_window="2d"),))
    defs = build_defs(catalog, resources={"harvest_stores": stores}, executor=executor)
    job = dg.Definitions(jobs=[dg.define_asset_job("everything")])
    return dg.Definitions.merge(defs, job).resolve_job_def("everything")


def at_once(**given: str) -> dg.JobDefinition:
    """The same with the executor of a project, which starts several ops at the same time."""
    return everything(**given, executor=dg.multiprocess_executor)


@pytest.fixture
def deployment(
    tmp_path: Path, source: Server, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Deployment]:
    """A deployment with an instance on disk, because processes share nothing else."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\nnux: {enabled: false}\n")
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    catalog = Catalog((config(source.url, max_window="2d"),))
    with dg.DagsterInstance.get() as instance:
        yield Deployment(catalog, database_url, tmp_path / "spool", instance)


def execute(deployment: Deployment, job: str, run_config: dict[str, Any]) -> dg.JobExecutionResult:
    """Run all days."""
    (source,) = deployment.catalog.configs
    given = {
        "base_url": source.harvester_kwargs["base_url"],
        "database_url": deployment.database_url,
        "spool": str(deployment.spool),
    }
    return dg.execute_job(
        dg.build_reconstructable_job(__name__, job, reconstructable_kwargs=given),
        instance=deployment.instance,
        run_config=run_config,
        tags={
            "dagster/asset_partition_range_start": DAYS[0],
            "dagster/asset_partition_range_end": DAYS[-1],
        },
        asset_selection=[RAW],
    )


def run(deployment: Deployment, execution: dict[str, Any]) -> tuple[list[str], set[int]]:
    """Run all days. Return the ops in the order in which they ended, and the process ids."""
    result = execute(deployment, "everything", {"execution": {"config": execution}} if execution else {})
    assert result.success
    ended = [event for event in result.all_events if event.event_type_value == "STEP_SUCCESS"]
    assert deployment.materialized() == set(DAYS)
    assert deployment.logs() == [
        ("03-01T00", "03-03T00", "SUCCEEDED", 12),
        ("03-01T00", "03-05T00", "SPLIT", 0),
        ("03-03T00", "03-05T00", "SUCCEEDED", 12),
    ]
    assert len(deployment.rows(tables.raw_datum)) == REPOSITORY.size
    names = [event.step_key.partition("[")[0].rpartition(".")[2] for event in ended]
    return names, {event.pid for event in ended if event.pid}


CHECKS = ["raw__demo_complete", "raw__demo_reconciled", "raw__demo_up_to_date"]
IN_ORDER = ["preflight", "lock", "plan", *["fetch", "split", "store", "launch"] * 2, "finish", *CHECKS]


def test_a_run_is_one_process_by_default(deployment: Deployment) -> None:
    """With a process for each op, each op would take three seconds instead of one third of a second."""
    names, processes = run(deployment, {})
    assert names == IN_ORDER
    assert len(processes) == 1


@pytest.mark.slow
def test_each_op_can_run_in_its_own_process(deployment: Deployment) -> None:
    """Ops must pass on the lease, the log and the pages without shared memory. Windows run one after the other."""
    names, processes = run(deployment, {"multiprocess": FORKED})
    assert not list(deployment.spool.glob("_runs/*/*/*"))
    assert names == IN_ORDER
    assert len(processes) == len(IN_ORDER)


@pytest.mark.slow
def test_windows_that_an_executor_starts_at_once_are_harvested_in_order(deployment: Deployment) -> None:
    """Celery and the executor of a project do. Each window counted a `limit` of its own."""
    execution = {"execution": {"config": {**FORKED, "max_concurrent": 2}}}
    result = execute(deployment, "at_once", {**execution, "ops": {"raw__demo": {"config": {"limit": 14}}}})
    assert result.success
    events = [(event.event_type_value, str(event.step_key)) for event in result.all_events]
    first, second = "[20240301_20240303]", "[20240303_20240305]"
    assert events.index(("STEP_START", f"raw__demo.fetch{second}")) < events.index(
        ("STEP_SUCCESS", f"raw__demo.launch{first}")
    )
    assert ("STEP_UP_FOR_RETRY", f"raw__demo.fetch{second}") in events
    assert [log[1:] for log in deployment.logs() if log[2] == "SUCCEEDED"] == [
        ("03-03T00", "SUCCEEDED", 12),
        ("03-05T00", "SUCCEEDED", 2),
    ]


@pytest.mark.parametrize(
    ("executor", "execution", "expected"),
    [
        (EXECUTOR, None, True),
        (EXECUTOR, {}, True),
        (EXECUTOR, {"config": {"in_process": {}}}, True),
        (EXECUTOR, {"config": {"multiprocess": {"max_concurrent": 1}}}, False),
        (dg.in_process_executor, None, True),
        (dg.multi_or_in_process_executor, None, False),
        (dg.multi_or_in_process_executor, {"config": {"in_process": {}}}, True),
        (dg.multi_or_in_process_executor, {"config": {"multiprocess": {}}}, False),
        (dg.multiprocess_executor, None, False),
        (dg.executor(name="celery")(dg.in_process_executor.executor_creation_fn), None, False),
    ],
)
def test_the_configured_executor_decides_whether_a_run_has_one_process(
    executor: dg.ExecutorDefinition, execution: dict[str, Any] | None, expected: bool
) -> None:
    """With a pool of workers, two ops may share a process by chance. Its end is not the end of the run."""
    run_config = {} if execution is None else {"execution": execution}
    assert is_single_process(executor, run_config) is expected


@pytest.mark.parametrize("executor", [None, dg.in_process_executor])
def test_a_run_finds_the_executor_of_the_definitions_with_which_ours_were_merged(
    executor: dg.ExecutorDefinition | None,
) -> None:
    """With `executor=None`, the executor of the project counts, or the default of Dagster."""
    defs = dg.Definitions.merge(
        build_defs(Catalog((config("http://127.0.0.1:1"),)), executor=None), dg.Definitions(executor=executor)
    )
    job = defs.resolve_job_def("harvest")
    assert is_single_process(job.executor_def, {}) is (executor is not None)


def test_a_run_that_a_program_executes_in_its_own_process_has_one_process() -> None:
    """`materialize` and `execute_in_process` replace the executor of the job."""
    found = []

    @dg.op
    def look(context) -> None:  # type: ignore[no-untyped-def]  # Dagster does not accept it as a text
        found.append(is_single_process(context.job_def.executor_def, context.run.run_config))

    @dg.job(executor_def=dg.multiprocess_executor)
    def looking() -> None:
        look()

    assert looking.execute_in_process().success
    assert found == [True]
