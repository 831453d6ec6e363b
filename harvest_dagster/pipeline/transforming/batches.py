"""Transforms batches: the first ones in this process, later ones in another, while this one claims and stores others.

The database takes a third of the processor time of a transform, or more. So two cores make it faster, and the second
process costs little memory. It is not worth its start for a day of usual size.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from itertools import chain, islice

from harvest_dagster.pipeline.transforming.results import Datum, Transformed, transform_data
from harvest_dagster.pipeline.transforming.worker import MOST_BATCHES, Worker, started_worker
from harvest_dagster.storage.transform_queue.queue import ClaimedDatum
from harvest_dagster.transformers.interface import Transformer

ALONE = 3  # batches

Batch = Sequence[ClaimedDatum]


def transform_batches(
    transformer: Transformer, batches: Iterator[Batch]
) -> Generator[tuple[Batch, list[Transformed]], None, None]:
    """Yield each batch, in order, with what was made of its data that are not deleted.

    At most two further batches are claimed and not yet yielded. Close the generator, so that the other process ends.

    Raises:
        TransformError: the other process has ended. The logs of the batches that were not yielded stay claimed.
    """
    for batch in islice(batches, ALONE):
        yield batch, transform_data(transformer, _data(batch))
    following = next(batches, None)
    if following is None:
        return
    batches = chain([following], batches)
    if os.cpu_count() == 1:
        yield from _in_this_process(transformer, batches)
        return
    with started_worker(transformer) as worker:
        if worker is None:
            yield from _in_this_process(transformer, batches)
        else:
            yield from _in_worker(worker, batches)


def _data(batch: Batch) -> list[Datum]:
    return [(claimed.identifier, claimed.datum) for claimed in batch if not claimed.deleted]


def _in_this_process(
    transformer: Transformer, batches: Iterator[Batch]
) -> Iterator[tuple[Batch, list[Transformed]]]:
    for batch in batches:
        yield batch, transform_data(transformer, _data(batch))


def _in_worker(worker: Worker, batches: Iterator[Batch]) -> Iterator[tuple[Batch, list[Transformed]]]:
    """Keep one batch ahead of the one that is stored."""
    sent: deque[Batch] = deque()
    for batch in batches:
        worker.send(_data(batch))
        sent.append(batch)
        if len(sent) == MOST_BATCHES:
            yield sent.popleft(), worker.receive()
    while sent:
        yield sent.popleft(), worker.receive()
