"""Harvest the same list with several tools while the simulator shows faults, and print what each of them delivered.

    python benchmarks/comparison.py [--tools sickle dlt ...] [--behaviours cap error ...] [--limit 180]

Each package is installed with pip into a virtual environment of its own, below `build/comparison`. metha is a program
in Go; it takes part if `metha-sync` is on PATH. Every tool harvests the whole list once, in a new process, with the
settings in `comparison_tools`. The result is a table in Markdown: docs/comparison.md contains one.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
import venv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from shutil import which

from harvest_dagster.testing.simulator import REGISTRY, Repository, Server, scenario

ROOT = Path(__file__).parents[1]
TOOLS = Path(__file__).parent / "comparison_tools"
ENVIRONMENTS = ROOT / "build" / "comparison"
REPOSITORY = Repository(first_day=date(2024, 3, 1), days=2, records_per_day=100, page_size=20)
BEHAVIOURS = (
    "",
    "error",
    "busy-date",
    "cut-unannounced",
    "cut-after-record",
    "html-maintenance",
    "empty-page",
    "cap:limit=50",
)


@dataclass(frozen=True)
class Tool:
    """A tool, and how it is run.

    Attributes:
        name: its name in the table.
        script: the file in `comparison_tools`.
        protocol: what it reads of the simulator: `oai` or `json`.
        package: the package that pip installs; empty if the tool is there already.
        program: the program that must be on PATH; empty for none.
    """

    name: str
    script: str
    protocol: str
    package: str = ""
    program: str = ""

    @property
    def python(self) -> str:
        """The interpreter that runs the script."""
        return str(ENVIRONMENTS / self.package / "bin" / "python") if self.package else sys.executable


ALL_TOOLS = (
    Tool("harvest_dagster, oai", "run_harvest_dagster.py", "oai"),
    Tool("Sickle", "run_sickle.py", "oai", package="sickle"),
    Tool("oaipmh-scythe", "run_scythe.py", "oai", package="oaipmh-scythe"),
    Tool("metha", "run_metha.py", "oai", program="metha-sync"),
    Tool("harvest_dagster, rest", "run_harvest_dagster.py", "json"),
    Tool("dlt", "run_dlt.py", "json", package="dlt"),
    Tool("Airbyte", "run_airbyte.py", "json", package="airbyte-cdk"),
)


@dataclass(frozen=True)
class Result:
    """What a tool did with one behaviour.

    Attributes:
        delivered: the number of different records of the repository that it delivered.
        status: its exit status; None if it did not end within the limit.
        requests: the number of requests that the source received.
        seconds: the elapsed seconds, with the start of the process.
    """

    delivered: int
    status: int | None
    requests: int
    seconds: float

    @property
    def is_false_success(self) -> bool:
        """Whether the tool reported success although records are missing."""
        return self.status == 0 and self.delivered < REPOSITORY.size

    def __str__(self) -> str:
        """Return the cell of the table."""
        reported = {0: "success", None: "no end"}.get(self.status, "failure")
        requests = f"{self.requests} request{'s' * (self.requests != 1)}"
        text = f"{self.delivered}, {reported}, {requests}, {self.seconds:.1f} s"
        return f"**{text}**" if self.is_false_success else text


def main() -> None:
    """Parse the arguments, run every tool with every behaviour, and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tools", nargs="+", default=[], metavar="NAME", help="parts of the names of tools")
    parser.add_argument("--behaviours", nargs="+", default=BEHAVIOURS, metavar="NAME")
    parser.add_argument("--limit", type=float, default=180, help="seconds for each run (default: 180)")
    options = parser.parse_args()
    wanted = [part.lower() for part in options.tools] or [""]
    tools = [tool for tool in ALL_TOOLS if any(part in tool.name.lower() for part in wanted)]
    versions = {tool.name: version(tool) for tool in tools}
    for name, text in versions.items():
        print(f"- {name}: {text or 'not installed'}", flush=True)
    present = [tool for tool in tools if versions[tool.name]]
    print(f"\n{REPOSITORY.size} records, {REPOSITORY.page_size} on a page\n")
    for line in table(present, options.behaviours, options.limit):
        print(line, flush=True)


def table(tools: Sequence[Tool], behaviours: Sequence[str], limit: float) -> Iterator[str]:
    """Yield the lines of the table, each as soon as its runs have ended."""
    yield "| behaviour | " + " | ".join(tool.name for tool in tools) + " |"
    yield "| --- " * (len(tools) + 1) + "|"
    for behaviour in behaviours:
        cells = [str(run(tool, behaviour, limit)) for tool in tools]
        yield f"| {f'`{behaviour}`' if behaviour else 'none'} | " + " | ".join(cells) + " |"


def run(tool: Tool, behaviour: str, limit: float) -> Result:
    """Harvest the whole list with one tool."""
    behaviours = [scenario.parse_behaviour(with_condition(behaviour))] if behaviour else []
    with Server(REPOSITORY, behaviours=behaviours) as server:
        url = server.url if tool.protocol == "oai" else server.json_url
        began = time.monotonic()
        process = subprocess.Popen(
            [tool.python, str(TOOLS / tool.script), url],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment(),
            text=True,
        )
        try:
            output, status = process.communicate(timeout=limit)[0], process.returncode
        except subprocess.TimeoutExpired:
            process.kill()
            output, status = process.communicate()[0], None
        seconds = time.monotonic() - began
        known = {REPOSITORY.identifier(number) for number in range(REPOSITORY.size)}
        return Result(len(known & set(output.split())), status, len(server.requests), seconds)


def with_condition(behaviour: str) -> str:
    """Return a behaviour with the condition under which the conformance suite applies it."""
    condition = REGISTRY[behaviour.partition(":")[0]].condition
    return f"{behaviour}@{condition}" if condition else behaviour


def environment() -> dict[str, str]:
    """Return the environment of the tools: telemetry is off, because it would send requests elsewhere."""
    return {**os.environ, "RUNTIME__DLTHUB_TELEMETRY": "false", "DAGSTER_DISABLE_TELEMETRY": "true"}


def version(tool: Tool) -> str:
    """Return the version of a tool, installed if necessary; empty if it is not there."""
    if tool.program:
        program = which(tool.program)
        return (
            subprocess.run([program, "-v"], capture_output=True, text=True, check=False).stdout.strip()
            if program
            else ""
        )
    if tool.package and not Path(tool.python).exists():
        venv.create(ENVIRONMENTS / tool.package, with_pip=True)
        subprocess.run([tool.python, "-m", "pip", "install", "--quiet", tool.package], check=False)
    name = tool.package or "harvest_dagster"
    code = f"import importlib.metadata as m; print(m.version({name!r}))"
    return subprocess.run(
        [tool.python, "-c", code], capture_output=True, text=True, check=False
    ).stdout.strip()


if __name__ == "__main__":
    main()
