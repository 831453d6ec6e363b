"""Measure the speed and the memory of harvesting and transforming a partition: the real asset, from HTTP to rows.

    python benchmarks/harvest.py [--records 20000 200000] [--databases sqlite postgresql] [--runs 1]

The simulated repository runs in its own process. It serves records of 2 KB, 1,000 on a page, and the rate limit
does not slow it down. Each result is for one complete process, `dagster asset materialize`, as the operating system
reports it. The seconds of the ops come from Dagster's event log. PostgreSQL is a new server with default
durability.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from common.measuring import Cost, ProcessFailed, run
from common.services import DAY, ROOT, clean_environment, postgresql, simulator

PAGE, RECORD_BYTES = 1_000, 2_000
RUN_SECONDS = ROOT / "benchmarks" / "speed" / "tools" / "run_seconds.py"
OPS = ("fetch", "split", "store", "launch")
_MATERIALIZE = ("-m", "dagster", "asset", "materialize", "-m", "harvest_dagster.definitions")
_CONFIG = """\
label: benchmark
harvester: oai
harvester_kwargs: {{base_url: "{url}", metadata_prefix: oai_dc}}
transformer: oai_dc
rate_limit: {{calls: 100000, period: 1}}
earliest_date: {day}
"""


def main() -> None:
    """Parse the arguments, measure, and print the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--records", type=int, nargs="+", default=[20_000, 200_000], help="number of records in the partition"
    )
    parser.add_argument(
        "--databases", nargs="+", choices=("sqlite", "postgresql"), default=["sqlite", "postgresql"]
    )
    parser.add_argument("--runs", type=int, default=1)
    options = parser.parse_args()
    for database in options.databases:
        peaks = {
            records: [_measure(database, records).peak for _ in range(options.runs)]
            for records in options.records
        }
        fewest, most = min(peaks), max(peaks)
        if fewest < most:
            ratio = sorted(peaks[most])[options.runs // 2] / sorted(peaks[fewest])[options.runs // 2]
            print(
                f"{database}: the peak of {most:,} records is {ratio:.2f} times that of {fewest:,}\n",
                flush=True,
            )


def _measure(database: str, records: int) -> Cost:
    """Harvest and transform records into a new database, print both costs, and return the cost of the harvest."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        size = {"--records-per-day": records, "--page-size": PAGE, "--record-bytes": RECORD_BYTES}
        options = [str(word) for option in size.items() for word in option]
        url = stack.enter_context(simulator("--days", "1", "--first-day", DAY, *options))
        environment = _prepare(folder, url)
        if database == "postgresql":
            server = stack.enter_context(postgresql())
            environment["HARVEST_DATABASE_URL"] = stack.enter_context(server.database())
        harvest = _materialize("raw/benchmark", environment, folder)
        print(f"{database:10} {records:9,} harvest   {harvest.line(records)}")
        print(f"{'':20} by op     {_by_op(folder)}", flush=True)
        transform = _materialize("transformed/benchmark", environment, folder)
        print(f"{'':20} transform {transform.line(records)}", flush=True)
    return harvest


def _prepare(folder: Path, url: str) -> dict[str, str]:
    """Write the YAML of the source and Dagster's home, and return the environment that names them."""
    (folder / "dagster.yaml").write_text("telemetry: {enabled: false}\n", encoding="utf-8")
    (folder / "benchmark.yaml").write_text(_CONFIG.format(url=url, day=DAY), encoding="utf-8")
    return clean_environment(DAGSTER_HOME=str(folder), HARVEST_SOURCES=str(folder))


def _materialize(asset: str, environment: Mapping[str, str], folder: Path) -> Cost:
    """Materialize the partition in a new process, and return its cost."""
    command = [sys.executable, *_MATERIALIZE, "--select", asset, "--partition", DAY]
    try:
        return run(command, environment=environment, folder=ROOT, log=folder / "log")
    except ProcessFailed as failed:
        raise SystemExit(str(failed)) from None


def _by_op(folder: Path) -> str:
    """Return the seconds of each op of the only run, from Dagster's event log."""
    # In another process: the memory of this process counts for the peak of each process that it starts.
    command = [sys.executable, RUN_SECONDS, folder]
    done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
    spent = json.loads(done.stdout)
    return ", ".join(f"{op} {spent[op]:.1f} s" for op in OPS)


if __name__ == "__main__":
    main()
