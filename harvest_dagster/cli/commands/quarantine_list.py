"""`harvest quarantine list`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from harvest_dagster.cli.database import existing_database, report_if_missing
from harvest_dagster.cli.options import json_option, optional_label_argument
from harvest_dagster.cli.output import print_json, print_message, print_table
from harvest_dagster.storage.harvest_log.quarantine import QuarantinedRow, find_rows
from harvest_dagster.texts import escape_controls, shorten
from harvest_dagster.windows import format_bounds

_COLUMNS = ("id", "label", "identifier", "bytes", "quarantined", "window", "error")
_LONGEST_ERROR = 100  # characters in the table; --json has all


@click.command("list")
@optional_label_argument
@click.option(
    "--limit", default=1000, show_default=True, type=click.IntRange(min=1), help="Number of records."
)
@click.option(
    "--after", default=0, metavar="ID", help="Only records with a higher id: the next part of a long list."
)
@json_option
def command(label: str | None, limit: int, after: int, as_json: bool) -> None:
    r"""List the quarantined records, of LABEL or of all sources, the oldest first.

    With --json, standard output is a list of {id, label, identifier, error, window: [from, until], page, date_created,
    size, harvest_log_id}. The identifier is null if it could not be read; the size is in bytes.

    \b
    Examples:
      harvest quarantine list
      harvest quarantine list arxiv_cs --json | jq -r '.[].error' | sort | uniq -c
    """
    if label is not None:
        from harvest_dagster.catalog.loader import load_catalog  # noqa: PLC0415 - takes 0.2 s

        load_catalog().get(label)
    with existing_database() as database:
        report_if_missing(database)
        rows: list[QuarantinedRow] = []
        if database is not None:
            with database.read() as connection:
                rows = find_rows(connection, label=label, after=after, most=limit)
    if as_json:
        print_json([row_as_json(row) for row in rows])
    else:
        print_table(_COLUMNS, [_cells(row) for row in rows])
        if not (rows or after):
            print_message("no record is quarantined")
    if len(rows) == limit:
        print_message(f"there may be more; `--after {rows[-1].id}` continues")


def row_as_json(row: QuarantinedRow) -> dict[str, Any]:
    """Return a quarantined record as values for JSON."""
    return {**asdict(row), "window": format_bounds(row.window)}


def _cells(row: QuarantinedRow) -> tuple[object, ...]:
    identifier = None if row.identifier is None else escape_controls(row.identifier)
    error = shorten(row.error, _LONGEST_ERROR)
    return str(row.id), row.label, identifier, row.size, row.date_created, str(row.window), error
