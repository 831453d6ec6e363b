"""transform: the PENDING data of some partitions into normalized documents, in batches.

A batch is claimed, transformed and marked. What a run leaves claimed and is over is claimed again by the next.
A datum that cannot be transformed fails alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import Connection

from harvest_dagster import plugins
from harvest_dagster.catalog import secrets
from harvest_dagster.catalog.arguments import make_arguments
from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.errors import TransformError
from harvest_dagster.masking import masker
from harvest_dagster.pipeline.harvest import Runner
from harvest_dagster.processes import is_gone
from harvest_dagster.storage import ingest_logs, normalized_data, transform_runs
from harvest_dagster.storage.engine import Database
from harvest_dagster.storage.ingest_logs import Claimed, Queue
from harvest_dagster.storage.normalized_data import Normalized
from harvest_dagster.transformers.interface import Transformer

BATCH = 1000
# A run that has taken so long for one batch, on a host that nobody can look at from here, is taken for dead.
_SILENT = timedelta(minutes=15)
_ERRORS_SHOWN = 10


@dataclass(frozen=True)
class Transformation:
    """The transform asset of one IngestConfig, for some days, by one run.

    Attributes:
        config: whose data.
        config_id: its row in the database.
        days: first and last partition, both included.
        superfluous: do again what has succeeded or failed.
        database: where the data is.
        runner: who runs it.
        environ: where `${NAME}` is read from.
        clock: the time, aware, in UTC.
    """

    config: IngestConfig
    config_id: int
    days: tuple[date, date]
    superfluous: bool
    database: Database
    runner: Runner
    environ: Mapping[str, str]
    clock: Callable[[], datetime]

    def transformer(self) -> Transformer:
        """The config's transformer."""
        arguments, _ = make_arguments(self.config, plugins.TRANSFORMERS, self.environ)
        return self._class(arguments)

    @property
    def redact(self) -> Callable[[str], str]:
        """Masks the transformer's secrets in a text."""
        return masker(secrets.values(self.config.transformer_kwargs, self.environ))

    @property
    def queue(self) -> Queue:
        """The ingest logs that are this transformer's."""
        return Queue(self.config_id, self._class.VERSION)

    @property
    def _class(self) -> type[Transformer]:
        loaded: type[Transformer] = plugins.load(plugins.TRANSFORMERS, self.config.transformer or "")
        return loaded


@dataclass(frozen=True)
class Outcome:
    """How many data were transformed, deleted, and failed, and the first few errors."""

    transformed: int = 0
    deleted: int = 0
    failed: int = 0
    errors: tuple[str, ...] = ()

    def __add__(self, other: Outcome) -> Outcome:
        return Outcome(
            self.transformed + other.transformed,
            self.deleted + other.deleted,
            self.failed + other.failed,
            (self.errors + other.errors)[:_ERRORS_SHOWN],
        )


def transform(transformation: Transformation) -> dict[date, Outcome]:
    """Transform everything that waits; gives the outcome for each day that had any."""
    transformer = transformation.transformer()
    _make_ready(transformation)
    outcomes: dict[date, Outcome] = {}
    for batch in _batches(transformation):
        errors = _transform_batch(transformation, transformer, batch)
        for claimed in batch:
            before = outcomes.get(claimed.day, Outcome())
            outcomes[claimed.day] = before + _outcome(claimed, errors[claimed.log_id])
    return outcomes


def _make_ready(transformation: Transformation) -> None:
    now, queue, days = transformation.clock(), transformation.queue, transformation.days
    over = _runs_over(transformation)
    with transformation.database.begin() as connection:
        ingest_logs.return_orphans(connection, queue, over, now)
        ingest_logs.renew_for_version(connection, queue, days, now)
        if transformation.superfluous:
            ingest_logs.relaunch(connection, queue, days, now)


def _runs_over(transformation: Transformation) -> list[str]:
    """Of the runs that have claimed something, those that are over; Dagster is asked within no transaction."""
    with transformation.database.read() as connection:
        at_work = ingest_logs.runs_at_work(connection, transformation.queue)
        seen = {run_id: transform_runs.find(connection, run_id) for run_id in at_work}
    return [run_id for run_id in at_work if _is_over(transformation, run_id, seen[run_id])]


def _is_over(transformation: Transformation, run_id: str, seen: transform_runs.Seen | None) -> bool:
    runner = transformation.runner
    if run_id == runner.run_id or runner.runs.fate(run_id) is not None:
        return True
    return seen is None or is_gone(seen.process) or transformation.clock() - seen.last_seen > _SILENT


def _see(transformation: Transformation, connection: Connection) -> None:
    runner = transformation.runner
    transform_runs.see(connection, runner.run_id, runner.process, transformation.clock())


def _batches(transformation: Transformation) -> Iterator[list[Claimed]]:
    while True:
        with transformation.database.begin() as connection:
            _see(transformation, connection)
            batch = ingest_logs.claim(
                connection,
                transformation.queue,
                transformation.days,
                count=BATCH,
                run_id=transformation.runner.run_id,
                now=transformation.clock(),
            )
            if not batch:
                transform_runs.leave(connection, transformation.runner.run_id)
        if not batch:
            return
        yield batch


def _transform_batch(
    transformation: Transformation, transformer: Transformer, batch: Sequence[Claimed]
) -> dict[int, str | None]:
    """Transform and mark a batch; gives each log's error, None where there is none."""
    redact = transformation.redact
    documents: list[Normalized] = []
    errors: dict[int, str | None] = {}
    for claimed in batch:
        try:
            document = (
                None
                if claimed.deleted
                else transformer.transform(claimed.identifier, claimed.datum).as_dict()
            )
        except TransformError as error:  # noqa: PERF203  # each on its own is the point
            errors[claimed.log_id] = redact(str(error))
        except Exception as error:  # a plug-in's bug with one datum holds up no other
            errors[claimed.log_id] = redact(f"{type(error).__name__}: {error}")
        else:
            errors[claimed.log_id] = None
            documents.append(Normalized(claimed.suid_id, claimed.raw_id, claimed.revision, document))
    now, queue = transformation.clock(), transformation.queue
    with transformation.database.begin() as connection:
        normalized_data.put(connection, queue.ingest_config_id, queue.transformer_version, documents, now)
        ingest_logs.mark(connection, transformation.runner.run_id, list(errors.items()), now)
    return errors


def _outcome(claimed: Claimed, error: str | None) -> Outcome:
    if error is not None:
        return Outcome(failed=1, errors=(f"{claimed.identifier}: {error}",))
    return Outcome(deleted=1) if claimed.deleted else Outcome(transformed=1)
