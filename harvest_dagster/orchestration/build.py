"""The assembly: a catalogue becomes Definitions. What it is made of can be overridden, for tests."""

import warnings
from collections.abc import Mapping
from typing import Any

import dagster as dg

from harvest_dagster.catalog.loader import Catalog
from harvest_dagster.catalog.problems import Problem
from harvest_dagster.orchestration.assets import assets_of
from harvest_dagster.orchestration.automation import SENSORS
from harvest_dagster.orchestration.automation.standing import up_to_date
from harvest_dagster.orchestration.checks import completeness_check
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
        catalog: its configs become assets; its problems and warnings become the code location's metadata.
        resources: in place of ours, by name: `stores`, `catalog`.
        executor: in place of the one that keeps a run in one process.
    """
    with warnings.catch_warnings():
        # backfill_policy is marked beta, and a check's partitions_def preview; DESIGN.md builds on the one, the state
        # of each partition on the other, and their warnings would come several times a source.
        warnings.simplefilter("ignore", dg.BetaWarning)
        warnings.simplefilter("ignore", dg.PreviewWarning)
        assets = [asset for config in catalog.configs for asset in assets_of(config)]
        checks = [
            check for config in catalog.configs for check in (completeness_check(config), up_to_date(config))
        ]
    told = {"catalogue problems": catalog.problems, "catalogue warnings": catalog.warnings}
    return dg.Definitions(
        assets=assets,
        asset_checks=checks,
        jobs=[harvest],
        sensors=SENSORS,
        resources={"stores": Stores(), "catalog": catalog, **(resources or {})},
        executor=executor or EXECUTOR,
        metadata={name: _listed(problems) for name, problems in told.items() if problems} or None,
    )


def _listed(problems: tuple[Problem, ...]) -> dg.MarkdownMetadataValue:
    return dg.MetadataValue.md("\n".join(f"- {problem}" for problem in problems))
