"""What each op needs before it can call its step: the harvest, the lease, and the handling of exceptions.

If an op raises, the log of its window ends: FAILED with the traceback, or CANCELLED. If the lease is not free, the
database or the object store of the spool cannot be reached, or the source demands a wait, the op is retried. No error
that leaves here contains a secret.
"""

import os
import random
from collections.abc import Collection, Generator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import date, timedelta

import dagster as dg

from harvest_dagster.catalog.loader import Catalog
from harvest_dagster.catalog.plaintext_secrets import masked_definition
from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.coverage.scopes import declared_transformer
from harvest_dagster.errors import (
    BadInput,
    DatabaseUnreachable,
    HarvestError,
    LeaseHeld,
    OutsideHours,
    RetryLater,
    SpoolUnreachable,
    TooManyFailures,
    UnknownIngestConfig,
)
from harvest_dagster.orchestration.asset_keys import SourceAsset, keys_of
from harvest_dagster.orchestration.checks.complete import check_failed_window
from harvest_dagster.orchestration.config import StepConfig
from harvest_dagster.orchestration.partitions import has_partitions, partition_window, requested_window
from harvest_dagster.orchestration.renamed_sources import rename_source
from harvest_dagster.orchestration.reports.day_reports import (
    report_covered_days,
    report_covered_days_at_first_failure,
)
from harvest_dagster.orchestration.reports.error_reporting import without_secrets
from harvest_dagster.orchestration.reports.failed_partitions import observe_days_not_requested
from harvest_dagster.orchestration.resources import RetrySettings, Stores
from harvest_dagster.orchestration.runs.monitoring import current_monitor
from harvest_dagster.orchestration.runs.run_history import current_run
from harvest_dagster.pipeline import lease_guard
from harvest_dagster.pipeline.context import HarvestContext
from harvest_dagster.pipeline.lease_guard import LeaseHandle
from harvest_dagster.pipeline.report_lines import log_failed_run
from harvest_dagster.pipeline.run_window import WindowRun
from harvest_dagster.pipeline.source_access import SourceAccess
from harvest_dagster.pipeline.transform import TransformContext
from harvest_dagster.storage import ingest_configs
from harvest_dagster.storage.database import Database
from harvest_dagster.storage.harvest_log import queries
from harvest_dagster.storage.harvest_log.queries import HarvestLog
from harvest_dagster.storage.transform_queue.versions import update_version
from harvest_dagster.texts import escape_controls
from harvest_dagster.windows import Window, format_instant, utc_now

# Seconds. With a tenth of the night before, a list that waits for its `hours` would lose an hour of them.
_LONGEST_DELAY_OF_HOURS = 60.0
# An op is retried after these errors, because nobody needs to change anything.
TRANSIENT = (LeaseHeld, DatabaseUnreachable, SpoolUnreachable)
# The statuses of the logs of a run that has not begun a window.
_BEFORE_WINDOWS = ("RESCHEDULED", "SPLIT")


@dataclass(frozen=True)
class OpContext:
    """The harvest that an op works on, the lease of the run, and the steps of a window.

    Attributes:
        context: the context of the op.
        harvest: the harvest.
        lease: the lease of the run.
        requested: the range of the run.
        asset_key: the asset of the source's raw data.
    """

    context: dg.OpExecutionContext
    harvest: HarvestContext
    lease: LeaseHandle
    requested: Window
    asset_key: dg.AssetKey

    @property
    def steps(self) -> WindowRun:
        """The steps of a window. A window that fails is reported to the asset check."""

        def report_failure(log: HarvestLog) -> None:
            report_covered_days_at_first_failure(self.context, self.harvest)
            check_failed_window(self.context, self.harvest, log.window)
            log_failed_run(self.harvest, self.requested)

        return WindowRun(
            self.harvest,
            self.lease,
            on_failure=report_failure,
            cancelled_by=(dg.DagsterExecutionInterruptedError, KeyboardInterrupt),
        )

    def window(self, log_id: int) -> AbstractContextManager[HarvestLog]:
        """Take up a window's log for this op. An exception or a cancelled run ends the log."""
        return self.steps.resume(log_id)


def is_finished(log: HarvestLog) -> bool:
    """Return whether another run has finished the window. This happens if a run is executed again from its middle."""
    return log.status == "SUCCEEDED"


def find_config(config: StepConfig, stores: Stores, catalog: Catalog) -> IngestConfig:
    """Return the IngestConfig that a run names by its label or its primary key.

    Raises:
        UnknownIngestConfig: there is no such config.
    """
    if config.ingest_config is not None:
        return catalog.get(config.ingest_config)
    with stores.database().read() as connection:
        label = ingest_configs.find_label(connection, config.ingest_config_id or 0)
    if label is None:
        message = (
            f"no row of the table ingest_config has the primary key {config.ingest_config_id}. "
            "The first harvest of a config creates its row. Name the config by its label: ingest_config."
        )
        raise UnknownIngestConfig(message)
    return catalog.get(next((one.label for one in catalog.configs if label in one.former_labels), label))


def build_harvest(
    context: dg.OpExecutionContext, config: StepConfig, stores: Stores, catalog: Catalog
) -> HarvestContext:
    """Return the harvest of this run. Its config is copied into the database."""
    stores.spool()  # a mistake in HARVEST_SPOOL is reported before the database is touched
    ingest_config = find_config(config, stores, catalog)
    rename_source(stores.database(), ingest_config, context.log)
    config_id = _save_config(stores.database(), ingest_config)
    return _harvest_context(context, config, stores, catalog, config_id=config_id)


def _harvest_context(
    context: dg.OpExecutionContext, config: StepConfig, stores: Stores, catalog: Catalog, *, config_id: int
) -> HarvestContext:
    ingest_config = find_config(config, stores, catalog)
    return HarvestContext(
        config=ingest_config,
        config_id=config_id,
        parameters=config.parameters,
        run=current_run(context, stores),
        source=SourceAccess(ingest_config, os.environ, catalog.configs, stores.waiting.wait_limits),
    )


def _save_config(database: Database, ingest_config: IngestConfig) -> int:
    """Return the primary key of a config's row. Write the row only if the config is new or has changed."""
    definition = masked_definition(ingest_config)
    with database.read() as connection:
        config_id = ingest_configs.find_unchanged(connection, definition)
    if config_id is None:
        with database.begin() as connection:
            config_id = ingest_configs.save_config(connection, definition, utc_now())
    if ingest_config.transformer is not None:
        update_version(database, config_id, declared_transformer(ingest_config))
    return config_id


@contextmanager
def record_refusal(harvest: HarvestContext) -> Generator[None, None, None]:
    """Record in the database whether preflight refuses the run, for the sensor `notify`. A refused run writes no log.

    A source that is disabled is refused on purpose, so this is not recorded. Use this around `without_secrets`.
    """
    database, config_id = harvest.run.database, harvest.config_id
    try:
        yield
    except (BadInput, TooManyFailures) as error:
        with database.begin() as connection:
            ingest_configs.mark_refused(connection, config_id, str(error), utc_now())
        raise
    with database.read() as connection:
        is_refused = ingest_configs.is_refused(connection, config_id)
    if is_refused:
        with database.begin() as connection:
            ingest_configs.clear_refusal(connection, config_id)


def build_transformation(
    context: dg.AssetExecutionContext,
    ingest_config: IngestConfig,
    stores: Stores,
    days: tuple[date, date],
    *,
    superfluous: bool,
) -> TransformContext:
    """Return the transformation of some days of a source by this run."""
    rename_source(stores.database(), ingest_config, context.log)
    return TransformContext(
        config=ingest_config,
        config_id=_save_config(stores.database(), ingest_config),
        days=days,
        superfluous=superfluous,
        run=current_run(context, stores),
        environ=os.environ,
    )


@contextmanager
def report_days_on_failure(
    context: dg.OpExecutionContext, config: StepConfig, stores: Stores, catalog: Catalog
) -> Generator[None, None, None]:
    """If the op fails, report the finished days of the run, and why the others were not requested.

    Finished days would otherwise turn red: Dagster shows every partition of a failed run as failed unless it was
    materialized since the launch. A run that was refused turned 40 green days red: docs/failures.md#skipped-windows.
    This writes no row, because the op may have refused invalid parameters.
    """
    try:
        yield
    except dg.RetryRequested:
        raise
    except Exception as failure:
        try:
            _report_days(context, config, stores, catalog, failure)
        except Exception as error:  # the failure of the op matters more
            context.log.warning(
                f"The finished days of this run could not be reported, so Dagster may show them as failed: {error}"
            )
        raise


def _report_days(
    context: dg.OpExecutionContext, config: StepConfig, stores: Stores, catalog: Catalog, failure: Exception
) -> None:
    if not has_partitions(context):
        return
    label = find_config(config, stores, catalog).label
    with stores.database().read() as connection:
        config_id = ingest_configs.find_id(connection, label)
        tried = (
            queries.find_by_run(connection, config_id, context.run.run_id) if config_id is not None else []
        )
    covered: Collection[date] = ()
    if config_id is not None:  # otherwise the source was never harvested
        harvest = _harvest_context(context, config, stores, catalog, config_id=config_id)
        covered = report_covered_days(context, harvest, failing=True)
    if all(log.status in _BEFORE_WINDOWS for log in tried):
        days = set(partition_window(context).days).difference(covered)
        observe_days_not_requested(
            context, keys_of(catalog).key_of("raw", label), days, f"{type(failure).__name__}: {failure}"
        )


def graph_of(context: dg.OpExecutionContext, label: str) -> str | None:
    """Return the graph of the asset that an op belongs to; None in the job `harvest`, whose ops belong to no asset."""
    return SourceAsset("raw", label).op if has_partitions(context) else None


@contextmanager
def hold_lease(
    context: dg.OpExecutionContext, config: StepConfig, stores: Stores, catalog: Catalog
) -> Generator[OpContext, None, None]:
    """Hold the run's lease while an op works, whichever process the op runs in.

    Raises:
        dagster.RetryRequested: another run holds the lease, or the source demands a longer wait than a worker sleeps.
    """
    with (
        report_days_on_failure(context, config, stores, catalog),
        retry_while_unavailable(context, stores.waiting, *TRANSIENT),
        retry_later(context),
    ):
        harvest = build_harvest(context, config, stores, catalog)
        with without_secrets(harvest.source.redact), lease_guard.hold_lease(harvest) as lease:
            key = keys_of(catalog).key_of("raw", harvest.config.label)
            yield OpContext(context, harvest, lease, requested_window(context, config), key)


@contextmanager
def retry_while_unavailable(
    context: dg.OpExecutionContext, settings: RetrySettings, *kinds: type[HarvestError]
) -> Generator[None, None, None]:
    """Turn transient errors of these kinds into a retry of the op, which frees the worker meanwhile.

    The waits grow. They are random, so that runs that wait do not all return at once. The last retry raises the error.
    """
    try:
        yield
    except kinds as error:
        if not error.transient or context.retry_number >= settings.retries:
            raise
        seconds = settings.seconds(context.retry_number, random.random())  # noqa: S311  # jitter is no secret
        context.log.warning(f"{escape_controls(str(error))} Trying again in {seconds:.0f} s.")
        current_monitor().defer(seconds)
        raise dg.RetryRequested(max_retries=settings.retries, seconds_to_wait=seconds) from error


@contextmanager
def retry_later(context: dg.OpExecutionContext) -> Generator[None, None, None]:
    """Turn a wait that is too long for a worker into a retry of the op when the wait is over.

    The number of these retries has no limit here: `pipeline.fetching.deferral` limits the time without a page.
    """
    try:
        yield
    except RetryLater as error:
        seconds = error.seconds + random.random() * _longest_delay(error)  # noqa: S311  # jitter is no secret
        until = (utc_now() + timedelta(seconds=seconds)).replace(microsecond=0)
        context.log.warning(
            f"{escape_controls(str(error))} Deferred until {format_instant(until)}; nothing has failed."
        )
        current_monitor().defer(seconds)
        raise dg.RetryRequested(max_retries=context.retry_number + 1, seconds_to_wait=seconds) from error


def _longest_delay(error: RetryLater) -> float:
    """Return the seconds by which a retry may be late, at random, so that runs that wait do not all return at once."""
    delay = 1 + error.seconds / 10
    return min(delay, _LONGEST_DELAY_OF_HOURS) if isinstance(error, OutsideHours) else delay
