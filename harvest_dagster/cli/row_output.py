"""How the commands that read rows print them: one JSON object on each line."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from harvest_dagster.data.rows import Row
from harvest_dagster.data.writers import to_json
from harvest_dagster.errors import BadInput


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
