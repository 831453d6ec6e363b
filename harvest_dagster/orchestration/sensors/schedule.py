"""The sensor `harvest_by_schedule`: at each scheduled time of a source, harvest the days that are due.

A scheduled time is served when all due days were requested and the last run that this sensor requested has ended.
Times that passed while no daemon ran, or outside of the `hours` of the source, are served later.
"""

from dataclasses import replace
from datetime import date

import dagster as dg

from harvest_dagster.catalog.loader import Catalog
from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.coverage.due_days import DueDays, due_days
from harvest_dagster.coverage.shared_runs import may_share_run
from harvest_dagster.coverage.source_overview import SourceOverview
from harvest_dagster.orchestration.asset_keys import keys_of
from harvest_dagster.orchestration.renamed_sources import rename_sources
from harvest_dagster.orchestration.resources import Stores
from harvest_dagster.orchestration.sensors.active_runs import ActiveRuns
from harvest_dagster.orchestration.sensors.per_source import evaluate_each
from harvest_dagster.orchestration.sensors.schedule_cursor import ScheduleCursor
from harvest_dagster.orchestration.sensors.shared_runs import DueRuns, sources_per_run
from harvest_dagster.storage import ingest_configs
from harvest_dagster.windows import DAY, utc_now

NAME = "harvest_by_schedule"


@dg.sensor(
    name=NAME,
    description="At the times of each source's `schedule`, harvests the incomplete days of the last 30 days, or back "
    "to the previous scheduled time or the last harvest if that is longer ago (at most one year).",
    asset_selection=dg.AssetSelection.all(),
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.STOPPED,
)
def harvest_by_schedule(
    context: dg.SensorEvaluationContext, harvest_stores: Stores, harvest_catalog: dg.ResourceParam[Catalog]
) -> dg.SensorResult:
    """Request the due days of every source that has an unserved scheduled time.

    One sensor with one switch serves all sources. A Dagster schedule for each source would need a thousand switches.
    """
    now, keys = utc_now(), keys_of(harvest_catalog)
    previous = ScheduleCursor.read(context.cursor, now)
    scheduled = [config for config in harvest_catalog.configs if config.schedule and not config.disabled]
    evaluated = evaluate_each(
        context.log, scheduled, lambda c: previous.unserved_time(c.label, c.schedule or "", now)
    )
    times = {config.label: time for config, time in evaluated}
    cursor = before_requests = previous.advance(now, times)
    unserved = {label: time for label, time in times.items() if time}
    if not unserved:
        return dg.SensorResult(skip_reason="no source is due", cursor=str(cursor))
    active, refused = ActiveRuns.read(context.instance, keys, context.repository_def), frozenset[str]()
    rename_sources(harvest_stores.database(), harvest_catalog.configs, context.log)
    with harvest_stores.database().read() as connection:
        sources = SourceOverview.read_coverage(connection, now, unserved).with_lags(connection, unserved)
    runs = DueRuns.of(sources_per_run(context.log, context.repository_def, len(scheduled)))
    if runs.are_shared:
        with harvest_stores.database().read() as connection:
            sources = sources.with_newest_ends(
                connection, [one for one in scheduled if one.label in unserved]
            )
            refused = frozenset(ingest_configs.find_refusals(connection))
    # Sources without any request come first, so that a source with many runs does not delay them. Within each group,
    # the source that has waited longest comes first.
    ordered = sorted(
        (config for config in scheduled if config.label in unserved),
        key=lambda config: (config.label in before_requests.requested, unserved[config.label]),
    )
    # A run of a source that must not be asked now would only wait, and keep others from a place in the queue.
    open_now = [config for config in ordered if config.hours is None or config.hours.is_open(now)]
    for config, due in evaluate_each(
        context.log, open_now, lambda c: _due_days(c, sources, active, before_requests)
    ):
        time = unserved[config.label]
        may_share = (
            runs.are_shared
            and len(due) == 1
            and not (config.label in refused or active.has_any_run(config.label))
            and may_share_run(config, due[0], sources.newest_end_of(config))
        )
        requested = runs.add(config, due, time, may_share=may_share)
        if requested:
            cursor = cursor.add_request(config.label, time, requested[-1].days.first)
        if len(requested) == len(due) and not active.has_run_of(NAME, config.label):
            cursor = cursor.add_served(config.label)
    requests = runs.requests(keys)
    reason = f"{len(unserved)} sources are due, but their days are complete, or active runs harvest them"
    if len(open_now) < len(ordered):
        reason += f"; {len(ordered) - len(open_now)} of them wait for their `hours`"
    return dg.SensorResult(
        run_requests=requests, skip_reason=None if requests else reason, cursor=str(cursor)
    )


def _due_days(
    config: IngestConfig, sources: SourceOverview, active: ActiveRuns, cursor: ScheduleCursor
) -> list[DueDays]:
    """Return the days to request for a source, the newest first.

    Leave out the days that were requested for this scheduled time, and the days that an active run harvests. Return
    nothing while a run of this sensor is active for the source: another run would only wait for it. The newest days
    come first because older days may have failed for a long time. A source that cannot be asked by date is requested
    once for each scheduled time.
    """
    if active.has_run_of(NAME, config.label):
        return []
    _, oldest_requested = cursor.requested.get(config.label, (None, None))
    newest = oldest_requested - DAY if oldest_requested else date.max
    if not config.selective:  # a snapshot of another run may have begun before this time
        due = due_days(config, sources.covered_windows(config), sources.now)
        return [] if oldest_requested else due
    open_days = [
        replace(due, days=days)
        for due in due_days(config, sources.covered_windows(config), sources.now, sources.lags_of(config))
        if (not_requested := due.days.clip(date.min, newest))
        for days in not_requested.subtract(active.days_of("raw", config.label))
    ]
    return open_days[::-1]
