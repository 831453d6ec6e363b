"""`harvest fetch`: show records of a source, and store nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import click

from harvest_dagster.cli.connections import connected
from harvest_dagster.cli.options import (
    from_option,
    json_option,
    label_argument,
    raise_if_reversed,
    until_option,
)
from harvest_dagster.cli.output import print_message
from harvest_dagster.diagnosis.connection import Connection
from harvest_dagster.diagnosis.records import fetch_record, fetch_records, requested_window
from harvest_dagster.pipeline.snapshots import is_snapshot
from harvest_dagster.records import InvalidRecord, Record
from harvest_dagster.texts import escape_controls, one_line
from harvest_dagster.windows import ALL_TIME, format_instant, utc_now

_DEFAULT_LIMIT = 10


@click.command("fetch")
@label_argument
@from_option
@until_option
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    help=f"Show at most this many records. Without a range, the default is {_DEFAULT_LIMIT}.",
)
@click.option("--id", "identifier", help="Show only the record with this identifier (OAI-PMH: GetRecord).")
@json_option
def command(
    label: str,
    *,
    start: datetime | None,
    end: datetime | None,
    limit: int | None,
    identifier: str | None,
    as_json: bool,
) -> None:
    r"""Show records of a source as a harvest would collect them, and store nothing.

    The requests count in the rate limit of the source. The range begins at `earliest_date` and ends now, unless --from
    and --until say otherwise; --until is excluded. A list that breaks is an error: only a harvest recovers it and
    verifies that it is complete. A source with `selective: false` is asked for one list without dates, and the records
    of the range are selected here.

    With --json, each line is one record: {label, identifier, datestamp, deleted, hash, datum}, or
    {label, identifier, error, datum} for an invalid one.

    \b
    Examples:
      harvest fetch arxiv_cs
      harvest fetch arxiv_cs --from 2025-03-04 --until 2025-03-05 --json > records.jsonl
      harvest fetch arxiv_cs --id oai:arXiv.org:2503.00001
    """
    raise_if_reversed(start, end)
    if identifier is not None and (start or end or limit):
        raise click.UsageError("--id cannot be combined with --from, --until or --limit")
    invalid = 0
    with connected(label) as connection:
        for record in _records(connection, identifier, (start, end), limit):
            invalid += isinstance(record, InvalidRecord)
            click.echo(_line(label, record, as_json=as_json, is_only=identifier is not None))
    if invalid:
        print_message(f"{invalid} of these records are invalid; a harvest quarantines them")


def _records(
    connection: Connection,
    identifier: str | None,
    bounds: tuple[datetime | None, datetime | None],
    limit: int | None,
) -> Iterator[Record | InvalidRecord]:
    if identifier is not None:
        yield fetch_record(connection, identifier)
        return
    config = connection.source.config
    window = requested_window(config, *bounds, utc_now())
    if limit is None and bounds == (None, None):
        limit = _DEFAULT_LIMIT
    if is_snapshot(config):
        text = (
            f"{config.label} has `selective: false`: one list of the whole source is requested, without dates"
        )
        window = window if any(bounds) else ALL_TIME
        print_message(f"{text}. The records of {window} are selected here." if any(bounds) else text)
    yield from fetch_records(connection, window, limit)


def _line(label: str, record: Record | InvalidRecord, *, as_json: bool, is_only: bool) -> str:
    if as_json:
        return json.dumps({"label": label, **_as_json(record)}, ensure_ascii=False)
    if isinstance(record, InvalidRecord):
        return f"{one_line(record.identifier or 'no identifier')}  invalid: {one_line(record.error)}"
    datestamp = format_instant(record.datestamp) if record.datestamp else "no datestamp"
    state = "deleted" if record.deleted else f"{len(record.blob.encode()):,} bytes"
    header = f"{one_line(record.identifier)}  {datestamp}  {state}"
    return f"{header}\n{_escaped(record.blob)}" if is_only else header


def _escaped(text: str) -> str:
    """Return the text without control characters that a terminal would obey."""
    return "\n".join(escape_controls(line) for line in text.split("\n"))


def _as_json(record: Record | InvalidRecord) -> dict[str, Any]:
    if isinstance(record, InvalidRecord):
        datum = record.datum.decode("utf-8", "backslashreplace")
        return {"identifier": record.identifier, "error": record.error, "datum": datum}
    return {
        "identifier": record.identifier,
        "datestamp": format_instant(record.datestamp) if record.datestamp else None,
        "deleted": record.deleted,
        "hash": record.hash,
        "datum": record.blob,
    }
