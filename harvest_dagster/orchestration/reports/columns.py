"""The views with the data of the assets: their names and columns, as metadata that Dagster's UI displays."""

from functools import cache

import dagster as dg

from harvest_dagster.orchestration.asset_keys import Kind

_TABLES: dict[Kind, str] = {"raw": "current_record", "transformed": "current_document"}
_SHARED = {
    "label": ("text", "the source"),
    "identifier": ("text", "identifier of the record at the source"),
    "datestamp": ("timestamp", "when the source last changed the record; null if it gave no time"),
    "deleted": ("boolean", "whether the source has deleted the record"),
}
_COLUMNS: dict[Kind, dict[str, tuple[str, str]]] = {
    "raw": {
        **_SHARED,
        "hash": ("text", "SHA-256 of the content"),
        "datum": ("text", "the content, in canonical form"),
        "first_seen": ("timestamp", "when the identifier was stored first"),
        "changed_at": ("timestamp", "when the row last changed"),
        "raw_id": ("integer", "primary key of the content in raw_datum"),
    },
    "transformed": {
        **_SHARED,
        "document": ("json", "the document; null if the record is deleted"),
        "changed_at": ("timestamp", "when the row last changed"),
        "transformer_version": ("integer", "version of the transformer that made the document"),
    },
}


def table_name(kind: Kind) -> str:
    """Return the view of the harvest database that shows the data. It has the rows of all sources."""
    return _TABLES[kind]


@cache
def column_schema(kind: Kind) -> dg.TableSchema:
    """Return the columns of the view."""
    columns = _COLUMNS[kind].items()
    return dg.TableSchema(
        [dg.TableColumn(name, type_, description) for name, (type_, description) in columns]
    )
