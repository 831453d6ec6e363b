"""What to think of a harvest: all that the source has, or a clear failure; anything else is a fault."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise

from harvest_dagster.conformance.trial import LIMIT, REPOSITORY, Outcome
from harvest_dagster.errors import HarvestError
from harvest_dagster.simulator.behaviours.base import Behaviour, Demand, Fate

MOST_REQUESTS = 400
_PUNCTUAL = 0.95  # of a wait: clocks and threads are late by some milliseconds
_MOST_ALIKE = 0.5  # of all: what is left of deleted records may be the same for each
_REFUSALS = frozenset({429, 503})

Stored = Mapping[str, frozenset[str]]


@dataclass(frozen=True)
class Verdict:
    """What is thought of a trial.

    Attributes:
        name: of the behaviour.
        demand: what was owed.
        text: how it ended, in a few words.
        faults: why that is not good enough; empty where it is.
        detail: the error, where there is one.
        requests: how many were sent.
        seconds: how long it took.
    """

    name: str
    demand: str
    text: str
    faults: tuple[str, ...]
    detail: str
    requests: int
    seconds: float


def judge(name: str, demand: Demand, outcome: Outcome, truth: Stored, source: Behaviour | None) -> Verdict:
    """The verdict on a trial.

    Args:
        name: of the behaviour.
        demand: what a harvester owes.
        outcome: what it did.
        truth: what a harvest of the same repository stores where nothing goes wrong.
        source: the behaviour.
    """
    faults = (
        *_of_the_end(demand, outcome),
        *_of_the_records(demand, outcome, truth, source),
        *_of_manners(outcome, source),
    )
    return Verdict(
        name=name,
        demand=demand.value,
        text=_text(outcome),
        faults=faults,
        detail="" if outcome.error is None else str(outcome.error),
        requests=len(outcome.requests),
        seconds=round(outcome.seconds, 1),
    )


def judge_reference(outcome: Outcome) -> Verdict:
    """The verdict on the harvest of a source that behaves, with which all others are compared."""
    verdict = judge("(none)", Demand.COMPLETE, outcome, outcome.stored, None)
    if outcome.error is not None or not outcome.ended:
        return verdict
    return replace(verdict, faults=(*verdict.faults, *_of_the_reference(outcome.stored)))


def _of_the_reference(stored: Stored) -> Iterator[str]:
    if missing := REPOSITORY.size - len(stored):
        yield f"LOST {missing} of {REPOSITORY.size} records of a source that does nothing wrong"
    if (alike := _alike(stored)) > max(1, _MOST_ALIKE * len(stored)):
        yield f"EMPTY: {alike} of {len(stored)} records have one content, and all are different"


def _alike(stored: Stored) -> int:
    """How many records have the commonest content, of a repository in which no two have the same."""
    return max(Counter(content for contents in stored.values() for content in contents).values(), default=0)


def _text(outcome: Outcome) -> str:
    if not outcome.ended:
        return "hung"
    if outcome.error is not None:
        kind = type(outcome.error).__name__
        return f"failed: {kind}" if isinstance(outcome.error, HarvestError) else f"crashed: {kind}"
    aside = f", {outcome.set_aside} set aside" if outcome.set_aside else ""
    return f"{len(outcome.stored)} records, {outcome.completeness}{aside}"


def _of_the_end(demand: Demand, outcome: Outcome) -> Iterator[str]:
    if not outcome.ended:
        yield f"hung: no end after {outcome.seconds:.0f} s"
    elif outcome.error is None:
        return
    elif not isinstance(outcome.error, HarvestError):
        yield f"crashed: {type(outcome.error).__name__} is no HarvestError"
    elif not _is_clear(outcome.error):
        yield "failed unclearly: its message does not say what to do"
    elif demand is Demand.COMPLETE:
        yield "gave up where all could be had"


def _of_the_records(
    demand: Demand, outcome: Outcome, truth: Stored, source: Behaviour | None
) -> Iterator[str]:
    if not outcome.ended or outcome.error is not None:
        return
    if demand is Demand.HONEST and outcome.completeness != "complete":
        return
    fates = source.fates if source is not None and demand is Demand.OTHERS else {}
    for what, count in _counted(outcome, truth, fates, is_honest=demand is Demand.HONEST).items():
        if count:
            yield f"{what} {count} of {len(truth)} records, and says success"


def _counted(
    outcome: Outcome, truth: Stored, fates: Mapping[str, Fate], *, is_honest: bool
) -> dict[str, int]:
    """What is wrong with what is stored; of a record that came spoilt only what its fate does not allow."""
    stored = outcome.stored
    strict = [name for name in truth.keys() & stored.keys() if fates.get(name) is not Fate.EITHER]
    gone = {name for name, fate in fates.items() if fate is Fate.ABSENT or outcome.set_aside}
    return {
        "LOST": len(truth.keys() - stored.keys() - gone),
        "ALTERED": sum(not truth[name] & stored[name] for name in strict),
        "DOUBLED": sum(len(stored[name]) > 1 for name in strict),
        "FOREIGN": 0 if is_honest else len(stored.keys() - truth.keys()),
    }


def _of_manners(outcome: Outcome, source: Behaviour | None) -> Iterator[str]:
    times = [request.monotonic for request in outcome.requests]
    if outcome.ended and len(times) > outcome.sent:
        yield f"goes ROUND THE SESSION: {len(times)} requests arrived, and it sent {outcome.sent}"
    if len(times) > MOST_REQUESTS:
        yield f"HAMMERED: {len(times)} requests"
    spans = (later - earlier for earlier, later in zip(times, times[LIMIT.calls :], strict=False))
    if any(span < LIMIT.period * _PUNCTUAL for span in spans):
        yield f"HAMMERED: more than {LIMIT}"
    wait = _asked(source) * _PUNCTUAL
    if any(
        after.monotonic - before.monotonic < wait
        for before, after in pairwise(outcome.requests)
        if before.status in _REFUSALS and before.behaviours
    ):
        yield "HAMMERED: came again before Retry-After was over"


def _asked(source: Behaviour | None) -> float:
    """Seconds that the source asks to wait, where it asks for something that can be met."""
    if getattr(source, "form", "") in {"seconds", "date"}:
        return float(getattr(source, "seconds", 0))
    return float(math.ceil(getattr(source, "period", 0)))


def _is_clear(error: BaseException) -> bool:
    """Whether a failure is one of the project's, and says what to do."""
    text = str(error).strip()
    return isinstance(error, HarvestError) and text.endswith((".", "!", "?")) and ". " in text
