"""The options of the commands that read rows. `row_output` prints the rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from harvest_dagster.cli.options import Instant

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
