"""What a run of an empty window costs beside six ops that do nothing, and what our import adds to Dagster's."""

from __future__ import annotations

import sys
from collections.abc import Callable
from statistics import median

from common import measuring
from common.measuring import Cost
from common.services import ROOT

from speed.candidates import TOOLS, add_source, materialize, run_seconds
from speed.places import Bench, Place
from speed.report import table_row

EMPTY_DAY = "2024-03-10"
_DAY_BEFORE = "2024-03-09"
_IMPORTS = {
    "import dagster": "import dagster",
    "import dagster, harvest_dagster.definitions": "import dagster, harvest_dagster.definitions",
}


def measure_start(bench: Bench, runs: int) -> str:
    """Return the table: the medians of several processes that take turns."""
    with bench.place("sqlite", bench.source(1_000)) as place:
        add_source(place, "oai")
        # While no day near it is harvested, an empty list is requested again after a pause.
        materialize(place, "raw/benchmark", day=_DAY_BEFORE)
        ways: dict[str, Callable[[], Cost]] = {
            "a graph of six ops that do nothing": lambda: _bare(place),
            "a harvest of an empty window": lambda: materialize(
                place, "raw/benchmark", {"optimize": False}, EMPTY_DAY
            ),
            **{name: _import(place, code) for name, code in _IMPORTS.items()},
        }
        for way in ways.values():
            way()  # creates the tables, and compiles modules
        turns = [{name: _measured(place, way) for name, way in ways.items()} for _ in range(runs)]
    head = ("process", "elapsed", "processor", "the run alone, elapsed")
    lines = [table_row(*head), table_row(*["---"] * len(head))]
    for name in ways:
        seconds = median(turn[name][0].seconds for turn in turns)
        processor = median(turn[name][0].client for turn in turns)
        run = median(turn[name][1] for turn in turns)
        alone = "" if name in _IMPORTS else f"{run:.2f} s"
        lines.append(table_row(name, f"{seconds:.2f} s", f"{processor:.2f} s", alone))
    return "\n".join(lines)


def _measured(place: Place, way: Callable[[], Cost]) -> tuple[Cost, float]:
    """Return the cost of a process, and the seconds of the newest run of Dagster."""
    return way(), run_seconds(place)["run"]


def _bare(place: Place) -> Cost:
    command = ["-m", "dagster", "asset", "materialize", "-f", TOOLS / "bare_graph.py", "--select", "bare"]
    return _run(place, "-W", "ignore", *command, "--partition", EMPTY_DAY)


def _import(place: Place, code: str) -> Callable[[], Cost]:
    return lambda: _run(place, "-c", code)


def _run(place: Place, *arguments: object) -> Cost:
    return measuring.run(
        [sys.executable, *map(str, arguments)],
        environment=place.environment,
        folder=ROOT,
        log=place.folder / "log",
    )
