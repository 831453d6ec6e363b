"""Measure what a deployment needs: bytes per record and per day of a source, memory of each process, connections.

    python benchmarks/sizing.py records [--records 20000] [--databases sqlite postgresql]
    python benchmarks/sizing.py days [--days 6] [--databases sqlite postgresql]
    python benchmarks/sizing.py memory [--sources 10 1000] [--minutes 2]

`records` harvests and transforms records of 2 KB in one day, and prints the bytes of each table for each record, and
the largest size of the spool. `days` harvests and transforms days of 20 records one by one, and prints what a day adds
to both databases, and the connections of its run. `memory` starts a code server, the daemon and the webserver, lets the
daemon harvest, and prints the memory of each kind of process: the peak, and the proportional share (PSS) at the end.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import fleet
import harvest
import psutil

_RUN = "run, started by the code server"
_KINDS = {
    "execute_run": _RUN,
    "dagster-webserver": "webserver",
    "dagster-daemon": "daemon",
    "code-server": "code server",
    "grpc": "code server",
    "spawn_main": _RUN,
    "materialize": "run, started by a command",
}


def main() -> None:
    """Parse the arguments, measure, and print the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    records, days = commands.add_parser("records"), commands.add_parser("days")
    records.add_argument("--records", type=int, default=20_000)
    days.add_argument("--days", type=int, default=6, help="the first one creates tables")
    for command in (records, days):
        command.add_argument("--databases", nargs="+", default=["sqlite", "postgresql"])
    memory = commands.add_parser("memory")
    memory.add_argument("--sources", type=int, nargs="+", default=[10, 1000])
    memory.add_argument("--minutes", type=float, default=2.0)
    options = parser.parse_args()
    if options.command == "memory":
        for sources in options.sources:
            _measure_memory(sources, options.minutes)
        return
    for database in options.databases:
        if options.command == "records":
            _measure_records(database, options.records)
        else:
            _measure_days(database, options.days)


def _measure_records(database: str, records: int) -> None:
    """Harvest and transform records, and print their bytes by table."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        environment = harvest._prepare(folder, stack.enter_context(harvest._source(records)))
        if database == "postgresql":
            environment["HARVEST_DATABASE_URL"] = stack.enter_context(harvest._postgresql())
        with _largest_size(folder / "spool") as spool:
            harvest._materialize("raw/benchmark", environment, folder)
        harvest._materialize("transformed/benchmark", environment, folder)
        command = [str(Path(sys.executable).parent / "harvest"), "db", "size", "--json"]
        ended = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)  # noqa: S603
        sizes = {table["table"]: table["bytes"] or 0 for table in json.loads(ended.stdout)["tables"]}
        total = sum(sizes.values())
        print(f"{database}: {total / records:,.0f} bytes per record; spool at most {spool[0] / records:,.0f}")
        for table, size in sorted(sizes.items(), key=lambda one: -one[1])[:6]:
            print(f"    {size / records:9,.1f}  {table}")
        if database == "sqlite":
            size = (folder / "harvest.db").stat().st_size
            print(f"    {size / records:9,.1f}  the whole file", flush=True)


@contextmanager
def _largest_size(folder: Path) -> Iterator[list[int]]:
    """Yield a list with the largest size that a folder has within the block."""
    found, over = [0], threading.Event()

    def watch() -> None:
        while not over.wait(0.1):
            with suppress(FileNotFoundError):
                found[0] = max(found[0], sum(path.stat().st_size for path in folder.rglob("*.*")))

    thread = threading.Thread(target=watch)
    thread.start()
    yield found
    over.set()
    thread.join()


def _measure_days(database: str, days: int) -> None:
    """Harvest and transform days one by one, and print what a day adds. The first one does not count."""
    with ExitStack() as stack:
        url = stack.enter_context(fleet._simulator(fleet.FIRST_DAY, days, 20))
        folder, environment = stack.enter_context(fleet._deployment(database))
        fleet._write_sources(folder, url, 1, fleet.FIRST_DAY)
        fleet._materialize(environment, fleet.FIRST_DAY.isoformat())
        before, ours = fleet._storage(environment, folder), _harvest_database(environment, folder)
        for number in range(1, days):
            fleet._materialize(environment, (fleet.FIRST_DAY + timedelta(number)).isoformat())
        after, ours_after = fleet._storage(environment, folder), _harvest_database(environment, folder)
        print(
            f"{database}: for each day, {(after.bytes - before.bytes) / (days - 1) / 1000:.0f} kB in Dagster's "
            f"database and {(ours_after.bytes - ours.bytes) / (days - 1) / 1000:.1f} kB in the harvest database; "
            f"{(after.connections - before.connections) / (days - 1):.0f} connections to Dagster's database and "
            f"{(ours_after.connections - ours.connections) / (days - 1):.0f} to the harvest database",
            flush=True,
        )


def _harvest_database(environment: Mapping[str, str], folder: Path) -> fleet.Storage:
    if "HARVEST_DATABASE_URL" in environment:
        return fleet._storage({"DAGSTER_POSTGRESQL_URL": environment["HARVEST_DATABASE_URL"]}, folder)
    return fleet.Storage((folder / "harvest.db").stat().st_size, 0)


def _measure_memory(sources: int, minutes: float) -> None:
    """Run the services and some harvests, and print the memory of each kind of process."""
    yesterday = datetime.now(timezone.utc).date() - timedelta(1)
    with ExitStack() as stack:
        url = stack.enter_context(fleet._simulator(yesterday, 1, 20))
        folder, environment = stack.enter_context(fleet._deployment("postgresql"))
        fleet._write_sources(folder, url, sources, yesterday)
        workspace, socket = folder / "workspace.yaml", folder / "code-server"
        workspace.write_text(
            f"load_from:\n- grpc_server: {{socket: {socket}, location_name: {fleet.LOCATION}}}\n"
        )
        fleet._run(environment, "dagster", "instance", "info")
        with _memory() as peaks:
            options = ("--socket", str(socket), "-m", fleet.LOCATION)
            server = fleet._start(environment, folder, "dagster", "code-server", "start", *options)
            stack.callback(fleet._stop, server)
            fleet._wait_for_server(server, socket)
            fleet._run(environment, "dagster", "sensor", "start", fleet.SENSOR, "-w", str(workspace))
            for program in (("dagster-daemon", "run"), ("dagster-webserver", "-p", "0", "-h", "127.0.0.1")):
                stack.callback(fleet._stop, fleet._start(environment, folder, *program, "-w", str(workspace)))
            time.sleep(minutes * 60)
            shares = _shares()
        done = fleet._transformed(environment)
        with _memory() as ops:
            config: dict[str, Any] = {"execution": {"config": {"multiprocess": {}}}}
            _materialize_again(environment, yesterday.isoformat(), json.dumps(config))
        print(
            f"{sources} sources, {done} of them harvested meanwhile; MB of a process: peak, share at the end"
        )
        for kind, peak in sorted({**ops, **peaks}.items()):
            share = f"{shares[kind] / 2**20:7.0f}" if kind in shares else ""
            print(f"    {peak / 2**20:7.0f} {share:7}  {kind}", flush=True)


def _materialize_again(environment: Mapping[str, str], day: str, config: str) -> None:
    assets = ("--select", "raw/source_0000,transformed/source_0000", "--partition", day)
    command = ("dagster", "asset", "materialize", "-m", fleet.LOCATION, *assets, "--config-json", config)
    fleet._run(environment, *command)


@contextmanager
def _memory() -> Iterator[dict[str, int]]:
    """Yield the largest peak of a process of each kind, among the descendants of this process."""
    peaks: dict[str, int] = defaultdict(int)
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.2):
            for process, kind in _processes():
                with suppress(OSError, psutil.Error, StopIteration):
                    status = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8")
                    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
                    peaks[kind] = max(peaks[kind], int(line.split()[1]) * 1024)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield peaks
    finally:
        over.set()
        thread.join()


def _shares() -> dict[str, int]:
    """Return the largest proportional share of each kind of process."""
    shares: dict[str, int] = defaultdict(int)
    for process, kind in _processes():
        with suppress(psutil.Error):
            shares[kind] = max(shares[kind], process.memory_full_info().pss)
    return shares


def _processes() -> Iterator[tuple[Any, str]]:
    for process in psutil.Process(os.getpid()).children(recursive=True):
        with suppress(psutil.Error):
            line = " ".join(process.cmdline())
            kind = next((kind for part, kind in _KINDS.items() if part in line), None)
            if kind is not None:
                yield process, kind


if __name__ == "__main__":
    main()
