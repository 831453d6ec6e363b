"""Alembic runs this file for each migration, with the connection of the migration's transaction."""

from __future__ import annotations

from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext
from sqlalchemy import Cast, Computed

from harvest_dagster.storage import partial_indexes  # noqa: F401 - completes `metadata`
from harvest_dagster.storage.column_types import Jsonb
from harvest_dagster.storage.tables import Instant, metadata


def render(_kind: str, item: Any, autogenerate: AutogenContext) -> str | Literal[False]:
    """Return the code for one of our own types in a new migration.

    The code uses only SQLAlchemy, because `tables` changes after the migration is written.
    """
    if isinstance(item, Instant):
        return "sa.DateTime(timezone=True)"
    if isinstance(item, Jsonb):
        # Alembic would write a name that the migration does not import.
        autogenerate.imports.add("from sqlalchemy.dialects import postgresql")
        none_as_null = "none_as_null=True"
        return f'sa.JSON({none_as_null}).with_variant(postgresql.JSONB({none_as_null}), "postgresql")'
    if isinstance(item, Computed) and isinstance(item.sqltext, Cast):
        # Alembic would write the type of the scratch database's dialect. On PostgreSQL the type is JSON.
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
    # SQLite cannot alter a column: Alembic creates the table again.
    render_as_batch=True,
)
context.run_migrations()
