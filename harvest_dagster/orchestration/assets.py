"""The assets of one IngestConfig: its raw data, and the documents that its transformer makes of them."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any

import dagster as dg

from harvest_dagster.catalog.loader import Catalog
from harvest_dagster.catalog.problems import Problem
from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.errors import DatabaseUnreachable, LeaseHeld
from harvest_dagster.orchestration import ops
from harvest_dagster.orchestration.asset_keys import SourceAsset
from harvest_dagster.orchestration.config import HarvestParameters, TransformParameters, for_every_op
from harvest_dagster.orchestration.op_context import build_transformation, retry_while_unavailable
from harvest_dagster.orchestration.partitions import daily, daily_from, partition_days
from harvest_dagster.orchestration.reports import day_reports
from harvest_dagster.orchestration.reports.error_reporting import report_errors
from harvest_dagster.orchestration.reports.markdown import escape_markdown
from harvest_dagster.orchestration.resources import Stores
from harvest_dagster.orchestration.translator import TranslatedSources
from harvest_dagster.pipeline.transform import TransformOutcome, transform

# Created once: for a thousand sources, a schema for each would take a second.
_PARAMETERS = HarvestParameters.to_config_schema().as_field()


def assets_of(
    config: IngestConfig, specs: Mapping[SourceAsset, dg.AssetSpec], shared_from: date | None = None
) -> Iterator[dg.AssetsDefinition]:
    """Yield the asset raw/<label>, and transformed/<label> if the config names a transformer.

    Args:
        config: the source.
        specs: the assets, without partitions.
        shared_from: in a job that harvests several sources, the first partition that all of them have.
    """
    raw = specs[SourceAsset("raw", config.label)]
    days = daily(config) if shared_from is None else daily_from(shared_from)
    # A pool belongs to a run, so a source that has to wait would keep the pools of all others of its run.
    yield harvest_asset(config, raw, days, pool=None if shared_from else f"harvest_{config.label}")
    if config.transformer is not None:
        yield transform_asset(config, specs[SourceAsset("transformed", config.label)], raw.key, days)


def harvest_asset(
    config: IngestConfig, spec: dg.AssetSpec, days: dg.PartitionsDefinition[str], pool: str | None
) -> dg.AssetsDefinition:
    """Return the asset of the raw data of a source. One run harvests a range of its partitions, which are UTC days."""

    def to_ops(parameters: dict[str, Any]) -> dict[str, Any]:
        return for_every_op(ops.EVERY_OP, HarvestParameters(**parameters), ingest_config=config.label)

    def compose() -> Any:
        return ops.harvest_graph(pool)

    decorate = dg.graph(
        # `graph_asset` names the graph after the key, and run configs contain the name.
        name=SourceAsset("raw", config.label).op,
        description=spec.description,
        config=dg.ConfigMapping(to_ops, _PARAMETERS),
        out={"result": dg.GraphOut()},
    )
    return dg.AssetsDefinition.from_graph(
        decorate(compose),
        keys_by_output_name={"result": spec.key},
        partitions_def=days,
        backfill_policy=dg.BackfillPolicy.single_run(),
        descriptions_by_output_name={"result": spec.description or ""},
        group_names_by_output_name={"result": spec.group_name},
        owners_by_output_name={"result": spec.owners},
        tags_by_output_name={"result": spec.tags},
        metadata_by_output_name={"result": spec.metadata},
        code_versions_by_output_name={"result": spec.code_version},
        automation_conditions_by_output_name={"result": spec.automation_condition},
    ).map_asset_specs(lambda made: made.replace_attributes(freshness_policy=spec.freshness_policy))


def transform_asset(
    config: IngestConfig, spec: dg.AssetSpec, raw: dg.AssetKey, days: dg.PartitionsDefinition[str]
) -> dg.AssetsDefinition:
    """Return the asset of the normalized documents of a source.

    Args:
        config: the source.
        spec: the asset, without partitions.
        raw: the key of the raw data.
        days: the partitions.
    """
    label = config.label

    @dg.multi_asset(
        name=SourceAsset("transformed", config.label).op,
        specs=[spec.replace_attributes(deps=[*spec.deps, raw])],
        partitions_def=days,
        backfill_policy=dg.BackfillPolicy.single_run(),
        op_tags=ops.priority(8),
    )
    @report_errors
    def transformed(
        context: dg.AssetExecutionContext,
        config: TransformParameters,
        harvest_stores: Stores,
        harvest_catalog: dg.ResourceParam[Catalog],
    ) -> dg.Output[None]:
        with retry_while_unavailable(
            context.op_execution_context, harvest_stores.waiting, LeaseHeld, DatabaseUnreachable
        ):
            transformation = build_transformation(
                context,
                harvest_catalog.get(label),
                harvest_stores,
                partition_days(context),
                superfluous=config.superfluous,
            )
            raw_reports = day_reports.find_raw_reports(context)
            outcomes = transform(transformation)
            day_reports.report_transformed(context, transformation, outcomes, raw_reports)
        total = sum(outcomes.values(), TransformOutcome())
        context.log.info(f"{total.transformed} transformed, {total.deleted} deleted, {total.failed} failed")
        if total.chosen:
            context.log.info(f"documents by the transformer that was chosen: {total.choice}")
        return day_reports.output_without_event()

    made: dg.AssetsDefinition = transformed
    return made


def broken_source_spec(sources: TranslatedSources, label: str, problems: Sequence[Problem]) -> dg.AssetSpec:
    """Return an external asset in place of a source that did not load, so that people see it among the assets."""
    listed = "\n".join(f"- {escape_markdown(str(problem))}" for problem in problems)
    return dg.AssetSpec(
        sources.catalog.keys.key_of("raw", label),
        group_name=sources.group,
        kinds={"error"},
        description=f"{label} is not loaded: its YAML has an error\n\n{listed}\n\nNobody harvests this source. "
        "Correct the YAML, and reload the code location.",
    )
