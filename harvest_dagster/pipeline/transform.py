"""Transforms the PENDING data of some partitions into normalized documents, in batches.

Each batch is claimed, transformed and marked. A run also takes the data that a dead run had claimed. A datum that
cannot be transformed fails alone.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from functools import cached_property
from typing import Any

from harvest_dagster import plugins
from harvest_dagster.catalog import secrets
from harvest_dagster.catalog.arguments import resolve_arguments
from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.coverage import scopes
from harvest_dagster.errors import TransformError
from harvest_dagster.masking import build_masker
from harvest_dagster.pipeline.context import CurrentRun
from harvest_dagster.pipeline.samples import MOST_SAMPLES, Sample, sample_document
from harvest_dagster.processes import is_gone
from harvest_dagster.storage.day_versions import add_changes, digest_of
from harvest_dagster.storage.transform_queue import workers
from harvest_dagster.storage.transform_queue.documents import (
    FailedTransform,
    NormalizedDocument,
    find_changed,
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
    outcomes: dict[date, TransformOutcome] = {}
    for batch in _claim_batches(context):
        errors, documents = _transform_batch(context, transformer, batch)
        for claimed in batch:
            day = context.partition_of(claimed)
            before = outcomes.get(day, TransformOutcome())
            outcome = _outcome(claimed, errors[claimed.log_id])
            document = documents.get(claimed.raw_id)
            if document is not None:
                outcome = replace(outcome, chosen=_chosen(context, document))
                if len(before.samples) < MOST_SAMPLES:
                    outcome = replace(outcome, samples=(sample_document(claimed.identifier, document),))
            outcomes[day] = before + outcome
        context.run.monitor.raise_if_stopped()
    return outcomes


def _chosen(context: TransformContext, document: Mapping[str, Any]) -> dict[str, int]:
    """Return the transformer that made a document, if it is another one than that of the source."""
    made_by = document.get("provenance", {}).get("transformer")
    return {} if made_by in (None, context.config.transformer) else {made_by: 1}


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
                workers.remove_worker(connection, run.id)
        if not batch:
            return
        yield batch


def _transform_batch(
    context: TransformContext, transformer: Transformer, batch: Sequence[ClaimedDatum]
) -> tuple[dict[int, str | None], dict[int, dict[str, Any] | None]]:
    """Transform and mark a batch. Return the error of each log or None, and the document of each datum."""
    redact = context.redact
    documents: list[NormalizedDocument] = []
    errors: dict[int, str | None] = {}
    for claimed in batch:
        try:
            document = (
                None
                if claimed.deleted
                else transformer.transform(claimed.identifier, claimed.datum).as_dict()
            )
        except TransformError as error:  # noqa: PERF203  # each datum must fail alone
            errors[claimed.log_id] = redact(str(error))
        except Exception as error:  # a bug of a plug-in with one datum must not stop the others
            errors[claimed.log_id] = redact(f"{type(error).__name__}: {error}")
        else:
            errors[claimed.log_id] = None
            documents.append(NormalizedDocument(claimed.suid_id, claimed.raw_id, claimed.revision, document))
    now, queue = context.run.clock(), context.queue
    with context.run.database.begin() as connection:
        current = find_current(connection, documents)
        changed = find_changed(connection, current)
        put_documents(connection, queue.ingest_config_id, queue.transformer_version, current, now)
        add_changes(
            connection, queue.ingest_config_id, "transformed", _digests_by_day(context, batch, changed)
        )
        mark_outdated(connection, _failures(batch, errors), now)
        mark_transformed(connection, context.run.id, list(errors.items()), now)
    return errors, {one.raw_id: one.document for one in documents}


def _digests_by_day(
    context: TransformContext, batch: Sequence[ClaimedDatum], changed: Sequence[NormalizedDocument]
) -> dict[date, int]:
    """Return the digests of the changed documents, for the data versions of their days."""
    claimed_by_datum = {claimed.raw_id: claimed for claimed in batch}
    changes: Counter[date] = Counter()
    for document in changed:
        claimed = claimed_by_datum[document.raw_id]
        text = json.dumps(document.document, sort_keys=True)
        changes[context.partition_of(claimed)] += digest_of(claimed.identifier, document.revision, text)
    return changes


def _failures(batch: Sequence[ClaimedDatum], errors: Mapping[int, str | None]) -> list[FailedTransform]:
    return [
        FailedTransform(claimed.suid_id, claimed.revision, error)
        for claimed in batch
        if (error := errors[claimed.log_id]) is not None
    ]


def _outcome(claimed: ClaimedDatum, error: str | None) -> TransformOutcome:
    if error is not None:
        return TransformOutcome(failed=1, errors=(escape_controls(f"{claimed.identifier}: {error}"),))
    return TransformOutcome(deleted=1) if claimed.deleted else TransformOutcome(transformed=1)
