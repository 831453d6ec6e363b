"""Measure what the database does for a record: bytes by table and index, processor time, and HOT updates.

    python benchmarks/tables.py [--records 40000 200000] [--databases sqlite postgresql] [--repetitions 1]

The records are 2 KB of XML, ready in memory, 1,000 on a page. They are stored and queued in one transaction for each
page, as in the op `store`; then stored again without a change; then claimed and marked as transformed, as in the
transform asset, but without documents. Client and server are the microseconds of processor time for each record. On
SQLite, all work is the client's, and its WAL is not counted. Bytes are those after the last step.
"""

from __future__ import annotations

import argparse
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timezone
from pathlib import Path
from urllib.request import urlopen

from common import source
from common.measuring import postmaster, processor_seconds
from common.services import postgresql
from sqlalchemy import Connection, insert, make_url, text

from harvest_dagster.records import Record
from harvest_dagster.storage.database import Database
from harvest_dagster.storage.raw_data.store import store_records
from harvest_dagster.storage.tables import ingest_config
from harvest_dagster.storage.transform_queue.enqueue import (
    EnqueueOptions,
    QueueEntry,
    enqueue_data,
    enqueue_new_data,
)
from harvest_dagster.storage.transform_queue.queue import TransformQueue, claim_pending, mark_transformed
from harvest_dagster.testing.simulator import Server

NOW = datetime(2026, 1, 1, tzinfo=timezone.utc)
DAY = date(2026, 1, 1)
PAGE = 1_000
RUN_ID = "0" * 36
TABLES = ("source_unique_identifier", "raw_datum", "ingest_log")
_SIZES = """
    SELECT relname, pg_relation_size(oid) FROM pg_class
    WHERE relnamespace = CAST(current_schema() AS regnamespace) AND relkind = 'r' AND relname = ANY(:tables)
    UNION ALL
    SELECT 'toast of ' || relname, pg_total_relation_size(reltoastrelid) FROM pg_class
    WHERE relname = ANY(:tables) AND reltoastrelid <> 0 AND pg_relation_size(reltoastrelid) > 0
    UNION ALL
    SELECT indexrelname, pg_relation_size(indexrelid) FROM pg_stat_user_indexes WHERE relname = ANY(:tables)
"""
_SQLITE_SIZES = """
    SELECT s.name, s.pgsize FROM dbstat AS s JOIN sqlite_master AS m ON m.name = s.name
    WHERE s.aggregate = TRUE AND m.tbl_name IN ('source_unique_identifier', 'raw_datum', 'ingest_log')
"""


def main() -> None:
    """Parse the arguments, measure, and print the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--records", type=int, nargs="+", default=[40_000, 200_000])
    parser.add_argument("--databases", nargs="+", default=["sqlite", "postgresql"])
    parser.add_argument("--repetitions", type=int, default=1)
    options = parser.parse_args()
    blobs = _blobs()
    for records in options.records:
        for kind in options.databases:
            for _ in range(options.repetitions):
                with ExitStack() as stack, Database.open(_new_database(stack, kind)) as database:
                    print(f"{kind}, {records:,} records of {len(blobs[0]):,} letters")
                    _measure(Measurement(database, records, blobs))


@dataclass(frozen=True)
class Measurement:
    """A new database, and the number and the contents of the records to store."""

    database: Database
    records: int
    blobs: list[str]

    def pages(self) -> Iterator[list[Record]]:
        """Yield the records, each with a content of its own."""
        for first in range(0, self.records, PAGE):
            yield [self._record(number) for number in range(first, min(first + PAGE, self.records))]

    def _record(self, number: int) -> Record:
        blob = self.blobs[number % len(self.blobs)]
        return Record(f"oai:benchmark.example.org:{number:08}", NOW, False, f"{blob}<!-- {number} -->")

    @contextmanager
    def measured(self, step: str, spent: Callable[[], float]) -> Iterator[None]:
        """Print the processor time of a step. `spent` returns the seconds of the client."""
        server = self._server()
        before = processor_seconds(server) if server else 0.0
        client, wal = spent(), self._wal_bytes()
        yield
        used = processor_seconds(server) - before if server else 0.0
        each = 1_000_000 / self.records
        written = (self._wal_bytes() - wal) / self.records
        print(
            f"    {step:24} client {(spent() - client) * each:6.1f} µs, server {used * each:6.1f} µs, "
            f"{written:7,.0f} bytes of WAL"
        )

    def _wal_bytes(self) -> int:
        """Return how many bytes of WAL PostgreSQL has written; 0 on SQLite."""
        if self.database.dialect == "sqlite":
            return 0
        with self.database.read() as connection:
            return int(connection.scalar(text("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')")) or 0)

    def _server(self) -> int | None:
        if self.database.dialect == "sqlite":
            return None
        return postmaster(Path(str(self.database.engine.url.query["host"])))


def _measure(measurement: Measurement) -> None:
    database = measurement.database
    with database.begin() as connection:
        values = {"label": "a", "name": "a", "harvester": "oai", "disabled": False, "definition": {}}
        connection.execute(insert(ingest_config).values(id=1, **values, date_modified=NOW))
    queue = TransformQueue(1, 1)
    clock = _Clock()
    for step in ("store", "store again, unchanged"):
        with measurement.measured(step, clock.read):
            for page in measurement.pages():
                with clock.running(), database.begin() as connection:
                    _store(connection, queue, page)
    _print_rows_written(database)
    with measurement.measured("claim and mark", time.process_time):
        while _transform(database, queue):
            pass
    _print_sizes(measurement)


class _Clock:
    """Adds up the processor time of the blocks that are measured: not that of making the records."""

    def __init__(self) -> None:
        self._total = 0.0

    def read(self) -> float:
        return self._total

    @contextmanager
    def running(self) -> Iterator[None]:
        began = time.process_time()
        yield
        self._total += time.process_time() - began


def _store(connection: Connection, queue: TransformQueue, page: list[Record]) -> None:
    """Store and queue a page."""
    options = EnqueueOptions(queue, "PENDING", superfluous=False, now=NOW)
    entries: dict[bool, list[QueueEntry]] = {True: [], False: []}
    for datum in store_records(connection, 1, page, NOW).data:
        entries[datum.is_new].append(QueueEntry(datum.raw_id, datum.revision, DAY, datum.is_current))
    enqueue_new_data(connection, options, entries[True])
    enqueue_data(connection, options, entries[False])


def _transform(database: Database, queue: TransformQueue) -> bool:
    """Claim and mark a page. Return whether there was one."""
    with database.begin(durable=False) as connection:
        claimed = claim_pending(connection, queue, (DAY, DAY), count=PAGE, run_id=RUN_ID, now=NOW)
    with database.begin(durable=False) as connection:
        mark_transformed(connection, RUN_ID, [(datum.log_id, None) for datum in claimed], NOW)
    return bool(claimed)


def _print_rows_written(database: Database) -> None:
    """Print how many rows the two first steps inserted and changed."""
    if database.dialect == "postgresql":
        print(f"    rows inserted and updated: {_statistics(database)}")


def _statistics(database: Database) -> str:
    counted = text(
        "SELECT relname, n_tup_ins, n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = ANY(:tables)"
    )
    database.dispose()  # a session reports its counts at its end
    time.sleep(0.5)
    with database.read() as connection:
        rows = connection.execute(counted, {"tables": list(TABLES)}).all()
    return ", ".join(f"{row[0]} {row[1]:,} and {row[2]:,} (HOT {row[3]:,})" for row in rows)


def _print_sizes(measurement: Measurement) -> None:
    database = measurement.database
    if database.dialect == "postgresql":
        print(f"    after the transform: {_statistics(database)}")
    with database.read() as connection:
        if database.dialect == "postgresql":
            rows = connection.execute(text(_SIZES), {"tables": list(TABLES)}).all()
        else:
            rows = connection.execute(text(_SQLITE_SIZES)).all()
    for name, size in sorted(rows, key=lambda row: -row[1]):
        print(f"    {size / measurement.records:9,.1f} bytes  {name}")
    print(f"    {sum(row[1] for row in rows) / measurement.records:9,.1f} bytes  in all", flush=True)


def _blobs() -> list[str]:
    """Return the records of a page of the simulator."""
    with Server(source.repository(PAGE, PAGE)) as server:
        address = f"{server.url}?verb=ListRecords&metadataPrefix=oai_dc"
        with urlopen(address) as response:  # noqa: S310 - our own server
            body = response.read().decode()
    return re.findall("<record>.*?</record>", body, re.DOTALL)


def _new_database(stack: ExitStack, kind: str) -> str:
    """Return the URL of a new database. The stack removes it."""
    if kind == "sqlite":
        return f"sqlite:///{Path(stack.enter_context(tempfile.TemporaryDirectory())) / 'benchmark.db'}"
    url = stack.enter_context(stack.enter_context(postgresql()).database())
    return make_url(url).render_as_string(hide_password=False)


if __name__ == "__main__":
    main()
