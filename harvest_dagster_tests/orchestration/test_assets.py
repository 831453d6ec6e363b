"""What the UI shows of a source before anything ran."""

from __future__ import annotations

import dagster as dg
import pytest

from harvest_dagster.catalog.loader import Catalog
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
    found: dg.AssetsDefinition = defs.resolve_assets_def(key)
    return found


@pytest.mark.parametrize("key", [RAW, TRANSFORMED])
def test_an_asset_has_a_partition_for_each_utc_day_from_earliest_date(key: dg.AssetKey) -> None:
    """Lesson 24: a day in another zone shares records with two days of the source, or loses them."""
    partitions = node(build(earliest_date="2005-09-16"), key).partitions_def
    assert isinstance(partitions, dg.DailyPartitionsDefinition)
    assert partitions.timezone == "UTC"
    assert partitions.get_first_partition_key() == "2005-09-16"


@pytest.mark.parametrize("key", [RAW, TRANSFORMED])
def test_a_range_of_partitions_is_one_run(key: dg.AssetKey) -> None:
    """A thousand days as a thousand runs would take a process, a lease and three requests each."""
    assert node(build(), key).backfill_policy == dg.BackfillPolicy.single_run()


def test_the_transform_asset_is_downstream_of_the_harvest_asset() -> None:
    """Both selected, the harvest comes first."""
    assert node(build(), TRANSFORMED).asset_deps[TRANSFORMED] == {RAW}


def test_a_config_without_transformer_has_no_transform_asset() -> None:
    """An asset that can never have anything would stand red or grey for ever."""
    keys = build(transformer=None).resolve_asset_graph().get_all_asset_keys()
    assert keys == {RAW}


def test_people_find_owner_source_kind_and_tags_on_the_asset() -> None:
    """Lesson 31: whoever gets paged has to know whose source that is."""
    defs = build(
        name="Demo, all of it",
        home_page="https://demo.example.org",
        description="Every *second* Tuesday.",
        owners=["team:metadata", "who@example.org"],
        tags={"tier": "gold"},
    )
    for key, kinds in ((RAW, {"raw", "oai"}), (TRANSFORMED, {"transformed", "json"})):
        spec = node(defs, key).get_asset_spec(key)
        assert spec.description is not None
        for text in ("**Demo, all of it**", "<https://demo.example.org>", "Every *second* Tuesday."):
            assert text in spec.description
        assert list(spec.owners) == ["team:metadata", "who@example.org"]
        assert spec.group_name == "demo"
        assert spec.kinds == kinds
        assert spec.tags["tier"] == "gold"


def test_the_graph_shows_every_step_by_its_name() -> None:
    """Operators speak of `fetch` and `store`; so do the docs, the logs and the alerts."""
    graph = node(build(), RAW).node_def
    assert isinstance(graph, dg.GraphDefinition)
    assert {each.name for each in graph.nodes} == set(EVERY_OP)
    assert {each.name for each in build().resolve_job_def("harvest").nodes} == set(EVERY_OP)


@pytest.mark.parametrize("key", [RAW, TRANSFORMED])
def test_every_parameter_is_described_where_it_is_typed(key: dg.AssetKey) -> None:
    """The launchpad shows these texts; nobody looks elsewhere before a run."""
    fields = node(build(), key).node_def.config_schema.as_field().config_type.fields
    assert set(fields) == (PARAMETERS if key == RAW else {"superfluous"})
    assert all(field.description and not field.is_required for field in fields.values())


def test_the_job_takes_the_same_parameters_flat_and_the_source() -> None:
    """Scripts name the source in the run config; the primary key is for those who come from the database."""
    fields = build().resolve_job_def("harvest").config_mapping.config_schema.as_field().config_type.fields
    assert set(fields) == PARAMETERS | {"ingest_config", "ingest_config_id"}
    assert all(field.description for field in fields.values())


def test_problems_of_the_catalogue_stand_on_the_code_location() -> None:
    """Lesson 15: one bad config stops none, but somebody must get to see it."""
    catalog = Catalog((config("http://127.0.0.1:1/oai"),), ("a.yaml:3: harvester: no such key",))  # type: ignore[arg-type]
    assert "a.yaml:3" in str(build_defs(catalog).metadata["catalogue problems"])


def test_warnings_of_the_catalogue_stand_beside_them() -> None:
    """Two configs of one host with different limits load both, and the laxer one is slower than it says."""
    catalog = Catalog((config("http://127.0.0.1:1/oai"),), warnings=("a.yaml:5: rate_limit: differs",))  # type: ignore[arg-type]
    metadata = build_defs(catalog).metadata
    assert "a.yaml:5" in str(metadata["catalogue warnings"])
    assert "catalogue problems" not in metadata
