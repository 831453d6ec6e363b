"""Validation of the run config: an error in words, before the run writes anything."""

from __future__ import annotations

from typing import Any

import dagster as dg
import pytest

from harvest_dagster.testing.simulator import Server
from harvest_dagster_tests.orchestration.conftest import Deploy
from harvest_dagster_tests.orchestration.deployment import DAYS, TRANSFORMED

BAD = [
    ({"limitt": 5}, 'unexpected config entry "limitt"'),
    ({"limit": 0}, "limit: must be greater than or equal to 1, not 0"),
    ({"limit": -3}, "limit: must be greater than or equal to 1, not -3"),
    ({"limit": "many"}, "limit"),
    ({"force": "yes"}, "force"),
    ({"start_date": 20240301}, "start_date"),
    (
        {"start_date": "yesterday"},
        "start_date: 'yesterday' is not an ISO 8601 date or instant, such as 2024-01-31",
    ),
    ({"start_date": "2024-03-02", "end_date": "2024-03-02"}, "end_date must be after start_date"),
    ({"start_date": "2024-03-03", "end_date": "2024-03-02"}, "2024-03-02 is not after 2024-03-03"),
]
BAD_FOR_THE_JOB = [
    ({}, "give either ingest_config (a label) or ingest_config_id (a primary key)"),
    ({"ingest_config": "demo", "ingest_config_id": 1}, "give either"),
    ({"ingest_config": "demo", "start_date": DAYS[0]}, "give start_date and end_date"),
    ({"ingest_config": "demo", "ops": {}}, 'unexpected config entry "ops"'),
]


@pytest.mark.parametrize(("parameters", "message"), BAD)
def test_an_asset_rejects_invalid_parameters(
    parameters: dict[str, Any], message: str, source: Server, on_sqlite: Deploy
) -> None:
    """A misspelt parameter must not start a harvest with the default: docs/failures.md#report-without-numbers"""
    deployment = on_sqlite(source.url)
    with pytest.raises(dg.DagsterInvalidConfigError) as refused:
        deployment.materialize(*DAYS[::3], **parameters)
    assert message in str(refused.value)
    assert deployment.is_untouched()
    assert not source.requests


@pytest.mark.parametrize(("parameters", "message"), BAD)
def test_the_job_rejects_invalid_parameters(
    parameters: dict[str, Any], message: str, source: Server, on_sqlite: Deploy
) -> None:
    """The job gives the same messages as an asset."""
    deployment = on_sqlite(source.url)
    with pytest.raises(dg.DagsterInvalidConfigError) as refused:
        deployment.harvest(
            ingest_config="demo", **{"start_date": "2024-03-01", "end_date": "2024-03-09", **parameters}
        )
    assert message in str(refused.value)
    assert deployment.is_untouched()


@pytest.mark.parametrize(("parameters", "message"), BAD_FOR_THE_JOB)
def test_the_job_requires_a_source_and_a_range(
    parameters: dict[str, Any], message: str, source: Server, on_sqlite: Deploy
) -> None:
    """Without a range, it would harvest everything or nothing."""
    deployment = on_sqlite(source.url)
    with pytest.raises(dg.DagsterInvalidConfigError) as refused:
        deployment.harvest(**parameters)
    assert message in str(refused.value)
    assert deployment.is_untouched()


def test_a_transform_asset_rejects_unknown_parameters(source: Server, on_sqlite: Deploy) -> None:
    """`limit` on a transform would be ignored silently."""
    deployment = on_sqlite(source.url)
    with pytest.raises(dg.DagsterInvalidConfigError, match="limit"):
        deployment.materialize(DAYS[0], assets=[TRANSFORMED], transformation={"limit": 1})
    assert deployment.is_untouched()
