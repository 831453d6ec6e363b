"""Queue the data of sources whose transformer changed: another one, other arguments, or a newer version of it."""

import logging
from collections.abc import Iterable
from datetime import datetime
from time import monotonic

from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.coverage.scopes import declared_transformer
from harvest_dagster.orchestration.sensors.per_source import evaluate_each
from harvest_dagster.storage.database import Database
from harvest_dagster.storage.transform_queue import versions
from harvest_dagster.storage.transform_queue.queue import TransformQueue
from harvest_dagster.storage.transform_queue.versions import TransformState

# Seconds of a tick. Dagster ends a sensor after a minute. The next tick continues with the remaining days.
MOST_SECONDS = 20.0


def requeue_changed_transformers(
    database: Database, configs: Iterable[IngestConfig], now: datetime, log: logging.Logger
) -> dict[str, int]:
    """Mark the data PENDING that only earlier versions have transformed, day by day. Send no request to a source.

    Returns:
        The version under which each source is transformed now, by label.
    """
    with database.read() as connection:
        states = versions.find_states(connection)
    deadline = monotonic() + MOST_SECONDS
    transformed = [config for config in configs if config.transformer is not None]
    found: dict[str, int] = {}
    for config, version in evaluate_each(
        log, transformed, lambda config: _current_version(database, config, states.get(config.label))
    ):
        found[config.label] = version
        state = states.get(config.label)
        if state is not None and state.requeued < version:
            queue = TransformQueue(state.ingest_config_id, version)
            if (days := _requeue(database, queue, deadline, now)) > 0:
                log.info(f"the transformer of {config.label} changed: {days} days are transformed again")
    return found


def _current_version(database: Database, config: IngestConfig, state: TransformState | None) -> int:
    declared = declared_transformer(config)
    if state is None:
        return declared.version
    if state.digest == declared.digest:
        return declared.version + state.base
    return versions.update_version(database, state.ingest_config_id, declared)


def _requeue(database: Database, queue: TransformQueue, deadline: float, now: datetime) -> int:
    """Queue the outdated days of a source until the deadline. If none remains, record that. Return their number."""
    if monotonic() >= deadline:
        return 0
    with database.read() as connection:
        days = versions.find_outdated_days(connection, queue)
    for number, day in enumerate(days):
        if monotonic() >= deadline:
            return number
        versions.requeue_day(database, queue, day, now)
    versions.mark_requeued(database, queue)
    return len(days)
