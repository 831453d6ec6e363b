"""The ops of the job `reconcile`. They pass each other the id of the sweep, so each may have a process of its own.

The op `list_identifiers` does not hold the lease of the source: harvests go on. The op `compare` holds it.
"""

from collections.abc import Generator
from contextlib import contextmanager
from datetime import date
from typing import Any

import dagster as dg

from harvest_dagster.catalog.loader import Catalog
from harvest_dagster.errors import HarvestError
from harvest_dagster.orchestration import io_manager
from harvest_dagster.orchestration.asset_keys import keys_of
from harvest_dagster.orchestration.checks.complete import check_days
from harvest_dagster.orchestration.checks.reconciled import report_reconciled
from harvest_dagster.orchestration.config import SweepParameters
from harvest_dagster.orchestration.op_context import (
    TRANSIENT,
    build_harvest,
    record_refusal,
    retry_later,
    retry_while_unavailable,
)
from harvest_dagster.orchestration.ops import priority
from harvest_dagster.orchestration.reports.day_reports import report_changed_days
from harvest_dagster.orchestration.reports.error_reporting import report_errors, without_secrets
from harvest_dagster.orchestration.resources import Stores
from harvest_dagster.orchestration.runs.run_history import tag_run
from harvest_dagster.pipeline import lease_guard
from harvest_dagster.pipeline.context import HarvestContext
from harvest_dagster.pipeline.reconciling import sweep as steps
from harvest_dagster.pipeline.reconciling.sweep_guard import SweepGuard, begin_sweep, hold_sweep
from harvest_dagster.pipeline.run_window import WindowRun
from harvest_dagster.pipeline.steps.preflight import validate_preconditions

JOB = "reconcile"
# Below all harvests: a sweep only looks for what they did not notice.
PRIORITY = -1
_CancelledBy = (dg.DagsterExecutionInterruptedError, KeyboardInterrupt)
CatalogParam = dg.ResourceParam[Catalog]


@contextmanager
def _harvest_of(
    context: dg.OpExecutionContext, config: SweepParameters, stores: Stores, catalog: Catalog
) -> Generator[HarvestContext, None, None]:
    """Yield the harvest. An op that has to wait is retried, as the ops of a harvest are."""
    with (
        retry_while_unavailable(context, stores.waiting, *TRANSIENT),
        retry_later(context),
    ):
        harvest = build_harvest(context, config.harvest, stores, catalog)
        with without_secrets(harvest.source.redact):
            yield harvest


@contextmanager
def _sweep_of(
    context: dg.OpExecutionContext, harvest: HarvestContext, catalog: Catalog, sweep_id: int
) -> Generator[SweepGuard, None, None]:
    """Hold a sweep during an op. If the op fails, end the sweep, and report that to the asset check."""
    with hold_sweep(harvest, sweep_id) as guard:
        try:
            with steps.end_on_failure(harvest, guard, _CancelledBy):
                yield guard
        except Exception:
            if guard.read().status == "FAILED":
                _report(context, harvest, catalog)
            raise


@dg.op(
    name="sweep_preflight",
    description="Refuses a source that is disabled or that keeps failing, before the run writes anything.",
    out=dg.Out(dg.Nothing),
    tags=priority(0),
)
@report_errors
def preflight(
    context: dg.OpExecutionContext,
    config: SweepParameters,
    harvest_stores: Stores,
    harvest_catalog: CatalogParam,
) -> None:
    """Refuse the run, or close the logs of dead runs."""
    with _harvest_of(context, config, harvest_stores, harvest_catalog) as harvest:
        harvest.run.spool.verify_access()
        tag_run(context, label=harvest.config.label)
        with record_refusal(harvest):
            validate_preconditions(harvest)


@dg.op(
    description="Lists all identifiers of the source into the spool. Waits while the source is harvested.",
    ins={"preflight": dg.In(dg.Nothing)},
    out=dg.Out(io_manager_key=io_manager.KEY),
    tags=priority(1),
)
@report_errors
def list_identifiers(
    context: dg.OpExecutionContext,
    config: SweepParameters,
    harvest_stores: Stores,
    harvest_catalog: CatalogParam,
) -> int:
    """Return the id of the sweep. A sweep that was not finished is continued."""
    with _harvest_of(context, config, harvest_stores, harvest_catalog) as harvest:
        sweep = begin_sweep(harvest, single_process=harvest.run.single_process)
        with _sweep_of(context, harvest, harvest_catalog, sweep.id) as guard:
            listed = steps.list_headers(harvest, guard)
    context.add_output_metadata(
        {
            "pages": listed.pages,
            "requests": listed.requests,
            "completeness": listed.completeness or "unverified",
            "evidence": listed.evidence or "none",
        }
    )
    return sweep.id


@dg.op(
    description="Compares the identifiers with the stored ones, and harvests what is missing. Holds the lease of the "
    "source.",
    out=dg.Out(io_manager_key=io_manager.KEY),
    tags=priority(2),
)
@report_errors
def compare(
    context: dg.OpExecutionContext,
    config: SweepParameters,
    harvest_stores: Stores,
    harvest_catalog: CatalogParam,
    sweep_id: int,
) -> dict[str, Any]:
    """Return the id of the sweep, and the days about which Dagster may have to report something else now."""
    with (
        _harvest_of(context, config, harvest_stores, harvest_catalog) as harvest,
        _sweep_of(context, harvest, harvest_catalog, sweep_id) as guard,
        lease_guard.hold_lease(harvest) as lease,
    ):
        run = WindowRun(harvest, lease, cancelled_by=_CancelledBy)
        done = steps.reconcile(run, guard, approve=config.approve_deletions)
    days = sorted(day.isoformat() for day in done.days)
    return {"sweep_id": sweep_id, "days": days}


@dg.op(
    name="sweep_finish",
    description="Ends the sweep, releases the lease, and reports what was found.",
    ins={"compared": dg.In(dict)},
    out=dg.Out(dg.Nothing),
    tags=priority(3),
)
@report_errors
def finish(
    context: dg.OpExecutionContext,
    config: SweepParameters,
    harvest_stores: Stores,
    harvest_catalog: CatalogParam,
    compared: dict[str, Any],
) -> None:
    """End the sweep."""
    with (
        _harvest_of(context, config, harvest_stores, harvest_catalog) as harvest,
        _sweep_of(context, harvest, harvest_catalog, compared["sweep_id"]) as guard,
        lease_guard.hold_lease(harvest) as lease,
    ):
        key = keys_of(harvest_catalog).key_of("raw", harvest.config.label)
        changed = report_changed_days(context, harvest, key)
        check_days(context, harvest, key, changed.union(map(date.fromisoformat, compared["days"])))
        steps.finish_sweep(harvest, guard, lease)
        _report(context, harvest, harvest_catalog)
    io_manager.clear_outputs(harvest.run.spool, harvest.run.all_ids, None)


def _report(context: dg.OpExecutionContext, harvest: HarvestContext, catalog: Catalog) -> None:
    """Evaluate the asset check `reconciled`, and show the counts of the sweep on the asset."""
    key = keys_of(catalog).key_of("raw", harvest.config.label)
    try:
        report_reconciled(context, harvest.run.database, harvest.config, key)
    except HarvestError as error:  # the result of the sweep is in the database
        context.log.warning(f"the result of the sweep could not be reported to Dagster: {error}")


EVERY_OP = ["preflight", "list_identifiers", "compare", "finish"]


def sweep_graph() -> None:
    """Connect the ops. Call this in the body of a job."""
    finish.alias("finish")(compare(list_identifiers(preflight.alias("preflight")())))
