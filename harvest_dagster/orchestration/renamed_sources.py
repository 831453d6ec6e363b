"""Renamed sources: the row of a source in the database gets the new label before anything looks for it.

Runs do this for their own source, and sensors for all sources, because a sensor may look before the first run.
"""

import logging
from collections.abc import Iterable

from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.errors import BadInput, LeaseHeld
from harvest_dagster.storage import ingest_configs
from harvest_dagster.storage.database import Database
from harvest_dagster.storage.harvest_log.overview import find_config_ids


def rename_source(database: Database, config: IngestConfig, log: logging.Logger) -> None:
    """Rename the row of a source if it still has a former label.

    Raises:
        BadInput: several of its labels have data.
        LeaseHeld: a run harvests the source under its former label.
    """
    if not config.former_labels:
        return
    with database.read() as connection:
        ids = find_config_ids(connection)
    if not any(former in ids for former in config.former_labels):
        return
    with database.begin() as connection:
        former = ingest_configs.rename_source(connection, config.label, config.former_labels)
    if former is not None:
        log.info(f"the source {former} is now {config.label}; its data, logs and coverage stay")


def rename_sources(database: Database, configs: Iterable[IngestConfig], log: logging.Logger) -> None:
    """Rename the rows of all renamed sources. Log those that cannot be renamed: the other sources did not cause it."""
    for config in configs:
        try:
            rename_source(database, config, log)
        except (BadInput, LeaseHeld) as error:  # noqa: PERF203  # the next source must not suffer
            log.warning(str(error))
