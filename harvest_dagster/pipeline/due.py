"""due: what a source's schedule asks for, at the times it names.

The days that are not covered, rather than those after the newest that is: a watermark hides what failed behind
it (Lesson 4). And those of `lookback` again, for sources that publish late under an older date (Lesson 7).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.pipeline import calendar
from harvest_dagster.pipeline.calendar import Days
from harvest_dagster.windows import DAY, Window

# How far back a schedule makes up for what it missed. A new source begins with so many days; its history is a
# backfill, which somebody asks for.
HORIZON = timedelta(days=30)


@dataclass(frozen=True)
class Due:
    """Days for one run.

    Attributes:
        days: which.
        again: whether those that are covered are harvested again.
    """

    days: Days
    again: bool = False


def due(config: IngestConfig, covered: Sequence[Window], now: datetime) -> list[Due]:
    """What the schedule of a source asks for now; days that follow each other are one run.

    Args:
        config: the source.
        covered: what is done.
        now: the time.
    """
    newest = calendar.newest_day(now, config.settle)
    if newest < config.earliest_date:
        return []
    oldest = max(config.earliest_date, newest - HORIZON + DAY)
    missing = calendar.missing(Days(oldest, newest), covered)
    # The newest day has just ended; `lookback` are those before.
    back = Days(max(config.earliest_date, newest + DAY * (-config.lookback // DAY)), newest)
    again = back.without(missing) if config.lookback else []
    return [
        Due(days, again=any(days.overlaps(other) for other in again))
        for days in calendar.merged([*missing, *again])
    ]
