"""Ops, checks and graphs that many sources have and that differ only in their names.

`dg.op`, `dg.multi_asset` and `dg.asset_check` inspect the function of each op, and `dg.graph` runs its body for each
graph. For a thousand sources, this took two thirds of the processor time in which the code location loads (decision
0092). The classes of Dagster take what these decorators would find.
"""

import inspect
from collections.abc import Callable, Generator, Mapping
from functools import cache
from typing import Any, TypeAlias, cast

import dagster as dg

from harvest_dagster.catalog.loader import Catalog
from harvest_dagster.orchestration.resources import Stores

Context: TypeAlias = dg.OpExecutionContext | dg.AssetExecutionContext | dg.AssetCheckExecutionContext
RESOURCES = frozenset(("harvest_stores", "harvest_catalog"))
AFTER = dg.In(dg.Nothing)  # an input that has no value, only a place in the graph
_RESULT = {"result": dg.Out()}


def stores_of(context: Context) -> Stores:
    """Return the resource `harvest_stores` of an op."""
    return cast("Stores", context.resources.harvest_stores)


def catalog_of(context: Context) -> Catalog:
    """Return the resource `harvest_catalog` of an op."""
    return cast("Catalog", context.resources.harvest_catalog)


def build_op(
    name: str,
    compute: Callable[[Any], object],
    context_type: type,
    *,
    ins: Mapping[str, dg.In],
    outs: Mapping[str, dg.Out],
    description: str | None = None,
    tags: Mapping[str, str] | None = None,
    config: Any = None,
    pool: str | None = None,
) -> dg.OpDefinition:
    """Return an op that requires the resources of a harvest and yields what a function returns.

    Args:
        name: its name.
        compute: takes the context, and returns an output or a result of a check.
        context_type: the class of the context.
        ins: the inputs. The op needs them for its place in the graph, and gets no values.
        outs: the outputs.
        description: people see it.
        tags: of the op.
        config: its config schema. Share it among all ops: Dagster then knows it already.
        pool: its concurrency pool.
    """

    def run(context: Any, _inputs: Mapping[str, object]) -> Generator[object, None, None]:
        yield compute(context)

    # Dagster reads the class of the context from it. To derive it from each function takes longer.
    vars(run)["__signature__"] = _signature(context_type)
    return dg.OpDefinition(
        run,
        name,
        ins=ins,
        outs=outs,
        description=description,
        tags=tags,
        config_schema=config,
        required_resource_keys=RESOURCES,
        pool=pool,
    )


def build_check(
    asset: dg.AssetKey, name: str, description: str, compute: Callable[[Any], object], days: Any = None
) -> dg.AssetChecksDefinition:
    """Return an asset check, as `dg.asset_check` does.

    Args:
        asset: the asset that is checked.
        name: the name of the check.
        description: people see it.
        compute: takes the context of the op, and returns the result of the check.
        days: the partitions that are checked; None if the check has none.
    """
    spec = dg.AssetCheckSpec(name, asset=asset, description=description, partitions_def=days)
    op = build_op(
        f"{asset.to_python_identifier()}_{name}",
        compute,
        dg.AssetCheckExecutionContext,
        ins={"raw": AFTER},
        outs=_RESULT,
    )
    made: dg.AssetChecksDefinition = dg.AssetChecksDefinition.create(
        keys_by_input_name={"raw": asset},
        node_def=op,
        check_specs_by_output_name={"result": spec},
        can_subset=False,
    )
    return made


def copy_graph(
    template: dg.GraphDefinition,
    name: str,
    description: str | None,
    config: dg.ConfigMapping,
    replaced: tuple[str, dg.OpDefinition],
) -> dg.GraphDefinition:
    """Return a graph with the structure of another one.

    Args:
        template: the other graph.
        name: the name of the copy.
        description: of the copy.
        config: of the copy.
        replaced: the alias of a node, and the op that takes its place.
    """
    alias, op = replaced
    former = next(node.name for node in template.dependencies if node.alias == alias)
    return dg.GraphDefinition(
        name,
        description=description,
        node_defs=[op if node.name == former else node for node in template.node_defs],
        dependencies={
            node._replace(name=op.name) if node.alias == alias else node: inputs
            for node, inputs in template.dependencies.items()
        },
        output_mappings=template.output_mappings,
        config=config,
    )


@cache
def _signature(context_type: type) -> inspect.Signature:
    def function(context: Any, inputs: Any) -> None: ...

    names = inspect.signature(function)
    context, inputs = names.parameters.values()
    return names.replace(parameters=[context.replace(annotation=context_type), inputs])
