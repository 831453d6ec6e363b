"""The sensor `report_source_status`: evaluate the checks `up_to_date` and `reconciled` when their result changes."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import dagster as dg

from harvest_dagster.catalog.loader import Catalog
from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.coverage.source_overview import SourceOverview
from harvest_dagster.coverage.source_status import SourceStatus
from harvest_dagster.coverage.sweep_overview import SweepOverview
from harvest_dagster.coverage.sweep_status import NONE, SweepStatus
from harvest_dagster.orchestration.asset_keys import AssetKeys, SourceCatalog, keys_of
from harvest_dagster.orchestration.checks import reconciled
from harvest_dagster.orchestration.checks.up_to_date import evaluation_of, is_last_evaluation, with_lost_days
from harvest_dagster.orchestration.renamed_sources import rename_sources
from harvest_dagster.orchestration.reports.day_differences import find_lost_days
from harvest_dagster.orchestration.resources import Stores
from harvest_dagster.orchestration.sensors.cursor_digest import digest, join_digests, split_digests
from harvest_dagster.orchestration.sensors.per_source import evaluate_each
from harvest_dagster.storage.database import Database
from harvest_dagster.windows import utc_now

# With a thousand sources the daemon takes up to 170 ms for an event, and the other sensors wait. The next tick reports
# the remaining sources.
_EVENTS_PER_TICK = 50
# What the digest of an undefined label begins with. No label has a blank.
_UNDEFINED = "undefined "


@dg.sensor(
    name="report_source_status",
    description="Updates the checks `up_to_date` and `reconciled` of each source when their result has changed.",
    minimum_interval_seconds=120,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def report_source_status(
    context: dg.SensorEvaluationContext, harvest_stores: Stores, harvest_catalog: dg.ResourceParam[Catalog]
) -> dg.SensorResult:
    """Report changes that happen without a run, such as a day that is late. The sensor launches nothing."""
    reported, keys, database = (
        split_digests(context.cursor),
        keys_of(harvest_catalog),
        harvest_stores.database(),
    )
    rename_sources(database, harvest_catalog.configs, context.log)
    enabled = [config for config in harvest_catalog.configs if not config.disabled]
    now = utc_now()
    with database.read() as connection:
        sources = SourceOverview.read(connection, now)
        sweeps = SweepOverview.read(connection, now, enabled)
    undefined = _undefined_labels(sources, harvest_catalog)
    warnings = [
        _undefined_warning(keys, label) for label in undefined if digest(_UNDEFINED + label) not in reported
    ]
    for warning in warnings:
        context.log.warning(warning.description)
    events: list[dg.AssetCheckEvaluation | dg.AssetObservation] = [*warnings]
    now_reported = [digest(_UNDEFINED + label) for label in undefined]
    for _, results in evaluate_each(
        context.log,
        enabled,
        lambda c: _results(c, keys, sources, sweeps, database=database, instance=context.instance),
    ):
        for result in results:
            if result.digest not in reported:
                if len(events) >= _EVENTS_PER_TICK:
                    continue
                evaluation = result.evaluate()
                # A run evaluates the checks, too. To report its results again would double the events.
                if not is_last_evaluation(context.instance, evaluation, without_any=result.is_nothing):
                    events.append(evaluation)
            now_reported.append(result.digest)
    changed = f"{len(events) - len(warnings)} results of checks have changed"
    return dg.SensorResult(
        asset_events=events,
        skip_reason=". ".join([changed, *(str(warning.description) for warning in warnings)]),
        cursor=join_digests(now_reported),
    )


@dataclass(frozen=True)
class _Result:
    """The result of one check of a source.

    Attributes:
        digest: of what the check shows, without the values that change although the result stays the same.
        evaluate: returns the evaluation of the check.
        is_nothing: whether there is nothing to show if the check was never evaluated before.
    """

    digest: str
    evaluate: Callable[[], dg.AssetCheckEvaluation]
    is_nothing: bool = False


def _results(
    config: IngestConfig,
    keys: AssetKeys,
    sources: SourceOverview,
    sweeps: SweepOverview,
    *,
    database: Database,
    instance: dg.DagsterInstance,
) -> list[_Result]:
    """Return the results of the checks of a source."""
    key, status, sweep_status = (
        keys.key_of("raw", config.label),
        sources.status_of(config),
        sweeps.status_of(config),
    )

    def evaluate_status() -> dg.AssetCheckEvaluation:
        with database.read() as connection:
            lags = sources.with_lags(connection, [config.label]).lags_of(config)
        lost = find_lost_days(instance, key, database, sources, config)
        return evaluation_of(key, config, with_lost_days(status, lost), lags)

    def evaluate_sweep() -> dg.AssetCheckEvaluation:
        with database.read() as connection:
            return reconciled.evaluation_of(connection, key, sweep_status)

    is_nothing = not sweep_status.was_compared and sweep_status.problem == NONE
    return [
        _Result(_digest(config, status), evaluate_status),
        _Result(_sweep_digest(config, sweep_status), evaluate_sweep, is_nothing),
    ]


def _undefined_labels(sources: SourceOverview, catalog: Catalog) -> list[str]:
    """Return the labels that have data, and that no YAML file defines any more.

    If other code locations have sources in the same database, none is known to be undefined.
    """
    if isinstance(catalog, SourceCatalog) and catalog.shares_database:
        return []
    return sorted(set(sources.config_ids) - {config.label for config in catalog.configs})[:_EVENTS_PER_TICK]


def _undefined_warning(keys: AssetKeys, label: str) -> dg.AssetObservation:
    """Return the warning about a label. The asset of the label has no definition, but its page still exists."""
    message = (
        f"the database has data of the source {label}, but no YAML file defines it, or its file has an error. Nobody "
        f"harvests or transforms it any more; its data stay. Restore its file, or use the label {label} again if the "
        "source was renamed: another label starts from the beginning."
    )
    return dg.AssetObservation(keys.key_of("raw", label), description=message)


def _digest(config: IngestConfig, status: SourceStatus) -> str:
    """Return the digest of a status without the values that change although the status stays the same.

    These are the time of the last harvest, and the days before the first harvest, which grow by one each day.
    """
    return digest(repr((config.label, replace(status, last_began=None, before_first_harvest=None))))


def _sweep_digest(config: IngestConfig, status: SweepStatus) -> str:
    """Return the digest of what the check `reconciled` shows."""
    shown = (status.last, status.snapshot, status.counts, status.is_late)
    return digest(repr((config.label, reconciled.CHECK, shown)))
