"""batches: which days of what waits to be transformed go together into one run."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from harvest_dagster.pipeline.calendar import Days
from harvest_dagster.storage.overview import WaitingDay
from harvest_dagster.windows import DAY, Window, whole_day


@dataclass(frozen=True)
class Batch:
    """Days of which something waits; those between them are done, and have nothing.

    Attributes:
        since: when the first datum began to wait.
        newest: when the last one did.
    """

    days: Days
    since: datetime
    newest: datetime

    def __add__(self, later: Batch) -> Batch:
        return Batch(
            Days(self.days.first, later.days.last),
            min(self.since, later.since),
            max(self.newest, later.newest),
        )


def batches(waiting: Sequence[WaitingDay], covered: Sequence[Window]) -> list[Batch]:
    """Days that wait, together where they follow each other or all between them is covered.

    A source that publishes once a week would otherwise be transformed in 520 runs after ten years.

    Args:
        waiting: of one source, in order; of each day once for each version.
        covered: what is done of the source, in order; none touches the next.
    """
    starts = [window.start for window in covered]
    together: list[Batch] = []
    for one in waiting:
        batch = Batch(Days(one.day, one.day), one.since, one.newest)
        if together and _is_done(together[-1].days.last + DAY, one.day, covered, starts):
            together[-1] += batch
        else:
            together.append(batch)
    return together


def _is_done(first: date, end: date, covered: Sequence[Window], starts: Sequence[datetime]) -> bool:
    """Whether the days from `first` until before `end` are covered; by one window then, since none touches another."""
    if first >= end:
        return True
    between = Window(whole_day(first).start, whole_day(end).start)
    place = bisect_right(starts, between.start) - 1
    return place >= 0 and covered[place].encloses(between)
