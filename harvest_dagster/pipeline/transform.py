"""transform: the PENDING data of some partitions into normalized documents, in batches.

A batch is claimed, transformed and marked. What a run leaves claimed and is over is claimed again by the next.
A datum that cannot be transformed fails alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from harvest_dagster import plugins
from harvest_dagster.catalog.arguments import make_arguments
from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.errors import TransformError
from harvest_dagster.pipeline.harvest import Runner
from harvest_dagster.storage import ingest_logs, normalized_data
from harvest_dagster.storage.engine import Database
from harvest_dagster.storage.ingest_logs import Claimed, Queue
from harvest_dagster.storage.normalized_data import Normalized
from harvest_dagster.transformers.interface import Transformer

BATCH = 1000


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
            (self.errors + other.errors)[:10],
        )


def transform(transformation: Transformation) -> Outcome:
    """Transform everything that waits."""
    transformer = transformation.transformer()
    _make_ready(transformation)
    outcome = Outcome()
    for batch in _batches(transformation):
        outcome += _transform_batch(transformation, transformer, batch)
    return outcome


def _make_ready(transformation: Transformation) -> None:
    now, queue, days = transformation.clock(), transformation.queue, transformation.days
    with transformation.database.begin() as connection:
        over = [
            run_id
            for run_id in ingest_logs.runs_at_work(connection, queue)
            if _is_over(transformation, run_id)
        ]
        ingest_logs.return_orphans(connection, queue, over, now)
        ingest_logs.renew_for_version(connection, queue, days, now)
        if transformation.superfluous:
            ingest_logs.relaunch(connection, queue, days, now)


def _is_over(transformation: Transformation, run_id: str) -> bool:
    runner = transformation.runner
    return run_id == runner.run_id or runner.runs.fate(run_id) is not None or not runner.runs.knows(run_id)


def _batches(transformation: Transformation) -> Iterator[list[Claimed]]:
    while True:
        with transformation.database.begin() as connection:
            batch = ingest_logs.claim(
                connection,
                transformation.queue,
                transformation.days,
                count=BATCH,
                run_id=transformation.runner.run_id,
                now=transformation.clock(),
            )
        if not batch:
            return
        yield batch


def _transform_batch(
    transformation: Transformation, transformer: Transformer, batch: Sequence[Claimed]
) -> Outcome:
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
            errors[claimed.log_id] = str(error)
        except Exception as error:  # a plug-in's bug with one datum holds up no other
            errors[claimed.log_id] = f"{type(error).__name__}: {error}"
        else:
            errors[claimed.log_id] = None
            documents.append(Normalized(claimed.suid_id, claimed.raw_id, claimed.revision, document))
    now, queue = transformation.clock(), transformation.queue
    with transformation.database.begin() as connection:
        normalized_data.put(connection, queue.ingest_config_id, queue.transformer_version, documents, now)
        ingest_logs.mark(connection, transformation.runner.run_id, list(errors.items()), now)
    return _outcome(batch, errors)


def _outcome(batch: Sequence[Claimed], errors: Mapping[int, str | None]) -> Outcome:
    texts = [
        f"{claimed.identifier}: {errors[claimed.log_id]}"
        for claimed in batch
        if errors[claimed.log_id] is not None
    ]
    deleted = sum(claimed.deleted for claimed in batch)
    return Outcome(len(batch) - deleted - len(texts), deleted, len(texts), tuple(texts[:10]))
