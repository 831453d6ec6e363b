"""The step launch: creates an ingest log for each datum of the window, not only for new data.

After a crash between store and launch, nothing is new for the next run, but nothing is launched either. So the next run
launches all data of the window (docs/failures.md#stored-but-not-launched).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime
from functools import partial

from sqlalchemy import Connection

from harvest_dagster.pipeline.completed_days import DayCounts
from harvest_dagster.pipeline.context import HarvestContext
from harvest_dagster.pipeline.lease_guard import LeaseHandle
from harvest_dagster.pipeline.samples import MOST_SAMPLES, sample_record
from harvest_dagster.pipeline.snapshots import is_snapshot
from harvest_dagster.pipeline.steps.split import parsed_pages
from harvest_dagster.records import Record
from harvest_dagster.storage.harvest_log.queries import HarvestLog
from harvest_dagster.storage.raw_data import store
from harvest_dagster.storage.raw_data.store import StoredDatum
from harvest_dagster.storage.transform_queue import enqueue
from harvest_dagster.storage.transform_queue.enqueue import EnqueueOptions, QueueEntry
from harvest_dagster.storage.transform_queue.queue import TransformQueue
from harvest_dagster.windows import Window


def launch(
    harvest: HarvestContext, log: HarvestLog, lease: LeaseHandle, keep_going: Callable[[], None]
) -> dict[date, DayCounts]:
    """Create or update the ingest logs of the window's data, page by page. Return the counts of each day.

    The logs are PENDING if the source has a transformer and `transform` is true, otherwise CREATED. The log of content
    that is not the current one of its identifier is CREATED, too: it is only history.

    Args:
        harvest: the harvest.
        log: the window's log.
        lease: the lease.
        keep_going: called after each page; it raises if the harvest has to stop.

    Returns:
        the counts by day, for the days that have records.

    Raises:
        SpoolError: a page is missing or damaged.
        LeaseLost: another run took the lease; the current page is not launched.
    """
    days: dict[date, DayCounts] = {}
    day_of = partial(day_of_record, harvest, log)
    for _, parsed_page in parsed_pages(harvest, log, 0, keep_going):
        records = parsed_page.records
        _add_counts(days, records, day_of)
        with lease.begin() as connection:
            launch_records(connection, harvest, log, records)
        keep_going()
    return days


def launch_records(
    connection: Connection, harvest: HarvestContext, log: HarvestLog, records: Sequence[Record]
) -> None:
    """Create or update the ingest logs of records of a window that are stored."""
    day_of = partial(day_of_record, harvest, log)
    found = store.find_data(connection, harvest.config_id, records)
    enqueue.enqueue_data(connection, enqueue_options(harvest), _queue_entries(records, found, day_of))


def day_of_record(harvest: HarvestContext, log: HarvestLog, record: Record) -> date:
    """Return the day of the partition of a record that a window delivered."""
    config = harvest.config
    return partition_day(record, log.window, config.earliest_date, snapshot=is_snapshot(config))


def partition_day(record: Record, window: Window, earliest: date, *, snapshot: bool = False) -> date:
    """Return the day of a record's partition: the day of its datestamp if the window contains it, else the first day.

    The job `harvest` may collect records that are older than the first partition, `earliest`. They belong to the first
    partition. A snapshot has records that changed after the end of its window. They belong to its last day.
    """
    first, last = window.start.date(), (window.end - datetime.resolution).date()
    if record.datestamp is None:
        day = first
    elif record.datestamp in window:
        day = record.datestamp.date()
    else:
        day = last if snapshot and record.datestamp >= window.end else first
    return max(day, earliest)


def _add_counts(
    days: dict[date, DayCounts], records: Iterable[Record], day_of: Callable[[Record], date]
) -> None:
    for record in records:
        day = day_of(record)
        before = days.get(day, DayCounts())
        samples = before.samples
        if len(samples) < MOST_SAMPLES:
            samples = (*samples, sample_record(record))
        days[day] = DayCounts(before.records + 1, before.deleted + record.deleted, samples)


def _queue_entries(
    records: Sequence[Record], found: Sequence[StoredDatum], day_of: Callable[[Record], date]
) -> list[QueueEntry]:
    """Return one queue entry for each datum. If a datum occurs several times on a page, its last record counts.

    Args:
        records: the records of a page.
        found: the datum of each record.
        day_of: returns the day of a record's partition.
    """
    by_datum = {
        datum.raw_id: QueueEntry(datum.raw_id, datum.revision, day_of(record), datum.is_current)
        for record, datum in zip(records, found, strict=True)
    }
    return list(by_datum.values())


def enqueue_options(harvest: HarvestContext) -> EnqueueOptions:
    """Return the options with which this run adds data to the transform queue."""
    to_transform = harvest.parameters.transform and harvest.config.transformer is not None
    return EnqueueOptions(
        TransformQueue(harvest.config_id, harvest.transformer_version),
        "PENDING" if to_transform else "CREATED",
        harvest.parameters.superfluous,
        harvest.run.clock(),
    )
