"""launch: an ingest log for every datum of the window, not only the new ones.

So a crash between store and launch loses nothing: the next run finds the data stored, and launches it (Lesson 9).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from harvest_dagster.pipeline.harvest import Harvest
from harvest_dagster.pipeline.lock import Grip
from harvest_dagster.records import Record
from harvest_dagster.storage import launches, raw_data
from harvest_dagster.storage.harvest_logs import HarvestLog
from harvest_dagster.storage.ingest_logs import Queue
from harvest_dagster.storage.launches import Launch, Launching
from harvest_dagster.windows import Window


@dataclass(frozen=True)
class DayCounts:
    """How many records belong to a day, and how many of them say that they were deleted."""

    records: int = 0
    deleted: int = 0


def launch(harvest: Harvest, log: HarvestLog, grip: Grip, check: Callable[[], None]) -> dict[date, DayCounts]:
    """Get or create the ingest logs, PENDING where there is something to launch, page by page.

    Args:
        harvest: what is harvested.
        log: the window's log.
        grip: the lease.
        check: called after each page; it raises what ends the harvest.

    Returns:
        what belongs to each day of the window that has any.
    """
    spool = harvest.attempt(log)
    days: dict[date, DayCounts] = {}

    def day_of(record: Record) -> date:
        return partition_day(record, log.window, harvest.config.earliest_date)

    for number in range(spool.whole_split().pages):
        records = spool.read_records(number).records
        _count(days, records, day_of)
        with grip.begin() as connection:
            found = raw_data.find(connection, harvest.config_id, records)
            launches.launch(connection, _launching(harvest), _each_once(records, found, day_of))
        check()
    return days


def partition_day(record: Record, window: Window, earliest: date) -> date:
    """The day of the partition a record belongs to: its datestamp's within the window, else the window's first.

    What an ad hoc harvest brings from before the first partition belongs to that one.
    """
    is_inside = record.datestamp is not None and record.datestamp in window
    day = record.datestamp.date() if record.datestamp is not None and is_inside else window.start.date()
    return max(day, earliest)


def _count(days: dict[date, DayCounts], records: Iterable[Record], day_of: Callable[[Record], date]) -> None:
    for record in records:
        day = day_of(record)
        before = days.get(day, DayCounts())
        days[day] = DayCounts(before.records + 1, before.deleted + record.deleted)


def _each_once(
    records: Sequence[Record], found: Sequence[tuple[int, int]], day_of: Callable[[Record], date]
) -> list[Launch]:
    """A launch for each datum; the same may come several times on a page, the last one counts."""
    by_datum = {
        raw_id: Launch(raw_id, revision, day_of(record))
        for record, (raw_id, revision) in zip(records, found, strict=True)
    }
    return list(by_datum.values())


def _launching(harvest: Harvest) -> Launching:
    to_transform = harvest.parameters.transform and harvest.config.transformer is not None
    return Launching(
        Queue(harvest.config_id, harvest.transformer_version),
        "PENDING" if to_transform else "CREATED",
        harvest.parameters.superfluous,
        harvest.clock(),
    )
