"""Other keys, groups and owners for the assets, and a location with a prefix from the harvest to the sensors."""

from __future__ import annotations

import subprocess
import sys
from datetime import datetime, timezone

import dagster as dg
import pytest

from harvest_dagster.catalog.loader import Catalog
from harvest_dagster.catalog.problems import Problem
from harvest_dagster.definitions import HarvestTranslator, SourceTranslatorData, Translation, build_defs
from harvest_dagster.errors import CatalogError
from harvest_dagster.orchestration.asset_keys import AssetKeys, SourceAsset, keys_of
from harvest_dagster.orchestration.resources import Stores
from harvest_dagster.orchestration.sensors import repair_gaps, schedule
from harvest_dagster.testing.simulator import Server
from harvest_dagster_tests.orchestration.conftest import Deploy
from harvest_dagster_tests.orchestration.deployment import DAYS, LABEL, config

RAW, TRANSFORMED = dg.AssetKey(["lib", "raw", LABEL]), dg.AssetKey(["lib", "transformed", LABEL])
CATALOG = Catalog((config("http://127.0.0.1:1/oai", owners=["team:a"], tags={"tier": "gold"}),))


class Mine(HarvestTranslator):
    """Changes what a user can change, as a translator of dagster-dlt does."""

    def get_asset_spec(self, data: SourceTranslatorData) -> dg.AssetSpec:
        spec = super().get_asset_spec(data)
        return spec.replace_attributes(
            key=spec.key.with_prefix("lib"),
            group_name=f"{data.kind}_{data.config.harvester}",
            owners=["team:b"],
            automation_condition=dg.AutomationCondition.eager() if data.kind == "transformed" else None,
        ).merge_attributes(tags={"stage": "prod"}, metadata={"contact": "desk 4"})


def test_a_translator_changes_keys_groups_owners_tags_and_metadata() -> None:
    """A team has its own rules for names. Without a translator, it would have to fork the package."""
    defs = build_defs(CATALOG, translator=Mine())
    for key, group in ((RAW, "raw_oai"), (TRANSFORMED, "transformed_oai")):
        spec = defs.resolve_assets_def(key).get_asset_spec(key)
        assert (spec.group_name, list(spec.owners)) == (group, ["team:b"])
        assert {"tier": "gold", "stage": "prod"}.items() <= spec.tags.items()
        assert spec.metadata["contact"] == "desk 4"
    transformed = defs.resolve_assets_def(TRANSFORMED)
    assert transformed.asset_deps[TRANSFORMED] == {RAW}
    assert transformed.get_asset_spec(TRANSFORMED).automation_condition is not None
    assert {key.asset_key for key in defs.resolve_asset_graph().asset_check_keys} == {RAW}


def test_a_translation_replaces_only_what_it_names() -> None:
    """The YAML of the source remains the place of everything else."""
    defs = build_defs(CATALOG, translator=Translation(key_prefix=["lib"], tags={"tier": "silver"}))
    spec = defs.resolve_assets_def(RAW).get_asset_spec(RAW)
    assert (spec.group_name, list(spec.owners), spec.tags["tier"]) == ("harvest", ["team:a"], "silver")


def test_keys_and_sources_are_inverse_to_each_other() -> None:
    """A sensor that takes the last part of a key for a label would act on the assets of other people."""
    catalog = build_defs(CATALOG, translator=Mine()).resources["harvest_catalog"]
    keys = keys_of(catalog)
    assert keys.find_source(RAW) == SourceAsset("raw", LABEL)
    assert keys.find_source(dg.AssetKey(["raw", LABEL])) is None
    assert keys.key_of("raw", "removed") == dg.AssetKey(["lib", "raw", "removed"])
    assert keys_of(CATALOG).find_source(dg.AssetKey(["raw", LABEL])) == SourceAsset("raw", LABEL)
    assert AssetKeys().key_of("raw", "x") == dg.AssetKey(["raw", "x"])


def test_a_location_with_a_prefix_harvests_checks_schedules_and_repairs(
    source: Server, on_sqlite: Deploy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each place that computes a key itself would report days of an asset that does not exist."""
    deployment = on_sqlite(source.url, schedule="0 3 * * *")
    stores = Stores(database_url=deployment.database_url, spool_url=str(deployment.spool))
    defs = build_defs(
        deployment.catalog,
        translator=Translation(key_prefix=["lib"]),
        resources={"harvest_stores": stores},
    )
    instance = deployment.instance
    result = defs.resolve_implicit_global_asset_job_def().execute_in_process(
        asset_selection=[RAW, TRANSFORMED],
        run_config={"ops": {f"raw__{LABEL}": {"config": {"no_split": True}}}},
        tags={
            "dagster/asset_partition_range_start": DAYS[0],
            "dagster/asset_partition_range_end": DAYS[1],
        },
        instance=instance,
    )
    assert result.success
    for key in (RAW, TRANSFORMED):
        assert instance.get_materialized_partitions(key) == set(DAYS[:2])
    job = defs.resolve_job_def("harvest")
    assert job.execute_in_process(
        run_config={"ingest_config": LABEL, "start_date": DAYS[3], "end_date": "2024-03-05"},
        instance=instance,
    ).success
    assert instance.fetch_observations(RAW, limit=1).records
    evaluated = instance.get_latest_asset_check_evaluation_record(dg.AssetCheckKey(RAW, "complete"))
    assert evaluated is not None
    assert evaluated.evaluation.passed

    def noon() -> datetime:
        return datetime(2024, 3, 7, 12, tzinfo=timezone.utc)

    for module in (schedule, repair_gaps):
        monkeypatch.setattr(module, "utc_now", noon)
    repository = defs.get_repository_def()
    requested = {}
    for name in ("harvest_by_schedule", "repair_gaps", "report_source_status"):
        with dg.build_sensor_context(
            instance=instance,
            repository_def=repository,
            definitions=None,
            resources=dict(defs.resources) | {"harvest_stores": stores},
        ) as context:
            tick = repository.get_sensor_def(name).evaluate_tick(context)
        requested[name] = {
            (frozenset(run.asset_selection or ()), run.tags["dagster/asset_partition_range_start"])
            for run in tick.run_requests or ()
        }
        if name == "report_source_status":
            assert {event.asset_key for event in tick.asset_events} <= {RAW}
    both = frozenset({RAW, TRANSFORMED})
    assert (both, DAYS[2]) in requested["repair_gaps"]
    assert (both, DAYS[2]) in requested["harvest_by_schedule"]


def test_a_source_that_does_not_load_is_shown_among_the_assets() -> None:
    """After a typo, a source disappeared without a trace, and its data silently aged."""
    problems = (
        Problem("sources/a.yaml", 3, "harvester", "no harvester is *known* as 'oia'", "odd"),
        Problem("sources/b.yaml", 1, "label", "'X' is not allowed", "X"),
    )
    defs = build_defs(Catalog(CATALOG.configs, problems), translator=Translation(key_prefix=["lib"]))
    key = dg.AssetKey(["lib", "raw", "odd"])
    node = defs.resolve_asset_graph().get(key)
    assert node.is_external
    assert node.group_name == "harvest"
    first, *more = (node.description or "").splitlines()
    assert first == "odd is not loaded: its YAML has an error"
    assert "sources/a.yaml:3: harvester: no harvester is \\*known\\* as 'oia'" in "\n".join(more)
    assert defs.resolve_asset_graph().get_all_asset_keys() == {RAW, TRANSFORMED, key}
    assert "b.yaml:1" in str(defs.metadata["catalog problems"])


def test_a_strict_location_refuses_every_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    """CI of a repository of sources must fail, and must name all problems at once."""
    problems = tuple(Problem("a.yaml", line, "label", "is wrong") for line in (1, 7))
    monkeypatch.setenv("HARVEST_STRICT", "1")
    with pytest.raises(CatalogError, match=r"(?s)a\.yaml:1: .*a\.yaml:7: "):
        build_defs(Catalog(CATALOG.configs, problems))
    build_defs(CATALOG)


def test_importing_the_functions_loads_no_catalog() -> None:
    """A location of one's own would load the default catalog, and print its problems, before its own one."""
    program = (
        "import harvest_dagster.catalog.loader as loader\n"
        "calls = []\n"
        "original = loader.load_catalog\n"
        "loader.load_catalog = lambda *a, **k: (calls.append(1), original(*a, **k))[1]\n"
        "from harvest_dagster.definitions import build_defs, load_catalog\n"
        "assert not calls\n"
        "import harvest_dagster.definitions as module\n"
        "assert module.defs is module.defs and module.catalog.configs\n"
        "assert len(calls) == 1, calls\n"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", program], check=True, timeout=120)


def test_importing_the_package_does_not_import_dagster() -> None:
    """Importing Dagster takes seconds, and most commands do not need it."""
    program = (
        "import sys, harvest_dagster\n"
        "assert 'HarvestSources' in dir(harvest_dagster)\n"
        "assert 'dagster' not in sys.modules\n"
        "harvest_dagster.HarvestSources\n"
        "assert 'dagster' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", program], check=True, timeout=120)
