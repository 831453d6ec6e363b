"""Definitions that are built when they are read: a run builds only its own sources. Nothing else changes."""

from __future__ import annotations

from collections.abc import Collection

import dagster as dg

from harvest_dagster.catalog.loader import Catalog
from harvest_dagster.definitions import HarvestTranslator, SourceTranslatorData, build_defs
from harvest_dagster.orchestration.build import build_asset_defs, build_shared_defs, without_preview_warnings
from harvest_dagster.orchestration.on_demand import ASSET_JOB, DefinitionsOnDemand, SourceParts
from harvest_dagster.orchestration.translator import translate_catalog
from harvest_dagster_tests.orchestration.deployment import config

LABELS = ("first", "second", "third")
CATALOG = Catalog(tuple(config("http://127.0.0.1:1/oai", label=label) for label in LABELS))
KEYS = {dg.AssetKey([kind, label]) for kind in ("raw", "transformed") for label in LABELS}
RAW = dg.AssetKey(["raw", "second"])


class Dependent(HarvestTranslator):
    """Makes the second source depend on the third."""

    def get_asset_spec(self, data: SourceTranslatorData) -> dg.AssetSpec:
        spec = super().get_asset_spec(data)
        on = [dg.AssetKey(["raw", "third"])] if data.config.label == "second" else []
        return spec.replace_attributes(deps=[*spec.deps, *on])


def record_builds(
    translator: HarvestTranslator,
) -> tuple[dg.RepositoryDefinition, list[Collection[str] | None]]:
    """Return a repository, and a list that receives the sources that are built."""
    sources = translate_catalog(CATALOG, translator)
    built: list[Collection[str] | None] = []

    def build(labels: Collection[str] | None) -> dg.Definitions:
        built.append(labels)
        return build_asset_defs(sources, labels)

    defs = DefinitionsOnDemand.of(
        SourceParts(build, sources.find_connected, build_shared_defs(sources.catalog))
    )
    return defs.get_repository_def(), built


def test_a_run_builds_only_its_own_source() -> None:
    """With a thousand sources, each run would spend seconds on assets that it does not execute."""
    repository, built = record_builds(HarvestTranslator())
    repository.get_maybe_subset_job_def(ASSET_JOB)  # the process of a run loads the job before the subset
    repository.get_maybe_subset_job_def(ASSET_JOB, asset_selection={RAW})
    repository.get_maybe_subset_job_def(ASSET_JOB, asset_selection={RAW})
    assert built == [{"second"}]


def test_a_job_without_assets_builds_no_source() -> None:
    """The job `harvest` works on any source, and needs the definition of none."""
    repository, built = record_builds(HarvestTranslator())
    assert repository.get_job("harvest").name == "harvest"
    assert built == []


def test_a_run_also_builds_the_sources_on_which_its_source_depends() -> None:
    """Dagster needs the partitions of an upstream asset, also if the run does not execute it."""
    repository, built = record_builds(Dependent())
    repository.get_maybe_subset_job_def(ASSET_JOB, asset_selection={RAW})
    assert built == [{"second", "third"}]


def test_the_job_of_a_run_is_the_same_as_with_all_sources() -> None:
    """The plan of the run comes from the code server, which has built all sources."""
    own = build_defs(CATALOG).get_repository_def().get_job(ASSET_JOB).get_subset(asset_selection={RAW})
    merged = dg.Definitions.merge(build_defs(CATALOG))
    other = merged.get_repository_def().get_job(ASSET_JOB).get_subset(asset_selection={RAW})
    assert own.asset_layer.selected_asset_keys == other.asset_layer.selected_asset_keys == {RAW}
    snapshots = [job.get_job_snapshot() for job in (own, other)]
    assert snapshots[0].config_schema_snapshot == snapshots[1].config_schema_snapshot
    assert snapshots[0].dep_structure_snapshot == snapshots[1].dep_structure_snapshot
    assert snapshots[0].node_defs_snapshot == snapshots[1].node_defs_snapshot


def test_a_process_that_has_built_all_sources_uses_them() -> None:
    """The code server records the job of all assets with each run. It must be the same job for all runs."""
    repository, built = record_builds(HarvestTranslator())
    repository.load_all_definitions()
    first = repository.get_maybe_subset_job_def(ASSET_JOB, asset_selection={RAW})
    assert built == [None]
    assert first.get_parent_job_snapshot() == repository.get_job(ASSET_JOB).get_job_snapshot()


def test_reading_the_assets_builds_all_of_them() -> None:
    """A user merges these definitions with others, or changes all assets. No asset or check may be missing then."""
    defs = build_defs(CATALOG)
    with without_preview_warnings():
        changed = defs.map_resolved_asset_specs(func=lambda spec: spec.replace_attributes(group_name="mine"))
    for one in (defs, changed, dg.Definitions.merge(defs)):
        graph = one.resolve_asset_graph()
        assert graph.get_all_asset_keys() == KEYS
        assert len(graph.asset_check_keys) == 3 * len(LABELS)
    assert {spec.group_name for spec in changed.resolve_all_asset_specs()} == {"mine"}
