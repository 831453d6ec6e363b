"""Measure the speed of the bulk store, with records that are ready in memory.

    python benchmarks/store.py [URL …] [--records 200000] [--batch 1000]

Without a URL, the databases are a SQLite file in a temporary folder and a new PostgreSQL server with default
durability. Each database is measured in its own process. Each record is stored once, and then a second time.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta, timezone
from pathlib import Path
from random import Random

from common.services import postgresql
from sqlalchemy import insert

from harvest_dagster.records import Record
from harvest_dagster.storage.database import Database
from harvest_dagster.storage.raw_data import store
from harvest_dagster.storage.tables import ingest_config

BLOB_CHARACTERS = 2000
NOW = datetime(2026, 1, 1, tzinfo=timezone.utc)


def main() -> None:
    """Parse the arguments, measure, and print the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("urls", nargs="*", help="databases to write to; by default a new one of each kind")
    parser.add_argument("--records", type=int, default=200_000)
    parser.add_argument("--batch", type=int, default=1_000)
    arguments = parser.parse_args()
    with ExitStack() as stack:
        for url in arguments.urls or new_databases(stack):
            # A new process for each database, because the peak memory belongs to a process.
            process = multiprocessing.get_context("spawn").Process(
                target=measure, args=(url, arguments.records, arguments.batch)
            )
            process.start()
            process.join()


def measure(url: str, records: int, batch: int) -> None:
    """Store records twice, and print the rates."""
    with Database.open(url) as database:
        config_id = _ingest_config(database)
        for name in ("new", "known"):
            seconds = sum(_store(database, config_id, page) for page in pages(records, batch))
            rate, peak = records / seconds, _peak_megabytes()
            print(f"{database.dialect:10} {name:5} {rate:8,.0f} records/s, peak {peak:.0f} MB")


def pages(records: int, batch: int) -> Iterator[list[Record]]:
    """Yield pages of records. Their blobs consist of words, so they compress as well as XML."""
    random = Random(1)  # noqa: S311 - not for secrets
    words = [
        "".join(random.choices("abcdefghijklmnopqrstuvwxyz", k=random.randint(2, 12))) for _ in range(5000)
    ]
    for first in range(0, records, batch):
        yield [_record(number, random, words) for number in range(first, min(first + batch, records))]


def _record(number: int, random: Random, words: list[str]) -> Record:
    identifier = f"oai:benchmark.example.org:{number}"
    text = f"<record><identifier>{identifier}</identifier>" + " ".join(random.choices(words, k=260))
    return Record(identifier, NOW + timedelta(seconds=number), False, text[:BLOB_CHARACTERS])


def _store(database: Database, config_id: int, page: list[Record]) -> float:
    start = time.perf_counter()
    with database.begin() as connection:
        store.store_records(connection, config_id, page, NOW)
    return time.perf_counter() - start


def _ingest_config(database: Database) -> int:
    label = f"benchmark_{time.time_ns()}"
    values = {"label": label, "name": label, "harvester": "oai", "disabled": False, "definition": {}}
    with database.begin() as connection:
        result = connection.execute(insert(ingest_config).values(**values, date_modified=NOW))
        return int(result.inserted_primary_key[0])


def new_databases(stack: ExitStack) -> Iterator[str]:
    """Yield the URL of a new database of each kind; the stack removes it."""
    folder = stack.enter_context(tempfile.TemporaryDirectory())
    yield f"sqlite:///{Path(folder) / 'benchmark.db'}"
    yield stack.enter_context(stack.enter_context(postgresql()).database())


def _peak_megabytes() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


if __name__ == "__main__":
    main()
