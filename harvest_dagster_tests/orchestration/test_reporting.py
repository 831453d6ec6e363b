"""What a materialization says of a harvest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dagster as dg
import pytest

from harvest_dagster.orchestration.reporting import SAMPLE
from harvest_dagster.simulator import Repository, Server
from harvest_dagster.storage import tables
from harvest_dagster_tests.orchestration.conftest import Deploy
from harvest_dagster_tests.orchestration.deployment import DAYS, RAW, REPOSITORY

NUMBERS = {
    *("pages", "records", "new_identifiers", "new_data", "deleted", "quarantined", "expected"),
    *("bytes", "requests", "seconds", "seconds_waited"),
}


def metadata(result: dg.ExecuteInProcessResult) -> Mapping[str, Any]:
    """Of the run as a whole."""
    assert result.success
    event = result.get_asset_materialization_events()[-1]
    return event.step_materialization_data.materialization.metadata


def test_numbers_are_numbers(source: Server, deploy: Deploy) -> None:
    """The UI plots numbers over the partitions, and nothing else."""
    shown = metadata(deploy(source.url).materialize(DAYS[0]))
    assert set(shown) > NUMBERS
    assert all(isinstance(shown[name], dg.IntMetadataValue | dg.FloatMetadataValue) for name in NUMBERS)


def test_the_counts_are_those_of_the_logs(source: Server, deploy: Deploy) -> None:
    """Two truths are none."""
    deployment = deploy(source.url, max_window="1d")
    shown = metadata(deployment.materialize(*DAYS[::3]))
    windows = [row for row in deployment.rows(tables.harvest_log) if row.status == "SUCCEEDED"]
    for name in ("pages", "records", "new_identifiers", "new_data", "deleted", "quarantined", "expected"):
        assert shown[f"run_{name}"].value == sum(getattr(row, name) for row in windows)
    assert shown["run_records"].value == shown["run_expected"].value == REPOSITORY.size
    assert shown["run_deleted"].value == sum(row.deleted for row in deployment.rows(tables.raw_datum)) > 0
    assert shown["run_requests"].value == len(source.requests)
    assert shown["run_bytes"].value > 1000
    assert shown["windows"].value == 4
    assert shown["completeness"].value == "complete"


def test_without_totals_it_is_unverified(on_sqlite: Deploy) -> None:
    """Nobody may read `complete` where nothing proves it."""
    with Server(Repository(days=4, records_per_day=6, page_size=4, totals=False)) as source:
        shown = metadata(on_sqlite(source.url).materialize(*DAYS[::3]))
    assert shown["completeness"].value == "unverified"
    assert "run_expected" not in shown


def test_records_by_day_is_a_table(source: Server, on_sqlite: Deploy) -> None:
    """A day that brought nothing is seen at once."""
    shown = metadata(on_sqlite(source.url).materialize(*DAYS[::3]))
    table = shown["records_by_day"]
    assert isinstance(table, dg.MarkdownMetadataValue)
    assert all(f"| {day} | 6 |" in table.value for day in DAYS)


def test_each_partition_of_a_range_is_plotted_with_its_own_records(source: Server, on_sqlite: Deploy) -> None:
    """A plot that shows a month's total on each day of it is a lie."""
    deployment = on_sqlite(source.url, max_window="2d")
    deployment.materialize(*DAYS[::3])
    for day in DAYS:
        event = deployment.instance.fetch_materializations(
            dg.AssetRecordsFilter(RAW, asset_partitions=[day]), limit=1
        ).records[0]
        shown = event.asset_materialization.metadata
        assert shown["records"].value == 6
        assert next(iter(shown)) == "records"  # above the twenty of the run
        # Ten years of days with the tables of ten years each would be 40 MB of events.
        assert ("records_by_day" in shown, "sample" in shown) == (day == DAYS[-1], day == DAYS[-1])


@pytest.mark.parametrize(
    "title", ["a | b", "*b* _c_ `d`", "<script>alert(1)</script>", "line\nbreak", "[x](y)"]
)
def test_no_title_breaks_or_formats_the_sample(title: str, source: Server, on_sqlite: Deploy) -> None:
    """A pipe moves the columns, a tag is executed, a bracket becomes a link."""
    identifier = REPOSITORY.identifier(0)
    source.edits.change(identifier, title, at=REPOSITORY.midnight)
    shown = metadata(on_sqlite(source.url).materialize(DAYS[0]))["sample"]
    assert isinstance(shown, dg.MarkdownMetadataValue)
    heading, _, *rows = shown.value.splitlines()
    assert len(rows) == SAMPLE
    plain = [row.replace("\\|", "").count("|") for row in (heading, *rows)]
    assert plain == [5] * (SAMPLE + 1)
    assert "<script>" not in shown.value
    assert identifier in rows[0]


def test_nothing_left_to_do_says_so_on_the_asset(source: Server, on_sqlite: Deploy) -> None:
    """Zeroes would look like a source that has died; the logs that cover the day are named."""
    deployment = on_sqlite(source.url)
    deployment.materialize(DAYS[0])
    shown = metadata(deployment.materialize(DAYS[0]))
    assert "records" not in shown
    assert shown["completeness"].value == "covered"
    assert shown["covered_by"].value == "[2024-03-01, 2024-03-02) (log 1)"
