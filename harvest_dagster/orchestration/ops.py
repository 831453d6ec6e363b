"""The ops: each reads its context, calls one function of the pipeline, and attaches metadata.

Between ops travel only a planned window (its two instants) and, from fetch on, the number of its log: all else
is in the database and the spool, so that an op may run in a process or on a machine of its own.
"""

from typing import Any, Optional

import dagster as dg

from harvest_dagster.catalog.loader import Catalog
from harvest_dagster.errors import LeaseHeld
from harvest_dagster.orchestration import reporting
from harvest_dagster.orchestration.checks import check_done_window, check_window
from harvest_dagster.orchestration.config import StepConfig
from harvest_dagster.orchestration.failures import told, without_secrets
from harvest_dagster.orchestration.partitions import chosen_window, of_partitions, wanted_window
from harvest_dagster.orchestration.resources import Stores
from harvest_dagster.orchestration.runs import tag_run
from harvest_dagster.orchestration.step import at_work, is_done, make_harvest, waiting
from harvest_dagster.pipeline import fetch as fetching
from harvest_dagster.pipeline import finish as finishing
from harvest_dagster.pipeline import launch as launching
from harvest_dagster.pipeline import lock as locking
from harvest_dagster.pipeline import plan as planning
from harvest_dagster.pipeline import preflight as checking
from harvest_dagster.pipeline import split as splitting
from harvest_dagster.pipeline import store as storing
from harvest_dagster.pipeline.days import done_days, is_covered
from harvest_dagster.pipeline.harvest import Harvest
from harvest_dagster.pipeline.source import open_source
from harvest_dagster.windows import Window, parse_instant

Catalogue = dg.ResourceParam[Catalog]
_STEP_CONFIG = StepConfig.to_config_schema().as_field()


def rank(rank: int) -> dict[str, str]:
    """The further down the chain, the sooner: a window, and a source with its lease, is done before the next."""
    return {"dagster/priority": str(rank)}


@dg.op(description="Refuse what is disabled or keeps failing, before anything is touched.", tags=rank(0))
@told
def preflight(context: dg.OpExecutionContext, config: StepConfig, stores: Stores, catalog: Catalogue) -> int:
    """Gives the process id it ran in."""
    window = wanted_window(context, config)  # first: parameters that make no sense leave no row
    harvest = make_harvest(context, config, stores, catalog)
    tag_run(context, label=harvest.config.label, window=window)
    with without_secrets(harvest.redact):
        checking.check(harvest)
    return harvest.runner.process.id


@told
def _lock(
    context: dg.OpExecutionContext,
    stores: Stores,
    catalog: Catalogue,
    preflight_process: int,
) -> int:
    """Gives the fencing token."""
    config = StepConfig(**context.op_config)
    harvest = make_harvest(context, config, stores, catalog)
    single_process = preflight_process == harvest.runner.process.id
    with without_secrets(harvest.redact), waiting(context, stores.waiting, LeaseHeld):
        lease = locking.acquire(harvest, wanted_window(context, config), single_process=single_process)
        checking.check_again(harvest, lease)
    context.log.info(f"holds the lease of {harvest.config.label}, fencing token {lease.token}")
    return lease.token


def lock_op(pool: str | None) -> dg.OpDefinition:
    """The op `lock`; it carries the pool by which the queue starts no second run of a source.

    A pool sits on an op, so that each source has an op of its own: hence the name, which the graph hides, and the
    schema that is made once for all of them.
    """
    name = f"lock_{pool}" if pool else "lock"
    description = "Take the lease of the source: one harvest at a time."
    op = dg.op(name=name, description=description, tags=rank(1), pool=pool, config_schema=_STEP_CONFIG)
    return op(_lock)


@dg.op(
    description="Leave out what is covered, cut the rest into windows.",
    out=dg.DynamicOut(dict),
    tags=rank(2),
)
@told
def plan(
    context: dg.OpExecutionContext, config: StepConfig, stores: Stores, catalog: Catalogue, token: int
) -> Any:
    """Gives each window that is to be harvested."""
    del token  # what it stands for is in the database; the input makes this op come after lock
    wanted = wanted_window(context, config)
    with at_work(context, config, stores, catalog) as work:
        planned = planning.plan(work.harvest, wanted, work.grip)
    reporting.tell_plan(context, planned)
    if of_partitions(context) and planned.windows:
        reporting.materialize_days(context, dict.fromkeys(planned.left_out(wanted), reporting.COVERED))
    tag_run(context, log_id=planned.parent_id)
    return [
        dg.DynamicOutput(
            {
                "start": window.start.isoformat(),
                "end": window.end.isoformat(),
                "parent_id": planned.parent_id,
            },
            mapping_key=reporting.short_name(window),
        )
        for window in planned.windows
    ]


@dg.op(description="The pages of a window, as they come, into the spool.", tags=rank(3))
@told
def fetch(
    context: dg.OpExecutionContext,
    config: StepConfig,
    stores: Stores,
    catalog: Catalogue,
    planned: dict[str, Any],
) -> Optional[int]:  # noqa: UP045  # Dagster's output types know no `int | None`
    """Gives the number of the window's log; None where `limit` was reached before."""
    window = Window(parse_instant(planned["start"]), parse_instant(planned["end"]))
    with at_work(context, config, stores, catalog) as work:
        limit = fetching.limit_left(work.harvest, window)
        if limit == 0 and not fetching.is_put_off(work.harvest, window):
            return None
        log = fetching.begin(work.harvest, window, work.grip, parent_id=planned["parent_id"], limit=limit)
        tag_run(context, log_id=log.parent_id or log.id)
        with work.window(log.id), open_source(work.harvest, work.grip, log) as source:
            end = fetching.fetch(work.harvest, source.harvester, log, work.grip, source.check)
    context.add_output_metadata(reporting.fetched(window, end, source.session.statistics))
    return log.id


@dg.op(description="Each page into records; what cannot be read is set aside.", tags=rank(4))
@told
def split(
    context: dg.OpExecutionContext,
    config: StepConfig,
    stores: Stores,
    catalog: Catalogue,
    log_id: Optional[int],  # noqa: UP045
) -> Optional[int]:  # noqa: UP045
    """Gives the number of the window's log."""
    if log_id is None:
        return None
    with at_work(context, config, stores, catalog) as work, work.window(log_id) as log:
        if is_done(log):
            return log_id
        with open_source(work.harvest, work.grip, log) as source:
            pages = splitting.split(work.harvest, source.harvester, log, source.check)
    context.add_output_metadata({"pages": pages})
    return log_id


@dg.op(description="Identifiers and data into the database, a page in a transaction.", tags=rank(5))
@told
def store(
    context: dg.OpExecutionContext,
    config: StepConfig,
    stores: Stores,
    catalog: Catalogue,
    log_id: Optional[int],  # noqa: UP045
) -> Optional[int]:  # noqa: UP045
    """Gives the number of the window's log."""
    if log_id is None:
        return None
    with at_work(context, config, stores, catalog) as work, work.window(log_id) as log:
        if is_done(log):
            return log_id
        stored = storing.store(work.harvest, log, work.grip, work.grip.check)
    context.add_output_metadata(reporting.counts_of(stored.counts, stored.strays))
    return log_id


@dg.op(description="An ingest log for every datum of the window; the window is done.", tags=rank(6))
@told
def launch(
    context: dg.OpExecutionContext,
    config: StepConfig,
    stores: Stores,
    catalog: Catalogue,
    log_id: Optional[int],  # noqa: UP045
) -> dict[str, Any]:
    """Gives what finish reports of the window."""
    if log_id is None:
        return {}
    with at_work(context, config, stores, catalog) as work, work.window(log_id) as log:
        if is_done(log):
            return {"log_id": log.id, "days": {}, "sample": []}
        sample = reporting.sample(work.harvest, log)
        days = launching.launch(work.harvest, log, work.grip, work.grip.check)
        finishing.finish_window(work.harvest, log, work.grip)
        if of_partitions(context) and log.record_limit is None:
            # Though finish comes yet: a run that is killed before is asked for by nobody again, and all is done.
            shown = reporting.counted(log, done_days(work.harvest, log, days))
            reporting.materialize_days(context, shown)
        check_done_window(context, work.harvest, log.window)
    return {
        "log_id": log.id,
        "days": reporting.by_day(days, log.window),
        "sample": sample,
    }


@dg.op(
    description="Sum up, and give the lease back.",
    out=dg.Out(dg.Nothing, is_required=False),
    tags=rank(7),
)
@told
def finish(
    context: dg.OpExecutionContext,
    config: StepConfig,
    stores: Stores,
    catalog: Catalogue,
    windows: list[dict[str, Any]],
) -> Any:
    """Gives its output, which materializes the asset, if all of the partitions chosen are done."""
    done = [window for window in windows if window]
    with at_work(context, config, stores, catalog) as work:
        summary = finishing.finish_run(work.harvest, [window["log_id"] for window in done], work.grip)
        covering = [] if done else planning.covering_of(work.harvest, wanted_window(context, config))
        is_done = _is_done(context, work.harvest)
        if not is_done:  # the check's own op is left out with the output
            check_window(context, work.harvest, chosen_window(context))
    reporting.report(
        context, work.harvest, reporting.Report(summary, done, [one.log for one in covering], is_done)
    )
    return (dg.Output(None) for _ in range(is_done))


def _is_done(context: dg.OpExecutionContext, harvest: Harvest) -> bool:
    """Whether nothing is missing of the partitions chosen; a `limit` or narrower dates may leave something."""
    if not of_partitions(context):
        return True
    return harvest.parameters.limit is None and is_covered(harvest, chosen_window(context))


EVERY_OP = ["preflight", "lock", "plan", "fetch", "split", "store", "launch", "finish"]


def harvest_graph(pool: str | None = None) -> Any:
    """The ops, wired: to be called in the body of a graph."""
    windows = plan(lock_op(pool).alias("lock")(preflight()))
    return finish(windows.map(lambda window: launch(store(split(fetch(window))))).collect())
