"""Measure the speed and the memory of harvests, side by side with other ways and with the limits of the databases.

    make bench                                      about half an hour
    python benchmarks/bench.py [--sections rates stored memory start] [--databases sqlite postgresql] [--runs 3]
                               [--records 200000] [--stored 1000000] [--memory-records 20000 1000000] [--output FOLDER]
    python benchmarks/bench.py --records 2000 --stored 6000 --memory-records 1000 4000 --runs 1     a few minutes

The simulator serves records of 2 KB, 1,000 on a page, from one day, over HTTP on this machine. Its pages are rendered
once, before anything is measured. The candidates take turns, and a result is the median of its runs. Each run has a
new database. Each is checked: the number of records, a hash of all identifiers, and that each datum is there. A run
that fails, or whose check fails, is reported in the table, and the exit status is 1.

The sections: `rates` are all candidates; `stored` is a harvest into a database that has data already; `memory` is the
peak with few and with many records; `start` is a run of an empty window. The results are in FOLDER: results.md,
results.json and results.svg.
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import psycopg
from common.measuring import ProcessFailed
from speed import environment, growth, report
from speed.candidates import (
    OURS,
    Candidate,
    Measurement,
    limit_candidates,
    other_candidates,
    our_candidates,
    ours,
)
from speed.checks import CheckFailed
from speed.memory import measure_memory
from speed.places import Bench, Place, started
from speed.report import Result
from speed.start import measure_start

SECTIONS = ("rates", "stored", "memory", "start")
DATABASES = ("postgresql", "sqlite")


@dataclass
class Report:
    """What was measured so far, as Markdown and for programs."""

    sections: list[str] = field(default_factory=list)
    results: list[Result] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def add(self, title: str, text: str) -> None:
        """Add a section, and print it."""
        self.sections.append(f"### {title}\n\n{text}\n")
        print(f"\n{self.sections[-1]}", flush=True)

    def write(self, folder: Path) -> None:
        """Write both files."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "results.md").write_text("\n".join(self.sections), encoding="utf-8")
        content = [result.as_json() for result in self.results]
        (folder / "results.json").write_text(json.dumps(content, indent=1), encoding="utf-8")


def main() -> int:
    """Measure, write the files, and return the exit status."""
    options = parse()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # removes the folders and the servers
    python = None if options.ours_only else environment.install()
    found = Report()
    with started(python, with_postgresql="postgresql" in options.databases) as bench:
        versions = environment.versions() if python else {}
        found.add("Environment", report.environment(server_version(bench), versions))
        for section in options.sections:
            measure = {"rates": rates, "stored": stored, "memory": memory, "start": start}[section]
            measure(bench, options, found)
            found.write(options.output)
    if python and "rates" in options.sections:
        plot = Path(__file__).parent / "speed" / "tools" / "plot.py"
        subprocess.run([python, plot, options.output], check=False)
    failures = [text for result in found.results for text in result.failures] + found.failures
    print("\n".join(["", f"The results are in {options.output}", *failures]))
    return bool(failures)


def parse() -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--sections", nargs="+", choices=SECTIONS, default=SECTIONS)
    add("--databases", nargs="+", choices=DATABASES, default=DATABASES)
    add("--records", type=int, default=200_000, help="of the source (default: %(default)s)")
    add("--default-records", type=int, default=50_000, help="for dlt with defaults (default: %(default)s)")
    add("--orm-records", type=int, default=2_000, help="for the ORM (default: %(default)s)")
    add("--runs", type=int, default=3, help="runs of each candidate (default: %(default)s)")
    add("--stored", type=int, default=1_000_000, help="data in the filled database (default: %(default)s)")
    add("--memory-records", type=int, nargs=2, default=[20_000, 1_000_000], help="few and many")
    add("--memory-pages", type=int, nargs="+", default=[100, 1_000], help="records on a page")
    add("--ours-only", action="store_true", help="without the compared tools and the ORM")
    add("--output", type=Path, default=ROOT / "build" / "bench", help="folder of the results")
    options = parser.parse_args()
    for size in ("default_records", "orm_records"):
        setattr(options, size, min(getattr(options, size), options.records))
    return options


def rates(bench: Bench, options: argparse.Namespace, found: Report) -> None:
    """Measure all candidates in turn."""
    source = bench.source(options.records)
    with ExitStack() as stack:
        harvested: dict[str, Place] = {}
        for database in options.databases:
            # The first harvest is not measured: the source renders its pages, and Python compiles its modules.
            harvested[database] = stack.enter_context(bench.place(database, source))
            ours("oai")(bench, harvested[database])
        with bench.place(options.databases[0], source) as place:
            ours("json")(bench, place)
        others = [] if options.ours_only else other_candidates(with_tools=bench.tools is not None)
        everything = [*our_candidates(), *others, *limit_candidates(harvested)]
        order = [one for one in everything if one.database in options.databases]
        results = [Result(one.name, one.database) for one in order]
        found.results += results
        for number in range(options.runs):
            print(f"turn {number + 1} of {options.runs}", flush=True)
            turn(bench, options, order, results)
            found.write(options.output)
    found.add("Rates", report.table(results))
    found.add("Ratios", report.ratios(results))
    found.add("Stages", report.stages(results))


def turn(bench: Bench, options: argparse.Namespace, order: list[Candidate], results: list[Result]) -> None:
    """Run each candidate once."""
    with ExitStack() as stack:
        place: Place | None = None
        for candidate, result in zip(order, results, strict=True):
            if not candidate.follows:
                stack.close()
                source = bench.source(getattr(options, candidate.size))
                place = stack.enter_context(bench.place(candidate.database, source))
            assert place is not None  # noqa: S101 - the first candidate follows none
            checkpoint(bench)
            attempt(result, lambda one=candidate, at=place: one.run(bench, at))  # type: ignore[misc]


def attempt(result: Result, measure: Callable[[], Measurement]) -> None:
    """Add a run to a result, or the reason why it failed, and print it."""
    try:
        run = measure()
    except (ProcessFailed, CheckFailed) as error:
        result.failures.append(f"{result.name}, {result.database}: {error}")
        print(f"  FAILED {result.failures[-1]}", flush=True)
        return
    result.runs.append(run)
    servers = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in run.cost.servers.items())
    text = f"{run.cost.line(run.records)}; {servers}"
    print(f"  {result.name:50.50} {result.database:10} {text}", flush=True)


def stored(bench: Bench, options: argparse.Namespace, found: Report) -> None:
    """Measure the harvest of a new source into an empty database and into one with data of another source."""
    source = bench.source(options.records)
    for database in options.databases:
        with bench.place(database, source) as place:
            empty, full = Result("into an empty database", database), Result("", database)
            attempt(empty, lambda at=place: ours("oai")(bench, at))  # type: ignore[misc]
            count = growth.fill(place.database, options.stored) if empty.runs else 0
            full.name = f"into one with {count:,} data"
            for number in range(options.runs if empty.runs else 0):
                checkpoint(bench)
                attempt(full, lambda at=place, turn=number: ours("oai", f"later_{turn}")(bench, at))  # type: ignore[misc]
        again = [one for one in found.results if (one.name, one.database) == (OURS, database)]
        reference = next((one for one in again if one.runs), empty)
        found.results += [empty, full]
        ratio = full.rate / reference.rate if full.rate and reference.rate else None
        text = f"\n\nThe ratio to the median of an empty database: {ratio:.2f}" if ratio else ""
        found.add(f"Growth, {database}", report.table([empty, full]) + text)


def memory(bench: Bench, options: argparse.Namespace, found: Report) -> None:
    """Measure the peak memory with few and with many records."""
    text, failures = measure_memory(bench, options)
    found.failures += failures
    found.add("Memory", text)


def start(bench: Bench, options: argparse.Namespace, found: Report) -> None:
    """Measure a run of an empty window, and the imports."""
    found.add("Start", measure_start(bench, options.runs))


def checkpoint(bench: Bench) -> None:
    """Let the server write what earlier runs have left."""
    if bench.server is not None:
        url = bench.server.url.render_as_string(hide_password=False)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("CHECKPOINT")


def server_version(bench: Bench) -> str:
    """Return the version of PostgreSQL; empty without a server."""
    if bench.server is None:
        return ""
    with psycopg.connect(bench.server.url.render_as_string(hide_password=False)) as connection:
        row = connection.execute("SHOW server_version").fetchone()
    return str(row[0]) if row else ""


if __name__ == "__main__":
    sys.exit(main())
