"""The metadata of a materialization."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dagster as dg
import pytest
from sqlalchemy import text

from harvest_dagster.harvesters.oai.harvester import OaiHarvester
from harvest_dagster.orchestration.asset_keys import KINDS
from harvest_dagster.orchestration.reports.columns import column_schema, table_name
from harvest_dagster.pipeline.samples import MOST_SAMPLES
from harvest_dagster.storage import tables
from harvest_dagster.storage.database import Database
from harvest_dagster.testing.simulator import Repository, Server
from harvest_dagster.transformers.formats.oai_dc.transformer import OaiDcTransformer
from harvest_dagster_tests.orchestration.conftest import Deploy
from harvest_dagster_tests.orchestration.deployment import DAYS, RAW, REPOSITORY, TRANSFORMED, Deployment

NUMBERS = {"records", "records_changed", "records_deleted", "records_new", "dagster/row_count"}


def metadata(result: dg.ExecuteInProcessResult) -> Mapping[str, Any]:
    """Return the metadata of the last materialization."""
    assert result.success
    event = result.get_asset_materialization_events()[-1]
    return event.step_materialization_data.materialization.metadata


def run_metadata(deployment: Deployment) -> Mapping[str, Any]:
    """Return the metadata of the last observation, which has the counts and tables of the run."""
    observation = deployment.instance.fetch_observations(RAW, limit=1).records[0].asset_observation
    assert observation is not None
    return observation.metadata


def test_a_day_carries_what_users_of_dagster_expect(source: Server, deploy: Deploy) -> None:
    """The UI knows these keys: it shows the number of rows, the table and its columns. It plots only numbers."""
    deployment = deploy(source.url)
    result = deployment.materialize(DAYS[0], assets=(RAW, TRANSFORMED))
    raw, transformed = (
        result.asset_materializations_for_node(node)[0] for node in ("raw__demo.launch", "transformed__demo")
    )
    for event, table, count in ((raw, "current_record", 6), (transformed, "current_document", 6)):
        shown = event.metadata
        numbers = {
            n for n, one in shown.items() if isinstance(one, dg.IntMetadataValue | dg.FloatMetadataValue)
        }
        # The UI sorts its plots by name.
        assert min(numbers - {"dagster/row_count"}) == next(iter(shown)) == "records"
        assert shown["records"].value == shown["dagster/row_count"].value == count
        assert shown["dagster/table_name"].value == table
        url = str(shown["dagster/uri"].value)
        assert url.startswith(("sqlite:///", "postgresql://"))
        assert "@" not in url
        columns = shown["dagster/column_schema"]
        assert isinstance(columns, dg.TableSchemaMetadataValue)
        assert {"label", "identifier", "deleted"} <= {column.name for column in columns.schema.columns}
        sample = shown["sample"]
        assert isinstance(sample, dg.MarkdownMetadataValue)
        assert len(sample.value.splitlines()) - 2 == MOST_SAMPLES
        assert {"dagster/data_version", "dagster/code_version"} <= set(event.tags or {})
    assert {n for n, one in raw.metadata.items() if isinstance(one, dg.IntMetadataValue)} == NUMBERS
    assert (raw.tags or {})["dagster/code_version"] == str(OaiHarvester.VERSION)
    assert (transformed.tags or {})["dagster/code_version"] == str(OaiDcTransformer.VERSION)


def test_the_columns_are_those_of_the_views(database: Database) -> None:
    """The page of an asset would name columns that no query finds."""
    for kind in KINDS:
        with database.read() as connection:
            found = connection.execute(text(f"SELECT * FROM {table_name(kind)}")).keys()
        assert [column.name for column in column_schema(kind).columns] == list(found)


def test_the_counts_equal_those_of_the_logs(source: Server, deploy: Deploy) -> None:
    """Two different counts in the UI and in the table would be useless."""
    deployment = deploy(source.url, max_window="1d")
    assert deployment.materialize(*DAYS[::3]).success
    shown = run_metadata(deployment)
    windows = [row for row in deployment.rows(tables.harvest_log) if row.status == "SUCCEEDED"]
    for name in ("pages", "records", "new_identifiers", "new_data", "deleted", "quarantined", "expected"):
        assert shown[f"run_{name}"].value == sum(getattr(row, name) for row in windows)
    assert shown["run_records"].value == shown["run_expected"].value == REPOSITORY.size
    assert shown["run_deleted"].value == sum(row.deleted for row in deployment.rows(tables.raw_datum)) > 0
    assert shown["run_requests"].value == len(source.requests)
    assert shown["run_bytes"].value > 1000
    assert shown["windows"].value == 4
    assert shown["completeness"].value == "complete"


def test_a_harvest_without_totals_is_unverified(on_sqlite: Deploy) -> None:
    """Without the source's own total, nothing proves that the harvest is complete."""
    with Server(Repository(days=4, records_per_day=6, page_size=4, totals=False)) as source:
        deployment = on_sqlite(source.url)
        day = metadata(deployment.materialize(*DAYS[::3]))
    shown = run_metadata(deployment)
    assert shown["completeness"].value == day["completeness"].value == "unverified"
    assert "run_expected" not in shown


def test_records_by_day_is_a_table(source: Server, on_sqlite: Deploy) -> None:
    """Operators see at once that a day has no records."""
    deployment = on_sqlite(source.url)
    assert deployment.materialize(*DAYS[::3]).success
    shown = run_metadata(deployment)
    table = shown["records_by_day"]
    assert isinstance(table, dg.MarkdownMetadataValue)
    assert all(f"| {day} | 6 |" in table.value for day in DAYS)


def test_each_partition_of_a_range_has_its_own_count(source: Server, on_sqlite: Deploy) -> None:
    """A plot would show the total of a month on each of its days."""
    deployment = on_sqlite(source.url, max_window="2d")
    deployment.materialize(*DAYS[::3])
    for day in DAYS:
        event = deployment.instance.fetch_materializations(
            dg.AssetRecordsFilter(RAW, asset_partitions=[day]), limit=1
        ).records[0]
        shown = event.asset_materialization.metadata
        assert shown["records"].value == 6
        rows = str(shown["sample"].value).splitlines()[2:]
        assert len(rows) == MOST_SAMPLES
        assert all(day in row.replace("\\", "") for row in rows)
        assert "records_by_day" not in shown


@pytest.mark.parametrize(
    "title", ["a | b", "*b* _c_ `d`", "<script>alert(1)</script>", "line\nbreak", "[x](y)"]
)
def test_a_title_cannot_break_or_format_the_sample(title: str, source: Server, on_sqlite: Deploy) -> None:
    """A pipe would move the columns, a tag would be executed, a bracket would become a link."""
    identifier = REPOSITORY.identifier(0)
    source.edits.change(identifier, title, at=REPOSITORY.midnight)
    shown = metadata(on_sqlite(source.url).materialize(DAYS[0]))["sample"]
    assert isinstance(shown, dg.MarkdownMetadataValue)
    heading, _, *rows = shown.value.splitlines()
    assert len(rows) == MOST_SAMPLES
    plain = [row.replace("\\|", "").count("|") for row in (heading, *rows)]
    assert plain == [5] * (MOST_SAMPLES + 1)
    assert "<script>" not in shown.value
    assert identifier in rows[0]


def test_a_run_with_nothing_to_do_names_the_covering_logs(source: Server, on_sqlite: Deploy) -> None:
    """Zeros would look like a source without data."""
    deployment = on_sqlite(source.url)
    deployment.materialize(DAYS[0])
    assert deployment.materialize(DAYS[0]).success
    shown = run_metadata(deployment)
    assert "records" not in shown
    assert shown["completeness"].value == "covered"
    assert shown["covered_by"].value == "[2024-03-01, 2024-03-02) (log 1)"
