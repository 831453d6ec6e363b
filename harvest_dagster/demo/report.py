"""What the database holds after the demo, as text: a table by day, and a verdict."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, func, select

from harvest_dagster.demo.place import LABEL
from harvest_dagster.storage.tables import (
    harvest_log,
    ingest_config,
    normalized_datum,
    raw_datum,
    source_unique_identifier,
)

_COLUMNS = "{:<12}{:>8}{:>8}{:>9}{:>13}   {}"


@dataclass(frozen=True)
class Day:
    """What the database holds of one day of datestamps.

    Attributes:
        name: the day, ISO 8601.
        records: versions of records.
        new: those that this run stored.
        deleted: those that say that the record is gone.
        transformed: those with a normalized document.
        title: of one of these documents.
    """

    name: str
    records: int
    new: int
    deleted: int
    transformed: int
    title: str = ""


def read(connection: Connection, began: datetime) -> list[Day]:
    """The days in order; `began` is when this run did."""
    query = (
        select(
            raw_datum.c.datestamp, raw_datum.c.deleted, raw_datum.c.date_created, normalized_datum.c.document
        )
        .join(source_unique_identifier, source_unique_identifier.c.id == raw_datum.c.suid_id)
        .join(ingest_config, ingest_config.c.id == source_unique_identifier.c.ingest_config_id)
        .outerjoin(normalized_datum, normalized_datum.c.raw_id == raw_datum.c.id)
        .where(ingest_config.c.label == LABEL)
        .order_by(raw_datum.c.datestamp, raw_datum.c.id)
    )
    by_day = groupby(connection.execute(query), key=lambda row: row.datestamp.date().isoformat())
    return [_day(name, list(rows), began) for name, rows in by_day]


def table(days: Sequence[Day]) -> Iterator[str]:
    """The days as lines that fit the terminal, with a line of totals."""
    width = shutil.get_terminal_size((110, 24)).columns
    total = Day(
        "total",
        *(sum(getattr(day, name) for day in days) for name in ("records", "new", "deleted", "transformed")),
    )
    yield _COLUMNS.format("day", "records", "new", "deleted", "transformed", "one of them")
    for day in (*days, total):
        counts = (f"{count:,}" for count in (day.records, day.new, day.deleted, day.transformed))
        yield _COLUMNS.format(day.name, *counts, day.title).rstrip()[:width]


def verdict(connection: Connection, requests: int) -> str:
    """Whether all that the source announced has come."""
    if not requests:
        return "Nothing was left to do: these days were harvested before, and the source was not even asked."
    query = (
        select(func.sum(harvest_log.c.records), func.sum(harvest_log.c.expected), func.count())
        .join(ingest_config, ingest_config.c.id == harvest_log.c.ingest_config_id)
        .where(ingest_config.c.label == LABEL, harvest_log.c.completeness == "complete")
    )
    records, expected, windows = connection.execute(query).one()
    if not windows:
        return "The source gave no total, so that completeness is unverified."
    return f"Complete: the source announced {expected:,} records, and {records:,} came."


def _day(name: str, rows: Sequence[Any], began: datetime) -> Day:
    documents = [row.document for row in rows if row.document is not None]
    return Day(
        name,
        records=len(rows),
        new=sum(row.date_created >= began for row in rows),
        deleted=sum(row.deleted for row in rows),
        transformed=len(documents),
        title=next((document["title"] for document in documents if document["title"]), ""),
    )
