"""What every op needs before it can call its pipeline function, and what becomes of its exceptions.

An op that raises ends its window's log: FAILED with the traceback, or CANCELLED. A lease that is not free, and
a source that wants to be left alone for a while, become a retry. Nothing that leaves here holds a secret.
"""

import os
import random
import sys
import traceback
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone

import dagster as dg

from harvest_dagster.catalog.loader import Catalog
from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.catalog.written import mirrored
from harvest_dagster.errors import (
    DatabaseUnreachable,
    HarvestError,
    LeaseHeld,
    LeaseLost,
    SourceUnreachable,
    UnknownIngestConfig,
    WaitTooLong,
)
from harvest_dagster.orchestration.checks import check_failed_window
from harvest_dagster.orchestration.config import StepConfig
from harvest_dagster.orchestration.failures import without_secrets
from harvest_dagster.orchestration.resources import Stores, Waiting
from harvest_dagster.orchestration.runs import runner
from harvest_dagster.pipeline import lock, pauses
from harvest_dagster.pipeline.finish import end_window, take_up
from harvest_dagster.pipeline.harvest import Harvest
from harvest_dagster.pipeline.lock import Grip
from harvest_dagster.pipeline.transform import Transformation
from harvest_dagster.storage import harvest_logs, ingest_configs
from harvest_dagster.storage.engine import Database
from harvest_dagster.storage.harvest_logs import HarvestLog
from harvest_dagster.windows import format_instant


@dataclass(frozen=True)
class Work:
    """An op at work: the harvest, and the lease it holds."""

    context: dg.OpExecutionContext
    harvest: Harvest
    grip: Grip

    @contextmanager
    def window(self, log_id: int) -> Generator[HarvestLog, None, None]:
        """Work on one window: an exception ends its log.

        A lease that was lost or a database that is gone leaves it: there is nothing to write, or nowhere. The
        next preflight settles it.
        """
        try:
            yield take_up(self.harvest, log_id, self.grip)
        except (LeaseLost, DatabaseUnreachable):
            raise
        except WaitTooLong as error:
            self._put_off(log_id, error)
            raise
        except (dg.DagsterExecutionInterruptedError, KeyboardInterrupt):
            end_window(self.harvest, log_id, self.grip, "CANCELLED", "the run was cancelled")
            raise
        except Exception:
            self._fail(log_id)
            raise

    def _put_off(self, log_id: int, error: WaitTooLong) -> None:
        """Keep log and lease for the retry, or end the log where nothing has come for too long."""
        with self.harvest.database.read() as connection:
            log = harvest_logs.get(connection, log_id)
        try:
            pauses.put_off(self.harvest, log, self.grip, error)
        except SourceUnreachable:
            self._fail(log_id)
            raise

    def _fail(self, log_id: int) -> None:
        log = end_window(self.harvest, log_id, self.grip, "FAILED", _as_text(self.harvest))
        check_failed_window(self.context, self.harvest, log.window)


def is_done(log: HarvestLog) -> bool:
    """Whether another run has done the window since: this one is re-executed from its middle."""
    return log.status == "SUCCEEDED"


def utc_now() -> datetime:
    """The time."""
    return datetime.now(timezone.utc)


def find_config(config: StepConfig, stores: Stores, catalog: Catalog) -> IngestConfig:
    """The IngestConfig a run names by its label or its primary key.

    Raises:
        UnknownIngestConfig: there is none.
    """
    if config.ingest_config is not None:
        return catalog.get(config.ingest_config)
    with stores.database().read() as connection:
        label = ingest_configs.find_label(connection, config.ingest_config_id or 0)
    if label is None:
        message = (
            f"no row of the table ingest_config has the primary key {config.ingest_config_id}. "
            "A config gets its row with its first harvest; name it by its label: ingest_config."
        )
        raise UnknownIngestConfig(message)
    return catalog.get(label)


def make_harvest(
    context: dg.OpExecutionContext, config: StepConfig, stores: Stores, catalog: Catalog
) -> Harvest:
    """The harvest this run is for; its config is mirrored into the database."""
    ingest_config = find_config(config, stores, catalog)
    database = stores.database()
    config_id = _mirror(database, ingest_config)
    return Harvest(
        config=ingest_config,
        config_id=config_id,
        parameters=config.parameters,
        database=database,
        spool=stores.spool(),
        runner=runner(context),
        environ=os.environ,
        clock=utc_now,
        tell=context.log.info,
        catalogue=catalog.configs,
        patience=stores.waiting.patience,
    )


def _mirror(database: Database, ingest_config: IngestConfig) -> int:
    """The primary key of a config's row, written where it is new or has changed: no op waits to write what is there."""
    definition = mirrored(ingest_config)
    with database.read() as connection:
        config_id = ingest_configs.find_same(connection, definition)
    if config_id is None:
        with database.begin() as connection:
            config_id = ingest_configs.mirror(connection, definition, utc_now())
    return config_id


def make_transformation(
    context: dg.AssetExecutionContext,
    ingest_config: IngestConfig,
    stores: Stores,
    days: tuple[date, date],
    *,
    superfluous: bool,
) -> Transformation:
    """The transformation of some days of a source by this run."""
    database = stores.database()
    config_id = _mirror(database, ingest_config)
    return Transformation(
        config=ingest_config,
        config_id=config_id,
        days=days,
        superfluous=superfluous,
        database=database,
        runner=runner(context),
        environ=os.environ,
        clock=utc_now,
    )


@contextmanager
def at_work(
    context: dg.OpExecutionContext, config: StepConfig, stores: Stores, catalog: Catalog
) -> Generator[Work, None, None]:
    """Hold the run's lease for the length of an op, whichever process it runs in.

    Raises:
        dagster.RetryRequested: another run holds it, or the source wants a longer wait than a worker sleeps.
    """
    with waiting(context, stores.waiting, LeaseHeld, DatabaseUnreachable), putting_off(context):
        harvest = make_harvest(context, config, stores, catalog)
        with without_secrets(harvest.redact), lock.holding(harvest) as grip:
            yield Work(context, harvest, grip)


@contextmanager
def waiting(
    context: dg.OpExecutionContext, policy: Waiting, *kinds: type[HarvestError]
) -> Generator[None, None, None]:
    """Turn errors that pass by themselves into a retry of the op, which frees the worker meanwhile.

    Later and later, at random times so that not all who wait come at once. The last try raises the error itself.
    """
    try:
        yield
    except kinds as error:
        if not error.transient or context.retry_number >= policy.retries:
            raise
        seconds = policy.seconds(context.retry_number, random.random())  # noqa: S311  # jitter is no secret
        context.log.warning(f"{error} Trying again in {seconds:.0f} s.")
        raise dg.RetryRequested(max_retries=policy.retries, seconds_to_wait=seconds) from error


@contextmanager
def putting_off(context: dg.OpExecutionContext) -> Generator[None, None, None]:
    """Turn a wait that is too long for a worker into a retry of the op when it is over, and a little later at random.

    How often is no matter here: `pauses.put_off` bounds it.
    """
    try:
        yield
    except WaitTooLong as error:
        seconds = error.seconds * (1 + random.random() / 10) + random.random()  # noqa: S311  # jitter is no secret
        until = (utc_now() + timedelta(seconds=seconds)).replace(microsecond=0)
        context.log.warning(f"{error} Put off until {format_instant(until)}; nothing has failed.")
        raise dg.RetryRequested(max_retries=context.retry_number + 1, seconds_to_wait=seconds) from error


def _as_text(harvest: Harvest) -> str:
    """The exception at hand: its message first, then its traceback."""
    error = sys.exc_info()[1]
    assert error is not None  # noqa: S101  # called from an except clause only
    return harvest.redact(f"{type(error).__name__}: {error}\n\n{traceback.format_exc()}")
