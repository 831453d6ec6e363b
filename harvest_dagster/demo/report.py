"""The result of the demo as text: a table of the stored records by day, and a sentence about completeness."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from textwrap import indent
from typing import Any

from sqlalchemy import Connection, func, select

from harvest_dagster.demo.folder import LABEL
from harvest_dagster.storage.tables import (
    harvest_log,
    ingest_config,
    normalized_datum,
    raw_datum,
    source_unique_identifier,
)

_INDENT = "    "
_COLUMNS = "{:<12}{:>8}{:>8}{:>9}{:>13}   {}"


@dataclass(frozen=True)
class DayCounts:
    """The counts of one day of datestamps.

    Attributes:
        name: the day, ISO 8601.
        records: the number of stored versions of records.
        new: the number of versions that this run stored.
        deleted: the number of versions that mark a deletion.
        transformed: the number of versions with a normalized document.
        title: the title of one of these documents.
    """

    name: str
    records: int
    new: int
    deleted: int
    transformed: int
    title: str = ""


def count_by_day(connection: Connection, started: datetime) -> list[DayCounts]:
    """Return the counts of all days in order. `started` is the start of this run."""
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
    return [_count(name, list(rows), started) for name, rows in by_day]


def table(days: Sequence[DayCounts]) -> Iterator[str]:
    """Yield the lines of the table, as wide as the terminal, with a line of totals at the end."""
    width = shutil.get_terminal_size((110, 24)).columns
    total = DayCounts(
        "total",
        *(sum(getattr(day, name) for day in days) for name in ("records", "new", "deleted", "transformed")),
    )
    yield _COLUMNS.format("day", "records", "new", "deleted", "transformed", "example")
    for day in (*days, total):
        counts = (f"{count:,}" for count in (day.records, day.new, day.deleted, day.transformed))
        yield _COLUMNS.format(day.name, *counts, day.title).rstrip()[:width]


def completeness_text(connection: Connection, requests: int) -> str:
    """Return a sentence about completeness. `requests` is the number of requests that the source received."""
    if not requests:
        return "Nothing to do: these days are already complete, so the run sent no request to the source."
    query = (
        select(func.sum(harvest_log.c.records), func.sum(harvest_log.c.expected), func.count())
        .join(ingest_config, ingest_config.c.id == harvest_log.c.ingest_config_id)
        .where(ingest_config.c.label == LABEL, harvest_log.c.completeness == "complete")
    )
    records, expected, windows = connection.execute(query).one()
    if not windows:
        return "Unverified: the source gave no total, so the harvest cannot prove that it is complete."
    return f"Complete: the source announced {expected:,} records, and the harvest received {records:,}."


def example(connection: Connection) -> Iterator[str]:
    """Yield the lines of one record and of the document that was made of it."""
    query = (
        select(
            source_unique_identifier.c.identifier,
            raw_datum.c.datestamp,
            raw_datum.c.datum,
            normalized_datum.c.document,
        )
        .join(source_unique_identifier, source_unique_identifier.c.id == raw_datum.c.suid_id)
        .join(ingest_config, ingest_config.c.id == source_unique_identifier.c.ingest_config_id)
        .join(normalized_datum, normalized_datum.c.raw_id == raw_datum.c.id)
        .where(ingest_config.c.label == LABEL, ~raw_datum.c.deleted)
        .order_by(raw_datum.c.datestamp, raw_datum.c.id)
        .limit(1)
    )
    for row in connection.execute(query):
        yield f"The record {row.identifier} of {row.datestamp:%Y-%m-%d %H:%M:%S} UTC, as it is stored:"
        yield f"{indent(row.datum.strip(), _INDENT)}\n"
        document = {key: value for key, value in row.document.items() if value not in (None, "", [], {})}
        yield "Its document, without the empty keys:"
        yield f"{indent(json.dumps(document, indent=2, ensure_ascii=False), _INDENT)}\n"


def _count(name: str, rows: Sequence[Any], started: datetime) -> DayCounts:
    documents = [row.document for row in rows if row.document is not None]
    return DayCounts(
        name,
        records=len(rows),
        new=sum(row.date_created >= started for row in rows),
        deleted=sum(row.deleted for row in rows),
        transformed=len(documents),
        title=next((document["title"] for document in documents if document["title"]), ""),
    )
