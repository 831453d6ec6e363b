"""All behaviours that concern a harvester, one trial each, some at a time."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor

from harvest_dagster.conformance.subject import Subject
from harvest_dagster.conformance.trial import Bench, bench
from harvest_dagster.conformance.verdicts import Stored, Verdict, judge, judge_reference
from harvest_dagster.simulator import scenario
from harvest_dagster.simulator.behaviours.base import Named
from harvest_dagster.simulator.registry import REGISTRY


def concerned(subject: Subject, only: Collection[str] = ()) -> list[Named]:
    """The behaviours that a harvester can meet, of those wanted; all, where none is named."""
    return [
        entry
        for entry in REGISTRY.values()
        if subject.protocol in entry.protocols and (not only or entry.name in only)
    ]


def examine(
    subject: Subject, only: Collection[str] = (), *, deadline: float = 30.0, jobs: int = 4
) -> Iterator[Verdict]:
    """The verdicts in the registry's order, first the one on a source that does nothing wrong.

    Nothing follows where that one is bad: there is nothing to compare with.

    Args:
        subject: what is tested.
        only: names of behaviours; empty for all.
        deadline: seconds for each harvest.
        jobs: how many harvests run at once.
    """
    with bench(deadline) as place:
        reference = place.run(subject, "none")
        verdict = judge_reference(reference)
        yield verdict
        if verdict.faults:
            return
        with ThreadPoolExecutor(jobs) as pool:
            yield from pool.map(
                lambda entry: _examine(place, subject, entry, reference.stored), concerned(subject, only)
            )


def _examine(place: Bench, subject: Subject, entry: Named, truth: Stored) -> Verdict:
    source = entry(when=scenario.condition(entry.at))
    return judge(entry.name, entry.demand, place.run(subject, entry.name, [source]), truth, source)
