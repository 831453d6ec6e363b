"""`harvest db`: the group of commands for the database."""

from __future__ import annotations

from collections.abc import Mapping

import click

from harvest_dagster.cli.groups import Entry, LazyGroup

COMMANDS: Mapping[str, Entry] = {
    "upgrade": Entry("db_upgrade", "Create the tables, or migrate them to this version."),
    "check": Entry("db_check", "Check the schema, the references, the revisions and the hashes."),
    "size": Entry("db_size", "Show rows and bytes of each table and each source."),
    "prune": Entry("db_prune", "Delete what no later run needs."),
    "copy": Entry("db_copy", "Copy the database to another one, between SQLite and PostgreSQL."),
}


@click.group("db", cls=LazyGroup, entries=COMMANDS)
def command() -> None:
    """Manage the harvest database, which HARVEST_DATABASE_URL names."""
