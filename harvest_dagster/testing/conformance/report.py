"""The report: one line per behaviour with its faults below, or JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from harvest_dagster.testing.conformance.results import ContractResult

_LINE = "{:<4} {:<26} {:<32} {:<40} {:>8} {:>7}"


def heading() -> str:
    """Return the headings of the columns."""
    return _LINE.format("", "behaviour", "contract", "result", "requests", "seconds")


def line(result: ContractResult) -> str:
    """Return the line of one behaviour and the lines of its faults."""
    mark = "FAIL" if result.faults else "ok"
    seconds = f"{result.seconds:.1f}"
    first = _LINE.format(mark, result.name, result.contract, result.result, result.requests, seconds)
    return "\n".join([first, *_fault_lines(result)])


def summary(harvester: str, results: Sequence[ContractResult]) -> str:
    """Return the last line of the report."""
    failed = [result.name for result in results if result.faults]
    text = f"{len(failed)} failed: {', '.join(failed)}" if failed else "all contracts met"
    requests, seconds = sum(each.requests for each in results), sum(each.seconds for each in results)
    return f"{harvester}: {len(results)} trials, {text}; {requests} requests, {seconds:.0f} s"


def as_json(harvester: str, results: Sequence[ContractResult]) -> str:
    """Return the whole report as one JSON object."""
    good = not any(result.faults for result in results)
    return json.dumps(
        {"harvester": harvester, "good": good, "verdicts": [vars(each) for each in results]}, indent=2
    )


def _fault_lines(result: ContractResult) -> Iterator[str]:
    yield from (f"       {fault}" for fault in result.faults)
    if result.faults and result.error:
        yield f"       error message: {' '.join(result.error.split())}"
