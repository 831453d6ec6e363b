"""Transforms the PENDING data of some partitions into normalized documents, in batches.

Each batch is claimed, transformed and marked. A run also takes the data that a dead run had claimed. A datum that
cannot be transformed fails alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property
from typing import NamedTuple

from harvest_dagster import plugins
from harvest_dagster.catalog import secrets
from harvest_dagster.catalog.arguments import resolve_arguments
from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.coverage import scopes
from harvest_dagster.masking import build_masker
from harvest_dagster.pipeline.context import CurrentRun
from harvest_dagster.pipeline.samples import MOST_SAMPLES, Sample, sample_document
from harvest_dagster.pipeline.transforming.batches import transform_batches
from harvest_dagster.pipeline.transforming.results import Transformed
from harvest_dagster.processes import is_gone
from harvest_dagster.storage.day_versions import add_changes, digest_of
from harvest_dagster.storage.transform_queue import workers
from harvest_dagster.storage.transform_queue.documents import (
    FailedTransform,
    NormalizedDocument,
    find_current,
    mark_outdated,
    put_documents,
)
from harvest_dagster.storage.transform_queue.queue import (
    ClaimedDatum,
    TransformQueue,
    claim_pending,
    enqueue_older_versions,
    find_claiming_runs,
    mark_transformed,
    requeue_days,
    requeue_orphans,
)
from harvest_dagster.storage.transform_queue.versions import find_version
from harvest_dagster.texts import escape_controls
from harvest_dagster.transformers.interface import Transformer

BATCH = 1000
# A run on another host counts as dead if it needs more than this for one batch.
_LONGEST_SILENCE = timedelta(minutes=15)
_ERRORS_SHOWN = 10
_NOTHING = Transformed()


@dataclass(frozen=True)
class TransformContext:
    """The transform asset of one IngestConfig, for some days, by one run.

    Attributes:
        config: the source.
        config_id: its row in the database.
        days: first and last partition, both included.
        superfluous: whether to transform again what has succeeded or failed.
        run: the run at work, with its database and its clock.
        environ: the environment from which `${NAME}` is read.
    """

    config: IngestConfig
    config_id: int
    days: tuple[date, date]
    superfluous: bool
    run: CurrentRun
    environ: Mapping[str, str]

    @property
    def claimed_days(self) -> tuple[date, date]:
        """The days whose data this run takes. Data from before the first partition belong to the first partition.

        Such data exist if `earliest_date` was raised after they were harvested.
        """
        first, last = self.days
        return (date.min if first <= self.config.earliest_date else first), last

    def partition_of(self, claimed: ClaimedDatum) -> date:
        """Return the partition that transforms a datum."""
        return max(claimed.day, self.config.earliest_date)

    def transformer(self) -> Transformer:
        """Return the config's transformer."""
        return self._class(resolve_arguments(self.config, plugins.TRANSFORMERS, self.environ))

    @property
    def redact(self) -> Callable[[str], str]:
        """A function that masks the transformer's secrets in a text."""
        return build_masker(secrets.secret_values(self.config.transformer_kwargs, self.environ))

    @cached_property
    def queue(self) -> TransformQueue:
        """The ingest logs of this transformer."""
        with self.run.database.read() as connection:
            version = find_version(connection, self.config_id, scopes.declared_transformer(self.config))
        return TransformQueue(self.config_id, version)

    @property
    def _class(self) -> type[Transformer]:
        loaded: type[Transformer] = plugins.load(plugins.TRANSFORMERS, self.config.transformer or "")
        return loaded


@dataclass(frozen=True)
class TransformOutcome:
    """How many data were transformed, deleted, and failed, with the first errors and the first documents.

    Attributes:
        chosen: how many documents each transformer made that `transformer: auto` chose.
    """

    transformed: int = 0
    deleted: int = 0
    failed: int = 0
    errors: tuple[str, ...] = ()
    samples: tuple[Sample, ...] = field(default=(), compare=False)
    chosen: Mapping[str, int] = field(default_factory=dict)

    @property
    def choice(self) -> str:
        """What was chosen, for people: `datacite 12, oai_dc 3`; empty if nothing was chosen."""
        return ", ".join(f"{key} {count:,}" for key, count in sorted(self.chosen.items()))

    def __add__(self, other: TransformOutcome) -> TransformOutcome:
        return TransformOutcome(
            self.transformed + other.transformed,
            self.deleted + other.deleted,
            self.failed + other.failed,
            (self.errors + other.errors)[:_ERRORS_SHOWN],
            (self.samples + other.samples)[:MOST_SAMPLES],
            Counter(self.chosen) + Counter(other.chosen),
        )


def transform(context: TransformContext) -> dict[date, TransformOutcome]:
    """Transform all pending data. Return the outcome of each day that had any.

    Raises:
        MissingSecret: the environment lacks a `${NAME}` of the transformer.
        UnknownPlugin: the transformer cannot be loaded.
        CatalogError: the transformer rejects its arguments.
    """
    transformer = context.transformer()
    _prepare_queue(context)
    tallies: dict[date, _Tally] = {}
    # An error must end the other process at once, also while its traceback is kept.
    with closing(transform_batches(transformer, _claim_batches(context))) as batches:
        for batch, transformed in batches:
            results = _results(context.redact, batch, transformed)
            _save(context, results)
            for result in results:
                day = context.partition_of(result.claimed)
                tallies.setdefault(day, _Tally(context.config.transformer)).add(result)
            context.run.monitor.raise_if_stopped()
    with context.run.database.begin() as connection:
        workers.remove_worker(connection, context.run.id)
    return {day: tally.outcome() for day, tally in tallies.items()}


def _prepare_queue(context: TransformContext) -> None:
    """Return the data that dead runs had claimed, and request again what is to be transformed again."""
    now, queue, days = context.run.clock(), context.queue, context.claimed_days
    dead_runs = _find_dead_runs(context)
    with context.run.database.begin() as connection:
        requeue_orphans(connection, queue, dead_runs, now)
        enqueue_older_versions(connection, queue, days, now)
        if context.superfluous:
            requeue_days(connection, queue, days, now)


def _find_dead_runs(context: TransformContext) -> list[str]:
    """Return the runs that have claimed data and are over.

    It asks Dagster outside of any transaction. While Dagster answers, PostgreSQL could end a transaction, and SQLite
    would block all others.
    """
    with context.run.database.read() as connection:
        run_ids = find_claiming_runs(connection, context.queue)
        found = {run_id: workers.find_worker(connection, run_id) for run_id in run_ids}
    return [run_id for run_id in run_ids if _is_dead(context, run_id, found[run_id])]


def _is_dead(context: TransformContext, run_id: str, worker: workers.Worker | None) -> bool:
    run = context.run
    if run_id == run.id or run.history.outcome(run_id) is not None:
        return True  # an op that is retried finds what it had claimed itself
    if worker is None or is_gone(worker.process):
        return True
    return worker.silence > _LONGEST_SILENCE


def _claim_batches(context: TransformContext) -> Iterator[list[ClaimedDatum]]:
    """Claim and yield batches until nothing is pending."""
    run = context.run
    while True:
        now = context.run.clock()
        with context.run.database.begin() as connection:
            workers.record_worker(connection, run.id, run.process)
            batch = claim_pending(
                connection, context.queue, context.claimed_days, count=BATCH, run_id=run.id, now=now
            )
        if not batch:
            return
        yield batch


def _results(
    redact: Callable[[str], str], batch: Sequence[ClaimedDatum], transformed: Sequence[Transformed]
) -> list[_Result]:
    """Put each claimed datum and what was made of it together. Mask the secrets of the errors."""
    results: list[_Result] = []
    made = iter(transformed)
    for claimed in batch:
        one = _NOTHING if claimed.deleted else next(made)
        if one.error is not None:
            one = one._replace(error=redact(one.error))
        results.append(_Result(claimed, one))
    return results


def _save(context: TransformContext, results: Sequence[_Result]) -> None:
    """Write the documents of a batch, and mark its logs, in one transaction."""
    now, queue = context.run.clock(), context.queue
    documents = [
        NormalizedDocument(one.claimed.suid_id, one.claimed.raw_id, one.claimed.revision, one.made.text)
        for one in results
        if one.made.error is None
    ]
    failures = [
        FailedTransform(one.claimed.suid_id, one.claimed.revision, one.made.error)
        for one in results
        if one.made.error is not None
    ]
    with context.run.database.begin() as connection:
        current = find_current(connection, documents)
        changed = put_documents(connection, queue.ingest_config_id, queue.transformer_version, current, now)
        digests = _digests_by_day(context, results, changed)
        add_changes(connection, queue.ingest_config_id, "transformed", digests)
        mark_outdated(connection, failures, now)
        marks = [(one.claimed.log_id, one.made.error) for one in results]
        mark_transformed(connection, context.run.id, marks, now)


def _digests_by_day(
    context: TransformContext, results: Sequence[_Result], changed: Sequence[NormalizedDocument]
) -> dict[date, int]:
    """Return the digests of the changed documents, for the data versions of their days."""
    claimed_by_datum = {one.claimed.raw_id: one.claimed for one in results}
    changes: Counter[date] = Counter()
    for document in changed:
        claimed = claimed_by_datum[document.raw_id]
        digest = digest_of(claimed.identifier, document.revision, document.document)
        changes[context.partition_of(claimed)] += digest
    return changes


class _Result(NamedTuple):
    """A claimed datum, and what was made of it: nothing if it is deleted."""

    claimed: ClaimedDatum
    made: Transformed


class _Tally:
    """Counts the results of a day. A value for each record would cost more than its transform."""

    def __init__(self, transformer: str | None) -> None:
        self._own_transformers = (None, transformer)
        self._counts: Counter[str] = Counter()
        self._chosen: Counter[str] = Counter()
        self._errors: list[str] = []
        self._samples: list[Sample] = []

    def add(self, result: _Result) -> None:
        """Count a result."""
        identifier, made = result.claimed.identifier, result.made
        if made.error is not None:
            self._counts["failed"] += 1
            if len(self._errors) < _ERRORS_SHOWN:
                self._errors.append(escape_controls(f"{identifier}: {made.error}"))
        elif made.text is None:
            self._counts["deleted"] += 1
        else:
            self._counts["transformed"] += 1
            if made.made_by is not None and made.made_by not in self._own_transformers:
                self._chosen[made.made_by] += 1
            if len(self._samples) < MOST_SAMPLES:
                self._samples.append(sample_document(identifier, made.title, made.text))

    def outcome(self) -> TransformOutcome:
        """Return the outcome of the day."""
        return TransformOutcome(
            **self._counts,
            errors=tuple(self._errors),
            samples=tuple(self._samples),
            chosen=dict(self._chosen),
        )
