"""The step launch: creates an ingest log for each datum of the window, not only for new data.

The step store creates the logs of the data that it writes, in the same transactions, and records for which pages it has
done so (`storing.queued_pages`). This step creates those of all other pages. After a crash between store and launch,
nothing is new for the next run, so a run never relies on what is new (docs/failures.md#stored-but-not-launched).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date

from sqlalchemy import Connection

from harvest_dagster.pipeline.completed_days import DayCounts
from harvest_dagster.pipeline.context import HarvestContext
from harvest_dagster.pipeline.lease_guard import LeaseHandle
from harvest_dagster.pipeline.steps.split import parsed_pages
from harvest_dagster.pipeline.storing.day_counter import DayCounter, day_rule
from harvest_dagster.pipeline.storing.queued_pages import enqueue_options, find_queued_pages
from harvest_dagster.records import Record
from harvest_dagster.storage.harvest_log.queries import HarvestLog
from harvest_dagster.storage.raw_data import store
from harvest_dagster.storage.transform_queue import enqueue
from harvest_dagster.storage.transform_queue.enqueue import QueueEntry


def launch(
    harvest: HarvestContext, log: HarvestLog, lease: LeaseHandle, keep_going: Callable[[], None]
) -> dict[date, DayCounts]:
    """Create or update the ingest logs of the window's data, page by page. Return the counts of each day.

    Pages that the step store has queued with the same options are not read again.

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
    counter, queued = DayCounter(day_rule(harvest, log)), find_queued_pages(harvest, log)
    lease.verify_token()
    pages = parsed_pages(harvest, log, 0, keep_going) if queued is None or queued.first > 0 else ()
    for number, parsed_page in pages:
        if queued is not None and number == queued.first:
            break
        counter.add(parsed_page.records)
        with lease.begin() as connection:
            launch_records(connection, harvest, log, parsed_page.records)
        keep_going()
    return counter.days if queued is None else counter.added_to(queued.days)


def launch_records(
    connection: Connection, harvest: HarvestContext, log: HarvestLog, records: Sequence[Record]
) -> None:
    """Create or update the ingest logs of records of a window that are stored."""
    found = store.find_data(connection, harvest.config_id, records)
    day_of = day_rule(harvest, log)
    # If a datum occurs several times on a page, its last record counts.
    entries = {
        datum.raw_id: QueueEntry(datum.raw_id, datum.revision, day_of(record), datum.is_current)
        for record, datum in zip(records, found, strict=True)
    }
    enqueue.enqueue_data(connection, enqueue_options(harvest), list(entries.values()))
