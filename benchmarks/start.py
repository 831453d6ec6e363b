"""Measure how long the commands take that show something at once.

    python benchmarks/start.py [--runs 10]

Each measurement is a new process of `harvest`, with the sources of the package and a SQLite database that has all
tables and no data. The result is the processor time of that process, user and system, the best of several runs: on a
shared machine, elapsed time says little. No command may take more than half a second, and the exit status is 1 if one
does.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from harvest_dagster.storage.database import Database

_MOST = 0.5  # seconds
_COMMANDS = (
    "check",
    "list",
    "status",
    "metrics",
    "identify http://127.0.0.1:1/oai",  # nothing answers there
    "records arxiv_cs",
    "documents arxiv_cs",
    "export arxiv_cs out.jsonl",
    "quarantine list",
    "db check",
    "db size",
)


def main() -> int:
    """Parse the arguments, measure, and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=10, help="processes for each command (default: 10)")
    runs = parser.parse_args().runs
    print(f"{'command':<34}{'seconds':>8}")
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'harvest.db'}"
        Database.open(url).dispose()
        environ = {**os.environ, "HARVEST_DATABASE_URL": url, "HARVEST_SOURCES": "bundled"}
        slowest = 0.0
        for command in _COMMANDS:
            seconds = min(_seconds(command.split(), folder, environ) for _ in range(runs))
            slowest = max(slowest, seconds)
            print(f"{command:<34}{seconds:>8.2f}", flush=True)
    return int(slowest > _MOST)


def _seconds(command: Sequence[str], folder: str, environ: Mapping[str, str]) -> float:
    """Return the processor time of one process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    harvest = Path(sys.executable).with_name("harvest")
    subprocess.run([harvest, *command], cwd=folder, env=environ, capture_output=True, check=False)  # noqa: S603
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    sys.exit(main())
