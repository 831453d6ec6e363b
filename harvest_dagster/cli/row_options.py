"""The options of the commands that read rows, and how these print them: one JSON object on each line."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import click

from harvest_dagster.cli.options import Instant
from harvest_dagster.data.rows import Row
from harvest_dagster.data.writers import to_json
from harvest_dagster.errors import BadInput

_Function = TypeVar("_Function", bound=Callable[..., Any])


since_option = click.option(
    "--since",
    type=Instant(),
    metavar="T",
    help="Only what changed at T or later: an ISO 8601 date or instant. To follow a source, pass the newest "
    "`changed_at` that you have read.",
)
_id_option = click.option(
    "--id",
    "identifiers",
    multiple=True,
    metavar="ID",
    help="Only this identifier. May be given several times.",
)
_limit_option = click.option(
    "--limit", type=click.IntRange(min=1), metavar="N", help="At most N rows: those that changed first."
)


def row_options(command: _Function) -> _Function:
    """Add the options that select rows."""
    return since_option(_id_option(_limit_option(command)))


def print_rows(rows: Iterable[Row], label: str, missing: str | None) -> None:
    """Print rows as JSON Lines.

    Args:
        rows: the rows.
        label: label of the source.
        missing: the identifier that was asked for, if the absence of a row is an error.

    Raises:
        BadInput: there is no row, and `missing` is given.
    """
    output = sys.stdout.buffer
    found = False
    for row in rows:
        output.write(to_json(row) + b"\n")
        found = True
    output.flush()
    if missing is not None and not found:
        raise BadInput(f"{label} has no row with the identifier {missing!r}. Identifiers are case-sensitive.")
