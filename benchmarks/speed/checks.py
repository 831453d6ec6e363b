"""Check what a candidate has stored: how many records, one hash of all identifiers, and a datum for each."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from hashlib import sha256
from typing import Any

import psycopg
from common.source import repository
from sqlalchemy import make_url

TABLES = ("source_unique_identifier", "raw_datum", "ingest_log")
# Each query returns an identifier and whether its datum contains it. The order does not matter.
OURS = "SELECT identifier, {position} > 0 FROM current_record WHERE label = '{label}'"
OUR_LOGS = (
    "SELECT s.identifier, count(*) = 1 FROM ingest_log AS i JOIN raw_datum AS r ON r.id = i.raw_id "
    "JOIN source_unique_identifier AS s ON s.id = r.suid_id JOIN ingest_config AS c ON c.id = i.ingest_config_id "
    "WHERE c.label = '{label}' AND i.status = '{status}' GROUP BY s.identifier"
)
DLT = "SELECT identifier, strpos(datum, identifier) > 0 FROM bench.records"
DLT_JSON = "SELECT id, _dlt_id IS NOT NULL FROM bench.records"
ORM = (
    "SELECT identifier, strpos(datum, identifier) > 0 FROM identifier JOIN datum ON identifier_id = identifier.id "
    "JOIN log ON datum_id = datum.id"
)
LIMIT = (
    "SELECT identifier, {position} > 0 FROM source_unique_identifier AS s JOIN raw_datum AS r ON r.suid_id = s.id "
    "JOIN ingest_log AS i ON i.raw_id = r.id"
)


class CheckFailed(Exception):
    """A candidate has not stored what the source has served."""


def verify(url: str, query: str, records: int, label: str = "benchmark", status: str = "") -> str:
    """Return the first digits of the hash of all stored identifiers.

    Args:
        url: the database.
        query: one of the queries of this module.
        records: number of records of the source.
        label: the label of our source.
        status: the status of the logs that are counted.

    Raises:
        CheckFailed: a record is missing, is there twice, or has no datum.
    """
    position = "strpos(datum, identifier)" if url.startswith("postgresql") else "instr(datum, identifier)"
    found = list(rows(url, query.format(position=position, label=label, status=status)))
    without = sum(not has_datum for _, has_datum in found)
    stored = digest(identifier for identifier, _ in found)
    if len(found) != records or without or stored != expected(records):
        raise CheckFailed(
            f"stored {len(found):,} of {records:,} records, {without:,} without a datum, "
            f"hash {stored[:12]} instead of {expected(records)[:12]}"
        )
    return stored[:12]


def expected(records: int) -> str:
    """Return the hash of the identifiers of the source."""
    source = repository(records, 1)
    return digest(source.identifier(number) for number in range(records))


def digest(identifiers: Iterable[str]) -> str:
    """Return a hash of the sorted identifiers. A repeated one changes it."""
    return sha256("\n".join(sorted(identifiers)).encode()).hexdigest()


def rows(url: str, query: str) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of a query."""
    if url.startswith("postgresql"):
        with psycopg.connect(url) as connection, connection.cursor() as cursor:
            yield from cursor.execute(query)
    else:
        with closing(sqlite3.connect(make_url(url).database or "")) as connection:
            yield from connection.execute(query)


def written_rows(url: str) -> int | None:
    """Return how many rows of the three tables were ever inserted, updated or deleted; None on SQLite."""
    if not url.startswith("postgresql"):
        return None
    time.sleep(1.5)  # a session reports its statistics when it ends, and the others once a second
    names = ", ".join(f"'{table}'" for table in TABLES)
    query = (
        f"SELECT sum(n_tup_ins + n_tup_upd + n_tup_del) FROM pg_stat_user_tables WHERE relname IN ({names})"
    )
    [(count,)] = rows(url, query)
    return int(count or 0)
