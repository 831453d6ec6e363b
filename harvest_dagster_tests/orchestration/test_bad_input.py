"""Errors outside this code: each gives one message with the place and the remedy, and leaves no partial data."""

from __future__ import annotations

import socket
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest
from sqlalchemy import create_engine, text

from harvest_dagster.catalog.loader import load_catalog
from harvest_dagster.errors import IncompleteList, SourceUnreachable
from harvest_dagster.orchestration.reports.error_reporting import report_errors
from harvest_dagster.orchestration.resources import RetrySettings
from harvest_dagster.storage import tables
from harvest_dagster.testing.simulator import Server
from harvest_dagster.testing.simulator.behaviours import FixedBody
from harvest_dagster_tests.orchestration.conftest import Deploy
from harvest_dagster_tests.orchestration.deployment import DAYS, RAW, REPOSITORY, Deployment, reason

WELCOME = "<html><head><title>The museum</title></head><body>Welcome</body></html>"


@pytest.fixture
def closed_port_url() -> str:
    """A base URL whose port is closed."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{listener.getsockname()[1]}/oai"


def test_an_unknown_label_is_refused_with_a_similar_label(source: Server, deploy: Deploy) -> None:
    """The job accepts any text, so the error must suggest a similar label."""
    deployment = deploy(source.url)
    result = deployment.harvest(ingest_config="dmeo", start_date=DAYS[0], end_date=DAYS[1])
    assert "there is no source 'dmeo'" in reason(result)
    assert "did you mean 'demo'?" in reason(result)
    assert "HARVEST_SOURCES" in reason(result)
    assert deployment.is_untouched()


def test_an_unknown_primary_key_is_refused(source: Server, deploy: Deploy) -> None:
    """The key may come from another database, or from a config that never ran here."""
    deployment = deploy(source.url)
    result = deployment.harvest(ingest_config_id=17, start_date=DAYS[0], end_date=DAYS[1])
    assert "no row of the table ingest_config has the primary key 17" in reason(result)
    assert "by its label" in reason(result)
    assert deployment.is_untouched()


def test_a_partition_before_earliest_date_is_refused(source: Server, on_sqlite: Deploy) -> None:
    """Dagster knows the partitions of an asset and refuses other days before the run starts."""
    deployment = on_sqlite(source.url)
    with pytest.raises(dg.DagsterError, match="2024-02-29"):
        deployment.materialize("2024-02-29")
    assert deployment.is_untouched()


def test_a_range_that_ends_before_it_starts_is_refused(source: Server, on_sqlite: Deploy) -> None:
    """Dagster starts such a run. Its own error named days that nobody had typed, after forty frames of code."""
    deployment = on_sqlite(source.url)
    result = deployment.materialize(DAYS[2], DAYS[0])
    assert "2024-03-03...2024-03-01. Swap the two days" in reason(result)
    assert deployment.is_untouched()


def test_a_range_that_starts_before_earliest_date_is_refused(source: Server, on_sqlite: Deploy) -> None:
    """Dagster accepts any range in tags, and would fail only after the harvest."""
    deployment = on_sqlite(source.url)
    result = deployment.materialize("2024-02-28", DAYS[1])
    assert "2024-02-28 is not a partition of raw/demo" in reason(result)
    assert "2024-03-01 (earliest_date)" in reason(result)
    assert deployment.is_untouched()
    assert not source.requests


@pytest.mark.usefixtures("without_retries")
def test_a_source_that_does_not_answer_fails_its_window_with_the_reason(
    closed_port_url: str, deploy: Deploy
) -> None:
    """Only the log is written, and it has the reason. The partition is not materialized."""
    deployment = deploy(closed_port_url)
    result = deployment.materialize(*DAYS[::3])
    assert closed_port_url in reason(result)
    assert "refuses connections" in reason(result)
    (log,) = deployment.rows(tables.harvest_log)
    # One request: a host that was not reached answers neither the same request again nor one for a shorter list.
    assert (log.status, log.records, log.requests) == ("FAILED", 0, 1)
    assert log.error.startswith(f"SourceUnreachable: {closed_port_url}")
    assert deployment.materialized() == set()
    assert deployment.rows(tables.raw_datum) == []


@pytest.mark.parametrize("path", ["/oai", "/missing"])
def test_a_base_url_that_is_not_an_oai_pmh_endpoint_fails_with_a_remedy(path: str, deploy: Deploy) -> None:
    """An HTML page with status 200 counted as success with no records: docs/failures.md#truncated-page"""
    behaviours = [FixedBody(WELCOME)] if path == "/oai" else []
    with Server(REPOSITORY, behaviours=behaviours) as source:
        url = source.url.replace("/oai", path)
        deployment = deploy(url)
        result = deployment.materialize(*DAYS[::3])
    assert url in reason(result)
    assert ("HTML" if behaviours else "404") in reason(result)
    assert ("open the URL in a browser" if behaviours else "Check base_url") in reason(result)
    (log,) = deployment.rows(tables.harvest_log)
    assert log.status == "FAILED"
    assert log.error.partition(": ")[2].splitlines()[0] in reason(result)
    assert deployment.materialized() == set()


@pytest.mark.parametrize(
    "url", ["postgresql://harvester:hunter2@127.0.0.1:1/harvest", "sqlite:////proc/no/such/place/harvest.db"]
)
def test_a_database_that_cannot_be_reached_fails_the_run_before_any_request(
    url: str, source: Server, tmp_path: Path, on_sqlite: Deploy
) -> None:
    """The run waits for the database. If it does not return, the run fails, and its message has no password."""
    deployment = replace(on_sqlite(source.url), waiting=RetrySettings(retries=2, first=0.001, longest=0.001))
    deployment.database_url = url
    result = deployment.materialize(*DAYS[::3])
    assert "cannot be used" in reason(result)
    assert "HARVEST_DATABASE_URL" in reason(result)
    assert "hunter2" not in reason(result)
    assert not source.requests


def test_a_database_that_is_newer_than_the_code_is_refused(source: Server, deploy: Deploy) -> None:
    """Old code would write data that the new code no longer reads."""
    deployment = deploy(source.url)
    deployment.rows(tables.harvest_log)
    driver = deployment.database_url.replace("postgresql://", "postgresql+psycopg://")
    engine = create_engine(driver)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    result = deployment.materialize(*DAYS[::3])
    assert "newer" in reason(result)
    assert "9999" in reason(result)
    assert not source.requests


def test_a_secret_that_is_not_set_fails_the_run_before_any_request(source: Server, on_sqlite: Deploy) -> None:
    """The run must fail before it sends a request without the secret."""
    deployment = on_sqlite(f"{source.url}?key=${{HARVEST_TEST_NOT_SET}}")
    result = deployment.materialize(*DAYS[::3])
    assert "demo needs environment variables that are missing or empty: HARVEST_TEST_NOT_SET" in reason(
        result
    )
    assert deployment.rows(tables.harvest_log) == []
    assert not source.requests


def test_one_config_with_an_unknown_harvester_stops_no_other(
    tmp_path: Path, source: Server, on_sqlite: Deploy
) -> None:
    """One config with a missing driver stopped all sources: docs/failures.md#one-bad-source-stops-all"""
    folder = tmp_path / "sources"
    folder.mkdir()
    kwargs = f'harvester_kwargs: {{base_url: "{source.url}"}}'
    good = f"label: demo\nharvester: oai\nearliest_date: 2024-03-01\n{kwargs}\n"
    bad = f"label: odd\nharvester: oia\n{kwargs}\n---\nlabel: odder\nharvester: oai\ntransformer: dc\n{kwargs}\n"
    (folder / "a.yaml").write_text(f"{good}---\n{bad}")
    catalog = load_catalog(str(folder))
    deployment = on_sqlite(source.url)
    deployment = Deployment(catalog, deployment.database_url, deployment.spool, deployment.instance)
    assert deployment.materialize(DAYS[0], assets=[RAW]).success
    problems = [str(problem) for problem in catalog.problems]
    assert problems[0].startswith(f"{folder / 'a.yaml'}:7: harvester: no harvester is registered as 'oia'")
    assert problems[1].startswith(f"{folder / 'a.yaml'}:12: transformer: ")
    result = deployment.harvest(ingest_config="odd", start_date=DAYS[0], end_date=DAYS[1])
    assert f"{folder / 'a.yaml'}:7: harvester" in reason(result)


def test_an_error_is_reported_once_and_without_a_traceback(source: Server, on_sqlite: Deploy) -> None:
    """A run reported one traceback that hid the reason: docs/failures.md#report-without-numbers"""
    deployment = on_sqlite(source.url, disabled=True)
    result = deployment.materialize(DAYS[0])
    failed = next(event for event in result.all_events if event.event_type_value == "STEP_FAILURE")
    failure = failed.step_failure_data
    assert failure.error is not None
    assert failure.error.cause.message.startswith(
        "harvest_dagster.HarvestFailed: ConfigDisabled: demo is disabled."
    )
    assert failure.error.cause.stack == []
    assert failure.error.cause.cause is failure.error.cause.context is None
    assert "Stack Trace" not in failure.error_display_string


@pytest.mark.parametrize(("transient", "attempts"), [(False, 1), (True, 3)])
def test_a_retry_policy_repeats_only_errors_that_may_end_without_a_person(
    transient: bool, attempts: int
) -> None:
    """A policy that users set for all ops would send requests that fail again."""
    calls: list[int] = []

    @dg.op(retry_policy=dg.RetryPolicy(max_retries=2))
    @report_errors
    def refused() -> None:
        calls.append(1)
        raise (
            SourceUnreachable("gone")
            if transient
            else IncompleteList("a", sub_window=0, announced=2, received=1)
        )

    @dg.job
    def job() -> None:
        refused()

    assert not job.execute_in_process(raise_on_error=False).success
    assert len(calls) == attempts


def test_a_bug_keeps_its_traceback(
    source: Server, on_sqlite: Deploy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message of an unexpected exception is not enough to find the bug."""
    from harvest_dagster.pipeline.steps import store

    def broken(*_: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(store, "store_records", broken)
    deployment = on_sqlite(source.url)
    result = deployment.materialize(DAYS[0])
    failed = next(event for event in result.all_events if event.event_type_value == "STEP_FAILURE")
    cause = failed.step_failure_data.error.cause
    assert "ZeroDivisionError: a bug" in cause.message
    assert any("pipeline/steps/store.py" in line for line in cause.stack)
    (log,) = deployment.rows(tables.harvest_log)
    assert log.status == "FAILED"
    assert log.error.startswith("ZeroDivisionError: a bug\n")
    assert "pipeline/steps/store.py" in log.error
