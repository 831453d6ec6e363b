"""Which days with pending data one transform run takes together."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from harvest_dagster.coverage.day_range import DayRange
from harvest_dagster.storage.harvest_log.overview import PendingDay
from harvest_dagster.windows import DAY, Window, whole_day


@dataclass(frozen=True)
class TransformBatch:
    """Days for one transform run. Days without pending data may lie between them if they are covered.

    Attributes:
        days: the days.
        first_pending: when the first datum became PENDING.
        last_pending: when the last one did.
    """

    days: DayRange
    first_pending: datetime
    last_pending: datetime

    def __add__(self, later: TransformBatch) -> TransformBatch:
        return TransformBatch(
            DayRange(self.days.first, later.days.last),
            min(self.first_pending, later.first_pending),
            max(self.last_pending, later.last_pending),
        )


def transform_batches(pending: Sequence[PendingDay], covered: Sequence[Window]) -> list[TransformBatch]:
    """Join pending days that are adjacent, or that have only covered days between them.

    Otherwise a source that publishes once a week would need 520 transform runs after ten years.

    Args:
        pending: the pending days of one source, in order; a day may occur once for each transformer version.
        covered: the covered windows of the source, in order, with gaps between them.
    """
    starts = [window.start for window in covered]
    batches: list[TransformBatch] = []
    for day in pending:
        batch = TransformBatch(DayRange(day.day, day.day), day.first_pending, day.last_pending)
        if batches and _is_covered(batches[-1].days.last + DAY, day.day, covered, starts):
            batches[-1] += batch
        else:
            batches.append(batch)
    return batches


def _is_covered(first: date, end: date, covered: Sequence[Window], starts: Sequence[datetime]) -> bool:
    """Return whether the days from `first` up to, not including, `end` are covered. One window must cover them all."""
    if first >= end:
        return True
    between = Window(whole_day(first).start, whole_day(end).start)
    index = bisect_right(starts, between.start) - 1
    return index >= 0 and covered[index].encloses(between)
