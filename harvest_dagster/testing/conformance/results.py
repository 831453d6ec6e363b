"""Compare a trial with the contract of its behaviour, and list the faults of the harvester."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise

from harvest_dagster.errors import HarvestError, SpoolError
from harvest_dagster.testing.conformance.trial import LIMIT, REPOSITORY, TrialResult
from harvest_dagster.testing.simulator.behaviours.base import AllowedResult, Behaviour, Contract

MAX_REQUESTS = 400
_TOLERANCE = 0.95  # of a wait: clocks and threads differ by some milliseconds
_MAX_IDENTICAL = 0.5  # of all records: deleted records may have the same content
_REFUSALS = frozenset({429, 503})

StoredHashes = Mapping[str, frozenset[str]]


@dataclass(frozen=True)
class ContractResult:
    """Whether a harvester meets the contract of one behaviour.

    Attributes:
        name: the name of the behaviour.
        contract: what the harvester must achieve.
        result: how the harvest ended, in a few words.
        faults: the violations of the contract; empty if it is met.
        error: the error message of the harvest; empty if there is none.
        requests: the number of requests that the source received.
        seconds: the duration.
    """

    name: str
    contract: str
    result: str
    faults: tuple[str, ...]
    error: str
    requests: int
    seconds: float


def evaluate_trial(
    name: str, contract: Contract, trial: TrialResult, expected: StoredHashes, behaviour: Behaviour | None
) -> ContractResult:
    """Return whether a trial meets the contract of its behaviour, with all faults.

    Args:
        name: the name of the behaviour.
        contract: what the harvester must achieve.
        trial: what happened in the trial.
        expected: what a harvest of the same repository stores if the source shows no fault.
        behaviour: the behaviour; None if the source shows no fault.
    """
    faults = (
        *_faults_of_the_ending(contract, trial),
        *_faults_of_the_records(contract, trial, expected, behaviour),
        *_faults_of_the_requests(trial, behaviour),
    )
    return ContractResult(
        name=name,
        contract=contract.value,
        result=_describe(trial),
        faults=faults,
        error="" if trial.error is None else str(trial.error),
        requests=len(trial.requests),
        seconds=round(trial.seconds, 1),
    )


def evaluate_reference(trial: TrialResult) -> ContractResult:
    """Return the result of the trial without a behaviour. All other trials are compared with its records."""
    result = evaluate_trial("(none)", Contract.COMPLETE, trial, trial.stored, None)
    if trial.error is not None or not trial.ended:
        return result
    return replace(result, faults=(*result.faults, *_faults_of_the_reference(trial.stored)))


def _faults_of_the_reference(stored: StoredHashes) -> Iterator[str]:
    if missing := REPOSITORY.size - len(stored):
        yield f"LOST {missing} of {REPOSITORY.size} records of a source without faults"
    if (identical := _count_identical(stored)) > max(1, _MAX_IDENTICAL * len(stored)):
        yield f"IDENTICAL: {identical} of {len(stored)} records have the same content, but all records differ"


def _count_identical(stored: StoredHashes) -> int:
    """Return how many records have the most frequent content. No two records of the repository are identical."""
    return max(Counter(digest for hashes in stored.values() for digest in hashes).values(), default=0)


def _describe(trial: TrialResult) -> str:
    if not trial.ended:
        return "hung"
    if trial.error is not None:
        kind = type(trial.error).__name__
        return f"failed: {kind}" if isinstance(trial.error, HarvestError) else f"crashed: {kind}"
    quarantined = f", {trial.quarantined} quarantined" if trial.quarantined else ""
    return f"{len(trial.stored)} records, {trial.completeness}{quarantined}"


def _faults_of_the_ending(contract: Contract, trial: TrialResult) -> Iterator[str]:
    if not trial.ended:
        yield f"HUNG: the harvest did not end within {trial.seconds:.0f} s"
    elif trial.error is None:
        return
    elif not isinstance(trial.error, HarvestError):
        yield f"CRASHED: {type(trial.error).__name__} is not a HarvestError"
    elif not _has_remedy(trial.error):
        yield "UNCLEAR: the error message does not say what to do"
    elif isinstance(trial.error, SpoolError):
        yield "MISCOUNTED: the parser found fewer records on a page than the client counted"
    elif contract is Contract.COMPLETE:
        yield "GAVE UP although every record was available"


def _faults_of_the_records(
    contract: Contract, trial: TrialResult, expected: StoredHashes, behaviour: Behaviour | None
) -> Iterator[str]:
    if not trial.ended or trial.error is not None:
        return
    if contract is Contract.NO_FALSE_CLAIM and trial.completeness != "complete":
        return
    is_lenient = behaviour is not None and contract is Contract.OTHERS_OR_FAIL
    allowed = behaviour.allowed_results if behaviour is not None and is_lenient else {}
    counts = _count_wrong_records(trial, expected, allowed)
    if contract is Contract.NO_FALSE_CLAIM:
        del counts["UNKNOWN"]
    for fault, count in counts.items():
        if count:
            yield f"{fault} {count} of {len(expected)} records, but the harvest reports success"


def _count_wrong_records(
    trial: TrialResult, expected: StoredHashes, allowed: Mapping[str, AllowedResult]
) -> dict[str, int]:
    """Count the wrong records by fault. `allowed` holds the records that the behaviour corrupts."""
    stored = trial.stored
    exact = [
        name
        for name in expected.keys() & stored.keys()
        if allowed.get(name) is not AllowedResult.STORED_OR_QUARANTINED
    ]
    may_be_missing = {
        name for name, each in allowed.items() if each is AllowedResult.ABSENT or trial.quarantined
    }
    return {
        "LOST": len(expected.keys() - stored.keys() - may_be_missing),
        "ALTERED": sum(not expected[name] & stored[name] for name in exact),
        "DUPLICATED": sum(len(stored[name]) > 1 for name in exact),
        "UNKNOWN": len(stored.keys() - expected.keys()),
    }


def _faults_of_the_requests(trial: TrialResult, behaviour: Behaviour | None) -> Iterator[str]:
    times = [request.monotonic for request in trial.requests]
    bypassed = len(times) > trial.requests_sent
    if trial.ended and bypassed:
        yield f"BYPASSED THE SESSION: {len(times)} requests arrived, but the session sent {trial.requests_sent}"
    if len(times) > MAX_REQUESTS:
        yield f"TOO MANY REQUESTS: {len(times)}, at most {MAX_REQUESTS} are allowed"
    # The session keeps the limit. Its requests may arrive closer together than it sent them, if the machine is busy.
    spans = (later - earlier for earlier, later in zip(times, times[LIMIT.calls :], strict=False))
    if bypassed and any(span < LIMIT.period * _TOLERANCE for span in spans):
        yield f"TOO FAST: more than {LIMIT}"
    wait = _requested_wait(behaviour) * _TOLERANCE
    if any(
        after.monotonic - before.monotonic < wait
        for before, after in pairwise(trial.requests)
        if before.status in _REFUSALS and before.behaviours
    ):
        yield "TOO EARLY: a request arrived before the end of Retry-After"


def _requested_wait(behaviour: Behaviour | None) -> float:
    """Return the seconds that the source asks the client to wait; 0 if it asks for nothing that can be obeyed."""
    if getattr(behaviour, "form", "") in {"seconds", "date"}:
        return float(getattr(behaviour, "seconds", 0))
    return float(math.ceil(getattr(behaviour, "period", 0)))


def _has_remedy(error: HarvestError) -> bool:
    """Return True if the message has at least two sentences: the problem and what to do."""
    text = str(error).strip()
    return text.endswith((".", "!", "?")) and ". " in text
