"""What of a stretch of time is harvested, and how well: intervals, never a watermark (Lesson 4).

`tile` is arithmetic on values; `coverage` feeds it from the logs. What to do about a gap is not decided here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import pairwise

from sqlalchemy import Connection

from harvest_dagster.storage import harvest_logs
from harvest_dagster.storage.harvest_logs import HarvestLog, Series
from harvest_dagster.windows import Window, whole_day

# From the best to the worst; where several logs speak of a moment, the best counts.
COMPLETE, UNVERIFIED, FAILED, MISSING = STATES = ("complete", "unverified", "failed", "missing")


@dataclass(frozen=True)
class Claim:
    """What one log says of its window; `state` is one of STATES but `missing`."""

    window: Window
    state: str
    log_id: int


@dataclass(frozen=True)
class Part:
    """A part of a stretch of time that is in one state by the same logs.

    Attributes:
        state: one of STATES. `complete`: the source's own totals were reached; `unverified`: it gives none;
            `failed`: the last harvest failed and none before covers it; `missing`: none of these.
        log_ids: the logs by which it is in that state, in order; none where it is missing.
    """

    window: Window
    state: str
    log_ids: tuple[int, ...] = ()


def coverage(connection: Connection, series: Series, window: Window) -> list[Part]:
    """The parts of `window`, in order, without a gap between them."""
    return tile(window, claims(harvest_logs.overlapping(connection, series, window)))


def claims(logs: Iterable[HarvestLog]) -> list[Claim]:
    """What each log says, where it says anything: one that runs, waits or was cut short covers nothing."""
    states = ((log, _state(log)) for log in logs)
    return [Claim(log.window, state, log.id) for log, state in states if state is not None]


def tile(window: Window, claims: Sequence[Claim]) -> list[Part]:
    """Cut `window` where the best claim changes: the parts cover it exactly, in order, neighbours differ."""
    begin, end = defaultdict[datetime, set[Claim]](set), defaultdict[datetime, set[Claim]](set)
    for claim in claims:
        if (shared := claim.window.intersection(window)) is not None:
            begin[shared.start].add(claim)
            end[shared.end].add(claim)
    cuts = sorted({window.start, window.end, *begin, *end})
    parts: list[Part] = []
    at_work: set[Claim] = set()
    for start, stop in pairwise(cuts):
        at_work = (at_work - end[start]) | begin[start]
        part = _best(Window(start, stop), at_work)
        if parts and (parts[-1].state, parts[-1].log_ids) == (part.state, part.log_ids):
            parts[-1] = Part(Window(parts[-1].window.start, stop), part.state, part.log_ids)
        else:
            parts.append(part)
    return parts


def by_day(parts: Iterable[Part]) -> dict[date, Part]:
    """Each UTC day that is touched, in the worst of its parts' states, by the logs of all of them."""
    of_day: dict[date, list[Part]] = {}
    for part in parts:
        for day in part.window.days:
            of_day.setdefault(day, []).append(part)
    return {day: _worst(whole_day(day), found) for day, found in of_day.items()}


def _state(log: HarvestLog) -> str | None:
    if _covers(log):
        # The verdict of a success is gone once a later harvest of the window has begun.
        return COMPLETE if log.completeness == COMPLETE else UNVERIFIED
    return FAILED if log.status == "FAILED" else None


def _covers(log: HarvestLog) -> bool:
    """As `harvest_logs.covers` has it for rows."""
    if log.covered_since is not None:
        return True
    began_after = log.date_started is not None and log.date_started >= log.window.end
    return log.status == "SUCCEEDED" and began_after and log.record_limit is None


def _best(window: Window, claims: Iterable[Claim]) -> Part:
    state = min((claim.state for claim in claims), key=STATES.index, default=MISSING)
    return Part(window, state, tuple(sorted(claim.log_id for claim in claims if claim.state == state)))


def _worst(window: Window, parts: Sequence[Part]) -> Part:
    state = max((part.state for part in parts), key=STATES.index)
    return Part(window, state, tuple(sorted({log_id for part in parts for log_id in part.log_ids})))
