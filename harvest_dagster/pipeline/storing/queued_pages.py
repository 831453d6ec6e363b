"""Add data to the transform queue in the transaction that stores them.

The step store knows the keys of the data that it has just written, so it creates their ingest logs at the lowest cost.
At its end, it leaves a file in the spool that names the pages for which it has done so. The step launch adds the data
of the others. If the file is missing or damaged, or has other options, it adds the data of all pages.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

from sqlalchemy import Connection

from harvest_dagster.pipeline.completed_days import DayCounts
from harvest_dagster.pipeline.context import HarvestContext
from harvest_dagster.pipeline.storing.day_counter import DayCounter, day_rule
from harvest_dagster.records import Record
from harvest_dagster.storage.harvest_log.queries import HarvestLog
from harvest_dagster.storage.raw_data.store import StoredDatum
from harvest_dagster.storage.transform_queue.enqueue import (
    EnqueueOptions,
    QueueEntry,
    enqueue_data,
    enqueue_new_data,
)
from harvest_dagster.storage.transform_queue.queue import TransformQueue

_NAME = "queued"


@dataclass(frozen=True)
class QueuedPages:
    """The pages whose data the step store has added to the transform queue.

    Attributes:
        first: the number of the first of them.
        end: the number after the last one.
        transformer_version: the version for which the data wait.
        status: the status of current data in the queue.
        superfluous: whether existing entries became PENDING again.
        days: the counts of these pages by day.
    """

    first: int
    end: int
    transformer_version: int
    status: str
    superfluous: bool
    days: dict[date, DayCounts]

    def has(self, options: EnqueueOptions) -> bool:
        """Return whether the data were added with these options."""
        mine = (self.transformer_version, self.status, self.superfluous)
        return mine == (options.queue.transformer_version, options.status, options.superfluous)


def enqueue_options(harvest: HarvestContext) -> EnqueueOptions:
    """Return the options with which this run adds data to the transform queue."""
    to_transform = harvest.parameters.transform and harvest.config.transformer is not None
    return EnqueueOptions(
        TransformQueue(harvest.config_id, harvest.transformer_version),
        "PENDING" if to_transform else "CREATED",
        harvest.parameters.superfluous,
        harvest.run.clock(),
    )


def find_queued_pages(harvest: HarvestContext, log: HarvestLog) -> QueuedPages | None:
    """Return the pages of the window that need no launch; None if the step launch has to add all data itself."""
    queued = harvest.attempt(log).find_result(_NAME, QueuedPages)
    if queued is None or queued.end != log.pages_stored or not queued.has(enqueue_options(harvest)):
        return None
    return queued


class PageQueue:
    """Adds the pages that one execution of the step store writes to the transform queue.

    Args:
        harvest: the harvest.
        log: the window's log as it was before the first of these pages.
        is_open: False if nothing is to be added, because the window will fail.
    """

    def __init__(self, harvest: HarvestContext, log: HarvestLog, *, is_open: bool = True) -> None:
        self._spool = harvest.attempt(log)
        self._options = enqueue_options(harvest)
        # With `transform: false`, the entries would be CREATED, and a next run that is to transform would not change
        # them. That must not happen before the window has been launched.
        is_final = harvest.parameters.transform or harvest.config.transformer is None
        self._is_open = is_open and is_final
        self._counter = DayCounter(day_rule(harvest, log))
        self._first = self._end = log.pages_stored

    def add(
        self, connection: Connection, records: Sequence[Record], data: Sequence[StoredDatum], now: datetime
    ) -> None:
        """Add the data of the next page.

        Args:
            connection: the transaction that stores them.
            records: the records of the page.
            data: the data of these records.
            now: the time.
        """
        if not self._is_open:
            return
        self._counter.add(records)
        self._end += 1
        options, day_of = replace(self._options, now=now), self._counter.day_of
        new: list[QueueEntry] = []
        known: list[QueueEntry] = []
        for record, raw_id, revision, is_current, is_new in data:
            (new if is_new else known).append(QueueEntry(raw_id, revision, day_of(record), is_current))
        enqueue_new_data(connection, options, new)
        enqueue_data(connection, options, known)

    def write_result(self) -> None:
        """Record for the step launch which pages are queued, unless there are none.

        Raises:
            SpoolError: it cannot be written.
            SpoolUnreachable: the object store cannot be reached now.
        """
        if self._end == self._first:
            return  # an earlier execution may have stored all pages, and have written its own result
        options = self._options
        result = QueuedPages(
            self._first,
            self._end,
            options.queue.transformer_version,
            options.status,
            options.superfluous,
            self._counter.days,
        )
        self._spool.write_result(_NAME, result)
