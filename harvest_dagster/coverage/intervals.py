"""The state of each moment of a window, derived from its logs.

This module is arithmetic on values. `storage.harvest_log.coverage_rule` decides what a log covers. `source_status` and
`due_days` decide what follows from a gap.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import pairwise

from harvest_dagster.storage.harvest_log import coverage_rule
from harvest_dagster.storage.harvest_log.queries import HarvestLog
from harvest_dagster.windows import Window, whole_day

# From the best to the worst. If several logs contain a moment, the best state counts.
COMPLETE, UNVERIFIED, FAILED, MISSING = STATES = ("complete", "unverified", "failed", "missing")


@dataclass(frozen=True)
class LogInterval:
    """A window that one log covers, or at which it failed.

    Attributes:
        window: the window.
        state: one of STATES except `missing`.
        log_id: the log.
    """

    window: Window
    state: str
    log_id: int


@dataclass(frozen=True)
class CoverageInterval:
    """A window that has one state because of the same logs.

    Attributes:
        window: the window.
        state: one of STATES. `complete`: the evidence proves it. `unverified`: harvested, without proof.
            `failed`: the last harvest failed, and no earlier one covers the window. `missing`: none of these.
        log_ids: the logs that cause the state, in order; none if it is `missing`.
    """

    window: Window
    state: str
    log_ids: tuple[int, ...] = ()


def log_intervals(logs: Sequence[HarvestLog], arguments_digest: str | None = None) -> list[LogInterval]:
    """Return what the logs cover for these arguments (see `LogScope`), and where they failed.

    A log that is running, waiting, cancelled or limited gives no interval.
    """
    covered = [
        LogInterval(window, _covered_state(found.log), found.log.id)
        for found in coverage_rule.coverage_of_logs(logs, arguments_digest)
        for window in found.windows
    ]
    failed = [LogInterval(log.window, FAILED, log.id) for log in logs if log.status == "FAILED"]
    return [*covered, *failed]


def coverage_intervals(window: Window, log_intervals: Sequence[LogInterval]) -> list[CoverageInterval]:
    """Return intervals that cover `window` exactly, in order. Neighbours differ in state or logs."""
    starting = defaultdict[datetime, set[LogInterval]](set)
    ending = defaultdict[datetime, set[LogInterval]](set)
    for interval in log_intervals:
        if (shared := interval.window.intersection(window)) is not None:
            starting[shared.start].add(interval)
            ending[shared.end].add(interval)
    found: list[CoverageInterval] = []
    current: set[LogInterval] = set()
    for start, end in pairwise(sorted({window.start, window.end, *starting, *ending})):
        current = (current - ending[start]) | starting[start]
        best = _best(Window(start, end), current)
        if found and (found[-1].state, found[-1].log_ids) == (best.state, best.log_ids):
            found[-1] = CoverageInterval(Window(found[-1].window.start, end), best.state, best.log_ids)
        else:
            found.append(best)
    return found


def intervals_by_day(intervals: Iterable[CoverageInterval]) -> dict[date, CoverageInterval]:
    """Return an interval for each UTC day that is touched: the worst state of the day, and all its logs."""
    of_day: dict[date, list[CoverageInterval]] = {}
    for interval in intervals:
        for day in interval.window.days:
            of_day.setdefault(day, []).append(interval)
    return {day: _worst(whole_day(day), found) for day, found in of_day.items()}


def _covered_state(log: HarvestLog) -> str:
    """Return the state of what a log covers. A later harvest of the same window clears `completeness`."""
    return COMPLETE if log.completeness == COMPLETE else UNVERIFIED


def _best(window: Window, intervals: Iterable[LogInterval]) -> CoverageInterval:
    state = min((interval.state for interval in intervals), key=STATES.index, default=MISSING)
    log_ids = sorted(interval.log_id for interval in intervals if interval.state == state)
    return CoverageInterval(window, state, tuple(log_ids))


def _worst(window: Window, intervals: Sequence[CoverageInterval]) -> CoverageInterval:
    state = max((interval.state for interval in intervals), key=STATES.index)
    log_ids = sorted({log_id for interval in intervals for log_id in interval.log_ids})
    return CoverageInterval(window, state, tuple(log_ids))
