"""What is done of a series: the one rule that plans, days, checks and sensors go by.

A log covers its window if a harvest of it began after its end, was not cut short and succeeded; a later failure
leaves that alone. But what a later harvest has stored and not launched is covered by no log whose list was begun
before: those data have no ingest log, and sparing the window would never give them one.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, and_, func, or_

from harvest_dagster.storage import harvest_logs
from harvest_dagster.storage.harvest_logs import HarvestLog, Series
from harvest_dagster.storage.tables import harvest_log
from harvest_dagster.windows import Window, subtract


@dataclass(frozen=True)
class Covering:
    """What a log covers.

    Attributes:
        log: the log.
        windows: its window, without what a later harvest has half stored; in order, at least one.
    """

    log: HarvestLog
    windows: tuple[Window, ...]

    @property
    def is_whole(self) -> bool:
        """Whether it covers all of its window."""
        return self.windows == (self.log.window,)


def find(connection: Connection, series: Series, window: Window) -> list[Covering]:
    """The logs that cover some of `window`, by their start."""
    found = what_covers(harvest_logs.overlapping(connection, series, window))
    return [one for one in found if any(window.intersection(part) for part in one.windows)]


def what_covers(logs: Sequence[HarvestLog]) -> list[Covering]:
    """What these logs of one series cover, as far as they tell."""
    half_stored = [log for log in logs if log.unlaunched_since is not None]
    found = ((log, tuple(_left(log, half_stored))) for log in logs if covers(log))
    return [Covering(log, windows) for log, windows in found if windows]


def windows_of(covering: Collection[Covering]) -> list[Window]:
    """What they cover; it may overlap."""
    return [window for one in covering for window in one.windows]


def covers(log: HarvestLog) -> bool:
    """Whether some harvest of its window began after its end, was not cut short and succeeded.

    How long after the end the config's `settle` says, and `harvest_states.succeed` judges by it.
    """
    if log.covered_since is not None:
        return True
    # A row that another program wrote: ours all know when their list was begun.
    is_foreign = log.attempt_began is None and log.record_limit is None
    began_after = log.date_started is not None and log.date_started >= log.window.end
    return is_foreign and log.status == "SUCCEEDED" and began_after


def rows_cover() -> ColumnElement[bool]:
    """`covers` for a row."""
    return or_(
        harvest_log.c.covered_since.is_not(None),
        and_(
            harvest_log.c.attempt_began.is_(None),
            harvest_log.c.record_limit.is_(None),
            harvest_log.c.status == "SUCCEEDED",
            harvest_log.c.date_started >= harvest_log.c.end_date,
        ),
    )


def row_began() -> ColumnElement[datetime]:
    """When the list was begun that a row covers its window by."""
    return func.coalesce(harvest_log.c.covered_since, harvest_log.c.date_started)


def _left(log: HarvestLog, half_stored: Sequence[HarvestLog]) -> list[Window]:
    began = log.covered_since or log.date_started
    later = (one.window for one in half_stored if _is_later(one.unlaunched_since, began))
    return list(subtract(log.window, later))


def _is_later(unlaunched_since: datetime | None, began: datetime | None) -> bool:
    """Whether what is not launched is of a list that was not begun before this one."""
    return unlaunched_since is not None and began is not None and unlaunched_since >= began
