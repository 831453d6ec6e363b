"""Snapshots: one list of the whole source without dates, for a source that cannot be asked by date.

`selective: false` in the YAML makes each harvest of a source a snapshot. The harvest log of a snapshot has the window
from the first partition to the start of the day on which the list began, so it covers days as any other log does.
docs/decisions/0066 explains the window.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.storage.harvest_log.run_attempts import WindowAttempt
from harvest_dagster.windows import ALL_TIME, Window, whole_day


def is_snapshot(config: IngestConfig) -> bool:
    """Return whether each harvest of a source is a snapshot."""
    return not config.selective


def list_window(config: IngestConfig, window: Window) -> Window:
    """Return the window that client and parser get for a harvest log: ALL_TIME for a snapshot.

    Args:
        config: the source.
        window: the window of the log.
    """
    return ALL_TIME if is_snapshot(config) else window


def snapshot_window(config: IngestConfig, wanted: Window, now: datetime) -> Window:
    """Return the window of the log of a snapshot that begins now.

    It is [earliest_date, start of today). It is longer if the request is: at its start, and at its end if that is not
    after now. If no day has ended since then, the window is that of the request, which will not be covered.

    Args:
        config: the source.
        wanted: the requested range.
        now: the time, aware, in UTC.
    """
    start = min(whole_day(config.earliest_date).start, wanted.start)
    end = whole_day(now.date()).start
    if end < wanted.end <= now:
        end = wanted.end
    return Window(start, end) if start < end else wanted


def window_of_lineage(attempts: Sequence[WindowAttempt]) -> Window | None:
    """Return the window that a run, or a run that it executes again, has begun; None if there is none.

    A run that is executed again after midnight continues the same list under the same log.

    Args:
        attempts: the work of these runs on windows, the newest last.
    """
    return attempts[-1].window if attempts else None


def describe_snapshot(wanted: Window) -> str:
    """Return the sentence that says which range a snapshot serves."""
    days = len(list(wanted.days))
    number = "1 day" if days == 1 else f"{days:,} days"
    return f"one snapshot of the whole source serves the requested range of {number}"
