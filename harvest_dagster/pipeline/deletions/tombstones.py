"""Store a deletion, or the return of a record, as a new revision of the record.

Both pass through the same functions as a record of the source: the views, `changed_at`, the data versions of the days
and the transform queue follow.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date, datetime

from sqlalchemy import Connection

from harvest_dagster.pipeline.context import HarvestContext
from harvest_dagster.pipeline.storing.queued_pages import enqueue_options
from harvest_dagster.records import Record
from harvest_dagster.storage.day_versions import add_changes, digest_of
from harvest_dagster.storage.raw_data.store import StoredDatum, find_data, store_records
from harvest_dagster.storage.transform_queue.enqueue import QueueEntry, enqueue_data
from harvest_dagster.windows import DAY

TOMBSTONE = '{"deleted":true,"reason":"the source no longer lists this record"}'
"""The content of a deleted record, if the source does not mark it as deleted. Transformers do not read it."""


def store_revisions(
    connection: Connection, harvest: HarvestContext, records: Sequence[Record], now: datetime
) -> list[StoredDatum]:
    """Store records as the current contents of their identifiers, and queue them. Return the datum of each.

    Args:
        connection: a transaction under the lease.
        harvest: the harvest.
        records: each with the newest datestamp of its identifier.
        now: the time.
    """
    changes: Counter[date] = Counter()
    for change in store_records(connection, harvest.config_id, records, now).changed:
        digest = digest_of(change.record.identifier, change.hash.hex(), change.revision)
        changes[_day(harvest, change.record, now)] += digest
    add_changes(connection, harvest.config_id, "raw", changes)
    found = find_data(connection, harvest.config_id, records)
    entries = [
        QueueEntry(datum.raw_id, datum.revision, _day(harvest, record, now), datum.is_current)
        for record, datum in zip(records, found, strict=True)
    ]
    enqueue_data(connection, enqueue_options(harvest), entries)
    return found


def _day(harvest: HarvestContext, record: Record, now: datetime) -> date:
    """Return the partition of a record: the day of its datestamp, if a partition of that day exists."""
    first, last = harvest.config.earliest_date, (now - DAY).date()
    return first if record.datestamp is None else max(first, min(record.datestamp.date(), last))
