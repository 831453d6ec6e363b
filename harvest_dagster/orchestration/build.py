"""The assembly: a catalogue becomes Definitions. What it is made of can be overridden, for tests."""

import warnings
from collections.abc import Mapping
from typing import Any

import dagster as dg

from harvest_dagster.catalog.loader import Catalog
from harvest_dagster.orchestration.assets import assets_of
from harvest_dagster.orchestration.automation import SENSORS
from harvest_dagster.orchestration.executor import EXECUTOR
from harvest_dagster.orchestration.jobs import harvest
from harvest_dagster.orchestration.resources import Stores


def build_defs(
    catalog: Catalog,
    *,
    resources: Mapping[str, Any] | None = None,
    executor: dg.ExecutorDefinition | None = None,
) -> dg.Definitions:
    """The code location of a catalogue.

    Args:
        catalog: its configs become assets; its problems become the code location's metadata.
        resources: in place of ours, by name: `stores`, `catalog`.
        executor: in place of the one that keeps a run in one process.
    """
    with warnings.catch_warnings():
        # backfill_policy is marked beta; DESIGN.md builds on it, and its warning would come twice a source.
        warnings.simplefilter("ignore", dg.BetaWarning)
        assets = [asset for config in catalog.configs for asset in assets_of(config)]
    problems = "\n".join(f"- {problem}" for problem in catalog.problems)
    return dg.Definitions(
        assets=assets,
        jobs=[harvest],
        sensors=SENSORS,
        resources={"stores": Stores(), "catalog": catalog, **(resources or {})},
        executor=executor or EXECUTOR,
        metadata={"catalogue problems": dg.MetadataValue.md(problems)} if problems else None,
    )
