"""The ops of a harvest. Each reads its context, calls the step of the same name, and attaches metadata.

Ops pass each other almost nothing. A window is the mapping key of its ops, and they find its log in the database. Only
the reports of the windows go through the spool, by `io_manager`. So each op may run in a process or on a machine of its
own. An input of the type Nothing passes no value and only orders two ops: Dagster writes six events for each value that
an op passes to another (docs/decisions/0084-write-fewer-events-for-each-day.md).
"""

from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from typing import Any

import dagster as dg

from harvest_dagster.catalog.loader import Catalog
from harvest_dagster.orchestration import io_manager
from harvest_dagster.orchestration.checks import unselected
from harvest_dagster.orchestration.checks.complete import CHECK, check_window
from harvest_dagster.orchestration.config import StepConfig
from harvest_dagster.orchestration.op_context import (
    TRANSIENT,
    OpContext,
    build_harvest,
    graph_of,
    hold_lease,
    is_finished,
    record_refusal,
    report_days_on_failure,
    retry_while_unavailable,
)
from harvest_dagster.orchestration.op_templates import AFTER, build_op, catalog_of, copy_graph, stores_of
from harvest_dagster.orchestration.partitions import has_partitions, partition_window, requested_window
from harvest_dagster.orchestration.reports import day_reports, metadata
from harvest_dagster.orchestration.reports.error_reporting import report_errors, without_secrets
from harvest_dagster.orchestration.resources import Stores
from harvest_dagster.orchestration.runs.remaining_windows import (
    after_failed_window,
    harvest_unfinished_windows,
    launch_window,
)
from harvest_dagster.orchestration.runs.run_history import tag_run
from harvest_dagster.orchestration.runs.turns import in_turn
from harvest_dagster.pipeline import lease_guard
from harvest_dagster.pipeline.completed_days import is_covered
from harvest_dagster.pipeline.context import HarvestContext
from harvest_dagster.pipeline.early_stop import find_stop_reason
from harvest_dagster.pipeline.report_lines import log_run
from harvest_dagster.pipeline.snapshots import describe_snapshot, is_snapshot
from harvest_dagster.pipeline.steps.fetch import find_begun_log
from harvest_dagster.pipeline.steps.finish import finish_run
from harvest_dagster.pipeline.steps.plan import Plan, find_covering_logs, find_parent, plan_windows
from harvest_dagster.pipeline.steps.preflight import refuse_repeated_failures, validate_preconditions
from harvest_dagster.storage.counts import as_numbers
from harvest_dagster.storage.harvest_log.queries import HarvestLog
from harvest_dagster.windows import Window

CatalogParam = dg.ResourceParam[Catalog]
_DONE = dg.Out(dg.Nothing)
_STEP_CONFIG = StepConfig.to_config_schema().as_field()


def priority(number: int) -> dict[str, str]:
    """Return the tags of an op. Later ops have higher numbers, so a run finishes a window before it starts the next."""
    return {"dagster/priority": str(number)}


@dg.op(
    description="Refuses a source that is disabled or that keeps failing, before the run writes anything.",
    out=_DONE,
    tags=priority(0),
)
@report_errors
def preflight(
    context: dg.OpExecutionContext, config: StepConfig, harvest_stores: Stores, harvest_catalog: CatalogParam
) -> None:
    """Refuse the run, or close the logs of dead runs."""
    with (
        report_days_on_failure(context, config, harvest_stores, harvest_catalog),
        retry_while_unavailable(context, harvest_stores.waiting, *TRANSIENT),
    ):
        window = requested_window(context, config)  # first, so that invalid parameters leave no row
        harvest_stores.spool().verify_access()
        harvest = build_harvest(context, config, harvest_stores, harvest_catalog)
        tag_run(context, label=harvest.config.label, window=window)
        with record_refusal(harvest), without_secrets(harvest.source.redact):
            validate_preconditions(harvest)


@report_errors
def _lock(context: dg.OpExecutionContext) -> dg.Output[None]:
    """Acquire the lease. The later ops of the run find it in the database."""
    harvest_stores, harvest_catalog = stores_of(context), catalog_of(context)
    config = StepConfig(**context.op_config)
    with (
        report_days_on_failure(context, config, harvest_stores, harvest_catalog),
        retry_while_unavailable(context, harvest_stores.waiting, *TRANSIENT),
    ):
        harvest = build_harvest(context, config, harvest_stores, harvest_catalog)
        with without_secrets(harvest.source.redact):
            lease = lease_guard.acquire(
                harvest, requested_window(context, config), single_process=harvest.run.single_process
            )
            refuse_repeated_failures(harvest, lease)
    context.log.debug(f"acquired the lease of {harvest.config.label}, fencing token {lease.token}")
    return dg.Output(None)


@cache  # Dagster rejects two different ops with the same name in one job
def lock_op(pool: str | None) -> dg.OpDefinition:
    """Return the op `lock` of a source. Its pool keeps a second run of the source in the queue.

    A pool belongs to an op, so each source with a pool has an op of its own. The graph shows all of them as `lock`.
    They share one config schema.
    """
    return build_op(
        f"lock_{pool}" if pool else "lock",
        _lock,
        dg.OpExecutionContext,
        ins={"preflight": AFTER},
        outs={"result": _DONE},
        description="Acquires the lease of the source, so that one run harvests it at a time.",
        tags=priority(1),
        config=_STEP_CONFIG,
        pool=pool,
    )


@dg.op(
    description="Skips the time that is covered, and divides the rest of the range into windows.",
    ins={"lock": dg.In(dg.Nothing)},
    out=dg.DynamicOut(dg.Nothing),
    tags=priority(2),
)
@report_errors
def plan(
    context: dg.OpExecutionContext,
    config: StepConfig,
    harvest_stores: Stores,
    harvest_catalog: CatalogParam,
) -> Any:
    """Return a generator of the windows to harvest, which holds the lease until the last one is stored.

    Dagster stores an output in a tenth of a second. The lease of a thousand windows would expire meanwhile.
    """
    with ExitStack() as stack:
        op = stack.enter_context(hold_lease(context, config, harvest_stores, harvest_catalog))
        planned = plan_windows(op.harvest, op.requested, op.lease)
        metadata.log_plan(context, planned)
        tag_run(context, log_id=planned.parent_id)
        return _planned_outputs(planned, stack.pop_all())


def _planned_outputs(planned: Plan, lease: ExitStack) -> Iterator[dg.DynamicOutput[None]]:
    """Yield one output for each window. Release what `lease` holds at the end."""
    with lease:
        for window in planned.windows:
            yield dg.DynamicOutput(None, mapping_key=metadata.short_name(window))


def _planned_window(context: dg.OpExecutionContext) -> Window:
    """Return the window of an op between plan and finish."""
    return metadata.parse_short_name(context.get_mapping_key() or "")


# Without this input, Dagster takes an op after a window's first one for an op that was never started, if the run failed
# in that window. When it executes the run again, it starts the op for each window, also for windows whose pages were
# never fetched (docs/failures.md#skipped-windows).
_AFTER_PLAN = {"planned": dg.In(dg.Nothing)}


@dg.op(
    description="Fetches the pages of a window into the spool. Skips the window if the run stops early.",
    ins=_AFTER_PLAN,
    out=dg.Out(dg.Nothing, is_required=False),
    tags=priority(3),
)
@report_errors
@in_turn
def fetch(
    context: dg.OpExecutionContext,
    config: StepConfig,
    harvest_stores: Stores,
    harvest_catalog: CatalogParam,
) -> Any:
    """Return a generator of one output.

    It is empty if the run stops early. Dagster then skips the other ops of the window.
    """
    window = _planned_window(context)
    with hold_lease(context, config, harvest_stores, harvest_catalog) as op, after_failed_window(op):
        if (reason := find_stop_reason(op.harvest)) is not None:
            context.log.debug(f"{window} is not tried, because {reason}")
            return (dg.Output(None) for _ in ())
        parent_id = find_parent(op.harvest, op.requested) if window != op.requested else None
        log = op.steps.begin(window, parent_id=parent_id)
        if log is None:  # the run has already collected `limit` records
            return (dg.Output(None) for _ in range(1))
        tag_run(context, log_id=log.parent_id or log.id)
        with op.window(log.id):
            summary, statistics = op.steps.fetch(log)
    context.add_output_metadata(metadata.fetch_metadata(window, summary, statistics))
    return (dg.Output(None) for _ in range(1))


@contextmanager
def _resume(
    context: dg.OpExecutionContext, config: StepConfig, harvest_stores: Stores, harvest_catalog: Catalog
) -> Generator[tuple[OpContext, HarvestLog | None], None, None]:
    """Hold the lease and take up the log of the op's window. It is None if the run has not begun the window."""
    with hold_lease(context, config, harvest_stores, harvest_catalog) as op:
        begun = find_begun_log(op.harvest, _planned_window(context))
        if begun is None:
            yield op, None
            return
        with after_failed_window(op), op.window(begun.id) as log:
            yield op, log


@dg.op(
    description="Parses the pages into records, and quarantines invalid records.",
    ins={**_AFTER_PLAN, "fetched": dg.In(dg.Nothing)},
    out=_DONE,
    tags=priority(4),
)
@report_errors
def split(
    context: dg.OpExecutionContext,
    config: StepConfig,
    harvest_stores: Stores,
    harvest_catalog: CatalogParam,
) -> None:
    """Parse the pages of the window."""
    with _resume(context, config, harvest_stores, harvest_catalog) as (op, log):
        if log is None or is_finished(log):
            return
        pages = op.steps.split(log)
    context.add_output_metadata({"pages": pages})


@dg.op(
    description="Writes identifiers and data to the database, one transaction for each page.",
    ins={**_AFTER_PLAN, "parsed": dg.In(dg.Nothing)},
    out=_DONE,
    tags=priority(5),
)
@report_errors
def store(
    context: dg.OpExecutionContext,
    config: StepConfig,
    harvest_stores: Stores,
    harvest_catalog: CatalogParam,
) -> None:
    """Store the records of the window."""
    with _resume(context, config, harvest_stores, harvest_catalog) as (op, log):
        if log is None or is_finished(log):
            return
        stored = op.steps.store(log)
    context.add_output_metadata(as_numbers(stored, "store"))


@dg.op(
    description="Creates an ingest log for each datum of the window, and finishes the window.",
    ins={**_AFTER_PLAN, "stored": dg.In(dg.Nothing)},
    out=dg.Out(io_manager_key=io_manager.KEY),
    tags=priority(6),
)
@report_errors
def launch(
    context: dg.OpExecutionContext,
    config: StepConfig,
    harvest_stores: Stores,
    harvest_catalog: CatalogParam,
) -> dict[str, Any]:
    """Return what the op finish reports about the window.

    The step finish of the window also runs in this op. The op finish collects all windows, and Dagster skips it if one
    window failed.
    """
    with _resume(context, config, harvest_stores, harvest_catalog) as (op, log):
        if log is None:
            return {}
        if is_finished(log):
            return {"log_id": log.id, "days": {}, "sample": []}
        return launch_window(op, log)


@dg.op(
    description="Sums up the windows, and releases the lease. In a run that is executed again from a failure, it first "
    "harvests the windows that the failed run has not finished.",
    # If an earlier attempt was killed just after it had deleted the outputs, it had done all its work.
    ins={"windows": dg.In(metadata=io_manager.OPTIONAL)},
    out=dg.Out(dg.Nothing, is_required=False),
    tags=priority(7),
)
@report_errors
def finish(
    context: dg.OpExecutionContext,
    config: StepConfig,
    harvest_stores: Stores,
    harvest_catalog: CatalogParam,
    windows: list[dict[str, Any]],
) -> Any:
    """Return a generator of the output of the asset. It is empty if a partition is incomplete.

    Each execution of a failed run runs this op, because the failed run has not finished it.
    """
    with hold_lease(context, config, harvest_stores, harvest_catalog) as op:
        harvested = [window for window in windows if window] + harvest_unfinished_windows(op)
        summary = finish_run(op.harvest, [window["log_id"] for window in harvested], op.lease)
        covering = [] if harvested else find_covering_logs(op.harvest, op.requested)
        is_complete = _is_complete(context, op.harvest)
        day_reports.report_covered_days(context, op.harvest, failing=False)
        if not is_complete and unselected.has_op(context, op.asset_key, CHECK):
            # Dagster skips the op of the asset check if the output is missing.
            check_window(context, op.harvest, partition_window(context))
        unselected.evaluate_unselected(context, op.harvest, op.asset_key)
    logs = [coverage.log for coverage in covering]
    is_served = bool(harvested) and is_snapshot(op.harvest.config)
    snapshot = describe_snapshot(op.requested) if is_served else ""
    report = metadata.RunReport(summary, harvested, logs, is_complete, snapshot)
    metadata.observe_run(context, op.asset_key, report)
    if not is_complete:
        context.log.warning(
            "this run does not materialize all of its partitions: `limit`, `start_date` and `end_date`, or the "
            "`settle` of the IngestConfig excluded a part of them."
        )
    log_run(op.harvest, [window["log_id"] for window in harvested])
    graph = graph_of(context, op.harvest.config.label)
    io_manager.clear_outputs(op.harvest.run.spool, op.harvest.run.all_ids, graph)
    return (day_reports.output_without_event() for _ in range(1 if is_complete else 0))


def _is_complete(context: dg.OpExecutionContext, harvest: HarvestContext) -> bool:
    """Return whether the run covers its selected partitions. A `limit` or narrower dates may leave gaps."""
    if not has_partitions(context):
        return True
    return harvest.parameters.limit is None and is_covered(harvest, partition_window(context))


EVERY_OP = ["preflight", "lock", "plan", "fetch", "split", "store", "launch", "finish"]


def harvest_graph() -> Any:
    """Connect the ops. Call this in the body of a graph."""
    windows = plan(lock_op(None)(preflight()))
    return finish(windows.map(_window_ops).collect())


def _window_ops(window: Any) -> Any:
    parsed = split(planned=window, fetched=fetch(planned=window))
    return launch(planned=window, stored=store(planned=window, parsed=parsed))


@cache
def _graph_template() -> dg.GraphDefinition:
    return dg.graph(name="harvest_template", out={"result": dg.GraphOut()})(harvest_graph)


def build_graph(
    name: str, description: str | None, config: dg.ConfigMapping, pool: str | None
) -> dg.GraphDefinition:
    """Return the graph of a source, whose op `lock` has a pool.

    Args:
        name: the name of the graph. Run configs contain it.
        description: people see it.
        config: how its config becomes the config of the ops.
        pool: the pool; None if the run takes none.
    """
    return copy_graph(_graph_template(), name, description, config, ("lock", lock_op(pool)))
