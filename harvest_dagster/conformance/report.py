"""Verdicts for people, a line each and the faults below, and for machines."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from harvest_dagster.conformance.verdicts import Verdict
from harvest_dagster.simulator.behaviours.base import Demand

_LINE = "{:<4} {:<26} {:<28} {:<40} {:>8} {:>7}"
_OWED = {Demand.HONEST.value: "claims nothing that is not so"}  # shorter, for the column


def head() -> str:
    """The names of the columns."""
    return _LINE.format("", "behaviour", "owed", "what came", "requests", "seconds")


def line(verdict: Verdict) -> str:
    """One verdict, with its faults on lines of their own."""
    mark = "BAD" if verdict.faults else "ok"
    owed = _OWED.get(verdict.demand, verdict.demand)
    first = _LINE.format(
        mark,
        verdict.name,
        owed,
        verdict.text,
        verdict.requests,
        f"{verdict.seconds:.1f}",
    )
    return "\n".join([first, *_below(verdict)])


def summary(harvester: str, verdicts: Sequence[Verdict]) -> str:
    """The last line."""
    bad = [verdict.name for verdict in verdicts if verdict.faults]
    verdict = f"{len(bad)} not met: {', '.join(bad)}" if bad else "all met"
    requests, seconds = sum(each.requests for each in verdicts), sum(each.seconds for each in verdicts)
    return f"{harvester}: {len(verdicts)} behaviours, {verdict}; {requests} requests, {seconds:.0f} s"


def as_json(harvester: str, verdicts: Sequence[Verdict]) -> str:
    """All of it as one JSON object."""
    good = not any(verdict.faults for verdict in verdicts)
    return json.dumps(
        {"harvester": harvester, "good": good, "verdicts": [vars(each) for each in verdicts]}, indent=2
    )


def _below(verdict: Verdict) -> Iterator[str]:
    yield from (f"       {fault}" for fault in verdict.faults)
    if verdict.faults and verdict.detail:
        yield f"       it said: {' '.join(verdict.detail.split())}"
