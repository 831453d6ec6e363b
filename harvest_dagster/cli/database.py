"""Open the database for a command.

A command that only reads does not create a database: a mistyped HARVEST_DATABASE_URL would give an empty one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harvest_dagster.cli.output import print_message
from harvest_dagster.errors import DatabaseMissing
from harvest_dagster.storage.database import Database, default_database_url


def database_url() -> str:
    """Return the URL of the harvest database."""
    return default_database_url(os.environ, Path.cwd())


@contextmanager
def existing_database() -> Iterator[Database | None]:
    """Yield the harvest database, or None if it does not exist or has no tables. Migrate it if necessary.

    Raises:
        DatabaseError: it cannot be reached, or it is newer than the code.
    """
    database = Database.open_existing(database_url())
    if database is None:
        yield None
        return
    with database:
        yield database


def report_if_missing(database: Database | None) -> None:
    """Print a message if there is no database: nothing was harvested yet, or HARVEST_DATABASE_URL is mistyped."""
    if database is None:
        print_message(str(DatabaseMissing.at(Database.place_of(database_url()))))


@contextmanager
def required_database() -> Iterator[Database]:
    """Yield the harvest database. Migrate it if necessary.

    Raises:
        DatabaseError: it does not exist, cannot be reached, or is newer than the code.
    """
    database = Database.open_existing(database_url())
    if database is None:
        raise DatabaseMissing.at(Database.place_of(database_url()))
    with database:
        yield database


@contextmanager
def unmigrated_database() -> Iterator[tuple[Database, str]]:
    """Yield the harvest database without a migration, and the revision of its schema.

    Raises:
        DatabaseError: it does not exist, has no tables, or cannot be reached.
    """
    url = database_url()
    database = Database.connect(url)
    if database is None:
        raise DatabaseMissing.at(Database.place_of(url))
    with database:
        revision = database.revision()
        if revision is None:
            raise DatabaseMissing.at(database.place)
        yield database, revision
