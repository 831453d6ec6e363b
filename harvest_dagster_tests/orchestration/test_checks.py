"""The asset check `complete`: what the UI shows of each partition, however its run ended."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dagster as dg
import pytest
from sqlalchemy import Connection

from harvest_dagster.orchestration import checks
from harvest_dagster.orchestration.checks import CHECK
from harvest_dagster.pipeline.verdicts import DayVerdict, verdicts
from harvest_dagster.simulator import Fail, Repository, Request, Server
from harvest_dagster.simulator.behaviours.records import Flaw
from harvest_dagster.storage.engine import Database
from harvest_dagster.storage.harvest_logs import Series
from harvest_dagster.windows import Window
from harvest_dagster_tests.orchestration.conftest import Deploy
from harvest_dagster_tests.orchestration.deployment import DAYS, RAW, REPOSITORY, TRANSFORMED, Deployment

KEY = dg.AssetCheckKey(RAW, CHECK)
GOOD = (True, "complete")


def second_day(request: Request) -> bool:
    return request.parameters.get("from", "").startswith("2024-03-02")


def third_day(request: Request) -> bool:
    return request.parameters.get("from", "").startswith("2024-03-03")


def all_evaluations(
    deployment: Deployment, result: dg.ExecuteInProcessResult
) -> list[dg.AssetCheckEvaluation]:
    """Those of this check in a run, in order: from Dagster's record, since its result has none of a failed op."""
    kept = deployment.instance.all_logs(result.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
    found = [entry.dagster_event.asset_check_evaluation_data for entry in kept if entry.dagster_event]
    return [evaluation for evaluation in found if evaluation.asset_check_key == KEY]


def evaluations(
    deployment: Deployment, result: dg.ExecuteInProcessResult
) -> dict[str | None, dg.AssetCheckEvaluation]:
    """The last of each partition: the one that the UI shows."""
    return {evaluation.partition: evaluation for evaluation in all_evaluations(deployment, result)}


def shown(deployment: Deployment, result: dg.ExecuteInProcessResult) -> dict[str | None, tuple[bool, str]]:
    """Passed or not, and the state: by partition."""
    return {
        partition: (evaluation.passed, str(evaluation.metadata["completeness"].value))
        for partition, evaluation in evaluations(deployment, result).items()
    }


def materializations(deployment: Deployment) -> list[dg.EventLogRecord]:
    """The newest last."""
    return list(deployment.instance.fetch_materializations(RAW, limit=100, ascending=True).records)


def alone(deployment: Deployment, partition: str | None = None) -> dg.ExecuteInProcessResult:
    """The check without a harvest, as its button in the UI runs it."""
    job = dg.define_asset_job("check", dg.AssetSelection.checks(KEY))
    defs = dg.Definitions.merge(deployment.defs, dg.Definitions(jobs=[job]))
    # By its tag: `partition_key` looks for assets, and there is none in this job.
    return defs.resolve_job_def("check").execute_in_process(
        tags={"dagster/partition": partition} if partition else None,
        instance=deployment.instance,
        raise_on_error=False,
    )


def test_a_partition_of_which_all_came_passes(source: Server, deploy: Deploy) -> None:
    """And shows the source's own total beside what came."""
    deployment = deploy(source.url)
    result = deployment.materialize(DAYS[0])
    assert result.success
    (evaluation,) = all_evaluations(deployment, result)
    assert (evaluation.partition, evaluation.passed, evaluation.blocking) == (DAYS[0], True, None)
    assert evaluation.description == "All records came that the source had announced."
    assert evaluation.metadata["quarantined"].value == 0
    harvests = evaluation.metadata["harvests"].value
    assert "| SUCCEEDED | complete | 6 | 6 | 0 | 1 |  |" in str(harvests)


@pytest.mark.parametrize("max_window", ["30d", "1d"])
def test_each_partition_of_a_range_has_its_own(source: Server, on_sqlite: Deploy, max_window: str) -> None:
    """One verdict on a month says nothing of its days."""
    deployment = on_sqlite(source.url, max_window=max_window)
    result = deployment.materialize(*DAYS[::3])
    assert shown(deployment, result) == dict.fromkeys(DAYS, GOOD)
    assert len(all_evaluations(deployment, result)) == len(DAYS)


def test_where_the_source_gives_no_total_it_warns(on_sqlite: Deploy) -> None:
    """Harvested is not proven; it is no failure either, and what comes after the asset runs."""
    with Server(Repository(days=4, records_per_day=6, page_size=4, totals=False)) as source:
        deployment = on_sqlite(source.url)
        result = deployment.materialize(DAYS[0], assets=[RAW, TRANSFORMED])
    assert result.success
    assert shown(deployment, result) == {DAYS[0]: (False, "unverified")}
    assert evaluations(deployment, result)[DAYS[0]].severity == dg.AssetCheckSeverity.WARN
    assert deployment.materialized(TRANSFORMED) == {DAYS[0]}


def test_what_is_in_quarantine_is_named_and_warned_of(on_sqlite: Deploy) -> None:
    """Lesson 31: no idea which record."""
    with Server(REPOSITORY, behaviours=[Flaw("no-identifier", 1)]) as source:
        deployment = on_sqlite(source.url)
        result = deployment.materialize(DAYS[0])
    evaluation = evaluations(deployment, result)[DAYS[0]]
    assert not evaluation.passed
    assert evaluation.severity == dg.AssetCheckSeverity.WARN
    assert "1 records of its window cannot be read" in str(evaluation.description)
    assert evaluation.metadata["quarantined"].value == 1


def test_what_is_in_quarantine_is_warned_of_without_partitions_too(on_sqlite: Deploy) -> None:
    """Passed means that all of it could be read; whoever looks at the source as a whole must not see green."""
    with Server(REPOSITORY, behaviours=[Flaw("bad-utf-8", 1)]) as source:
        deployment = on_sqlite(source.url)
        deployment.materialize(DAYS[0])
    (whole,) = all_evaluations(deployment, alone(deployment))
    assert (whole.passed, whole.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert whole.description == "0 gaps between the first harvest and the last. 1 records cannot be read."
    assert whole.metadata["quarantined"].value == 1


def test_nothing_is_told_within_a_transaction(
    source: Server, on_sqlite: Deploy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Telling of 7,700 partitions takes longer than PostgreSQL lets a transaction idle: a good run would fail."""
    at_work: list[Database] = []
    told: list[int] = []
    read, log_event = Database.read, dg.OpExecutionContext.log_event

    @contextmanager
    def counted(database: Database) -> Iterator[Connection]:
        with read(database) as connection:
            at_work.append(database)
            yield connection
            at_work.pop()

    def telling(context: dg.OpExecutionContext, event: Any) -> None:
        told.append(len(at_work))
        log_event(context, event)

    monkeypatch.setattr(Database, "read", counted)
    monkeypatch.setattr(dg.OpExecutionContext, "log_event", telling)
    deployment = on_sqlite(source.url, max_window="2d")
    assert deployment.materialize(*DAYS[::3]).success
    assert alone(deployment).success
    assert len(told) > len(DAYS)
    assert set(told) == {0}


def test_after_a_failure_each_window_judges_its_own_days(
    on_sqlite: Deploy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each judged all of the range chosen: ten years in days would have taken hours."""
    judged: list[list[str]] = []

    def counted(connection: Connection, series: Series, window: Window) -> list[DayVerdict]:
        judged.append([day.isoformat() for day in window.days])
        return verdicts(connection, series, window)

    monkeypatch.setattr(checks, "verdicts", counted)
    with Server(REPOSITORY, behaviours=[Fail(404, when=second_day)]) as source:
        deployment = on_sqlite(source.url, max_window="1d")
        result = deployment.materialize(*DAYS[::3])
    assert judged == [list(DAYS), [DAYS[2]], [DAYS[3]]]
    assert shown(deployment, result) == {**dict.fromkeys(DAYS, GOOD), DAYS[1]: (False, "failed")}


def test_a_window_that_fails_is_shown_though_the_run_never_comes_to_its_end(deploy: Deploy) -> None:
    """The check's own op is skipped then: all partitions would show that the check could not run."""
    with Server(REPOSITORY, behaviours=[Fail(404, when=third_day)]) as source:
        deployment = deploy(source.url, max_window="1d")
        assert deployment.materialize(DAYS[0]).success
        result = deployment.materialize(*DAYS[::3])
    assert not result.success
    assert shown(deployment, result) == {**dict.fromkeys(DAYS, GOOD), DAYS[2]: (False, "failed")}
    failed = evaluations(deployment, result)[DAYS[2]]
    assert failed.severity == dg.AssetCheckSeverity.ERROR
    assert "404" in str(failed.metadata["harvests"].value)
    assert str(failed.description).startswith("Its harvest failed. HttpStatusError: ")
    assert "HTTP status 404" in str(failed.description)


def test_each_verdict_is_of_the_newest_materialization(on_sqlite: Deploy) -> None:
    """The UI shows the check of a partition as missing, if it was made of another materialization or of none."""
    with Server(REPOSITORY, behaviours=[Fail(404, when=third_day)]) as source:
        deployment = on_sqlite(source.url, max_window="1d")
        result = deployment.materialize(*DAYS[::3])
    newest = {record.partition_key: record.storage_id for record in materializations(deployment)}
    assert newest.keys() == {*DAYS} - {DAYS[2]}
    targets = {day: one.target_materialization_data for day, one in evaluations(deployment, result).items()}
    assert {day: target.storage_id for day, target in targets.items() if target} == newest


def test_a_harvest_cut_short_does_not_pass(source: Server, on_sqlite: Deploy) -> None:
    """The run is green; the days are not done."""
    deployment = on_sqlite(source.url)
    result = deployment.materialize(*DAYS[:3:2], limit=7)
    assert result.success
    assert shown(deployment, result) == dict.fromkeys(DAYS[:3], (False, "missing"))
    assert {one.severity for one in evaluations(deployment, result).values()} == {dg.AssetCheckSeverity.ERROR}


def test_alone_it_tells_of_a_partition_what_is_known_now(source: Server, on_sqlite: Deploy) -> None:
    """Before anything was harvested, and after; without a request."""
    deployment = on_sqlite(source.url)
    assert shown(deployment, alone(deployment, DAYS[0])) == {DAYS[0]: (False, "missing")}
    assert not source.requests
    deployment.materialize(DAYS[0])
    asked = len(source.requests)
    assert shown(deployment, alone(deployment, DAYS[0])) == {DAYS[0]: GOOD}
    assert len(source.requests) == asked


def test_alone_and_without_partitions_it_tells_the_gaps(source: Server, on_sqlite: Deploy) -> None:
    """Lesson 4: the watermark hid the gap, 364 days missing."""
    deployment = on_sqlite(source.url)
    (nothing,) = all_evaluations(deployment, alone(deployment))
    assert (nothing.passed, nothing.description) == (False, "Never harvested.")
    deployment.materialize(DAYS[0])
    (good,) = all_evaluations(deployment, alone(deployment))
    assert (good.passed, good.partition, good.metadata["gaps"].value) == (True, None, 0)
    deployment.materialize(DAYS[3])
    (gap,) = all_evaluations(deployment, alone(deployment))
    assert (gap.passed, gap.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert "2024-03-02, 2024-03-04\\) | missing |  |" in str(gap.metadata["coverage"].value)
