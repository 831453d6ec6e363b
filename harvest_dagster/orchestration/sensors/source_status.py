"""The sensor `report_source_status`: evaluate the check `up_to_date` of each source when its status changes."""

from dataclasses import replace

import dagster as dg

from harvest_dagster.catalog.loader import Catalog
from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.coverage.source_overview import SourceOverview
from harvest_dagster.coverage.source_status import SourceStatus
from harvest_dagster.orchestration.asset_keys import AssetKeys, SourceCatalog, keys_of
from harvest_dagster.orchestration.checks.up_to_date import evaluation_of, is_last_evaluation
from harvest_dagster.orchestration.renamed_sources import rename_sources
from harvest_dagster.orchestration.resources import Stores
from harvest_dagster.orchestration.sensors.cursor_digest import digest, join_digests, split_digests
from harvest_dagster.orchestration.sensors.per_source import evaluate_each
from harvest_dagster.windows import utc_now

# With a thousand sources the daemon takes up to 170 ms for an event, and the other sensors wait. The next tick reports
# the remaining sources.
_EVENTS_PER_TICK = 50
# What the digest of an undefined label begins with. No label has a blank.
_UNDEFINED = "undefined "


@dg.sensor(
    name="report_source_status",
    description="Updates the check `up_to_date` of each source when the status of the source has changed.",
    minimum_interval_seconds=120,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def report_source_status(
    context: dg.SensorEvaluationContext, harvest_stores: Stores, harvest_catalog: dg.ResourceParam[Catalog]
) -> dg.SensorResult:
    """Report changes that happen without a run, such as a day that is late. The sensor launches nothing."""
    reported, keys = split_digests(context.cursor), keys_of(harvest_catalog)
    rename_sources(harvest_stores.database(), harvest_catalog.configs, context.log)
    with harvest_stores.database().read() as connection:
        enabled = [config for config in harvest_catalog.configs if not config.disabled]
        sources = SourceOverview.read(connection, utc_now())
        sources = sources.with_lags(connection, [config.label for config in enabled])
    undefined = _undefined_labels(sources, harvest_catalog)
    warnings = [
        _undefined_warning(keys, label) for label in undefined if digest(_UNDEFINED + label) not in reported
    ]
    for warning in warnings:
        context.log.warning(warning.description)
    events: list[dg.AssetCheckEvaluation | dg.AssetObservation] = [*warnings]
    now_reported = [digest(_UNDEFINED + label) for label in undefined]
    for config, status in evaluate_each(context.log, enabled, sources.status_of):
        status_digest = _digest(config, status)
        if status_digest not in reported:
            if len(events) >= _EVENTS_PER_TICK:
                continue
            key = keys.key_of("raw", config.label)
            evaluation = evaluation_of(key, config, status, sources.lags_of(config))
            # A harvest run evaluates the check, too. To report its result again would double the events.
            if not is_last_evaluation(context.instance, evaluation):
                events.append(evaluation)
        now_reported.append(status_digest)
    changed = f"the status of {len(events) - len(warnings)} sources has changed"
    return dg.SensorResult(
        asset_events=events,
        skip_reason=". ".join([changed, *(str(warning.description) for warning in warnings)]),
        cursor=join_digests(now_reported),
    )


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
