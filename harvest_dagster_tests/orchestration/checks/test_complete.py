"""The asset check `complete`: what the UI shows of each partition, whether its run succeeded or failed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dagster as dg
import pytest
from sqlalchemy import Connection, update

from harvest_dagster.coverage.day_status import DayStatus, day_statuses
from harvest_dagster.orchestration.checks import complete
from harvest_dagster.orchestration.checks.complete import CHECK
from harvest_dagster.storage.database import Database
from harvest_dagster.storage.harvest_log.queries import LogScope
from harvest_dagster.storage.tables import harvest_log
from harvest_dagster.testing.simulator import HttpErrorStatus, Repository, Request, Server
from harvest_dagster.testing.simulator.behaviours.content.records import CorruptRecord
from harvest_dagster.windows import Window, parse_instant
from harvest_dagster_tests.orchestration.conftest import Deploy
from harvest_dagster_tests.orchestration.deployment import DAYS, RAW, REPOSITORY, TRANSFORMED, Deployment

KEY = dg.AssetCheckKey(RAW, CHECK)
GOOD = (True, "complete")


def requested_day(request: Request) -> str:
    """Return the day in the middle of the requested time, which may be a second longer at each end."""
    ends = [request.parameters.get(name, "") for name in ("from", "until")]
    if not all(ends):
        return ""
    start, end = map(parse_instant, ends)
    return (start + (end - start) / 2).date().isoformat()


def second_day(request: Request) -> bool:
    return requested_day(request) == DAYS[1]


def third_day(request: Request) -> bool:
    return requested_day(request) == DAYS[2]


def all_evaluations(
    deployment: Deployment, result: dg.ExecuteInProcessResult
) -> list[dg.AssetCheckEvaluation]:
    """Return the evaluations of the check in a run, in order. The result object has none of a failed op."""
    entries = deployment.instance.all_logs(result.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
    logged = [entry.dagster_event.asset_check_evaluation_data for entry in entries if entry.dagster_event]
    return [evaluation for evaluation in logged if evaluation.asset_check_key == KEY]


def evaluations(
    deployment: Deployment, result: dg.ExecuteInProcessResult
) -> dict[str | None, dg.AssetCheckEvaluation]:
    """Return the last evaluation of each partition: the UI shows this one."""
    return {evaluation.partition: evaluation for evaluation in all_evaluations(deployment, result)}


def shown(deployment: Deployment, result: dg.ExecuteInProcessResult) -> dict[str | None, tuple[bool, str]]:
    """Return whether the check passed, and the state, by partition."""
    return {
        partition: (evaluation.passed, str(evaluation.metadata["completeness"].value))
        for partition, evaluation in evaluations(deployment, result).items()
    }


def materializations(deployment: Deployment) -> list[dg.EventLogRecord]:
    """Return the materializations of the harvest asset, the newest last."""
    return list(deployment.instance.fetch_materializations(RAW, limit=100, ascending=True).records)


def check_alone(deployment: Deployment, partition: str | None = None) -> dg.ExecuteInProcessResult:
    """Run the check without a harvest, as its button in the UI does."""
    job = dg.define_asset_job("check", dg.AssetSelection.checks(KEY))
    defs = dg.Definitions.merge(deployment.defs, dg.Definitions(jobs=[job]))
    # The tag selects the partition: the argument `partition_key` needs an asset, and this job has none.
    return defs.resolve_job_def("check").execute_in_process(
        tags={"dagster/partition": partition} if partition else None,
        instance=deployment.instance,
        raise_on_error=False,
    )


def test_a_partition_passes_if_the_announced_records_arrived(source: Server, deploy: Deploy) -> None:
    """People could not compare the source's total with the number of records."""
    deployment = deploy(source.url)
    result = deployment.materialize(DAYS[0])
    assert result.success
    (evaluation,) = all_evaluations(deployment, result)
    assert (evaluation.partition, evaluation.passed, evaluation.blocking) == (DAYS[0], True, None)
    assert evaluation.description == (
        "Harvested; the source delivered as many records as it had announced (evidence: total)."
    )
    assert evaluation.metadata["evidence"].value == "total"
    assert evaluation.metadata["quarantined"].value == 0
    harvests = evaluation.metadata["harvests"].value
    assert "| SUCCEEDED | complete | total | 6 | 6 | 0 | 1 |  |" in str(harvests)


@pytest.mark.parametrize("max_window", ["30d", "1d"])
def test_each_partition_of_a_range_has_its_own_evaluation(
    source: Server, on_sqlite: Deploy, max_window: str
) -> None:
    """One evaluation of a month would not show the state of its days."""
    deployment = on_sqlite(source.url, max_window=max_window)
    result = deployment.materialize(*DAYS[::3])
    assert shown(deployment, result) == dict.fromkeys(DAYS, GOOD)
    assert len(all_evaluations(deployment, result)) == len(DAYS)


def test_small_days_of_a_healthy_source_pass(on_sqlite: Deploy) -> None:
    """A list of one page has no total in OAI-PMH. Its days were red in the overview, whatever the source delivered."""
    with Server(Repository(days=4, records_per_day=3, page_size=50)) as source:
        deployment = on_sqlite(source.url, max_window="1d")
        result = deployment.materialize(*DAYS[::3])
    assert shown(deployment, result) == dict.fromkeys(DAYS, GOOD)
    descriptions = {evaluation.description for evaluation in evaluations(deployment, result).values()}
    assert descriptions == {"Harvested; the list came whole, in one response (evidence: single_response)."}


def test_a_day_without_evidence_and_without_doubt_passes_and_says_so(on_sqlite: Deploy) -> None:
    """Many sources announce no total. A check that warns on each of their days is ignored on the day that matters."""
    with Server(Repository(days=4, records_per_day=6, page_size=4, totals=False)) as source:
        deployment = on_sqlite(source.url)
        result = deployment.materialize(DAYS[0], assets=[RAW, TRANSFORMED])
        (whole,) = all_evaluations(deployment, check_alone(deployment))
    assert result.success
    assert shown(deployment, result) == {DAYS[0]: (True, "unverified")}
    evaluation = evaluations(deployment, result)[DAYS[0]]
    assert evaluation.metadata["evidence"].value == "none"
    assert str(evaluation.description).endswith("no total that proves it (evidence: none).")
    assert deployment.materialized(TRANSFORMED) == {DAYS[0]}
    assert whole.passed


def test_an_empty_day_passes_without_evidence(on_sqlite: Deploy) -> None:
    """Most sources have days without changes."""
    with Server(Repository(first_day=REPOSITORY.first_day, days=1, records_per_day=3)) as source:
        deployment = on_sqlite(source.url, max_window="1d")
        result = deployment.materialize(DAYS[2])
    assert shown(deployment, result) == {DAYS[2]: (True, "unverified")}


@pytest.mark.parametrize(
    ("values", "doubt"),
    [
        ({"doubt": "the day had 6 records before"}, "the day had 6 records before"),
        (
            {"recoveries": 1},
            "a list of [2024-03-01, 2024-03-02) broke and was continued in another way, and no total proves the result",
        ),
    ],
    ids=["doubt", "recovery"],
)
def test_the_check_warns_of_a_doubt_and_names_it(
    source: Server, on_sqlite: Deploy, values: dict[str, Any], doubt: str
) -> None:
    """An empty answer for a day that had records, or a list that was given up: a person has to look at the day."""
    deployment = on_sqlite(source.url)
    deployment.materialize(DAYS[0])
    with Database.open(deployment.database_url) as database, database.begin() as connection:
        connection.execute(update(harvest_log).values(completeness="unverified", evidence="none", **values))
    (day,) = all_evaluations(deployment, check_alone(deployment, DAYS[0]))
    (whole,) = all_evaluations(deployment, check_alone(deployment))
    for evaluation in (day, whole):
        assert (evaluation.passed, evaluation.severity) == (False, dg.AssetCheckSeverity.WARN)
        assert str(evaluation.description).endswith(f" There is a doubt: {doubt}.")


def test_the_check_warns_of_quarantined_records(on_sqlite: Deploy) -> None:
    """Operators would not learn which record is invalid: docs/failures.md#report-without-numbers"""
    with Server(REPOSITORY, behaviours=[CorruptRecord("no-identifier", 1)]) as source:
        deployment = on_sqlite(source.url)
        result = deployment.materialize(DAYS[0])
    evaluation = evaluations(deployment, result)[DAYS[0]]
    assert not evaluation.passed
    assert evaluation.severity == dg.AssetCheckSeverity.WARN
    assert "1 invalid records of its window are quarantined" in str(evaluation.description)
    assert evaluation.metadata["quarantined"].value == 1


def test_the_check_of_the_whole_source_warns_of_quarantined_records(on_sqlite: Deploy) -> None:
    """Passed means that all records are valid: the check without partitions must not be green, either."""
    with Server(REPOSITORY, behaviours=[CorruptRecord("bad-utf-8", 1)]) as source:
        deployment = on_sqlite(source.url)
        deployment.materialize(DAYS[0])
    (evaluation,) = all_evaluations(deployment, check_alone(deployment))
    assert (evaluation.passed, evaluation.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert evaluation.description == (
        "0 gaps between the first harvest and the last. 1 invalid records are quarantined."
    )
    assert evaluation.metadata["quarantined"].value == 1


def test_no_event_is_logged_within_a_transaction(
    source: Server, on_sqlite: Deploy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Logging 7,700 partitions takes longer than the idle timeout of a transaction: the run would fail."""
    open_transactions: list[Database] = []
    counts: list[int] = []
    read, log_event = Database.read, dg.OpExecutionContext.log_event

    @contextmanager
    def counting_read(database: Database) -> Iterator[Connection]:
        with read(database) as connection:
            open_transactions.append(database)
            yield connection
            open_transactions.pop()

    def counting_log_event(context: dg.OpExecutionContext, event: Any) -> None:
        counts.append(len(open_transactions))
        log_event(context, event)

    monkeypatch.setattr(Database, "read", counting_read)
    monkeypatch.setattr(dg.OpExecutionContext, "log_event", counting_log_event)
    deployment = on_sqlite(source.url, max_window="2d")
    assert deployment.materialize(*DAYS[::3]).success
    assert check_alone(deployment).success
    assert len(counts) > len(DAYS)
    assert set(counts) == {0}


def test_after_a_failure_each_window_evaluates_only_its_own_days(
    on_sqlite: Deploy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each window evaluated the whole range: ten years in windows of one day would have taken hours."""
    evaluated: list[list[str]] = []

    def recording(connection: Connection, scope: LogScope, window: Window) -> list[DayStatus]:
        evaluated.append([day.isoformat() for day in window.days])
        return day_statuses(connection, scope, window)

    monkeypatch.setattr(complete, "day_statuses", recording)
    with Server(REPOSITORY, behaviours=[HttpErrorStatus(404, when=second_day)]) as source:
        deployment = on_sqlite(source.url, max_window="1d")
        result = deployment.materialize(*DAYS[::3])
    assert evaluated == [list(DAYS), [DAYS[2]], [DAYS[3]]]
    assert shown(deployment, result) == {**dict.fromkeys(DAYS, GOOD), DAYS[1]: (False, "failed")}


def test_a_failed_window_is_evaluated_although_dagster_skips_the_op_of_the_check(deploy: Deploy) -> None:
    """Otherwise the UI shows for all partitions that the check could not run."""
    with Server(REPOSITORY, behaviours=[HttpErrorStatus(404, when=third_day)]) as source:
        deployment = deploy(source.url, max_window="1d")
        assert deployment.materialize(DAYS[0]).success
        result = deployment.materialize(*DAYS[::3])
    assert not result.success
    assert shown(deployment, result) == {**dict.fromkeys(DAYS, GOOD), DAYS[2]: (False, "failed")}
    failed = evaluations(deployment, result)[DAYS[2]]
    assert failed.severity == dg.AssetCheckSeverity.ERROR
    assert "404" in str(failed.metadata["harvests"].value)
    assert str(failed.description).startswith("The harvest failed. HttpStatusError: ")
    assert "HTTP status 404" in str(failed.description)


def test_a_failed_partition_has_an_event_with_the_reason(on_sqlite: Deploy) -> None:
    """Its page said only that a run failed. The reason was in the log of a run with hundreds of partitions."""
    with Server(REPOSITORY, behaviours=[HttpErrorStatus(404, when=third_day)]) as source:
        deployment = on_sqlite(source.url, max_window="1d")
        deployment.materialize(*DAYS[::3])
        deployment.materialize(*DAYS[2:4])
    found = deployment.instance.fetch_observations(RAW, limit=100).records
    assert [record.partition_key for record in found] == [DAYS[2]] * 2  # not those of finished days
    observation = found[0].asset_observation
    assert observation is not None
    assert str(observation.description).startswith("The harvest failed. HttpStatusError: ")
    shown = {name: value.value for name, value in observation.metadata.items()}
    assert "HTTP status 404" in str(shown["error"])
    assert shown["window"] == "[2024-03-03, 2024-03-04)"
    assert DAYS[2] not in deployment.materialized()


def test_each_evaluation_points_to_the_newest_materialization(on_sqlite: Deploy) -> None:
    """The UI shows the check of a partition as missing if it points to another materialization or to none."""
    with Server(REPOSITORY, behaviours=[HttpErrorStatus(404, when=third_day)]) as source:
        deployment = on_sqlite(source.url, max_window="1d")
        result = deployment.materialize(*DAYS[::3])
    newest = {record.partition_key: record.storage_id for record in materializations(deployment)}
    assert newest.keys() == {*DAYS} - {DAYS[2]}
    targets = {
        day: evaluation.target_materialization_data
        for day, evaluation in evaluations(deployment, result).items()
    }
    assert {day: target.storage_id for day, target in targets.items() if target} == newest


def test_a_harvest_with_a_limit_does_not_pass(source: Server, on_sqlite: Deploy) -> None:
    """The run succeeds, but its days are not harvested."""
    deployment = on_sqlite(source.url)
    result = deployment.materialize(*DAYS[:3:2], limit=7)
    assert result.success
    assert shown(deployment, result) == dict.fromkeys(DAYS[:3], (False, "missing"))
    severities = {evaluation.severity for evaluation in evaluations(deployment, result).values()}
    assert severities == {dg.AssetCheckSeverity.ERROR}


def test_the_check_can_run_without_a_harvest_and_shows_the_current_state(
    source: Server, on_sqlite: Deploy
) -> None:
    """It works before and after the first harvest, and sends no request."""
    deployment = on_sqlite(source.url)
    assert shown(deployment, check_alone(deployment, DAYS[0])) == {DAYS[0]: (False, "missing")}
    assert not source.requests
    deployment.materialize(DAYS[0])
    requests = len(source.requests)
    assert shown(deployment, check_alone(deployment, DAYS[0])) == {DAYS[0]: GOOD}
    assert len(source.requests) == requests


def test_the_check_of_the_whole_source_shows_the_gaps(source: Server, on_sqlite: Deploy) -> None:
    """A watermark hid that 364 days were missing: docs/failures.md#watermark-hides-gap"""
    deployment = on_sqlite(source.url)
    (never,) = all_evaluations(deployment, check_alone(deployment))
    assert (never.passed, never.description) == (False, "Never harvested.")
    deployment.materialize(DAYS[0])
    (one_day,) = all_evaluations(deployment, check_alone(deployment))
    assert (one_day.passed, one_day.partition, one_day.metadata["gaps"].value) == (True, None, 0)
    deployment.materialize(DAYS[3])
    (gap,) = all_evaluations(deployment, check_alone(deployment))
    assert (gap.passed, gap.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert "2024-03-02, 2024-03-04\\) | missing |  |" in str(gap.metadata["coverage"].value)
