"""The sensor `reconcile_by_schedule`: at each time of the key `reconcile` of a source, compare its identifiers.

A scheduled time is served when a sweep that began since has succeeded, or when a person has stopped it. A sweep that
failed is requested again after a growing pause, and continues where it stopped. Times that passed while no daemon ran,
or outside of the `hours` of the source, are served later.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone

import dagster as dg

from harvest_dagster.catalog.loader import Catalog
from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.coverage.source_overview import SourceOverview
from harvest_dagster.coverage.sweep_overview import SweepOverview
from harvest_dagster.orchestration.asset_keys import keys_of
from harvest_dagster.orchestration.renamed_sources import rename_sources
from harvest_dagster.orchestration.resources import Stores
from harvest_dagster.orchestration.sensors import run_requests
from harvest_dagster.orchestration.sensors.active_runs import ActiveRuns
from harvest_dagster.orchestration.sensors.per_source import evaluate_each
from harvest_dagster.orchestration.sensors.schedule_cursor import ScheduleCursor
from harvest_dagster.orchestration.sweep_ops import JOB
from harvest_dagster.pipeline.backoff import is_pause_over
from harvest_dagster.storage.sweeps import Sweep
from harvest_dagster.windows import utc_now

NAME = "reconcile_by_schedule"
_MOST_RUNS = 50  # of one source since its scheduled time; the pauses between them grow to a day


@dataclass(frozen=True)
class _Runs:
    """The runs of a source since its scheduled time.

    Attributes:
        is_served: whether one has succeeded, or a person has stopped one.
        tries: the number of runs that failed.
        last_end: when the last of them ended.
    """

    is_served: bool
    tries: int
    last_end: datetime


@dg.sensor(
    name=NAME,
    job_name=JOB,
    description="At the times of each source's `reconcile`, compares all identifiers of the source with the stored "
    "ones, and harvests what is missing. A sweep that failed is continued after a growing pause.",
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.STOPPED,
)
def reconcile_by_schedule(
    context: dg.SensorEvaluationContext, harvest_stores: Stores, harvest_catalog: dg.ResourceParam[Catalog]
) -> dg.SensorResult:
    """Request a sweep of every source that has an unserved scheduled time and no active sweep."""
    now = utc_now()
    previous = ScheduleCursor.read(context.cursor, now)
    scheduled = [config for config in harvest_catalog.configs if config.reconcile and not config.disabled]
    evaluated = evaluate_each(
        context.log, scheduled, lambda c: previous.unserved_time(c.label, c.reconcile or "", now)
    )
    times = {config.label: time for config, time in evaluated}
    cursor = previous.advance(now, times)
    unserved = {label: time for label, time in times.items() if time}
    if not unserved:
        return dg.SensorResult(skip_reason="no sweep is due", cursor=str(cursor))
    active = ActiveRuns.read(context.instance, keys_of(harvest_catalog), context.repository_def).swept
    rename_sources(harvest_stores.database(), harvest_catalog.configs, context.log)
    with harvest_stores.database().read() as connection:
        coverage = SourceOverview.read_coverage(connection, now, unserved)
        sweeps = SweepOverview.read(connection, now, scheduled)
    # The source that has waited longest comes first.
    waiting = sorted((c for c in scheduled if c.label in unserved), key=lambda config: unserved[config.label])
    swept = {c.label for c in waiting if _is_swept(sweeps.last_ended(c), unserved[c.label])}
    # Of a source without records, everything would be missing.
    may_run = evaluate_each(
        context.log,
        [c for c in waiting if c.label not in active | swept],
        lambda c: bool(coverage.covered_windows(c)) and _is_open(c, now),
    )
    # Reading the runs of a source takes a query. Those of the other sources are read when a tick has room for them.
    found = evaluate_each(
        context.log,
        (config for config, may in may_run if may),
        lambda c: _read_runs(context.instance, c.label, unserved[c.label]),
    )
    requests: list[dg.RunRequest] = []
    served = set(swept)
    for config, runs in found:
        if runs.is_served:
            served.add(config.label)
        elif is_pause_over(now, runs.tries, runs.last_end):
            requests.append(_request(config, unserved[config.label], runs.tries))
            if not run_requests.remaining_runs(len(requests)):
                break
    for label in served:
        cursor = cursor.add_served(label)
    return dg.SensorResult(
        run_requests=requests,
        skip_reason=None if requests else _skip_reason(list(unserved)),
        cursor=str(cursor),
    )


def _is_swept(last: Sweep | None, time: datetime) -> bool:
    return last is not None and last.date_started >= time and last.status == "SUCCEEDED"


def _read_runs(instance: dg.DagsterInstance, label: str, time: datetime) -> _Runs:
    runs = _runs_since(instance, label, time)
    statuses = {run.dagster_run.status for run in runs}
    return _Runs(
        is_served=bool(statuses & {dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.CANCELED}),
        tries=len(runs),
        last_end=max((_end_of(run) for run in runs), default=time),
    )


def _runs_since(instance: dg.DagsterInstance, label: str, time: datetime) -> Sequence[dg.RunRecord]:
    """Return the runs of the job that were requested for a source since an instant."""
    of_source = dg.RunsFilter(job_name=JOB, tags={run_requests.LABEL: label}, created_after=time)
    return instance.get_run_records(of_source, limit=_MOST_RUNS)


def _end_of(run: dg.RunRecord) -> datetime:
    return datetime.fromtimestamp(run.end_time or run.update_timestamp.timestamp(), timezone.utc)


def _is_open(config: IngestConfig, now: datetime) -> bool:
    """Return whether the source may be asked now. A run would only wait, and keep others from a place in the queue."""
    return config.hours is None or config.hours.is_open(now)


def _request(config: IngestConfig, time: datetime, tries: int) -> dg.RunRequest:
    again = f", after {tries} failed runs" if tries else ""
    key = f"{config.label} reconcile due {time:%Y-%m-%dT%H:%MZ}{again}"
    return run_requests.sweep_request(config.label, run_key=key)


def _skip_reason(labels: Sequence[str]) -> str:
    return (
        f"{len(labels)} sweeps are due, but they are active, were never harvested, or wait after a failure or for "
        f"`hours`: {', '.join(labels[:20])}"
    )
