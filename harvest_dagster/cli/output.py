"""What commands print: tables for people, JSON for programs.

JSON goes to standard output alone. Messages go to standard error. On a terminal, tables have colours and are fitted to
its width. Elsewhere they are plain lines.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any

import click

from harvest_dagster.texts import escape_controls
from harvest_dagster.windows import format_instant

_WIDE = 10_000  # columns: only a terminal wraps lines


def print_json(value: Any) -> None:
    """Print a value as JSON, with a line break at its end. Instants are in UTC with a `Z`."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2, default=_encode))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print rows below the names of their columns.

    Cells may contain text from sources. Control characters are printed as escapes, and nothing is taken for markup.
    """
    from rich.console import Console  # noqa: PLC0415 - takes 0.05 s, and `--json` needs no tables
    from rich.table import Table  # noqa: PLC0415 - see above

    console = Console(markup=False, emoji=False, highlight=False)
    if not console.is_terminal:
        console.width = _WIDE
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(column)
    for row in rows:
        table.add_row(*(_cell(value) for value in row))
    console.print(table)


def print_message(text: str) -> None:
    """Print a message for people to standard error."""
    click.echo(text, err=True)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return escape_controls(str(_encode(value) if isinstance(value, datetime) else value))


def _encode(value: Any) -> Any:
    if isinstance(value, datetime):
        return format_instant(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return dict(value)
    message = f"{type(value).__name__} has no form in JSON"
    raise TypeError(message)
