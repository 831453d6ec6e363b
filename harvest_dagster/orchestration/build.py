"""Assemble the Dagster definitions of a catalog. Users can override translator, resources and executor."""

import os
import warnings
from collections.abc import Collection, Generator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import dagster as dg

from harvest_dagster.catalog.loader import Catalog
from harvest_dagster.catalog.problems import Problem
from harvest_dagster.orchestration import io_manager
from harvest_dagster.orchestration.asset_keys import SourceCatalog
from harvest_dagster.orchestration.assets import assets_of, broken_source_spec
from harvest_dagster.orchestration.checks.complete import completeness_check
from harvest_dagster.orchestration.checks.reconciled import reconciled
from harvest_dagster.orchestration.checks.up_to_date import up_to_date
from harvest_dagster.orchestration.executor import EXECUTOR
from harvest_dagster.orchestration.jobs import harvest, reconcile
from harvest_dagster.orchestration.on_demand import DefinitionsOnDemand, SourceParts
from harvest_dagster.orchestration.resources import Stores
from harvest_dagster.orchestration.sensors.notify import notify
from harvest_dagster.orchestration.sensors.orphaned_logs import (
    close_orphaned_logs,
    close_orphaned_logs_of_cancelled_runs,
    close_orphaned_logs_of_failed_runs,
)
from harvest_dagster.orchestration.sensors.reconcile import reconcile_by_schedule
from harvest_dagster.orchestration.sensors.repair_gaps import repair_gaps
from harvest_dagster.orchestration.sensors.schedule import harvest_by_schedule
from harvest_dagster.orchestration.sensors.source_status import report_source_status
from harvest_dagster.orchestration.sensors.transform_pending import transform_pending
from harvest_dagster.orchestration.sensors.write_report import write_report_regularly
from harvest_dagster.orchestration.translator import (
    HarvestTranslator,
    SharedRun,
    TranslatedSources,
    translate_catalog,
)

STRICT_VARIABLE = "HARVEST_STRICT"

SENSORS = [
    harvest_by_schedule,
    repair_gaps,
    reconcile_by_schedule,
    transform_pending,
    report_source_status,
    notify,
    close_orphaned_logs,
    close_orphaned_logs_of_failed_runs,
    close_orphaned_logs_of_cancelled_runs,
    write_report_regularly,
]


def build_defs(
    catalog: Catalog,
    *,
    translator: HarvestTranslator | None = None,
    resources: Mapping[str, Any] | None = None,
    executor: dg.ExecutorDefinition | None = EXECUTOR,
    shared_database: bool = False,
) -> dg.Definitions:
    """Return the definitions of a catalog.

    Args:
        catalog: each config becomes assets. A document that did not load becomes an external asset that names the
            problem. All problems and warnings become metadata of the code location.
        translator: changes the keys, groups, descriptions, owners, tags, kinds and metadata of the assets.
        resources: override the resources `harvest_stores`, `harvest_catalog` and `harvest_io_manager`.
        executor: runs the ops; by default, all ops of a run in one process, which is four times as fast as Dagster's
            own default. With None, the definitions have no executor, so that they can be merged with others that have
            one.
        shared_database: whether other code locations have sources in the same harvest database. Then the sensor
            `report_source_status` does not warn of data whose source this location does not define.

    Raises:
        CatalogError: the catalog has problems; see `raise_if_strict`.
    """
    raise_if_strict(catalog)
    with without_preview_warnings():
        sources = translate_catalog(
            catalog, translator or HarvestTranslator(), shares_database=shared_database
        )
    shared = build_shared_defs(sources.catalog, resources=resources, executor=executor)
    return DefinitionsOnDemand.of(
        SourceParts(
            partial(build_asset_defs, sources), sources.find_connected, shared, sources.find_shared_run
        )
    )


def raise_if_strict(catalog: Catalog) -> None:
    """Raise CatalogError if the catalog has problems and HARVEST_STRICT is set to anything but 0.

    Raises:
        CatalogError: the message has one line for each problem.
    """
    if os.environ.get(STRICT_VARIABLE, "") not in ("", "0"):
        catalog.raise_if_invalid()


@contextmanager
def without_preview_warnings() -> Generator[None, None, None]:
    """Suppress what Dagster says once for each source about its beta and preview features.

    Single-run backfills need `backfill_policy`, the check of each partition needs `partitions_def` of a check, and the
    link to the YAML needs code references.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)
        warnings.simplefilter("ignore", dg.PreviewWarning)
        yield


def build_asset_defs(
    sources: TranslatedSources, labels: Collection[str] | None = None, shared: SharedRun | None = None
) -> dg.Definitions:
    """Return the assets and checks of these sources, or of all.

    Args:
        sources: the sources.
        labels: of sources, also of those that did not load.
        shared: the run that is to harvest several of them; None if each has its own partitions and pool.
    """
    configs = [one for one in sources.catalog.configs if labels is None or one.label in labels]
    broken = {
        label: problems
        for label, problems in sources.catalog.broken.items()
        if labels is None or label in labels
    }
    with without_preview_warnings():
        assets = [
            asset
            for config in configs
            for asset in assets_of(
                config, sources.specs, shared.first_day_of(config.label) if shared else None
            )
        ]
        keys = sources.catalog.keys
        checks = [
            check
            for config in ([] if shared else configs)  # the op finish evaluates them
            for check in (
                completeness_check(config, keys),
                up_to_date(config, keys),
                reconciled(config, keys),
            )
        ]
    return dg.Definitions(
        assets=[*assets, *(broken_source_spec(sources, label, broken[label]) for label in broken)],
        asset_checks=checks,
    )


def build_shared_defs(
    catalog: SourceCatalog,
    *,
    resources: Mapping[str, Any] | None = None,
    executor: dg.ExecutorDefinition | None = None,
) -> dg.Definitions:
    """Return what all sources of a code location share: the job, the sensors, the resources, the reported problems."""
    reports = {"catalog problems": catalog.problems, "catalog warnings": catalog.warnings}
    return dg.Definitions(
        jobs=[harvest, reconcile],
        sensors=SENSORS,
        resources={
            "harvest_stores": Stores(),
            "harvest_catalog": catalog,
            io_manager.KEY: io_manager.spool_io_manager,
            **(resources or {}),
        },
        executor=executor,
        metadata={name: _markdown_list(problems) for name, problems in reports.items() if problems} or None,
    )


def _markdown_list(problems: tuple[Problem, ...]) -> dg.MarkdownMetadataValue:
    return dg.MetadataValue.md("\n".join(f"- {problem}" for problem in problems))
