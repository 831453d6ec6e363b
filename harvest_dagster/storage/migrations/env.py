"""Alembic's entry: it runs this file, with the connection whose transaction the migration belongs to."""

from alembic import context

from harvest_dagster.storage.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    compare_type=True,
    compare_server_default=True,
    # SQLite alters no column: Alembic makes the table anew.
    render_as_batch=True,
)
context.run_migrations()
