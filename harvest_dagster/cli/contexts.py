"""Build the contexts of the pipeline for a command that writes for a source outside of Dagster."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from uuid import uuid4

from harvest_dagster import spool
from harvest_dagster.catalog.loader import load_catalog
from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.cli.output import print_message
from harvest_dagster.errors import BadInput
from harvest_dagster.pipeline import lease_guard
from harvest_dagster.pipeline.context import CurrentRun, HarvestContext, Parameters, RunHistory
from harvest_dagster.pipeline.lease_guard import LeaseHandle
from harvest_dagster.pipeline.source_access import SourceAccess
from harvest_dagster.pipeline.transform import TransformContext, TransformOutcome, transform
from harvest_dagster.processes import this_process
from harvest_dagster.spool import Spool
from harvest_dagster.storage import ingest_configs
from harvest_dagster.storage.database import Database
from harvest_dagster.windows import utc_now


def command_run(database: Database, name: str) -> CurrentRun:
    """Return a run of this command. Other runs see its process, and take over its lease if the process ends.

    Nothing is known about the runs of Dagster here. So the lease of a run counts as held until it expires, or until its
    process is gone.
    """
    return CurrentRun(
        id=f"harvest {name} {uuid4()}",
        process=this_process(),
        history=RunHistory(outcome=lambda _: None, last_known_state=lambda _: "its process has ended"),
        database=database,
        spool=Spool(spool.default_url(os.environ, Path.cwd())),
        clock=utc_now,
        logger=logging.getLogger(f"harvest_dagster.cli.{name}"),
    )


def harvest_context(
    run: CurrentRun, config: IngestConfig, config_id: int, catalog: Sequence[IngestConfig]
) -> HarvestContext:
    """Return the context of a source for the steps of a harvest."""
    source = SourceAccess(config, os.environ, tuple(catalog))
    return HarvestContext(config, config_id, Parameters(), run, source)


def transform_pending(
    database: Database, config: IngestConfig, days: tuple[date, date], command: str
) -> TransformOutcome:
    """Transform the PENDING data of some days in this process. Return the outcome.

    Args:
        database: the harvest database.
        config: the source. It has a transformer.
        days: first and last partition, both included.
        command: the name of the command.
    """
    with database.read() as connection:
        config_id = ingest_configs.find_id(connection, config.label)
    if config_id is None:
        return TransformOutcome()
    run = command_run(database, command)
    context = TransformContext(config, config_id, days, superfluous=False, run=run, environ=os.environ)
    return sum(transform(context).values(), TransformOutcome())


def transform_other_days(database: Database, config: IngestConfig, command: str) -> None:
    """Transform all PENDING data of a source in this process, and report it: without a daemon, no run comes for them.

    Args:
        database: the harvest database.
        config: the source.
        command: the command, for the name of its run.
    """
    if config.transformer is None:
        return
    outcome = transform_pending(database, config, (date.min, date.max), command)
    if outcome != TransformOutcome():
        print_message(
            f"records of other days: {outcome.transformed:,} transformed, {outcome.deleted:,} deleted, "
            f"{outcome.failed:,} failed"
        )
    for error in outcome.errors:
        print_message(f"error: {error}")


def report_pending_documents(config: IngestConfig, changed: int) -> None:
    """Say who transforms the records that a command has deleted or restored: without a daemon, no sensor does it."""
    if changed and config.transformer is not None:
        print_message(
            f"their documents are PENDING: the sensor transform_pending transforms them, or `harvest replay "
            f"{config.label} --failed --now`"
        )


@contextmanager
def held_lease(harvest: HarvestContext) -> Iterator[LeaseHandle]:
    """Hold the lease of a source during a block, and release it at the end.

    Raises:
        LeaseHeld: another run holds the lease.
    """
    with lease_guard.hold_lease(harvest) as lease:
        try:
            yield lease
        finally:
            lease_guard.release(harvest, lease)


@contextmanager
def held_source(database: Database, label: str, command: str) -> Iterator[tuple[HarvestContext, LeaseHandle]]:
    """Hold the lease of a source that was harvested before, for a command that changes its data.

    Raises:
        UnknownIngestConfig: the catalog has no such source.
        BadInput: the source was never harvested.
        LeaseHeld: a run holds the lease.
    """
    catalog = load_catalog()
    config = catalog.get(label)
    with database.read() as connection:
        config_id = ingest_configs.find_id(connection, label)
    if config_id is None:
        raise BadInput(f"{label} was never harvested")
    harvest = harvest_context(command_run(database, command), config, config_id, catalog.configs)
    with held_lease(harvest) as lease:
        yield harvest, lease
