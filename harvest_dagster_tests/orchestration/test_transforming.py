"""The transform asset: in one run with its harvest, or later in its own run."""

from __future__ import annotations

import json

import dagster as dg
import pytest

from harvest_dagster.storage import tables
from harvest_dagster.testing.simulator import Server
from harvest_dagster_tests.orchestration.conftest import Deploy
from harvest_dagster_tests.orchestration.deployment import (
    DAYS,
    RAW,
    REPOSITORY,
    TRANSFORMED,
    Deployment,
    messages,
    reason,
)


def statuses(deployment: Deployment) -> list[str]:
    return [row.status for row in deployment.rows(tables.ingest_log)]


def total(result: dg.ExecuteInProcessResult, name: str) -> int:
    """Return the sum of a count over the partitions of the transform."""
    events = result.asset_materializations_for_node("transformed__demo")
    return sum(int(str(event.metadata[name].value)) for event in events)


def test_one_run_can_materialize_both_assets(source: Server, deploy: Deploy) -> None:
    """The demo and every new user do this first."""
    deployment = deploy(source.url)
    result = deployment.materialize(*DAYS[::3], assets=[RAW, TRANSFORMED])
    assert result.success
    assert statuses(deployment) == ["SUCCEEDED"] * REPOSITORY.size
    documents = deployment.rows(tables.normalized_datum)
    assert len(documents) == REPOSITORY.size
    assert deployment.materialized(TRANSFORMED) == set(DAYS)
    deleted = sum(row.deleted for row in deployment.rows(tables.raw_datum))
    assert deleted > 0
    assert total(result, "transformed") == REPOSITORY.size - deleted
    assert total(result, "records_deleted") == deleted
    assert total(result, "records_failed") == 0


def test_a_later_transform_processes_only_its_own_days(source: Server, deploy: Deploy) -> None:
    """The partitions of both assets must stand for the same days."""
    deployment = deploy(source.url)
    deployment.materialize(*DAYS[::3])
    assert set(statuses(deployment)) == {"PENDING"}
    assert deployment.materialize(*DAYS[:2], assets=[TRANSFORMED]).success
    assert sorted(statuses(deployment)) == ["PENDING"] * 12 + ["SUCCEEDED"] * 12
    assert deployment.materialize(DAYS[2], assets=[TRANSFORMED]).success
    assert sorted(statuses(deployment)) == ["PENDING"] * 6 + ["SUCCEEDED"] * 18


def test_data_that_were_not_launched_are_not_transformed(source: Server, on_sqlite: Deploy) -> None:
    """With `transform: false`, people inspect the data first."""
    deployment = on_sqlite(source.url)
    deployment.materialize(*DAYS[::3], transform=False)
    assert deployment.materialize(*DAYS[::3], assets=[TRANSFORMED]).success
    assert set(statuses(deployment)) == {"CREATED"}
    assert deployment.rows(tables.normalized_datum) == []


def test_a_second_run_of_both_has_nothing_to_do(source: Server, on_sqlite: Deploy) -> None:
    """It must neither send a request nor transform a datum."""
    deployment = on_sqlite(source.url)
    deployment.materialize(*DAYS[::3], assets=[RAW, TRANSFORMED])
    requests = len(source.requests)
    result = deployment.materialize(*DAYS[::3], assets=[RAW, TRANSFORMED])
    assert result.success
    assert len(source.requests) == requests
    assert total(result, "transformed") == total(result, "records_deleted") == 0


def test_superfluous_transforms_again(source: Server, on_sqlite: Deploy) -> None:
    """A transformer may be corrected without a new version."""
    deployment = on_sqlite(source.url)
    deployment.materialize(*DAYS[::3], assets=[RAW, TRANSFORMED])
    before = {row.id: row.date_modified for row in deployment.rows(tables.normalized_datum)}
    result = deployment.materialize(*DAYS[::3], assets=[TRANSFORMED], transformation={"superfluous": True})
    assert result.success
    after = {row.id: row.date_modified for row in deployment.rows(tables.normalized_datum)}
    assert all(after[key] > before[key] for key in before)
    deleted = sum(row.deleted for row in deployment.rows(tables.normalized_datum))
    expected = f"{REPOSITORY.size - deleted} transformed, {deleted} deleted, 0 failed"
    assert expected in messages(result, deployment.instance)


def test_a_changed_record_gets_a_new_document(source: Server, on_sqlite: Deploy) -> None:
    """The index kept the old content: docs/failures.md#content-returns"""
    deployment = on_sqlite(source.url)
    deployment.materialize(*DAYS[::3], assets=[RAW, TRANSFORMED])
    identifier = REPOSITORY.identifier(0)
    source.edits.change(identifier, "A new title", at=REPOSITORY.midnight)
    deployment.materialize(*DAYS[::3], assets=[RAW, TRANSFORMED], superfluous=True)
    (suid,) = [
        row.id for row in deployment.rows(tables.source_unique_identifier) if row.identifier == identifier
    ]
    (document,) = [row for row in deployment.rows(tables.normalized_datum) if row.suid_id == suid]
    assert "A new title" in json.dumps(document.document)


def test_one_failing_datum_does_not_stop_the_others(
    source: Server, on_sqlite: Deploy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One invalid record stopped a whole day: docs/failures.md#one-invalid-record"""
    from harvest_dagster.errors import TransformError
    from harvest_dagster.transformers.formats.oai_dc.transformer import OaiDcTransformer

    transform = OaiDcTransformer.transform

    def failing(self: OaiDcTransformer, identifier: str, datum: str) -> object:
        if identifier == REPOSITORY.identifier(1):
            raise TransformError("too *odd* | for me")
        return transform(self, identifier, datum)

    monkeypatch.setattr(OaiDcTransformer, "transform", failing)
    deployment = on_sqlite(source.url)
    result = deployment.materialize(*DAYS[::3], assets=[RAW, TRANSFORMED])
    assert result.success
    (failed,) = [row for row in deployment.rows(tables.ingest_log) if row.status == "FAILED"]
    assert failed.error == "too *odd* | for me"
    assert total(result, "records_failed") == 1
    (first, *_) = result.asset_materializations_for_node("transformed__demo")
    assert r"too \*odd\* \| for me" in str(first.metadata["errors"].value)


def test_a_missing_secret_of_the_transformer_fails_before_anything_is_claimed(
    source: Server, on_sqlite: Deploy
) -> None:
    """Claimed data would wait for the next run although nothing can transform them."""
    deployment = on_sqlite(source.url)
    deployment.materialize(*DAYS[::3])
    odd = on_sqlite(source.url, transformer_kwargs={"default_language": "${HARVEST_TEST_NOT_SET}"})
    result = odd.materialize(*DAYS[::3], assets=[TRANSFORMED])
    assert "HARVEST_TEST_NOT_SET" in reason(result)
    assert set(statuses(deployment)) == {"PENDING"}
