"""The suite: one trial for each behaviour that applies to the harvester, several at a time."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from harvest_dagster.testing.conformance.harvester_under_test import HarvesterUnderTest
from harvest_dagster.testing.conformance.header_list import find_header_faults
from harvest_dagster.testing.conformance.results import (
    ContractResult,
    StoredHashes,
    evaluate_reference,
    evaluate_trial,
)
from harvest_dagster.testing.conformance.trial import TrialRunner, trial_runner
from harvest_dagster.testing.simulator import scenario
from harvest_dagster.testing.simulator.behaviours.base import NamedBehaviour
from harvest_dagster.testing.simulator.behaviours.registry import REGISTRY


def applicable_behaviours(harvester: HarvesterUnderTest, only: Collection[str] = ()) -> list[NamedBehaviour]:
    """Return the behaviours that the harvester's protocol can show; with `only`, those of them that it names."""
    return [
        entry
        for entry in REGISTRY.values()
        if (not only or entry.name in only) and harvester.can_be_shown(entry)
    ]


def run_suite(
    harvester: HarvesterUnderTest, only: Collection[str] = (), *, deadline: float = 30.0, jobs: int = 4
) -> Iterator[ContractResult]:
    """Yield the result of each behaviour in the order of the registry, after the result of a source without faults.

    If that first result has faults, no further trial runs, because there are no records to compare with.

    Args:
        harvester: the harvester and its arguments.
        only: the names of behaviours; empty for all.
        deadline: the seconds that each harvest may take on a machine that does nothing else; longer on a busy one.
        jobs: the number of harvests that run at the same time.
    """
    with trial_runner(deadline) as runner:
        reference = runner.run(harvester, "none")
        first = evaluate_reference(reference)
        if first.faults:
            yield first
            return
        yield replace(first, faults=find_header_faults(harvester, deadline))
        behaviours = applicable_behaviours(harvester, only)
        with ThreadPoolExecutor(jobs) as pool:
            yield from pool.map(
                lambda entry: _run_trial(runner, harvester, entry, reference.stored), behaviours
            )


def _run_trial(
    runner: TrialRunner, harvester: HarvesterUnderTest, entry: NamedBehaviour, expected: StoredHashes
) -> ContractResult:
    behaviour = scenario.for_conformance(entry)
    trial = runner.run(harvester, entry.name, [behaviour], never_answers=entry.never_answers)
    return evaluate_trial(entry.name, entry.contract, trial, expected, behaviour)
