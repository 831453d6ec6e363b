"""How long a tick of each sensor takes with a thousand sources.

    python benchmarks/automation.py [--sources 1000] [--days 365] [--waiting 0] [--databases sqlite postgresql]

Each source has a log for each day, of which one failed, and a few data that wait. A tick is what the code server
does in one call of the daemon, which gives it 60 s; that the daemon then submits runs comes after. Times are those
of the process's processor and by the clock; PostgreSQL's own processor is in the latter only.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import date, datetime, timedelta, timezone
from pathlib import Path

import dagster as dg
from sqlalchemy import Table, insert

from harvest_dagster.catalog.loader import Catalog
from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.orchestration.build import build_defs
from harvest_dagster.orchestration.resources import Stores
from harvest_dagster.storage import tables
from harvest_dagster.storage.engine import Database
from harvest_dagster.windows import DAY, whole_day

NAMES = ("harvest_by_schedule", "repair_gaps", "transform_pending", "report_standing", "settle_logs")
TODAY = datetime.now(timezone.utc).date()


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sources", type=int, default=1000)
    parser.add_argument("--days", type=int, default=365, help="so many logs for each source")
    parser.add_argument(
        "--waiting", type=int, default=3, help="so many days of each source wait for a transform"
    )
    parser.add_argument("--databases", nargs="+", default=["sqlite", "postgresql"])
    arguments = parser.parse_args()
    catalog = Catalog(tuple(config(number) for number in range(arguments.sources)))
    with ExitStack() as stack:
        for kind in arguments.databases:
            url = new_database(kind, stack)
            with Database.open(url) as database:
                fill(database, arguments)
            measure(kind, url, catalog)


def config(number: int) -> IngestConfig:
    """A source that is due once a day, at times that differ."""
    return IngestConfig.model_validate(
        {
            "label": f"source_{number:04}",
            "harvester": "oai",
            "harvester_kwargs": {"base_url": f"https://{number}.example.org/oai"},
            "transformer": "oai_dc",
            "schedule": f"{number % 60} {number % 24} * * *",
            "lookback": "2d",
            "earliest_date": date(2000, 1, 1),
        }
    )


def fill(database: Database, arguments: argparse.Namespace) -> None:
    """The rows of so many sources, harvested daily; the day before yesterday failed."""
    now = datetime.now(timezone.utc)
    for number in range(arguments.sources):
        logs = [log_row(number, back, now) for back in range(1, arguments.days + 1)]
        with database.begin() as connection:
            connection.execute(insert(tables.ingest_config), config_row(number, now))
            connection.execute(insert(tables.harvest_log), logs)
            connection.execute(insert(tables.harvest_log_run), try_row(logs[1], now))
            for table, rows in waiting_rows(number, arguments.waiting, now):
                connection.execute(insert(table), rows)
    if database.dialect == "postgresql":
        with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("ANALYZE")


def config_row(number: int, now: datetime) -> tables.Row:
    """A source's row."""
    label = f"source_{number:04}"
    row = {"id": number + 1, "label": label, "name": label, "harvester": "oai", "disabled": False}
    return {**row, "definition": {}, "date_modified": now}


def log_row(number: int, back: int, now: datetime) -> tables.Row:
    """The log of the day so many days ago."""
    window = whole_day(TODAY - back * DAY)
    failed = back == 2  # noqa: PLR2004
    return {
        "id": number * 100_000 + back,
        "ingest_config_id": number + 1,
        "harvester_version": 1,
        "start_date": window.start,
        "end_date": window.end,
        "status": "FAILED" if failed else "SUCCEEDED",
        "covered_since": None if failed else window.end,
        "date_started": window.end,
        "date_completed": min(window.end, now - timedelta(days=2)),
        "pages_stored": 3,
    }


def try_row(log: tables.Row, now: datetime) -> tables.Row:
    """The run that failed at a log."""
    row = {"harvest_log_id": log["id"], "run_id": "r", "status": "FAILED"}
    return {**row, "date_started": now - 2 * DAY, "date_completed": now - 2 * DAY}


def waiting_rows(number: int, count: int, now: datetime) -> Iterator[tuple[Table, list[tables.Row]]]:
    """Data that wait to be transformed, every other day one."""
    keys = [number * 100_000 + back for back in range(1, count + 1)]
    yield (
        tables.source_unique_identifier,
        [{"id": key, "ingest_config_id": number + 1, "identifier": str(key)} for key in keys],
    )
    datum = {"hash": "0", "datum": "{}", "deleted": False, "date_created": now}
    yield tables.raw_datum, [{"id": key, "suid_id": key, **datum} for key in keys]
    log = {"ingest_config_id": number + 1, "transformer_version": 1, "status": "PENDING"}
    log |= {"date_created": now, "date_modified": now}
    days = [TODAY - 2 * back * DAY for back in range(1, count + 1)]
    yield (
        tables.ingest_log,
        [{"raw_id": key, "partition_date": day, **log} for key, day in zip(keys, days, strict=True)],
    )


def measure(kind: str, url: str, catalog: Catalog) -> None:
    """One tick of each sensor from no cursor, as after a long silence, and one from where that left it."""
    stores = Stores(database_url=url)
    repository = build_defs(catalog, resources={"stores": stores}).get_repository_def()
    with tempfile.TemporaryDirectory() as home, dg.DagsterInstance.local_temp(home) as instance:
        for name in NAMES:
            sensor, cursor = repository.get_sensor_def(name), None
            for tick in ("first", "next"):
                with dg.build_sensor_context(
                    instance=instance,
                    cursor=cursor,
                    repository_def=repository,
                    resources={"stores": stores, "catalog": catalog},
                ) as context:
                    began, busy = time.perf_counter(), time.process_time()
                    evaluated = sensor.evaluate_tick(context)
                busy, took = time.process_time() - busy, time.perf_counter() - began
                cursor = evaluated.cursor or cursor
                asked = len(evaluated.run_requests or ()) + len(evaluated.asset_events)
                size = len(cursor or "") / 1000
                print(
                    f"{kind:10} {name:20} {tick:5} {busy:6.2f} s processor {took:6.2f} s by the clock, "
                    f"{asked:4} asked or told, cursor {size:.0f} kB"
                )


def new_database(kind: str, stack: ExitStack) -> str:
    """The URL of an empty one."""
    folder = stack.enter_context(tempfile.TemporaryDirectory())
    if kind == "sqlite":
        return f"sqlite:///{Path(folder) / 'benchmark.db'}"
    sys.path.insert(0, str(Path(__file__).parent.parent))
    from harvest_dagster_tests.databases import installed_binaries, packaged_binaries, started_server  # noqa: PLC0415

    binaries = installed_binaries() or packaged_binaries()
    assert binaries is not None, "no PostgreSQL here: make test installs one"  # noqa: S101
    server = stack.enter_context(started_server(binaries, settings=("listen_addresses=",)))
    return str(stack.enter_context(server.database()))


if __name__ == "__main__":
    main()
