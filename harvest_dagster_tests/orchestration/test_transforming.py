"""The transform asset: beside its harvest in one run, or later by itself."""

from __future__ import annotations

import json

import dagster as dg
import pytest

from harvest_dagster.simulator import Server
from harvest_dagster.storage import tables
from harvest_dagster_tests.orchestration.conftest import Deploy
from harvest_dagster_tests.orchestration.deployment import (
    DAYS,
    RAW,
    REPOSITORY,
    TRANSFORMED,
    Deployment,
    reason,
)


def statuses(deployment: Deployment) -> list[str]:
    return [row.status for row in deployment.rows(tables.ingest_log)]


def total(result: dg.ExecuteInProcessResult, name: str) -> int:
    """What the partitions of the transform say together."""
    events = result.asset_materializations_for_node("transformed__demo")
    return sum(int(str(event.metadata[name].value)) for event in events)


def test_both_assets_in_one_run(source: Server, deploy: Deploy) -> None:
    """What the demo and every newcomer does first."""
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
    assert total(result, "deleted") == deleted
    assert total(result, "failed") == 0


def test_the_transform_later_and_for_its_own_days_only(source: Server, deploy: Deploy) -> None:
    """Partitions of the transform mean the same days as those of the harvest."""
    deployment = deploy(source.url)
    deployment.materialize(*DAYS[::3])
    assert set(statuses(deployment)) == {"PENDING"}
    assert deployment.materialize(*DAYS[:2], assets=[TRANSFORMED]).success
    assert sorted(statuses(deployment)) == ["PENDING"] * 12 + ["SUCCEEDED"] * 12
    assert deployment.materialize(DAYS[2], assets=[TRANSFORMED]).success
    assert sorted(statuses(deployment)) == ["PENDING"] * 6 + ["SUCCEEDED"] * 18


def test_what_was_not_to_be_launched_is_left_alone(source: Server, on_sqlite: Deploy) -> None:
    """`transform: false` is for who wants to look before."""
    deployment = on_sqlite(source.url)
    deployment.materialize(*DAYS[::3], transform=False)
    assert deployment.materialize(*DAYS[::3], assets=[TRANSFORMED]).success
    assert set(statuses(deployment)) == {"CREATED"}
    assert deployment.rows(tables.normalized_datum) == []


def test_a_second_run_of_both_finds_nothing_to_do(source: Server, on_sqlite: Deploy) -> None:
    """Neither the source nor the transformer is asked again."""
    deployment = on_sqlite(source.url)
    deployment.materialize(*DAYS[::3], assets=[RAW, TRANSFORMED])
    asked = len(source.requests)
    result = deployment.materialize(*DAYS[::3], assets=[RAW, TRANSFORMED])
    assert result.success
    assert len(source.requests) == asked
    assert total(result, "transformed") == total(result, "deleted") == 0


def test_superfluous_transforms_again(source: Server, on_sqlite: Deploy) -> None:
    """After a transformer was mended without a new version."""
    deployment = on_sqlite(source.url)
    deployment.materialize(*DAYS[::3], assets=[RAW, TRANSFORMED])
    result = deployment.materialize(*DAYS[::3], assets=[TRANSFORMED], transformation={"superfluous": True})
    assert result.success
    assert total(result, "transformed") + total(result, "deleted") == REPOSITORY.size


def test_a_record_that_changes_becomes_another_document(source: Server, on_sqlite: Deploy) -> None:
    """Lesson 3: the index stayed at what was before."""
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


def test_one_datum_that_cannot_be_transformed_fails_alone(
    source: Server, on_sqlite: Deploy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lesson 10: one bad record held up a whole day."""
    from harvest_dagster.errors import TransformError
    from harvest_dagster.transformers.oai_dc import OaiDcTransformer

    whole = OaiDcTransformer.transform

    def picky(self: OaiDcTransformer, identifier: str, datum: str) -> object:
        if identifier == REPOSITORY.identifier(1):
            raise TransformError("too *odd* | for me")
        return whole(self, identifier, datum)

    monkeypatch.setattr(OaiDcTransformer, "transform", picky)
    deployment = on_sqlite(source.url)
    result = deployment.materialize(*DAYS[::3], assets=[RAW, TRANSFORMED])
    assert result.success
    (failed,) = [row for row in deployment.rows(tables.ingest_log) if row.status == "FAILED"]
    assert failed.error == "too *odd* | for me"
    assert total(result, "failed") == 1
    (first, *_) = result.asset_materializations_for_node("transformed__demo")
    assert r"too \*odd\* \| for me" in str(first.metadata["errors"].value)


def test_a_missing_secret_of_the_transformer_fails_before_anything_is_claimed(
    source: Server, on_sqlite: Deploy
) -> None:
    """Data that were claimed would wait for the next run for nothing."""
    deployment = on_sqlite(source.url)
    deployment.materialize(*DAYS[::3])
    odd = on_sqlite(source.url, transformer_kwargs={"default_language": "${HARVEST_TEST_NOT_SET}"})
    result = odd.materialize(*DAYS[::3], assets=[TRANSFORMED])
    assert "HARVEST_TEST_NOT_SET" in reason(result)
    assert set(statuses(deployment)) == {"PENDING"}
