"""What is wrong outside this code: one clear error each, that names place and remedy, and nothing half written."""

from __future__ import annotations

import socket
from pathlib import Path

import dagster as dg
import pytest
from sqlalchemy import create_engine, text

from harvest_dagster.catalog.loader import load_catalog
from harvest_dagster.simulator import Server
from harvest_dagster.simulator.behaviours import Body
from harvest_dagster.storage import tables
from harvest_dagster_tests.orchestration.conftest import Deploy
from harvest_dagster_tests.orchestration.deployment import DAYS, RAW, REPOSITORY, Deployment, reason

WELCOME = "<html><head><title>The museum</title></head><body>Welcome</body></html>"


@pytest.fixture
def nowhere() -> str:
    """The base URL of a port where nobody listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{listener.getsockname()[1]}/oai"


def test_an_unknown_label(source: Server, deploy: Deploy) -> None:
    """The job takes any text; the close one is named."""
    deployment = deploy(source.url)
    result = deployment.harvest(ingest_config="dmeo", start_date=DAYS[0], end_date=DAYS[1])
    assert "no IngestConfig 'dmeo'" in reason(result)
    assert "did you mean 'demo'?" in reason(result)
    assert "HARVEST_SOURCES" in reason(result)
    assert deployment.is_untouched()


def test_an_unknown_primary_key(source: Server, deploy: Deploy) -> None:
    """A row of another database, or of a config that never ran here."""
    deployment = deploy(source.url)
    result = deployment.harvest(ingest_config_id=17, start_date=DAYS[0], end_date=DAYS[1])
    assert "no row of the table ingest_config has the primary key 17" in reason(result)
    assert "by its label" in reason(result)
    assert deployment.is_untouched()


def test_a_partition_before_earliest_date(source: Server, on_sqlite: Deploy) -> None:
    """Dagster knows the days of an asset, and refuses another before the run starts."""
    deployment = on_sqlite(source.url)
    with pytest.raises(dg.DagsterError, match="2024-02-29"):
        deployment.materialize("2024-02-29")
    assert deployment.is_untouched()


def test_a_range_that_ends_before_it_begins(source: Server, on_sqlite: Deploy) -> None:
    """Dagster starts such a run; the error named days that nobody had typed, with forty frames of code."""
    deployment = on_sqlite(source.url)
    result = deployment.materialize(DAYS[2], DAYS[0])
    assert "2024-03-03...2024-03-01. Swap the two days" in reason(result)
    assert deployment.is_untouched()


def test_a_range_that_begins_before_earliest_date(source: Server, on_sqlite: Deploy) -> None:
    """Dagster takes any range from tags, and would fail when all is harvested."""
    deployment = on_sqlite(source.url)
    result = deployment.materialize("2024-02-28", DAYS[1])
    assert "2024-02-28 is no partition of raw/demo" in reason(result)
    assert "2024-03-01, its earliest_date" in reason(result)
    assert deployment.is_untouched()
    assert not source.requests


@pytest.mark.usefixtures("without_retries")
def test_a_source_that_does_not_answer(nowhere: str, deploy: Deploy) -> None:
    """The log says so, and is all that is written; the partition is not done."""
    deployment = deploy(nowhere)
    result = deployment.materialize(*DAYS[::3])
    assert nowhere in reason(result)
    assert "refuses connections" in reason(result)
    (log,) = deployment.rows(tables.harvest_log)
    # Asked, asked again, and then for the granularity, by which a shorter list would be cut.
    assert (log.status, log.records, log.requests) == ("FAILED", 0, 3)
    assert log.error.startswith(f"SourceUnreachable: {nowhere}")
    assert deployment.materialized() == set()
    assert deployment.rows(tables.raw_datum) == []


@pytest.mark.parametrize("path", ["/oai", "/gone"])
def test_a_base_url_that_is_no_oai_pmh_endpoint(path: str, deploy: Deploy) -> None:
    """Lesson 1: an HTML page with status 200 was a success with no records."""
    behaviours = [Body(WELCOME)] if path == "/oai" else []
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
def test_a_database_that_cannot_be_reached(
    url: str, source: Server, tmp_path: Path, on_sqlite: Deploy
) -> None:
    """At once, since whoever set it up is still there; and without its password."""
    deployment = on_sqlite(source.url)
    deployment.database_url = url
    result = deployment.materialize(*DAYS[::3])
    assert "cannot be used" in reason(result)
    assert "HARVEST_DATABASE_URL" in reason(result)
    assert "hunter2" not in reason(result)
    assert not source.requests


def test_a_database_that_is_newer_than_the_code(source: Server, deploy: Deploy) -> None:
    """Old code would write what the new one no longer reads."""
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


def test_a_secret_that_is_not_set(source: Server, on_sqlite: Deploy) -> None:
    """Found before the source is asked without it."""
    deployment = on_sqlite(f"{source.url}?key=${{HARVEST_TEST_NOT_SET}}")
    result = deployment.materialize(*DAYS[::3])
    assert "demo needs HARVEST_TEST_NOT_SET from the environment" in reason(result)
    assert deployment.rows(tables.harvest_log) == []
    assert not source.requests


def test_one_config_with_an_unknown_harvester_stops_no_other(
    tmp_path: Path, source: Server, on_sqlite: Deploy
) -> None:
    """Lesson 15: one config with a missing driver stopped all sources."""
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


def test_an_error_is_told_once_and_without_our_frames(source: Server, on_sqlite: Deploy) -> None:
    """Lesson 31: one traceback a run, and nobody could see the reason for it."""
    deployment = on_sqlite(source.url, disabled=True)
    result = deployment.materialize(DAYS[0])
    failed = next(event for event in result.all_events if event.event_type_value == "STEP_FAILURE")
    error, told = failed.step_failure_data.error, failed.step_failure_data.user_failure_data
    assert error is not None
    assert told is not None
    assert error.cause is None
    assert error.context is None
    assert told.description is not None
    assert told.description.startswith("demo is disabled.")
    assert told.metadata["error"].value == "ConfigDisabled"
    assert told.metadata["may pass by itself"].value is False


def test_a_bug_keeps_its_traceback(
    source: Server, on_sqlite: Deploy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What nobody foresaw has no message that would say enough."""
    from harvest_dagster.pipeline import store

    def broken(*_: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(store.raw_data, "store", broken)
    deployment = on_sqlite(source.url)
    result = deployment.materialize(DAYS[0])
    failed = next(event for event in result.all_events if event.event_type_value == "STEP_FAILURE")
    cause = failed.step_failure_data.error.cause
    assert "ZeroDivisionError: a bug" in cause.message
    assert any("pipeline/store.py" in line for line in cause.stack)
    (log,) = deployment.rows(tables.harvest_log)
    assert log.status == "FAILED"
    assert log.error.startswith("ZeroDivisionError: a bug\n")
    assert "pipeline/store.py" in log.error
