"""What of a stretch of time is harvested, and how well: intervals, never a watermark (Lesson 4).

Arithmetic on values. Which logs cover what is `coverings`; what to do about a gap is not decided here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import pairwise

from harvest_dagster.storage import coverings
from harvest_dagster.storage.harvest_logs import HarvestLog
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


def claims(logs: Sequence[HarvestLog]) -> list[Claim]:
    """What each log says, where it says anything: one that runs, waits or was cut short covers nothing."""
    covered = [
        Claim(window, _verdict(one.log), one.log.id)
        for one in coverings.what_covers(logs)
        for window in one.windows
    ]
    return [*covered, *(Claim(log.window, FAILED, log.id) for log in logs if log.status == "FAILED")]


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


def _verdict(log: HarvestLog) -> str:
    """That of a success is gone once a later harvest of the window has begun."""
    return COMPLETE if log.completeness == COMPLETE else UNVERIFIED


def _best(window: Window, claims: Iterable[Claim]) -> Part:
    state = min((claim.state for claim in claims), key=STATES.index, default=MISSING)
    return Part(window, state, tuple(sorted(claim.log_id for claim in claims if claim.state == state)))


def _worst(window: Window, parts: Sequence[Part]) -> Part:
    state = max((part.state for part in parts), key=STATES.index)
    return Part(window, state, tuple(sorted({log_id for part in parts for log_id in part.log_ids})))
