"""Measure how long the code location takes to load with 10, 200 and 1,000 sources, and a catalog with 500 bundled ones.

    python benchmarks/loading.py [--sources 10 200 1000] [--bundled 500] [--runs 3]

Each source is a YAML file with a transformer. Each measurement is a new process, as Dagster starts one for every
run and every reload. The parts are the imports, the catalog, the definitions, and the repository with its jobs. The
result is processor time, the best of several runs.

A second table is about `load_catalog` alone, with sources as long as the bundled ones: if all of them are off, if a
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
_LOAD = """\
import json, resource, time
start = time.process_time()
marks = {}
def mark(name):
    global start
    marks[name], start = time.process_time() - start, time.process_time()
import dagster
mark("import dagster")
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
repository.get_job("__ASSET_JOB")
mark("asset job")
marks["peak MB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
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
    """Parse the arguments, measure, and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sources", type=int, nargs="+", default=[10, 200, 1000])
    parser.add_argument("--bundled", type=int, default=500, help="number of bundled sources")
    parser.add_argument("--runs", type=int, default=3, help="number of runs; the best one counts")
    arguments = parser.parse_args()
    rows = {count: best(count, arguments.runs) for count in arguments.sources}
    names = list(next(iter(rows.values())))
    print(f"{'seconds':>20}", *(f"{count:>8,}" for count in rows))
    for name in names:
        print(f"{name:>20}", *(f"{row[name]:8.2f}" for row in rows.values()))
    print(f"\ncatalog with {arguments.bundled:,} bundled sources, seconds")
    for name, seconds in best_bundled(arguments.bundled, arguments.runs).items():
        print(f"{name:>20} {seconds:8.2f}")


def best(count: int, runs: int) -> dict[str, float]:
    """Return the fastest of several loads, for each part."""
    with tempfile.TemporaryDirectory() as folder:
        for number in range(count):
            text = _SOURCE.format(number=number, minute=number % 60)
            (Path(folder) / f"source_{number:04}.yaml").write_text(text)
        loads = [load(folder) for _ in range(runs)]
    return {name: min(result[name] for result in loads) for name in loads[0]}


def load(folder: str) -> dict[str, float]:
    """Load the code location in a new process; return the seconds of each part and the peak memory."""
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-W", "ignore", "-c", _LOAD],
        env={**os.environ, "HARVEST_SOURCES": folder},
        capture_output=True,
        text=True,
        check=True,
    )
    marks: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
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
