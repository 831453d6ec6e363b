"""The records that a harvest would collect, without a harvest: nothing is stored, and no page reaches the spool.

A list that breaks is not continued in another way, and nothing verifies that it is complete. A harvest does both.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, time, timezone

from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.diagnosis.connection import Connection
from harvest_dagster.errors import BadParameters
from harvest_dagster.pipeline.snapshots import list_window
from harvest_dagster.records import InvalidRecord, Record
from harvest_dagster.windows import Window


def requested_window(
    config: IngestConfig, start: datetime | None, end: datetime | None, now: datetime
) -> Window:
    """Return the window of a request: from `earliest_date` to now, where no bound is given.

    Raises:
        BadParameters: the window would be empty.
    """
    first = start or datetime.combine(config.earliest_date, time(), timezone.utc)
    last = end or now
    if last <= first:
        message = (
            f"the range ends on {last.date()}, not after its start on {first.date()}. Choose another range."
        )
        raise BadParameters(message)
    return Window(first, last)


def fetch_records(
    connection: Connection, window: Window, limit: int | None = None
) -> Iterator[Record | InvalidRecord]:
    """Yield the records of a window, page by page, up to a limit.

    A source with `selective: false` is asked for one list of all its records. Of these, the records with a datestamp
    outside the window are left out. Invalid records and those without a datestamp may belong to any window.

    Raises:
        SourceError: the list broke. The records of the pages before that were yielded.
    """
    count, listed = 0, list_window(connection.source.config, window)
    with closing(connection.client.pages(listed)) as pages:  # type: ignore[type-var]  # it is a generator
        for page in pages:
            for record in connection.source.parser.records(page, listed):
                if listed != window and _is_outside(record, window):
                    continue
                yield record
                count += 1
                if count == limit:
                    return


def _is_outside(record: Record | InvalidRecord, window: Window) -> bool:
    if isinstance(record, InvalidRecord) or record.datestamp is None:
        return False
    return record.datestamp not in window


def fetch_record(connection: Connection, identifier: str) -> Record | InvalidRecord:
    """Return one record (OAI-PMH: GetRecord).

    Raises:
        BadInput: the protocol of the source cannot ask for one record.
        IdDoesNotExist: the source has no such record.
        SourceError: the source gives no usable answer.
    """
    return connection.oai.get_record(identifier)
