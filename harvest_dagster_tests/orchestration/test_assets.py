"""What the UI shows of a source before the first run."""

from __future__ import annotations

import re

import dagster as dg
import pytest

from harvest_dagster.catalog.loader import Catalog
from harvest_dagster.catalog.problems import Problem
from harvest_dagster.orchestration.build import build_defs
from harvest_dagster.orchestration.ops import EVERY_OP
from harvest_dagster_tests.orchestration.deployment import RAW, TRANSFORMED, config

PARAMETERS = {
    *("limit", "superfluous", "transform", "ignore_disabled", "force", "no_split", "optimize"),
    *("start_date", "end_date"),
}


def build(**changes: object) -> dg.Definitions:
    return build_defs(Catalog((config("http://127.0.0.1:1/oai", **changes),)))


def node(defs: dg.Definitions, key: dg.AssetKey) -> dg.AssetsDefinition:
    definition: dg.AssetsDefinition = defs.resolve_assets_def(key)
    return definition


@pytest.mark.parametrize("key", [RAW, TRANSFORMED])
def test_an_asset_has_a_partition_for_each_utc_day_from_earliest_date(key: dg.AssetKey) -> None:
    """A day in another zone overlaps two days of the source: docs/failures.md#inclusive-until"""
    partitions = node(build(earliest_date="2005-09-16"), key).partitions_def
    assert isinstance(partitions, dg.DailyPartitionsDefinition)
    assert partitions.timezone == "UTC"
    assert partitions.get_first_partition_key() == "2005-09-16"


@pytest.mark.parametrize("key", [RAW, TRANSFORMED])
def test_a_range_of_partitions_is_one_run(key: dg.AssetKey) -> None:
    """A thousand runs for a thousand days would take a process, a lease and three requests each."""
    assert node(build(), key).backfill_policy == dg.BackfillPolicy.single_run()


def test_the_transform_asset_is_downstream_of_the_harvest_asset() -> None:
    """If both are selected, the harvest must run first."""
    assert node(build(), TRANSFORMED).asset_deps[TRANSFORMED] == {RAW}


def test_a_config_without_transformer_has_no_transform_asset() -> None:
    """An asset that can never have data would stay grey forever."""
    keys = build(transformer=None).resolve_asset_graph().get_all_asset_keys()
    assert keys == {RAW}


def test_an_asset_shows_its_description_owners_kinds_and_tags() -> None:
    """The operator on call has to know whose source it is: docs/failures.md#report-without-numbers"""
    defs = build(
        name="Demo, all of it",
        home_page="https://demo.example.org",
        description="Every *second* Tuesday.",
        owners=["team:metadata", "who@example.org"],
        tags={"tier": "gold"},
    )
    for key, kinds in ((RAW, {"source", "table"}), (TRANSFORMED, {"json", "table"})):
        spec = node(defs, key).get_asset_spec(key)
        assert spec.description is not None
        for text in ("<https://demo.example.org>", "Every *second* Tuesday."):
            assert text in spec.description
        # The list of assets shows the first line as it is.
        assert re.fullmatch(r"Demo, all of it: [a-z ]+", spec.description.splitlines()[0])
        assert list(spec.owners) == ["team:metadata", "who@example.org"]
        assert spec.group_name == "harvest"
        assert spec.kinds == kinds
        assert spec.tags["tier"] == "gold"


def test_the_graph_shows_every_step_by_its_name() -> None:
    """Docs, logs and alerts refer to the steps by these names."""
    graph = node(build(), RAW).node_def
    assert isinstance(graph, dg.GraphDefinition)
    assert {each.name for each in graph.nodes} == set(EVERY_OP)
    assert {each.name for each in build().resolve_job_def("harvest").nodes} == set(EVERY_OP)


@pytest.mark.parametrize("key", [RAW, TRANSFORMED])
def test_every_parameter_has_a_description(key: dg.AssetKey) -> None:
    """The launchpad shows these texts."""
    fields = node(build(), key).node_def.config_schema.as_field().config_type.fields
    assert set(fields) == (PARAMETERS if key == RAW else {"superfluous"})
    assert all(field.description and not field.is_required for field in fields.values())


def test_the_job_takes_the_same_parameters_and_the_source() -> None:
    """Scripts name the source in the run config, by its label or by its primary key."""
    fields = build().resolve_job_def("harvest").config_mapping.config_schema.as_field().config_type.fields
    assert set(fields) == PARAMETERS | {"ingest_config", "ingest_config_id"}
    assert all(field.description for field in fields.values())


def test_the_code_location_shows_the_problems_of_the_catalog() -> None:
    """An invalid config stops no other, but operators must see it: docs/failures.md#one-bad-source-stops-all"""
    problem = Problem("a.yaml", 3, "harvester", "no such key")
    catalog = Catalog((config("http://127.0.0.1:1/oai"),), (problem,))
    assert "a.yaml:3" in str(build_defs(catalog).metadata["catalog problems"])


def test_the_code_location_shows_the_warnings_of_the_catalog() -> None:
    """Two configs of one host with different rate limits both load, and the lower limit applies to both."""
    catalog = Catalog((config("http://127.0.0.1:1/oai"),), warnings=("a.yaml:5: rate_limit: differs",))  # type: ignore[arg-type]
    metadata = build_defs(catalog).metadata
    assert "a.yaml:5" in str(metadata["catalog warnings"])
    assert "catalog problems" not in metadata
