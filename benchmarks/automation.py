"""Measure how long a tick of each sensor takes with a thousand sources.

    python benchmarks/automation.py [--sources 1000] [--days 365] [--waiting 0] [--databases sqlite postgresql]
        [--no-statistics]

Each source has one log for each day, one failed log, and some pending data. One of ten is a snapshot. A tick is one
call of the daemon to the code server, which may take 60 s. The daemon submits the runs afterwards; this is not
measured. The output shows processor time of this process and elapsed time. Only the elapsed time contains the work of
PostgreSQL. With --no-statistics, PostgreSQL has never analyzed the tables.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import date, datetime, timedelta, timezone
from pathlib import Path

import dagster as dg
from common.services import postgresql
from sqlalchemy import Connection, Table, insert, select

from harvest_dagster.catalog.loader import Catalog
from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.coverage.scopes import declared_transformer
from harvest_dagster.orchestration.build import build_defs
from harvest_dagster.orchestration.resources import Stores
from harvest_dagster.storage import tables
from harvest_dagster.storage.database import Database
from harvest_dagster.storage.harvest_log import coverage_changes
from harvest_dagster.windows import DAY, whole_day

NAMES = (
    "harvest_by_schedule",
    "repair_gaps",
    "transform_pending",
    "report_source_status",
    "close_orphaned_logs",
    "reconcile_by_schedule",
    "notify",
)
# Nothing listens there, so a message fails at once.
RECIPIENT = "json://127.0.0.1:1"
TODAY = datetime.now(timezone.utc).date()


def main() -> None:
    """Parse the arguments, measure, and print the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sources", type=int, default=1000)
    parser.add_argument("--days", type=int, default=365, help="number of logs for each source")
    parser.add_argument(
        "--waiting", type=int, default=3, help="number of days of each source with pending data"
    )
    parser.add_argument("--databases", nargs="+", default=["sqlite", "postgresql"])
    parser.add_argument("--no-statistics", action="store_true", help="do not analyze the tables")
    arguments = parser.parse_args()
    os.environ["HARVEST_NOTIFY"] = RECIPIENT
    catalog = Catalog(tuple(config(number) for number in range(arguments.sources)))
    with ExitStack() as stack:
        for kind in arguments.databases:
            url = new_database(kind, stack)
            with Database.open(url) as database:
                fill(database, arguments)
            measure(kind, url, catalog)


def config(number: int) -> IngestConfig:
    """Return a source that is due once a day, each at a different time."""
    return IngestConfig.model_validate(
        {
            "label": f"source_{number:04}",
            "harvester": "oai",
            "harvester_kwargs": {"base_url": f"https://{number}.example.org/oai"},
            "transformer": "oai_dc",
            "schedule": f"{number % 60} {number % 24} * * *",
            "lookback": "2d",
            "earliest_date": date(2000, 1, 1),
            "reconcile": f"{number % 60} {number % 24} * * 0",
            "selective": number % 10 > 0,
        }
    )


def fill(database: Database, arguments: argparse.Namespace) -> None:
    """Insert the rows of the sources: harvested daily, with a failure the day before yesterday."""
    now = datetime.now(timezone.utc)
    logs = [log_row(0, days_ago, now) for days_ago in range(1, arguments.days + 1)]
    for number in range(arguments.sources):
        with database.begin() as connection:
            connection.execute(insert(tables.ingest_config), config_row(number, now))
            for table, rows in pending_rows(number, arguments.waiting, now):
                connection.execute(insert(table), rows)
    with database.begin() as connection:
        connection.execute(insert(tables.harvest_log), logs)
        connection.execute(insert(tables.harvest_log_run), [attempt_row(log) for log in logs])
        copy_logs(connection)
        coverage_changes.compute_all(connection)
    if database.dialect == "postgresql" and not arguments.no_statistics:
        with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("ANALYZE")


def config_row(number: int, now: datetime) -> tables.Row:
    """Return the row of a source."""
    label = f"source_{number:04}"
    row = {"id": number + 1, "label": label, "name": label, "harvester": "oai", "disabled": False}
    declared = declared_transformer(config(number))
    # Otherwise, the first ticks of transform_pending queue all data again.
    state = {"transform_digest": declared.digest, "requeued_version": declared.version}
    return {**row, **state, "definition": {}, "date_modified": now}


def log_row(number: int, days_ago: int, now: datetime) -> tables.Row:
    """Return the log of a day in the past."""
    window = whole_day(TODAY - days_ago * DAY)
    failed = days_ago == 2  # noqa: PLR2004
    return {
        "id": number * 100_000 + days_ago,
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


def attempt_row(log: tables.Row) -> tables.Row:
    """Return the row of the run attempt at a log."""
    row = {"harvest_log_id": log["id"], "run_id": "r", "status": log["status"]}
    return {**row, "date_started": log["date_started"], "date_completed": log["date_completed"]}


def copy_logs(connection: Connection) -> None:
    """Give each source the logs of the first source."""
    logs, attempts = tables.harvest_log, tables.harvest_log_run
    number = tables.ingest_config.c.id - 1
    changed = {"id": logs.c.id + number * 100_000, "ingest_config_id": logs.c.ingest_config_id + number}
    columns = [column for column in logs.columns if column.computed is None]
    for table, copied in (
        (logs, [changed.get(column.name, column) for column in columns]),
        (attempts, [attempts.c.harvest_log_id + number * 100_000, *list(attempts.columns)[1:]]),
    ):
        first = logs.c.ingest_config_id == 1 if table is logs else attempts.c.harvest_log_id < 100_000  # noqa: PLR2004
        rows = select(*copied).join(tables.ingest_config, number > 0).where(first)
        names = [column.name for column in (columns if table is logs else attempts.columns)]
        connection.execute(insert(table).from_select(names, rows))


def pending_rows(number: int, count: int, now: datetime) -> Iterator[tuple[Table, list[tables.Row]]]:
    """Yield the rows of pending data, one datum for every second day."""
    keys = [number * 100_000 + index for index in range(1, count + 1)]
    yield (
        tables.source_unique_identifier,
        [{"id": key, "ingest_config_id": number + 1, "identifier": str(key)} for key in keys],
    )
    datum = {"hash": bytes(32), "datum": "{}", "deleted": False, "date_created": now}
    yield tables.raw_datum, [{"id": key, "suid_id": key, **datum} for key in keys]
    version = declared_transformer(config(number)).version
    log = {"ingest_config_id": number + 1, "transformer_version": version, "status": "PENDING"}
    log |= {"date_created": now, "date_modified": now}
    days = [TODAY - 2 * index * DAY for index in range(1, count + 1)]
    yield (
        tables.ingest_log,
        [{"raw_id": key, "partition_date": day, **log} for key, day in zip(keys, days, strict=True)],
    )


def measure(kind: str, url: str, catalog: Catalog) -> None:
    """Run two ticks of each sensor: the first without a cursor, the next with the cursor of the first."""
    stores = Stores(database_url=url)
    repository = build_defs(catalog, resources={"harvest_stores": stores}).get_repository_def()
    with tempfile.TemporaryDirectory() as home, dg.DagsterInstance.local_temp(home) as instance:
        for name in NAMES:
            sensor, cursor = repository.get_sensor_def(name), None
            for tick in ("first", "next"):
                with dg.build_sensor_context(
                    instance=instance,
                    cursor=cursor,
                    repository_def=repository,
                    resources={"harvest_stores": stores, "harvest_catalog": catalog},
                ) as context:
                    start, processor_start = time.perf_counter(), time.process_time()
                    evaluated = sensor.evaluate_tick(context)
                processor, elapsed = time.process_time() - processor_start, time.perf_counter() - start
                cursor = evaluated.cursor or cursor
                requests = len(evaluated.run_requests or ()) + len(evaluated.asset_events)
                size = len(cursor or "") / 1000
                print(
                    f"{kind:10} {name:20} {tick:5} {processor:6.2f} s processor {elapsed:6.2f} s elapsed, "
                    f"{requests:4} runs and events, cursor {size:.0f} kB"
                )


def new_database(kind: str, stack: ExitStack) -> str:
    """Return the URL of an empty database."""
    folder = stack.enter_context(tempfile.TemporaryDirectory())
    if kind == "sqlite":
        return f"sqlite:///{Path(folder) / 'benchmark.db'}"
    return str(stack.enter_context(stack.enter_context(postgresql()).database()))


if __name__ == "__main__":
    main()
