"""The op fetch waits for the turn of its window if the executor may run several windows of a run at the same time."""

import random
from collections.abc import Callable
from functools import wraps
from typing import Any

import dagster as dg

from harvest_dagster.catalog.loader import Catalog
from harvest_dagster.orchestration.config import StepConfig
from harvest_dagster.orchestration.executor import is_single_process
from harvest_dagster.orchestration.op_context import (
    TRANSIENT,
    build_harvest,
    graph_of,
    report_days_on_failure,
    retry_while_unavailable,
)
from harvest_dagster.orchestration.partitions import requested_window
from harvest_dagster.orchestration.reports.error_reporting import without_secrets
from harvest_dagster.orchestration.reports.metadata import parse_short_name, short_name
from harvest_dagster.orchestration.resources import Stores
from harvest_dagster.pipeline import turns
from harvest_dagster.pipeline.context import HarvestContext
from harvest_dagster.windows import Window

_NOT_PLANNED_YET = "?"  # in the keys of the steps of all windows, if the run executes the op plan


def in_turn(fetch: Callable[..., Any]) -> Callable[..., Any]:
    """Let an op wait for the turn of its window before it begins. With one process, the executor keeps the order."""

    @wraps(fetch)
    def waiting(
        context: dg.OpExecutionContext,
        config: StepConfig,
        harvest_stores: Stores,
        harvest_catalog: Catalog,
        **inputs: Any,
    ) -> Any:
        if not is_single_process(context.job_def.executor_def, context.run.run_config):
            with (
                report_days_on_failure(context, config, harvest_stores, harvest_catalog),
                retry_while_unavailable(context, harvest_stores.waiting, *TRANSIENT),
            ):
                harvest = build_harvest(context, config, harvest_stores, harvest_catalog)
                with without_secrets(harvest.source.redact):
                    wait_for_turn(context, harvest, requested_window(context, config))
        return fetch(context, config, harvest_stores, harvest_catalog, **inputs)

    return waiting


def wait_for_turn(context: dg.OpExecutionContext, harvest: HarvestContext, wanted: Window) -> None:
    """End the op with a retry as long as other windows of the run are ahead. This frees the worker meanwhile.

    The op does not hold the lease while it waits, and its retries do not count.

    Args:
        context: the context of an op of a window.
        harvest: the harvest.
        wanted: the range of the run.

    Raises:
        dagster.RetryRequested: it is not the turn of this window.
    """
    window = parse_short_name(context.get_mapping_key() or "")
    graph = graph_of(context, harvest.config.label)
    ahead = turns.find_windows_ahead(harvest, wanted, window, lambda other: has_ops(context, graph, other))
    if ahead:
        failed = _failed_windows(context, graph)
        ahead = [other for other in ahead if short_name(other) not in failed]
    if not ahead or not turns.is_worth_waiting(harvest, context.retry_number):
        return
    seconds = turns.pause_before_next_look(harvest, len(ahead)) * (1 + random.random() / 10)  # noqa: S311  # jitter
    context.log.debug(f"{window} waits for {ahead[0]}. Looking again in {seconds:.0f} s.")
    raise dg.RetryRequested(max_retries=context.retry_number + 1, seconds_to_wait=seconds)


def has_ops(context: dg.OpExecutionContext, graph: str | None, window: Window) -> bool:
    """Return whether a run has ops for a window. If it is executed again from a failure, it may have none."""
    keys = context.run.step_keys_to_execute
    if context.run.parent_run_id is None or keys is None:
        return True
    names = {_window_of_step(key, graph) for key in keys}
    return short_name(window) in names or _NOT_PLANNED_YET in names


def _failed_windows(context: dg.OpExecutionContext, graph: str | None) -> set[str]:
    """Return the names of the windows with an op that has failed, or whose process was killed."""
    failures = context.instance.all_logs(context.run.run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
    names = (_window_of_step(entry.step_key or "", graph) for entry in failures)
    return {name for name in names if name}


def _window_of_step(step_key: str, graph: str | None) -> str:
    """Return the name of the window that a step of a graph works on; an empty text if there is none."""
    path, _, window = step_key.rstrip("]").partition("[")
    scope = path.rpartition(".")[0]
    return window if scope == (graph or "") else ""
