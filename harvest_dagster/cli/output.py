"""What commands print: tables for people, JSON for programs.

JSON goes to standard output alone. Messages go to standard error. On a terminal, tables have colours and are fitted to
its width: empty columns are left out, or each row becomes a block. Elsewhere they are plain lines.
"""

from __future__ import annotations

import json
import os
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import IO, Any

import click

from harvest_dagster.log_format import is_json, json_line
from harvest_dagster.texts import escape_controls
from harvest_dagster.windows import format_instant, utc_now

LOGGER = "harvest_dagster.cli"
_LEVELS = ("warning", "error")
_WIDE = 10_000  # columns: only a terminal wraps lines
_READABLE = 12  # characters: a value that is cut to fewer says nothing
_GAP = 2  # characters between two columns
_COPIED = frozenset({"label"})  # columns whose values people copy, so that they are shortened last


def print_json(value: Any) -> None:
    """Print a value as JSON, with a line break at its end. Instants are in UTC with a `Z`."""
    click.echo(json_text(value))


def print_json_array(values: Iterable[Any]) -> None:
    """Print values as one JSON array, each as soon as it is read. So a long list needs little memory."""
    separator = "["
    for value in values:
        click.echo(separator + textwrap.indent("\n" + json_text(value), "  ").rstrip("\n"), nl=False)
        separator = ","
    click.echo("[]" if separator == "[" else "\n]")


def json_text(value: Any) -> str:
    """Return a value as JSON."""
    return json.dumps(value, ensure_ascii=False, indent=2, default=_encode)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print rows below the names of their columns.

    Cells may contain text from sources. Control characters are printed as escapes, and nothing is taken for markup.
    """
    from rich.console import Console  # noqa: PLC0415 - takes 0.05 s, and `--json` needs no tables
    from rich.table import Table  # noqa: PLC0415 - see above

    cells = [[_cell(value) for value in row] for row in rows]
    console = Console(markup=False, emoji=False, highlight=False)
    if not console.is_terminal:
        _print_lines(columns, cells)  # rich takes a millisecond for each row
        return
    if cells and _width(columns, cells) > console.width:
        columns, cells = _without_empty_columns(columns, cells)
        if _width(columns, cells, most=_READABLE) > console.width:
            _print_blocks(columns, cells)
            return
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(column, no_wrap=column in _COPIED)
    for row in cells:
        table.add_row(*row)
    console.print(table)


def _print_lines(columns: Sequence[str], cells: Sequence[Sequence[str]]) -> None:
    from rich.cells import cell_len  # noqa: PLC0415 - see print_table

    widths = [max(map(cell_len, column)) for column in zip(columns, *cells, strict=True)]
    for row in (columns, *cells):
        padded = (value + " " * (width - cell_len(value)) for value, width in zip(row, widths, strict=True))
        click.echo((" " * _GAP).join(padded).rstrip())


def _width(columns: Sequence[str], cells: Sequence[Sequence[str]], most: int = _WIDE) -> int:
    """Return the width of a table with at most `most` characters of each value. The words of a name may be wrapped."""
    widths = [
        max(*(len(word) for word in name.split()), *(min(len(row[number]), most) for row in cells))
        for number, name in enumerate(columns)
    ]
    return sum(widths) + _GAP * (len(widths) - 1)


def _without_empty_columns(
    columns: Sequence[str], cells: Sequence[Sequence[str]]
) -> tuple[list[str], list[list[str]]]:
    kept = [number for number in range(len(columns)) if any(row[number] for row in cells)]
    return [columns[number] for number in kept], [[row[number] for number in kept] for row in cells]


def _print_blocks(columns: Sequence[str], cells: Sequence[Sequence[str]]) -> None:
    """Print each row as a block: a line for each column that has a value, and an empty line after it."""
    width = max(map(len, columns)) + _GAP
    for number, row in enumerate(cells):
        if number:
            click.echo()
        for name, value in zip(columns, row, strict=True):
            if value:
                click.echo(f"{click.style(f'{name:<{width}}', bold=True)}{value}")


def print_message(text: str) -> None:
    """Print a message to standard error: for people, or as JSON if HARVEST_LOG_FORMAT says so."""
    click.echo(message_line(text), err=True)


def message_line(text: str) -> str:
    """Return a message as it is, or as a line of JSON if HARVEST_LOG_FORMAT is `json`.

    `warning:` and `error:` at the beginning become its level.
    """
    if not is_json(os.environ):
        return text
    level, _, rest = text.partition(": ")
    if level.lower() in _LEVELS:
        return json_line(utc_now(), level.upper(), LOGGER, rest)
    return json_line(utc_now(), "INFO", LOGGER, text)


class CommandFailed(click.ClickException):
    """A command has failed. The message is one line."""

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the message to standard error."""
        click.echo(message_line(f"Error: {self.format_message()}"), file=file, err=file is None)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    if isinstance(value, datetime):
        return format_instant(value.replace(microsecond=0))
    return escape_controls(str(value))


def _encode(value: Any) -> Any:
    if isinstance(value, datetime):
        return format_instant(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return dict(value)
    message = f"{type(value).__name__} has no form in JSON"
    raise TypeError(message)
