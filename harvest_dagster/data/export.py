"""Export the current records or documents of sources to files. Memory is bounded for any number of rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, islice

from harvest_dagster.data.rows import Kind, Row, Source, import_arrow, opened, read_rows
from harvest_dagster.data.targets import Target
from harvest_dagster.data.writers import WRITERS
from harvest_dagster.errors import BadInput
from harvest_dagster.storage import ingest_configs
from harvest_dagster.storage.database import Database

ROWS_PER_FILE = 1_000_000
"""If the target is a directory, a source with more rows gets several files."""


@dataclass
class SourceCount:
    """The counts of one source in an export.

    Attributes:
        label: its label.
        rows: number of rows, including deleted ones.
        deleted: number of rows of deleted records.
        changed_at: the newest `changed_at` of the rows, None if there is no row. It is the `since` of the next export
            of this source, and of no other source.
    """

    label: str
    rows: int = 0
    deleted: int = 0
    changed_at: datetime | None = None

    def count(self, rows: Iterable[Row]) -> Iterator[Row]:
        """Count the rows that pass."""
        for row in rows:
            self.rows += 1
            self.deleted += row.deleted
            self.changed_at = row.changed_at  # the rows are in this order
            yield row


@dataclass(frozen=True)
class ExportSummary:
    """The result of an export: paths or URLs of the files, and the counts of each source."""

    files: tuple[str, ...]
    sources: tuple[SourceCount, ...]

    @property
    def rows(self) -> int:
        """Number of rows, including deleted ones."""
        return sum(source.rows for source in self.sources)

    @property
    def deleted(self) -> int:
        """Number of rows of deleted records."""
        return sum(source.deleted for source in self.sources)


def export(
    labels: Sequence[str] | None,
    kind: Kind,
    file_format: str,
    target: str,
    since: datetime | str | None = None,
    *,
    database: Source = None,
) -> ExportSummary:
    """Export rows of sources to a file, or to files in a directory.

    Args:
        labels: the sources; None for all that were ever harvested.
        kind: `records` or `documents`.
        file_format: `parquet`, `jsonl` or `csv`.
        target: a path or an fsspec URL. If it ends with a slash, it is a directory: each source gets one file or more.
            Files of an earlier export of the same source and kind are replaced.
        since: only rows that changed at this instant or later.
        database: the database to read from.

    Raises:
        UnknownIngestConfig: there is no source with a label.
        BadInput: an argument is not valid, or pyarrow is not installed. Nothing was written.
        DatabaseError: the database cannot be used. No file was replaced.
        OSError: the target cannot be written. No file was replaced.
    """
    if file_format not in WRITERS:
        raise BadInput(f"The format {file_format!r} is not known. Use one of {', '.join(WRITERS)}.")
    if file_format == "parquet":
        import_arrow()
    place = Target.of(target)
    with opened(database) as found:
        chosen = _all_labels(found) if labels is None else labels
        counts = [SourceCount(label) for label in chosen]
        streams = [(one.label, one.count(read_rows(kind, one.label, since, found))) for one in counts]
        try:
            _write(place, streams, kind, file_format)
        except BaseException:
            place.discard()
            raise
    files = place.commit()
    for label in chosen if place.is_directory else ():
        place.remove_stale(f"{label}-{kind}-")
    return ExportSummary(tuple(files), tuple(counts))


def _all_labels(database: Database) -> list[str]:
    with database.read() as connection:
        return ingest_configs.list_labels(connection)


def _write(place: Target, streams: Sequence[tuple[str, Iterator[Row]]], kind: Kind, file_format: str) -> None:
    write = WRITERS[file_format]
    if not place.is_directory:
        with place.open("") as file:
            write(file, chain.from_iterable(rows for _, rows in streams), kind)
        return
    for label, rows in streams:
        for number, part in enumerate(_parts(rows)):
            with place.open(f"{label}-{kind}-{number:05}.{file_format}") as file:
                write(file, part, kind)


def _parts(rows: Iterator[Row]) -> Iterator[Iterable[Row]]:
    """Yield the rows in parts. The first part may be empty, so that each source has a file."""
    first = next(rows, None)
    yield () if first is None else chain([first], islice(rows, ROWS_PER_FILE - 1))
    for row in rows:
        yield chain([row], islice(rows, ROWS_PER_FILE - 1))
