"""The current records and documents of a source as plain values, in the order of their changes."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import zstandard

from harvest_dagster.errors import BadInput, DatabaseMissing, UnknownIngestConfig
from harvest_dagster.storage import ingest_configs
from harvest_dagster.storage.current_rows import stream_documents, stream_records
from harvest_dagster.storage.database import Database, default_database_url
from harvest_dagster.transformers.document import Document
from harvest_dagster.windows import parse_instant

if TYPE_CHECKING:
    import pyarrow as pa

Kind = Literal["records", "documents"]
Source = Database | str | None
"""A harvest database: open, or its URL. None means HARVEST_DATABASE_URL, or its default."""

# The order of the fields in a document. PostgreSQL's JSONB keeps another one.
_FIELDS = Document.__struct_fields__
_CHECKOUT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class CurrentRecord:
    """A row of the view current_record: the newest revision of an identifier.

    Attributes:
        label: label of the source.
        identifier: identifier of the record in the source.
        datestamp: when the source last changed it; None if the source gives no time.
        deleted: whether the source has deleted it.
        hash: SHA-256 of `datum` in UTF-8, in hexadecimal.
        datum: the record in canonical form. For a deleted record, what the source still sends of it.
        first_seen: when the identifier was first stored.
        changed_at: when this content became the current one. It increases with each change of the source.
        raw_id: primary key in raw_datum.
    """

    label: str
    identifier: str
    datestamp: datetime | None
    deleted: bool
    hash: str
    datum: str
    first_seen: datetime
    changed_at: datetime
    raw_id: int


@dataclass(frozen=True, slots=True)
class CurrentDocument:
    """A row of the view current_document: the document of an identifier.

    Attributes:
        label: label of the source.
        identifier: identifier of the record in the source.
        datestamp: when the source last changed the record; None if the source gives no time.
        deleted: whether the source has deleted the record.
        document: the document (docs/document.md); None if the record is deleted.
        changed_at: when the document changed. It increases with each change of the source.
        transformer_version: version of the transformer that made the document.
    """

    label: str
    identifier: str
    datestamp: datetime | None
    deleted: bool
    document: dict[str, Any] | None
    changed_at: datetime
    transformer_version: int


@dataclass(frozen=True, slots=True)
class RecordWithOriginal(CurrentRecord):
    """A row of the view current_record, with the record's own bytes.

    Attributes:
        original: the bytes of the record in the page of the source; None if they were not kept.
    """

    original: bytes | None


Row = CurrentRecord | CurrentDocument


def values_of(row: Row) -> dict[str, Any]:
    """Return the values of a row by the names of its columns."""
    # dataclasses.asdict would copy the whole document.
    return {name: getattr(row, name) for name in row.__dataclass_fields__}


def records(
    label: str,
    since: datetime | str | None = None,
    *,
    database: Source = None,
    identifiers: Collection[str] = (),
    limit: int | None = None,
    original: bool = False,
) -> Iterator[CurrentRecord]:
    """Return an iterator of the current records of a source, in the order of their changes.

    It reads from one snapshot of the database, which the first row opens, and its memory does not grow with the rows.

    Args:
        label: label of the source.
        since: only records that changed at this instant or later. To follow a source, pass the newest `changed_at`
            that you have read. You get the records of that instant again.
        database: the database to read from.
        identifiers: only the records with these identifiers; empty for all.
        limit: the maximum number of records.
        original: whether to return each record with its own bytes (`RecordWithOriginal`), for a source with
            `keep_original`.

    Raises:
        UnknownIngestConfig: neither the database nor the catalog has the label.
        BadInput: `since` is not an instant, or is a datetime without a time zone.
        DatabaseError: the database does not exist, or cannot be used.
    """
    config_id, instant = _find_config(database, label), as_instant(since)
    if config_id is None:
        return iter(())
    return _records(database, config_id, instant, identifiers, limit, original=original)


def documents(
    label: str,
    since: datetime | str | None = None,
    *,
    database: Source = None,
    identifiers: Collection[str] = (),
    limit: int | None = None,
) -> Iterator[CurrentDocument]:
    """Return an iterator of the current documents of a source, in the order of their changes. See `records`.

    A record that was not transformed yet, or whose first transform failed, has no document.

    Raises:
        UnknownIngestConfig, BadInput, DatabaseError: as in `records`.
    """
    config_id, instant = _find_config(database, label), as_instant(since)
    if config_id is None:
        return iter(())
    return _documents(database, config_id, instant, identifiers, limit)


def to_arrow(
    kind: Kind, label: str, since: datetime | str | None = None, *, database: Source = None
) -> Iterator[pa.RecordBatch]:
    """Return an iterator of the same rows as record batches of Apache Arrow. There is none if there is no row.

    Raises:
        BadInput: pyarrow is not installed, the kind is not allowed, or as in `records`.
        UnknownIngestConfig, DatabaseError: as in `records`.
    """
    batches: Iterator[pa.RecordBatch] = import_arrow().to_batches(
        read_rows(kind, label, since, database), kind
    )
    return batches


def read_rows(kind: Kind, label: str, since: datetime | str | None, database: Source) -> Iterator[Row]:
    """Return the rows of `records` or of `documents`.

    Raises:
        BadInput: the kind is not allowed, or as in `records`.
        UnknownIngestConfig, DatabaseError: as in `records`.
    """
    if kind == "records":
        return records(label, since, database=database)
    if kind == "documents":
        return documents(label, since, database=database)
    raise BadInput(f"{kind!r} is not allowed. Use 'records' or 'documents'.")


def import_arrow() -> Any:
    """Return the module that needs pyarrow.

    Raises:
        BadInput: pyarrow is not installed. The message has the command that installs it.
    """
    try:
        return import_module("harvest_dagster.data.arrow")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "pyarrow":
            raise
        raise BadInput(
            f"Parquet and Arrow need pyarrow, which is not installed. Run: {_install_command()}"
        ) from None


def _install_command() -> str:
    """Return the command that installs pyarrow. In a checkout, the name of the package would not find this version."""
    is_checkout = (_CHECKOUT / "pyproject.toml").is_file()
    return (
        f"pip install -e '{_CHECKOUT}[parquet]'" if is_checkout else "pip install 'harvest_dagster[parquet]'"
    )


def as_instant(since: datetime | str | None) -> datetime | None:
    """Return an instant in UTC. A text without a time zone is in UTC.

    Raises:
        BadInput: the text is not an instant, or the datetime has no time zone.
    """
    if isinstance(since, datetime) and since.tzinfo is None:
        raise BadInput(f"since={since} has no time zone. Pass an aware datetime, or a text.")
    if not isinstance(since, str):
        return since
    try:
        return parse_instant(since)
    except ValueError as error:
        raise BadInput(f"{error}.") from None


@contextmanager
def opened(database: Source) -> Iterator[Database]:
    """Yield the database. Close it afterwards unless it was open before.

    Raises:
        BadInput: the URL is invalid.
        DatabaseError: the database does not exist, or cannot be used.
    """
    if isinstance(database, Database):
        yield database
        return
    url = database or default_database_url(os.environ, Path.cwd())
    # A mistyped URL must not create an empty database.
    found = Database.open_existing(url)
    if found is None:
        raise DatabaseMissing.at(Database.place_of(url))
    with found:
        yield found


def _find_config(database: Source, label: str) -> int | None:
    """Return the key of a source in the database, or None if it is only in the catalog: it was never harvested.

    A source that was renamed is found by its present label and by its former ones.

    Raises:
        UnknownIngestConfig: it is in neither.
    """
    with opened(database) as found, found.read() as connection:
        config_id = ingest_configs.find_id(connection, label)
        if config_id is not None:
            return config_id
        others = _other_labels(label, ingest_configs.list_labels(connection))
        ids = (ingest_configs.find_id(connection, other) for other in others)
        return next((one for one in ids if one is not None), None)


def _other_labels(label: str, harvested: Collection[str]) -> list[str]:
    """Return the other labels that the source with a label has or had, the present one first.

    Raises:
        UnknownIngestConfig: the catalog has no such label.
    """
    # Importing the catalog takes a third of the time in which a command starts. Only a label without data needs it.
    from harvest_dagster.catalog.loader import load_catalog  # noqa: PLC0415
    from harvest_dagster.catalog.problems import unknown_source  # noqa: PLC0415

    configs = load_catalog().configs
    for config in configs:
        if label in (labels := [config.label, *config.former_labels]):
            return [other for other in labels if other != label]
    known = sorted({*harvested, *(config.label for config in configs)})
    raise UnknownIngestConfig(unknown_source(label, known))


def _records(
    database: Source,
    config_id: int,
    since: datetime | None,
    identifiers: Collection[str],
    limit: int | None,
    *,
    original: bool,
) -> Iterator[CurrentRecord]:
    with opened(database) as found, found.read() as connection:
        for row in stream_records(connection, config_id, since, identifiers, limit, original=original):
            if not original:
                yield CurrentRecord(*row)
                continue
            values: dict[str, Any] = dict(row._mapping)
            if (compressed := values["original"]) is not None:
                values["original"] = zstandard.decompress(compressed)
            yield RecordWithOriginal(**values)


def _documents(
    database: Source,
    config_id: int,
    since: datetime | None,
    identifiers: Collection[str],
    limit: int | None,
) -> Iterator[CurrentDocument]:
    with opened(database) as found, found.read() as connection:
        for label, identifier, datestamp, deleted, document, *rest in stream_documents(
            connection, config_id, since, identifiers, limit
        ):
            yield CurrentDocument(label, identifier, datestamp, deleted, _decode(document), *rest)


def _decode(text: str | None) -> dict[str, Any] | None:
    # A null in a JSON column may be stored as the text `null`.
    document = msgspec.json.decode(text) if text is not None else None
    if not isinstance(document, dict):
        return None
    return {name: document[name] for name in _FIELDS if name in document} | document
