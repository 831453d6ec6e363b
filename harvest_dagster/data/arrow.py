"""The rows as record batches of Apache Arrow, and their schemas. Importing this needs pyarrow.

The schema of a document is derived from `transformers.document`, so that nested fields are nested types: a list of
structs is a list of structs in DuckDB, pandas and Polars.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import IO, Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from harvest_dagster.data.document_version_1 import upgrade
from harvest_dagster.data.rows import CurrentRecord, Kind, Row, values_of
from harvest_dagster.transformers.document import Document

_ROWS = 1000
_BYTES = 8_000_000  # of a batch: records of a megabyte make smaller batches

_GROUP_BYTES = 32_000_000  # before compression

_INSTANT = pa.timestamp("us", tz="UTC")
_KEYS = (
    ("label", pa.string()),
    ("identifier", pa.string()),
    ("datestamp", _INSTANT),
    ("deleted", pa.bool_()),
)


def schema_of(kind: Kind) -> pa.Schema:
    """Return the schema of the records, or of the documents."""
    if kind == "records":
        contents = [("hash", pa.string()), ("datum", pa.string())]
        instants = [("first_seen", _INSTANT), ("changed_at", _INSTANT)]
        return pa.schema([*_KEYS, *contents, *instants, ("raw_id", pa.int64())])
    document = _arrow_type(msgspec.inspect.type_info(Document))
    made = [("document", document), ("changed_at", _INSTANT), ("transformer_version", pa.int32())]
    return pa.schema([*_KEYS, *made])


def to_batches(rows: Iterable[Row], kind: Kind) -> Iterator[pa.RecordBatch]:
    """Yield the rows in batches of at most a thousand rows, or a few megabytes."""
    schema = schema_of(kind)
    batch: list[dict[str, Any]] = []
    size = 0
    for row in rows:
        batch.append(_values_of(row))
        size += _size(row)
        if len(batch) == _ROWS or size >= _BYTES:
            yield pa.RecordBatch.from_pylist(batch, schema=schema)
            batch, size = [], 0
    if batch:
        yield pa.RecordBatch.from_pylist(batch, schema=schema)


def _values_of(row: Row) -> dict[str, Any]:
    values = values_of(row)
    document = values.get("document")
    # A batch drops a field that its schema does not have.
    if document is not None and document.get("schema_version") is None:
        values["document"] = upgrade(document)
    return values


def _size(row: Row) -> int:
    return len(row.datum) if isinstance(row, CurrentRecord) else len(msgspec.json.encode(row.document))


def _arrow_type(kind: msgspec.inspect.Type) -> pa.DataType:
    """Return the type of Arrow for a type of the document.

    Raises:
        TypeError: the document has a type that is not known here.
    """
    if isinstance(kind, msgspec.inspect.Metadata):
        return _arrow_type(kind.type)
    if isinstance(kind, msgspec.inspect.UnionType):
        (only,) = (member for member in kind.types if not isinstance(member, msgspec.inspect.NoneType))
        return _arrow_type(only)
    if isinstance(kind, msgspec.inspect.StructType):
        return pa.struct([(field.encode_name, _arrow_type(field.type)) for field in kind.fields])
    if isinstance(kind, msgspec.inspect.VarTupleType):
        return pa.list_(_arrow_type(kind.item_type))
    if isinstance(kind, msgspec.inspect.LiteralType):
        return pa.int32() if all(isinstance(value, int) for value in kind.values) else pa.string()
    if isinstance(kind, msgspec.inspect.StrType):
        return pa.string()
    message = f"{kind} has no type in Arrow. Add it to {__name__}."
    raise TypeError(message)


def write_parquet(file: IO[bytes], rows: Iterable[Row], kind: Kind) -> None:
    """Write rows to a Parquet file. A group of rows is in memory until it is large enough for fast readers."""
    schema = schema_of(kind)
    with pq.ParquetWriter(file, schema, compression="zstd") as writer:
        group: list[pa.RecordBatch] = []
        for batch in to_batches(rows, kind):
            group.append(batch)
            if sum(one.nbytes for one in group) >= _GROUP_BYTES:
                writer.write_table(pa.Table.from_batches(group, schema))
                group = []
        if group:
            writer.write_table(pa.Table.from_batches(group, schema))
