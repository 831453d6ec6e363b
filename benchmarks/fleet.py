"""Measure what a fleet of sources costs Dagster: events, bytes, connections, and the processor time of the daily work.

    python benchmarks/fleet.py day [--days 4] [--databases sqlite postgresql]
    python benchmarks/fleet.py years [--years 10] [--databases sqlite]
    python benchmarks/fleet.py fleet [--sources 1000] [--records 20] [--minutes 9] [--per-run N]

`day` harvests and transforms single days of one source, and counts the events of the last one. `years` harvests many
days in one run. `fleet` lets the real daemon and a real code server do the daily work of many sources, and stops after
some minutes. Only yesterday is left to harvest, and the sources begin on different days. The settings are those of
`dagster.yaml` and `deploy/postgresql/dagster.yaml`. The simulator serves the records without a limit. Processor seconds
are those of all processes of a kind, as the operating system reports them when they end. Seconds that pass depend on
what else the machine does.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import psutil
from common.services import ROOT, clean_environment, postgresql, simulator

LOCATION = "harvest_dagster.definitions"
SENSOR = "harvest_by_schedule"
FIRST_DAY = date(2015, 1, 1)
_LONGEST_RUN = 120.0  # seconds that a run may take after the code server has ended
_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER: processes whose parent has ended become children of this process
_CONFIG = """\
label: {label}
harvester: oai
harvester_kwargs: {{base_url: "{url}", metadata_prefix: oai_dc}}
transformer: oai_dc
rate_limit: {{calls: 100000, period: 1}}
earliest_date: {day}
settle: 0s
lookback: 0s
schedule: "0 0 * * *"
"""


@dataclass
class Processor:
    """The seconds of processor time of the processes that have ended, by kind."""

    seconds: Counter[str] = field(default_factory=Counter)

    @contextmanager
    def of(self, kind: str) -> Iterator[None]:
        """Count all processes that end within the block."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        yield
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        self.seconds[kind] += after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Parse the arguments, measure, and print the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    day = commands.add_parser("day")
    day.add_argument("--days", type=int, default=4, help="the first ones fill caches and tables")
    day.add_argument("--databases", nargs="+", default=["sqlite", "postgresql"])
    years = commands.add_parser("years")
    years.add_argument("--years", type=int, default=10)
    years.add_argument("--databases", nargs="+", default=["sqlite"])
    fleet = commands.add_parser("fleet")
    fleet.add_argument("--sources", type=int, default=1000)
    fleet.add_argument("--records", type=int, default=20)
    fleet.add_argument("--minutes", type=float, default=9.0)
    fleet.add_argument("--per-run", type=int, help="HARVEST_SOURCES_PER_RUN (default: that of the product)")
    report = commands.add_parser("report")  # in another process, which imports Dagster
    report.add_argument("runs", type=int)
    options = parser.parse_args()
    if options.command == "report":
        print(json.dumps(_read_events(options.runs)))
    elif options.command == "fleet":
        _measure_fleet(options.sources, options.records, options.minutes, options.per_run)
    else:
        measure = _measure_days if options.command == "day" else _measure_years
        for database in options.databases:
            measure(database, options.days if options.command == "day" else options.years)


def _measure_days(database: str, days: int) -> None:
    """Harvest and transform days one by one, and print what the last one has written."""
    with ExitStack() as stack:
        url = stack.enter_context(_simulator(FIRST_DAY, days, 20))
        folder, environment = stack.enter_context(_deployment(database))
        _write_sources(folder, url, 1, FIRST_DAY)
        for number in range(days):
            before = _storage(environment, folder)
            seconds = _materialize(environment, (FIRST_DAY + timedelta(number)).isoformat())
        after = _storage(environment, folder)
        found = _events(environment, 1)
        print(
            f"{database:10} {found['events']} events, {found['bytes'] / 1000:.1f} kB serialized, "
            f"{(after.bytes - before.bytes) / 1000:.0f} kB on disk, "
            f"{after.connections - before.connections} connections, {seconds:.1f} s of processor",
            flush=True,
        )
        print(_list_kinds(found["kinds"]), flush=True)


def _measure_years(database: str, years: int) -> None:
    """Harvest and transform years of one source in one run, and print its cost."""
    last = date(FIRST_DAY.year + years, 1, 1) - timedelta(1)
    with ExitStack() as stack:
        url = stack.enter_context(_simulator(FIRST_DAY, (last - FIRST_DAY).days + 1, 1))
        folder, environment = stack.enter_context(_deployment(database))
        _write_sources(folder, url, 1, FIRST_DAY)
        began, before = time.perf_counter(), _storage(environment, folder)
        seconds = _materialize(environment, f"{FIRST_DAY}...{last}", "--partition-range")
        elapsed, after = time.perf_counter() - began, _storage(environment, folder)
        found = _events(environment, 1)
        print(
            f"{database:10} {years} years: {elapsed:.0f} s, {seconds:.0f} s of processor, {found['events']} events, "
            f"{found['bytes'] / 1e6:.1f} MB serialized, {(after.bytes - before.bytes) / 1e6:.1f} MB on disk",
            flush=True,
        )
        print(_list_kinds(found["kinds"]), flush=True)


def _measure_fleet(sources: int, records: int, minutes: float, per_run: int | None) -> None:
    """Let the daemon harvest yesterday of all sources, and print the cost of each kind of process."""
    ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)
    yesterday = datetime.now(timezone.utc).date() - timedelta(1)
    processor, done = Processor(), 0
    with ExitStack() as stack:
        stack.enter_context(processor.of("PostgreSQL and simulator"))
        url = stack.enter_context(_simulator(yesterday, 1, records))
        folder, environment = stack.enter_context(_deployment("postgresql"))
        if per_run is not None:
            environment["HARVEST_SOURCES_PER_RUN"] = str(per_run)
        _write_sources(folder, url, sources, yesterday, most_days=50)
        _record_harvests(environment, yesterday)
        workspace = folder / "workspace.yaml"
        socket = folder / "code-server"
        workspace.write_text(f"load_from:\n- grpc_server: {{socket: {socket}, location_name: {LOCATION}}}\n")
        before = _storage(environment, folder)
        began = time.perf_counter()
        others = {child.pid for child in psutil.Process().children()}
        with processor.of("code server and runs"):
            server = _start(
                environment,
                folder,
                "dagster",
                "code-server",
                "start",
                "--socket",
                str(socket),
                "-m",
                LOCATION,
            )
            _wait_for_server(server, socket)
            print(
                f"{sources} sources: the code server is ready after {time.perf_counter() - began:.0f} s",
                flush=True,
            )
            began = time.perf_counter()
            with processor.of("daemon"):
                _run(environment, "dagster", "sensor", "start", SENSOR, "-w", str(workspace))
                daemon = _start(environment, folder, "dagster-daemon", "run", "-w", str(workspace))
                while time.perf_counter() - began < minutes * 60 and done < sources:
                    time.sleep(5)
                    done = _transformed(environment)
                elapsed = time.perf_counter() - began
                _stop(daemon)
            _stop(server)
            _wait_for_orphans(others)
            done = _transformed(environment)
        processor.seconds["code server and runs"] -= processor.seconds["daemon"]
        after = _storage(environment, folder)
        found = _events(environment, sources)
    processor.seconds["PostgreSQL and simulator"] -= sum(
        seconds for kind, seconds in processor.seconds.items() if kind != "PostgreSQL and simulator"
    )
    total = sum(processor.seconds.values())
    print(
        f"{done} sources done after {elapsed:.0f} s, in {found['runs']} runs ({found['failed']} failed), "
        f"{found['events'] / max(done, 1):.1f} events, {found['bytes'] / max(done, 1) / 1000:.1f} kB serialized, "
        f"{(after.bytes - before.bytes) / max(done, 1) / 1000:.0f} kB of "
        f"Dagster's database and {(after.connections - before.connections) / max(done, 1):.0f} connections per source; "
        f"{total:.0f} s of processor, {total / max(done, 1):.2f} s per source"
    )
    for kind, seconds in processor.seconds.items():
        print(f"    {seconds:7.0f} s  {kind}")
    print(_list_kinds(found["kinds"]), flush=True)


def _write_sources(folder: Path, url: str, count: int, day: date, most_days: int = 0) -> None:
    """Write the YAML of sources. Their first days are up to `most_days` before `day`."""
    (folder / "sources").mkdir()
    for number in range(count):
        label = f"source_{number:04}"
        first = day - timedelta(1 + number % most_days) if most_days else day
        text = _CONFIG.format(label=label, url=url, day=first)
        (folder / "sources" / f"{label}.yaml").write_text(text, encoding="utf-8")


def _record_harvests(environment: Mapping[str, str], until: date) -> None:
    """Record for each source that all days before `until` are harvested, in a second."""
    from harvest_dagster.catalog.loader import load_catalog  # noqa: PLC0415
    from harvest_dagster.catalog.plaintext_secrets import masked_definition  # noqa: PLC0415
    from harvest_dagster.coverage.scopes import log_scope  # noqa: PLC0415
    from harvest_dagster.storage import ingest_configs  # noqa: PLC0415
    from harvest_dagster.storage.database import Database  # noqa: PLC0415
    from harvest_dagster.storage.harvest_log import transitions  # noqa: PLC0415
    from harvest_dagster.windows import Window, utc_now, whole_day  # noqa: PLC0415

    catalog = load_catalog(environment["HARVEST_SOURCES"])
    with Database.open(environment["HARVEST_DATABASE_URL"]) as database, database.begin() as connection:
        for config in catalog.configs:
            now = utc_now()
            scope = log_scope(config, ingest_configs.save_config(connection, masked_definition(config), now))
            window = Window(whole_day(config.earliest_date).start, whole_day(until).start)
            log = transitions.mark_started(connection, scope, window, run_id="before", now=now)
            transitions.begin_attempt(connection, log.id, now)
            transitions.mark_succeeded(connection, log.id, now=now, completeness="complete")


def _simulator(first: date, days: int, records: int) -> AbstractContextManager[str]:
    """Return a context manager that serves a repository in another process; its value is the base URL."""
    size = {"--first-day": first, "--days": days, "--records-per-day": records, "--page-size": 1_000}
    return simulator(*(str(word) for option in size.items() for word in option))


@contextmanager
def _deployment(database: str) -> Iterator[tuple[Path, dict[str, str]]]:
    """Yield the folder of a new deployment with our settings, and the environment of its processes."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        environment = clean_environment(DAGSTER_HOME=str(folder), HARVEST_SOURCES=str(folder / "sources"))
        settings = ROOT / "dagster.yaml"
        if database == "postgresql":
            settings = ROOT / "deploy" / "postgresql" / "dagster.yaml"
            server = stack.enter_context(postgresql("max_connections=300"))
            environment["HARVEST_DATABASE_URL"] = stack.enter_context(server.database())
            environment["DAGSTER_POSTGRESQL_URL"] = stack.enter_context(server.database())
        (folder / "dagster.yaml").write_text(settings.read_text(encoding="utf-8"), encoding="utf-8")
        yield folder, environment


@dataclass(frozen=True)
class Storage:
    """The size of Dagster's storage, and the number of connections to it since it exists (PostgreSQL alone)."""

    bytes: int
    connections: int


def _storage(environment: Mapping[str, str], folder: Path) -> Storage:
    if "DAGSTER_POSTGRESQL_URL" not in environment:
        files = [path for name in ("history", "schedules") for path in (folder / name).rglob("*.db")]
        return Storage(sum(path.stat().st_size for path in files), 0)
    time.sleep(1.5)  # a session writes its statistics when it ends, and others at most once a second
    query = (
        "SELECT pg_database_size(datname), sessions FROM pg_stat_database WHERE datname = current_database()"
    )
    return Storage(*map(int, _query(environment["DAGSTER_POSTGRESQL_URL"], query)))


def _transformed(environment: Mapping[str, str]) -> int:
    """Return how many sources are harvested and transformed."""
    query = "SELECT count(DISTINCT ingest_config_id) FROM ingest_log WHERE status = 'SUCCEEDED'"
    try:
        return int(_query(environment["HARVEST_DATABASE_URL"], query)[0])
    except LookupError:
        return 0


def _query(url: str, query: str) -> Sequence[object]:
    import psycopg  # noqa: PLC0415

    with psycopg.connect(url) as connection:
        try:
            row = connection.execute(query).fetchone()
        except psycopg.errors.UndefinedTable as error:
            raise LookupError(query) from error
    assert row is not None  # noqa: S101 - an aggregate, or the row of this database
    return row


def _materialize(environment: Mapping[str, str], days: str, option: str = "--partition") -> float:
    """Materialize both assets of the only source in a new process. Return its seconds of processor time."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    assets = "raw/source_0000,transformed/source_0000"
    _run(environment, "dagster", "asset", "materialize", "-m", LOCATION, "--select", assets, option, days)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _run(environment: Mapping[str, str], *command: str) -> None:
    program = Path(sys.executable).parent / command[0]
    ended = subprocess.run(  # noqa: S603 - a fixed command
        [program, *command[1:]], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    if ended.returncode:
        raise SystemExit(ended.stderr)


def _start(environment: Mapping[str, str], folder: Path, *command: str) -> subprocess.Popen[bytes]:
    program = Path(sys.executable).parent / command[0]
    with (folder / f"{command[0]}.log").open("wb") as log:
        return subprocess.Popen([program, *command[1:]], cwd=ROOT, env=environment, stdout=log, stderr=log)  # noqa: S603


def _wait_for_server(process: subprocess.Popen[bytes], socket: Path) -> None:
    while not socket.exists():
        if process.poll() is not None:
            raise SystemExit("the code server has ended")
        time.sleep(0.2)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End a process and all that it has started."""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(60)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _wait_for_orphans(others: Collection[int]) -> None:
    """Wait for the runs that outlive the code server, so that their seconds count as those of runs."""
    orphans = [child for child in psutil.Process().children() if child.pid not in others]
    _, active = psutil.wait_procs(orphans, _LONGEST_RUN)
    for process in active:
        process.kill()
    psutil.wait_procs(active)


def _events(environment: Mapping[str, str], runs: int) -> dict[str, Any]:
    command = [sys.executable, __file__, "report", str(runs)]
    ended = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)  # noqa: S603
    found: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return found


def _read_events(runs: int) -> dict[str, object]:
    """Return the numbers and kinds of the events of the newest runs."""
    import dagster as dg  # noqa: PLC0415

    kinds: Counter[str] = Counter()
    size = 0
    with dg.DagsterInstance.get() as instance:
        found = instance.get_runs(limit=runs)
        for run in found:
            for entry in instance.all_logs(run.run_id):
                event = entry.dagster_event
                kinds[event.event_type_value if event else f"log at level {entry.level}"] += 1
                size += len(dg.serialize_value(entry))
        failed = sum(run.status == dg.DagsterRunStatus.FAILURE for run in found)
    return {"runs": len(found), "failed": failed, "events": kinds.total(), "bytes": size, "kinds": kinds}


def _list_kinds(kinds: Mapping[str, int]) -> str:
    return "    " + ", ".join(
        f"{count} {kind}" for kind, count in sorted(kinds.items(), key=lambda one: -one[1])
    )


if __name__ == "__main__":
    main()
