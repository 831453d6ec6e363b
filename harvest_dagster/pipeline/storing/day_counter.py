"""The day of each record of a window, and the counts of each day."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from harvest_dagster.pipeline.completed_days import DayCounts
from harvest_dagster.pipeline.context import HarvestContext
from harvest_dagster.pipeline.samples import MOST_SAMPLES, Sample, sample_record
from harvest_dagster.pipeline.snapshots import is_snapshot
from harvest_dagster.records import Record
from harvest_dagster.storage.harvest_log.queries import HarvestLog
from harvest_dagster.windows import Window

DayRule = Callable[[Record], date]


def day_rule(harvest: HarvestContext, log: HarvestLog) -> DayRule:
    """Return the function that gives the day of the partition of a record that a window delivered."""
    config = harvest.config
    return partition_days(log.window, config.earliest_date, snapshot=is_snapshot(config))


def partition_days(window: Window, earliest: date, *, snapshot: bool = False) -> DayRule:
    """Return the function that gives the day of a record's partition.

    It is the day of its datestamp if the window contains it, else the first day. The job `harvest` may collect records
    that are older than the first partition, `earliest`. They belong to the first partition. A snapshot has records that
    changed after the end of its window. They belong to its last day.
    """
    start, end = window.start, window.end
    first = max(start.date(), earliest)
    last = max((end - datetime.resolution).date(), earliest)

    def day_of(record: Record) -> date:
        datestamp = record.datestamp
        if datestamp is None or datestamp < start:
            return first
        if datestamp < end:
            return max(datestamp.date(), earliest)
        return last if snapshot else first

    return day_of


@dataclass
class DayCounter:
    """Counts the records of a window by day, page by page, and keeps a few samples of each day.

    Attributes:
        day_of: returns the day of a record.
    """

    day_of: DayRule
    _records: Counter[date] = field(default_factory=Counter)
    _deleted: Counter[date] = field(default_factory=Counter)
    _samples: dict[date, list[Sample]] = field(default_factory=dict)

    def add(self, records: Sequence[Record]) -> None:
        """Count the records of a page."""
        days = list(map(self.day_of, records))
        self._records.update(days)
        self._deleted.update(day for day, record in zip(days, records, strict=True) if record.deleted)
        few = {day for day in set(days) if len(self._samples.setdefault(day, [])) < MOST_SAMPLES}
        for day, record in zip(days, records, strict=True) if few else ():
            if day in few and len(self._samples[day]) < MOST_SAMPLES:
                self._samples[day].append(sample_record(record))

    @property
    def days(self) -> dict[date, DayCounts]:
        """The counts by day, for the days that have records."""
        return {
            day: DayCounts(records, self._deleted[day], tuple(self._samples[day]))
            for day, records in self._records.items()
        }

    def added_to(self, later: Mapping[date, DayCounts]) -> dict[date, DayCounts]:
        """Return the counts of these pages and of later ones together."""
        days = self.days
        for day, counts in later.items():
            before = days.get(day, DayCounts())
            samples = (*before.samples, *counts.samples)[:MOST_SAMPLES]
            days[day] = DayCounts(before.records + counts.records, before.deleted + counts.deleted, samples)
        return days
