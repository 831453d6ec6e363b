"""Measure how long the code location takes to load with 10, 200 and 1,000 sources, and a catalog with 500 bundled ones.

    python benchmarks/loading.py [--sources 10 200 1000] [--bundled 500] [--runs 3] [--before WORKTREE]

Each source is a YAML file with a transformer. Each measurement is a new process, as Dagster starts one for every
run and every reload. The parts are the imports, the catalog, the definitions, and the repository with its jobs. The
result is processor time, the best of several runs.

A second table is the start of a run: a new process loads the code location, takes the job of one asset, and executes
it. The source is disabled, so the run ends in its first op.

With `--before`, each table also has the code of another directory, such as `git worktree add ../before COMMIT` makes.
The two take turns, so that other users of the machine slow down both.

A third table is about `load_catalog` alone, with sources as long as the bundled ones: if all of them are off, if a
source extends one of them, if a source extends each of them, and the list of `harvest list --bundled`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TypeAlias

_SOURCE = """\
label: source_{number:04}
name: Source {number}
home_page: https://{number}.example.org
harvester: oai
harvester_kwargs: {{base_url: "https://{number}.example.org/oai", metadata_prefix: oai_dc}}
transformer: oai_dc
rate_limit: {{calls: 1, period: 3}}
schedule: "{minute} 3 * * *"
earliest_date: 2005-09-16
"""
_MARKS = """\
import json, resource, time
start = time.process_time()
marks = {}
def mark(name):
    global start
    marks[name], start = time.process_time() - start, time.process_time()
import dagster
mark("import dagster")
"""
_LOAD = """\
import harvest_dagster.catalog.loader, harvest_dagster.orchestration.build
mark("import harvest_dagster")
catalog = harvest_dagster.catalog.loader.load_catalog()
assert not catalog.problems, catalog.problems
mark("catalog")
defs = harvest_dagster.orchestration.build.build_defs(catalog)
mark("definitions")
repository = defs.get_repository_def()
assert len(list(repository.asset_graph.get_all_asset_keys())) == 2 * len(catalog.configs)
mark("repository")
len(repository.get_job("__ASSET_JOB").nodes)
mark("asset job")
marks["all"] = sum(marks.values())
marks["peak MB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps(marks))
"""

_START = """\
from harvest_dagster.definitions import defs
mark("module")
repository, key = defs.get_repository_def(), dagster.AssetKey(["raw", "source_0000"])
job = repository.get_job("__ASSET_JOB").get_subset(asset_selection={key})
mark("job of the run")
result = job.execute_in_process(partition_key="2024-01-01", raise_on_error=False)
assert [event.step_key for event in result.all_events if event.is_step_failure] == ["raw__source_0000.preflight"]
mark("run")
marks["all"] = sum(marks.values())
print(json.dumps(marks))
"""
_BUNDLED = """\
# yaml-language-server: $schema=../bundled_source.schema.json
label: source_{number:04}
name: Source {number}, computer science
home_page: https://{number}.example.org
description: >-
  Preprints in computer science. New and changed metadata appear each night after the day's announcements; see the
  [notes for harvesters](https://{number}.example.org/oai/index.html).
harvester: oai
harvester_kwargs: {{base_url: "https://{number}.example.org/oai", metadata_prefix: oai_dc, set: cs}}
transformer: oai_dc
rate_limit: {{calls: 1, period: 3}}  # the terms of use: one request in three seconds
earliest_date: 2005-09-16
schedule: "{minute} 3 * * *"
max_window: 7d
facts:
  from: ["https://{number}.example.org/oai/index.html", "Identify, recorded on 2024-05-06"]
  unverified_since: 2026-11-23
  terms: one request in three seconds; at most one connection
"""
_LOAD_BUNDLED = """\
import json, sys, time
from pathlib import Path
from harvest_dagster.catalog.bundled import BundledCatalog
from harvest_dagster.catalog.loader import load_catalog
folder, count, subject = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
bundled, entry = BundledCatalog(folder / "bundled"), str(folder / subject)
start = time.process_time()
if subject == "list":
    found = len(list(bundled.sources()))
else:
    catalog = load_catalog("bundled" if subject == "bundled" else entry, {}, bundled)
    assert not catalog.problems, catalog.problems
    found = len(catalog.configs)
seconds = time.process_time() - start
assert found == (1 if subject == "one" else count), found
print(json.dumps(seconds))
"""
_SUBJECTS = {
    "bundled": "all are off",
    "one": "one is extended",
    "each": "each is extended",
    "list": "the list",
}


def main() -> None:
    """Parse the arguments, measure, and print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sources", type=int, nargs="+", default=[10, 200, 1000])
    parser.add_argument("--bundled", type=int, default=500, help="number of bundled sources")
    parser.add_argument("--runs", type=int, default=3, help="number of runs; the best one counts")
    parser.add_argument("--before", type=Path, help="directory with the code of another commit")
    arguments = parser.parse_args()
    here = Path(__file__).parents[1]
    trees = {"before": arguments.before.absolute(), "now": here} if arguments.before else {"now": here}
    for title, script in (("loading", _MARKS + _LOAD), ("the start of a run", _MARKS + _START)):
        print_table(title, {count: best(script, count, trees, arguments.runs) for count in arguments.sources})
    if arguments.bundled:
        print(f"catalog with {arguments.bundled:,} bundled sources, seconds")
        for name, seconds in best_bundled(arguments.bundled, arguments.runs).items():
            print(f"{name:>20} {seconds:8.2f}")


Marks: TypeAlias = dict[str, float]


def print_table(title: str, found: dict[int, dict[str, Marks]]) -> None:
    """Print a row for each part, and a column for each number of sources and each tree."""
    columns = [(count, tree, marks) for count, trees in found.items() for tree, marks in trees.items()]
    print(f"{title}, seconds")
    print(f"{'sources':>24}", *(f"{count:>8,}" for count, _, _ in columns))
    print(f"{'':>24}", *(f"{tree:>8}" for _, tree, _ in columns))
    for name in columns[0][2]:
        print(f"{name:>24}", *(f"{marks[name]:8.2f}" for _, _, marks in columns))
    print()


def best(script: str, count: int, trees: dict[str, Path], runs: int) -> dict[str, Marks]:
    """Return the fastest of several processes, for each part and each tree. The trees take turns."""
    with tempfile.TemporaryDirectory() as folder:
        sources = Path(folder, "sources")
        sources.mkdir()
        for number in range(count):
            text = _SOURCE.format(number=number, minute=number % 60)
            text += "disabled: true\n" if number == 0 else ""
            (sources / f"source_{number:04}.yaml").write_text(text)
        turns = [{name: load(script, tree, folder) for name, tree in trees.items()} for _ in range(runs)]
    return {
        name: {part: min(turn[name][part] for turn in turns) for part in turns[0][name]} for name in trees
    }


def load(script: str, tree: Path, folder: str) -> Marks:
    """Load the code location in a new process; return the seconds of each part."""
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-W", "ignore", "-c", script],
        env={
            **os.environ,
            "HARVEST_SOURCES": f"{folder}/sources",
            "HARVEST_DATABASE_URL": f"sqlite:///{folder}/harvest.db",
            "HARVEST_SPOOL": f"{folder}/spool",
        },
        cwd=tree,  # Python imports the package from there
        capture_output=True,
        text=True,
        check=True,
    )
    marks: Marks = json.loads(done.stdout.splitlines()[-1])
    return marks


def best_bundled(count: int, runs: int) -> dict[str, float]:
    """Return the fastest of several loads of a catalog with bundled sources, for each subject."""
    labels = [f"source_{number:04}" for number in range(count)]
    with tempfile.TemporaryDirectory() as folder:
        for name in ("bundled", "one", "each"):
            Path(folder, name).mkdir()
        for number, label in enumerate(labels):
            text = _BUNDLED.format(number=number, minute=number % 60)
            Path(folder, "bundled", f"{label}.yaml").write_text(text)
            Path(folder, "each", f"{label}.yaml").write_text(f"extends: {label}\n")
        Path(folder, "one", "a.yaml").write_text(f"extends: {labels[-1]}\n")
        return {
            name: min(load_bundled(folder, count, subject) for _ in range(runs))
            for subject, name in _SUBJECTS.items()
        }


def load_bundled(folder: str, count: int, subject: str) -> float:
    """Load the catalog in a new process; return the seconds without the imports."""
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-W", "ignore", "-c", _LOAD_BUNDLED, folder, str(count), subject],
        capture_output=True,
        text=True,
        check=True,
    )
    seconds: float = json.loads(done.stdout)
    return seconds


if __name__ == "__main__":
    main()
