"""Harvests with Dagster's command line in other processes, as people and cron run it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from harvest_dagster.testing.simulator import Repository, Server
from harvest_dagster.windows import DAY
from harvest_dagster_tests.end_to_end.deployment import Deployment
from harvest_dagster_tests.end_to_end.repositories import recorded_repository, window
from harvest_dagster_tests.end_to_end.servers import oaipmh, serve
from harvest_dagster_tests.end_to_end.test_recorded_repositories import (
    assert_arrived,
    assert_counted,
    assert_transformed,
)
from harvest_dagster_tests.recorded import requires_recorded

ROOT = Path(__file__).parents[2]
DG = str(Path(sys.executable).parent / "dg")
MATERIALIZE = ("asset", "materialize", "-m", "harvest_dagster.definitions", "--select")


@requires_recorded
def test_the_command_line_harvests_and_transforms_a_range(deployment: Deployment) -> None:
    """The command must read database, spool and sources from the environment."""
    repository = recorded_repository("mit_oai", "")
    expected = repository.within(window("2022-02-24", "2022-02-26"))
    with serve(oaipmh(repository, page_size=20)) as served:
        deployment.source("mit", served.url, earliest_date="2022-02-01")
        days = "2022-02-24...2022-02-25"
        deployment.dagster(*MATERIALIZE, "raw/mit,transformed/mit", "--partition-range", days)
    assert_arrived(deployment, "mit", expected)
    assert_transformed(deployment, "mit", expected)
    (log,) = deployment.harvest_logs("mit")
    assert_counted(log, expected, served)


@pytest.mark.slow
@requires_recorded
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_harvest_with_a_process_for_each_op_has_the_same_result(deployment: Deployment) -> None:
    """Ops must share data through the database and the spool, not through memory. Nine processes start in 20 s."""
    repository = recorded_repository("scythe_zenodo_oai", "")
    expected = repository.within(window("2022-01-01", "2027-01-01"))
    assert any(item.deleted for item in expected.values())
    config = deployment.folder / "run.yaml"
    config.write_text(
        "execution: {config: {multiprocess: {max_concurrent: 1}}}\n"
        "ops: {raw__zenodo: {config: {transform: false}}}\n"
    )
    days = sorted(item.datestamp.date().isoformat() for item in expected.values())
    with serve(oaipmh(repository)) as served:
        deployment.source("zenodo", served.url, earliest_date="2022-01-01")
        select = (*MATERIALIZE, "raw/zenodo", "--partition", days[-1], "--config", str(config))
        deployment.dagster(*select)
    expected = {key: item for key, item in expected.items() if item.datestamp.date().isoformat() == days[-1]}
    assert_arrived(deployment, "zenodo", expected)
    assert {log.status for log in deployment.ingest_logs("zenodo")} == {"CREATED"}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_dg_launch_accepts_run_config(deployment: Deployment) -> None:
    """Dagster's newer command finds the code location in the pyproject.toml of the checkout."""
    with Server(Repository(days=2, records_per_day=3)) as source:
        day = str(source.repository.first_day)
        deployment.source("demo", source.url, earliest_date=day)
        config = json.dumps({"ops": {"raw__demo": {"config": {"limit": 2, "transform": False}}}})
        launch = (DG, "launch", "--target-path", str(ROOT), "--assets", "raw/demo")
        deployment.run(*launch, "--partition", day, "--config-json", config)
    assert len(deployment.data("demo")) == 2
    assert {log.status for log in deployment.ingest_logs("demo")} == {"CREATED"}


@pytest.mark.slow
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_dg_launch_accepts_a_range_of_both_assets_and_the_job(deployment: Deployment) -> None:
    """With -m, the command works without a checkout, too."""
    with Server(Repository(days=4, records_per_day=3)) as source:
        first, second, third = (str(source.repository.first_day + number * DAY) for number in range(3))
        deployment.source("demo", source.url, earliest_date=first)
        launch = (DG, "launch", "-m", "harvest_dagster.definitions")
        both = ("--assets", "raw/demo,transformed/demo")
        deployment.run(*launch, *both, "--partition-range", f"{first}...{second}")
        assert len(deployment.documents("demo")) == len(deployment.data("demo")) == 6
        config = json.dumps({"ingest_config": "demo", "start_date": third, "end_date": f"{third}T12:00"})
        deployment.run(*launch, "--job", "harvest", "--config-json", config)
    assert len(deployment.data("demo")) > 6


@pytest.mark.slow
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_asset_materialize_accepts_one_partition_of_both_assets_and_a_config_file(
    deployment: Deployment,
) -> None:
    """No other test uses these forms of the command: --config, and one partition of both assets."""
    with Server(Repository(days=2, records_per_day=3)) as source:
        day = str(source.repository.first_day)
        deployment.source("demo", source.url, earliest_date=day)
        file = deployment.folder / "run.yaml"
        file.write_text("ops: {raw__demo: {config: {superfluous: true}}}\n")
        both = (*MATERIALIZE, "raw/demo,transformed/demo", "--partition", day)
        deployment.dagster(*both)
        requests = len(source.requests)
        deployment.dagster(*both)
        assert len(source.requests) == requests
        deployment.dagster(*both, "--config", str(file))
        assert len(source.requests) > requests
    (log,) = deployment.harvest_logs("demo")
    assert log.completions == 2
    assert len(deployment.documents("demo")) == 3
