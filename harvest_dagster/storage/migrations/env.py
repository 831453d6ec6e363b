"""Alembic's entry: it runs this file, with the connection whose transaction the migration belongs to."""

from __future__ import annotations

from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext
from sqlalchemy import Cast, Computed

from harvest_dagster.storage.tables import Instant, Json, metadata


def render(_kind: str, item: Any, autogenerate: AutogenContext) -> str | Literal[False]:
    """How a new migration writes what is our own: in SQLAlchemy's words, since `tables` changes after it."""
    if isinstance(item, Instant):
        return "sa.DateTime(timezone=True)"
    if item is Json:
        # Alembic would write a name that it does not import.
        autogenerate.imports.add("from sqlalchemy.dialects import postgresql")
        none_as_null = f"none_as_null={item.none_as_null}"
        return f'sa.JSON({none_as_null}).with_variant(postgresql.JSONB({none_as_null}), "postgresql")'
    if isinstance(item, Computed) and isinstance(item.sqltext, Cast):
        # Alembic would write the type that the scratch database's dialect casts to: on PostgreSQL it is JSON.
        json_or_text = 'sa.Text().with_variant(sa.JSON(), "postgresql")'
        expression = f"sa.literal_column({str(item.sqltext.clause)!r}).cast({json_or_text})"
        return f"sa.Computed({expression}, persisted={item.persisted})"
    return False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    compare_type=True,
    compare_server_default=True,
    render_item=render,
    # SQLite alters no column: Alembic makes the table anew.
    render_as_batch=True,
)
context.run_migrations()
