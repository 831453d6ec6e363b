"""Write rows to a file as JSON Lines or CSV. `parquet` writes Parquet."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import IO, Any

import msgspec

from harvest_dagster.data.rows import CurrentDocument, CurrentRecord, Kind, Row, import_arrow, values_of

Writer = Callable[[IO[bytes], Iterable[Row], Kind], None]

_ROW_TYPES: dict[Kind, type[Row]] = {"records": CurrentRecord, "documents": CurrentDocument}


def to_json(row: Row) -> bytes:
    """Return a row as one line of JSON, without a line break. Instants are in UTC with a `Z`."""
    return msgspec.json.encode(values_of(row))


def write_jsonl(file: IO[bytes], rows: Iterable[Row], kind: Kind) -> None:  # noqa: ARG001  # the same for both
    """Write a JSON object for each row."""
    for row in rows:
        file.write(to_json(row) + b"\n")


def write_csv(file: IO[bytes], rows: Iterable[Row], kind: Kind) -> None:
    """Write a line for each row, below the names of the columns. A document is JSON in one cell, null is empty."""
    text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
    lines = csv.writer(text)
    lines.writerow(_ROW_TYPES[kind].__slots__)
    for row in rows:
        lines.writerow([_cell(value) for value in values_of(row).values()])
    text.detach()


def write_parquet(file: IO[bytes], rows: Iterable[Row], kind: Kind) -> None:
    """Write Parquet, compressed with Zstandard.

    Raises:
        BadInput: pyarrow is not installed.
    """
    import_arrow().write_parquet(file, rows, kind)


WRITERS: dict[str, Writer] = {"parquet": write_parquet, "jsonl": write_jsonl, "csv": write_csv}


def format_of(path: str) -> str | None:
    """Return the format that the end of a path names, or None."""
    ending = path.rpartition(".")[2].lower()
    return ending if ending in WRITERS else None


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return msgspec.json.encode(value).decode() if isinstance(value, dict) else value
