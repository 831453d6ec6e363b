"""The assets of one IngestConfig: what was harvested, and what was made of it."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from harvest_dagster.catalog.durations import format_duration
from harvest_dagster.catalog.loader import Catalog
from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.orchestration import ops, reporting
from harvest_dagster.orchestration.config import HarvestParameters, TransformParameters, for_every_op
from harvest_dagster.orchestration.failures import told
from harvest_dagster.orchestration.partitions import chosen_days, daily
from harvest_dagster.orchestration.resources import Stores
from harvest_dagster.orchestration.step import make_transformation
from harvest_dagster.pipeline.transform import transform

# Made once: for a thousand sources it would take a second to make it for each.
_PARAMETERS = HarvestParameters.to_config_schema().as_field()


def assets_of(config: IngestConfig) -> Iterator[dg.AssetsDefinition]:
    """raw/<label>, and transformed/<label> where the config names a transformer."""
    yield harvest_asset(config)
    if config.transformer is not None:
        yield transform_asset(config)


def harvest_asset(config: IngestConfig) -> dg.AssetsDefinition:
    """The raw data of a source, a partition for each UTC day; a range of them is one run."""

    def to_ops(given: dict[str, Any]) -> dict[str, Any]:
        return for_every_op(ops.EVERY_OP, HarvestParameters(**given), ingest_config=config.label)

    @dg.graph_asset(
        name=config.label,
        key_prefix="raw",
        partitions_def=daily(config),
        backfill_policy=dg.BackfillPolicy.single_run(),
        config=dg.ConfigMapping(to_ops, _PARAMETERS),
        **_described(config, f"The records as the source sent them, by `{config.harvester}`."),
        kinds={"raw", config.harvester},
    )
    def raw() -> Any:
        return ops.harvest_graph(pool=f"harvest_{config.label}")

    made: dg.AssetsDefinition = raw
    return made


def transform_asset(config: IngestConfig) -> dg.AssetsDefinition:
    """The normalized documents of a source."""

    @dg.asset(  # type: ignore[untyped-decorator]
        name=config.label,
        key_prefix="transformed",
        deps=[reporting.asset_key("raw", config.label)],
        partitions_def=daily(config),
        backfill_policy=dg.BackfillPolicy.single_run(),
        op_tags=ops.rank(8),
        **_described(config, f"One document for each record, made by `{config.transformer}`."),
        kinds={"transformed", "json"},
    )
    @told
    def transformed(
        context: dg.AssetExecutionContext,
        config: TransformParameters,
        stores: Stores,
        catalog: dg.ResourceParam[Catalog],
    ) -> None:
        label = context.asset_key.path[-1]
        transformation = make_transformation(
            context, catalog.get(label), stores, chosen_days(context), superfluous=config.superfluous
        )
        reporting.report_transformed(context, transform(transformation))

    made: dg.AssetsDefinition = transformed
    return made


def _described(config: IngestConfig, what: str) -> dict[str, Any]:
    lines = [f"**{config.name}**", what, config.description]
    if config.home_page:
        lines.append(f"Source: <{config.home_page}>")
    return {
        "description": "\n\n".join(line for line in lines if line),
        "group_name": config.label,
        "owners": list(config.owners) or None,
        "tags": dict(config.tags),
        "metadata": {
            "rate limit": f"{config.rate_limit.calls} requests in {config.rate_limit.period:g} s",
            "longest window": format_duration(config.max_window),
            **({"disabled": True} if config.disabled else {}),
        },
    }
