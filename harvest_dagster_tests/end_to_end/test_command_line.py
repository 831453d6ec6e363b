"""The same through Dagster's real command line, in processes of their own, as people and schedulers run it."""

from __future__ import annotations

import pytest

from harvest_dagster_tests.end_to_end.deployment import Deployment
from harvest_dagster_tests.end_to_end.repositories import recorded_repository, window
from harvest_dagster_tests.end_to_end.servers import oaipmh, serve
from harvest_dagster_tests.end_to_end.test_recorded_repositories import (
    assert_arrived,
    assert_counted,
    assert_transformed,
)
from harvest_dagster_tests.recorded import requires_recorded

MATERIALIZE = ("asset", "materialize", "-m", "harvest_dagster.definitions", "--select")


@requires_recorded
def test_the_command_line_harvests_and_transforms_a_range(deployment: Deployment) -> None:
    """Everything is read from the environment there: database, spool, sources."""
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
def test_with_a_process_for_each_op_the_same_arrives(deployment: Deployment) -> None:
    """Nine processes, 20 s of Dagster's start: what ops share is in the database and the spool, never in memory."""
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
