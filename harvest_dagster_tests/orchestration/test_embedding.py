"""The sources as a part of somebody's own definitions, as docs/embedding.md describes it."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import dagster as dg
import pytest

from harvest_dagster.catalog.loader import Catalog
from harvest_dagster.definitions import HarvestTranslator, SourceTranslatorData, Translation, build_defs
from harvest_dagster.orchestration.resources import Stores
from harvest_dagster.testing.simulator import Server
from harvest_dagster_tests.orchestration.conftest import Deploy
from harvest_dagster_tests.orchestration.deployment import DAYS, LABEL, RAW, TRANSFORMED, Deployment, config

# Dagster marks `map_asset_specs` as preview, and uses beta features of its own to evaluate conditions.
pytestmark = [
    pytest.mark.filterwarnings("ignore::dagster.PreviewWarning"),
    pytest.mark.filterwarnings("ignore::dagster.BetaWarning"),
]
NOW = datetime(2024, 3, 6, 12, tzinfo=timezone.utc)
FRESH = dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=36))
DAILY = dg.DailyPartitionsDefinition("2024-03-01", timezone="UTC")
CHANGED = dg.AutomationCondition.any_deps_match(dg.AutomationCondition.data_version_changed())


@dg.asset(deps=[TRANSFORMED], partitions_def=DAILY, automation_condition=CHANGED.since_last_handled())
def index() -> None:
    """An asset of the user."""


@dg.asset(deps=[RAW], partitions_def=DAILY, automation_condition=CHANGED.since_last_handled())
def archive() -> None:
    """Another asset of the user."""


class Fresh(HarvestTranslator):
    """Adds a freshness policy."""

    def get_asset_spec(self, data: SourceTranslatorData) -> dg.AssetSpec:
        return super().get_asset_spec(data).replace_attributes(freshness_policy=FRESH)


def embed(
    deployment: Deployment, *others: object, translator: HarvestTranslator | None = None
) -> dg.Definitions:
    """Merge the sources with definitions that have an executor and resources of their own."""
    stores = Stores(database_url=deployment.database_url, spool_url=str(deployment.spool))
    mine = dg.Definitions(
        assets=[
            one
            for one in others
            if isinstance(one, dg.AssetsDefinition) and not isinstance(one, dg.AssetChecksDefinition)
        ],
        asset_checks=[one for one in others if isinstance(one, dg.AssetChecksDefinition)],
        executor=dg.in_process_executor,
        resources={"stores": "a shop", "catalog": "of goods"},
    )
    sources = build_defs(
        deployment.catalog, translator=translator, resources={"harvest_stores": stores}, executor=None
    )
    return dg.Definitions.merge(mine, sources)


def run(
    defs: dg.Definitions, deployment: Deployment, *keys: dg.AssetKey, day: str
) -> dg.ExecuteInProcessResult:
    job = defs.resolve_implicit_global_asset_job_def()
    return job.execute_in_process(
        asset_selection=list(keys), partition_key=day, instance=deployment.instance, raise_on_error=False
    )


def test_downstream_assets_follow_the_days_that_changed(source: Server, on_sqlite: Deploy) -> None:
    """The days of a source are the events on which people build. A day that is requested again must wake nobody."""
    deployment = on_sqlite(source.url)
    defs = embed(deployment, index, archive)
    assert defs.executor is dg.in_process_executor

    def requested(cursor: object = None) -> tuple[set[tuple[str, str]], object]:
        found = dg.evaluate_automation_conditions(
            defs=defs, instance=deployment.instance, cursor=cursor, evaluation_time=NOW
        )
        return {
            (name, day)
            for name in ("index", "archive")
            for day in found.get_requested_partitions(dg.AssetKey(name))
            if day is not None
        }, found.cursor

    _, cursor = requested()
    assert run(defs, deployment, RAW, TRANSFORMED, day=DAYS[0]).success
    after, cursor = requested(cursor)
    assert after == {("index", DAYS[0]), ("archive", DAYS[0])}
    assert run(defs, deployment, RAW, TRANSFORMED, day=DAYS[0]).success
    assert requested(cursor)[0] == set()


def test_a_freshness_policy_comes_from_the_translator_or_from_the_specs(on_sqlite: Deploy) -> None:
    """Dagster then warns if a source stands still, without code of ours."""
    deployment = on_sqlite("http://127.0.0.1:1")
    for defs in (
        embed(deployment, translator=Fresh()),
        embed(deployment).map_asset_specs(func=lambda spec: spec.replace_attributes(freshness_policy=FRESH)),
    ):
        for key in (RAW, TRANSFORMED):
            assert defs.resolve_assets_def(key).get_asset_spec(key).freshness_policy == FRESH


def test_a_blocking_check_of_the_user_stops_the_transform(source: Server, on_sqlite: Deploy) -> None:
    """A check that does not block lets bad data into the index, and nobody sees why."""

    @dg.asset_check(asset=RAW, blocking=True)
    def plausible() -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=False, severity=dg.AssetCheckSeverity.ERROR)

    deployment = on_sqlite(source.url)
    result = run(embed(deployment, plausible), deployment, RAW, TRANSFORMED, day=DAYS[0])
    assert not result.success
    assert deployment.materialized(RAW) == {DAYS[0]}
    assert deployment.materialized(TRANSFORMED) == set()


def test_two_locations_share_a_database(source: Server, on_sqlite: Deploy) -> None:
    """They share the request budget of each host. Neither must call the sources of the other one orphaned."""
    deployment = on_sqlite(source.url)
    stores = Stores(database_url=deployment.database_url, spool_url=str(deployment.spool))
    other = Catalog((config(source.url, label="other"),))
    locations = [
        build_defs(
            catalog,
            translator=Translation(key_prefix=[prefix]),
            resources={"harvest_stores": stores},
            shared_database=True,
        )
        for catalog, prefix in ((deployment.catalog, "one"), (other, "two"))
    ]
    for defs, prefix, label in zip(locations, ("one", "two"), (LABEL, "other"), strict=True):
        assert run(defs, deployment, dg.AssetKey([prefix, "raw", label]), day=DAYS[0]).success
    for defs, prefix, label in zip(locations, ("one", "two"), (LABEL, "other"), strict=True):
        repository = defs.get_repository_def()
        with dg.build_sensor_context(
            instance=deployment.instance, repository_def=repository, resources=dict(defs.resources or {})
        ) as context:
            tick = repository.get_sensor_def("report_source_status").evaluate_tick(context)
            transforms = repository.get_sensor_def("transform_pending").evaluate_tick(context)
        assert {event.asset_key for event in tick.asset_events} <= {dg.AssetKey([prefix, "raw", label])}
        (request,) = transforms.run_requests or ()
        assert request.asset_selection == [dg.AssetKey([prefix, "transformed", label])]
