"""The assets of one IngestConfig: its raw data, and the documents that its transformer makes of them."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any

import dagster as dg

from harvest_dagster.catalog.problems import Problem
from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.errors import DatabaseUnreachable, LeaseHeld
from harvest_dagster.orchestration import ops
from harvest_dagster.orchestration.asset_keys import SourceAsset
from harvest_dagster.orchestration.config import HarvestParameters, TransformParameters, for_every_op
from harvest_dagster.orchestration.op_context import build_transformation, retry_while_unavailable
from harvest_dagster.orchestration.op_templates import AFTER, build_op, catalog_of, stores_of
from harvest_dagster.orchestration.partitions import daily, daily_from, partition_days
from harvest_dagster.orchestration.reports import day_reports
from harvest_dagster.orchestration.reports.error_reporting import report_errors
from harvest_dagster.orchestration.reports.markdown import escape_markdown
from harvest_dagster.orchestration.translator import TranslatedSources
from harvest_dagster.pipeline.transform import TransformOutcome, transform

# Created once: for a thousand sources, a schema for each would take a second.
_PARAMETERS = HarvestParameters.to_config_schema().as_field()
_TRANSFORM_PARAMETERS = TransformParameters.to_config_schema().as_field()
_ONE_RUN = dg.BackfillPolicy.single_run()
_NOTHING = dg.Out(dg.Nothing)


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

    graph = ops.build_graph(
        SourceAsset("raw", config.label).op, spec.description, dg.ConfigMapping(to_ops, _PARAMETERS), pool
    )
    return dg.AssetsDefinition(
        node_def=graph,
        keys_by_output_name={"result": spec.key},
        specs=[spec.replace_attributes(partitions_def=days)],
        backfill_policy=_ONE_RUN,
    )


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
    label, name = config.label, SourceAsset("transformed", config.label).op
    deps = {dep.asset_key: dep for dep in [dg.AssetDep(raw), *spec.deps]}
    inputs = {f"after_{number}": key for number, key in enumerate(deps)}

    @report_errors
    def transformed(context: dg.AssetExecutionContext) -> dg.Output[None]:
        harvest_stores, harvest_catalog = stores_of(context), catalog_of(context)
        config = TransformParameters(**context.op_execution_context.op_config)
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
        return day_reports.output_without_event(name)

    return dg.AssetsDefinition(
        node_def=build_op(
            name,
            transformed,
            dg.AssetExecutionContext,
            ins=dict.fromkeys(inputs, AFTER),
            outs={name: _NOTHING},
            tags=ops.priority(8),
            config=_TRANSFORM_PARAMETERS,
        ),
        keys_by_input_name=inputs,
        keys_by_output_name={name: spec.key},
        specs=[spec.replace_attributes(deps=list(deps.values()), partitions_def=days)],
        backfill_policy=_ONE_RUN,
    )


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
