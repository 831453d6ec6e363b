"""The page about the tables and views, from `storage.tables` and its comments."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields

from sqlalchemy import CheckConstraint, Column, Table, UniqueConstraint
from sqlalchemy.dialects import postgresql

from harvest_dagster.reference import table_comments
from harvest_dagster.reference.markdown import code, prose, table
from harvest_dagster.reference.table_comments import TableComments
from harvest_dagster.storage.counts import Counts
from harvest_dagster.storage.tables import CONTRACT_COLUMNS, metadata

_INTRODUCTION = """\
# Tables and views

The views are the way to read the data. The tables show how the data came. Both are the same on SQLite and PostgreSQL. A
migration may add a column, but none is ever removed or renamed. Other programs may rely on the columns with a ✓: their
meaning does not change either. Times are UTC. On SQLite, an instant is text, and JSON is text, too.
"""
_VIEWS = """\
## Views

Each view has one row for each identifier of each source, with the newest content. A deleted record keeps its row.
`changed_at` is indexed. [Read the data](../data.md) shows how to follow the changes.
"""
# The columns of the views with their types and meanings. A test compares the names with a database.
VIEWS = {
    "current_record": {
        "label": ("VARCHAR(255)", "the source"),
        "identifier": ("TEXT", "the identifier at the source"),
        "datestamp": (
            "TIMESTAMP WITH TIME ZONE",
            "when the source changed the record; null if it does not say",
        ),
        "deleted": ("BOOLEAN", "whether the source reports the record as deleted"),
        "hash": (
            "TEXT",
            "SHA-256 of `datum` in 64 hexadecimal digits; it changes if, and only if, the content changes",
        ),
        "datum": ("TEXT", "the record in canonical form: XML or JSON"),
        "first_seen": ("TIMESTAMP WITH TIME ZONE", "when the identifier was first stored"),
        "changed_at": ("TIMESTAMP WITH TIME ZONE", "when this content became the current one, by our clock"),
        "raw_id": ("BIGINT", "`raw_datum.id` of the content"),
    },
    "current_document": {
        "label": ("VARCHAR(255)", "the source"),
        "identifier": ("TEXT", "the identifier at the source"),
        "datestamp": ("TIMESTAMP WITH TIME ZONE", "of the record from which the document was made"),
        "deleted": ("BOOLEAN", "whether the record is deleted"),
        "document": ("JSONB", "the document ([its schema](../document.md)); null if the record is deleted"),
        "changed_at": ("TIMESTAMP WITH TIME ZONE", "when the document, or `deleted`, changed, by our clock"),
        "transformer_version": ("INTEGER", "the version of the transformer that made it"),
    },
}


def page() -> str:
    """Return the page in Markdown."""
    comments = table_comments.read()
    parts = [_INTRODUCTION, _VIEWS, *_views(), "## Tables"]
    for each in metadata.tables.values():
        parts += _table(each, comments[each.name])
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _views() -> Iterator[str]:
    for name, columns in VIEWS.items():
        yield f"### `{name}`"
        rows = [(code(column), "✓", kind, meaning) for column, (kind, meaning) in columns.items()]
        yield table(("column", "contract", "type", "meaning"), rows)


def _table(described: Table, comments: TableComments) -> Iterator[str]:
    yield f"### `{described.name}`"
    yield prose(comments.table)
    rows = [
        (code(column.name), _is_contract(column), _type(column), _meaning(column, comments))
        for column in described.columns
    ]
    yield table(("column", "contract", "type", "meaning"), rows)
    if unique := [_names(each) for each in described.constraints if isinstance(each, UniqueConstraint)]:
        yield f"Unique: {'; '.join(sorted(unique))}."


def _names(constraint: UniqueConstraint) -> str:
    return ", ".join(code(column.name) for column in constraint.columns)


def _is_contract(column: Column[object]) -> str:
    return "✓" if column.name in CONTRACT_COLUMNS.get(column.table.name, ()) else ""


def _type(column: Column[object]) -> str:
    kind = str(column.type.compile(dialect=postgresql.dialect())).partition(" COLLATE")[0]  # type: ignore[no-untyped-call]
    return kind if column.nullable else f"{kind}, not null"


def _meaning(column: Column[object], comments: TableComments) -> str:
    parts = [comments.columns.get(column.name) or _count(column), *_roles(column)]
    return prose(". ".join(part.rstrip(".") for part in parts if part))


def _count(column: Column[object]) -> str:
    descriptions = {count.name: str(count.metadata["description"]) for count in fields(Counts)}
    return descriptions.get(column.name, "") if column.table.name == "harvest_log" else ""


def _roles(column: Column[object]) -> Iterator[str]:
    if column.primary_key and column.name == "id":
        yield "primary key"
    elif column.primary_key:
        yield "part of the primary key"
    for key in column.foreign_keys:
        yield f"refers to `{key.target_fullname}`"
    for check in column.table.constraints:
        if isinstance(check, CheckConstraint) and str(check.sqltext).startswith(f"{column.name} IN "):
            values = str(check.sqltext).partition(" IN ")[2].strip("()").replace("'", "`")
            yield f"one of {values}"
