"""Create and migrate the schema with Alembic when a database is opened.

If the database has the newest revision, this costs one query and does not import Alembic. `make migration NAME=what`
writes a new revision from the changes in `storage.tables`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine, inspect, text

from harvest_dagster.errors import DatabaseNewerThanCode

if TYPE_CHECKING:
    from alembic.config import Config

# The newest revision in versions/. A test compares the two.
HEAD = "0020"

FOLDER = Path(__file__).parent

# Any number that no other program on the same server uses for an advisory lock.
_LOCK = 7_220_412_618_530_915


def ensure(engine: Engine, place: str) -> None:
    """Migrate the schema to `HEAD`. Several processes may call this at once: one migrates, the others wait.

    Raises:
        DatabaseNewerThanCode: the database has a revision that this code does not know. Nothing was changed.
    """
    with engine.connect() as connection:
        present = find_revision(connection)
    if present != HEAD:
        _migrate(engine, place)


def configuration(folder: Path = FOLDER) -> Config:
    """Return the configuration of Alembic. There is no alembic.ini."""
    from alembic.config import Config  # noqa: PLC0415 - takes 0.1 s, and most starts do not need it

    config = Config()
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    config.set_main_option("file_template", "%%(rev)s_%%(slug)s")
    config.set_main_option("path_separator", "os")
    return config


def find_revision(connection: Connection) -> str | None:
    """Return the revision of the schema, or None if the database has no tables of this package."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _migrate(engine: Engine, place: str) -> None:
    with engine.connect().execution_options(sqlite_begin="BEGIN EXCLUSIVE") as connection:
        if engine.dialect.name == "sqlite":
            # Alembic changes a table by creating it again; cascades would empty the tables that refer to it. Within a
            # transaction this pragma has no effect: https://www.sqlite.org/foreignkeys.html#fk_enable
            connection.connection.cursor().execute("PRAGMA foreign_keys = OFF").close()
            # While the new table has the place of the old one, the views refer to a table that is missing:
            # https://www.sqlite.org/pragma.html#pragma_legacy_alter_table
            connection.connection.cursor().execute("PRAGMA legacy_alter_table = ON").close()
        try:
            with connection.begin():
                _upgrade(connection, place)
        finally:
            # The next user gets a new connection with the usual pragma.
            connection.invalidate()


def _upgrade(connection: Connection, place: str) -> None:
    from alembic import command  # noqa: PLC0415 - see `configuration`
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    config = configuration()
    # Read again under the lock: another process may have migrated meanwhile.
    present = find_revision(connection)
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if present is not None and present not in known:
        message = (
            f"{place} was migrated by a newer version of harvest_dagster: its revision is {present}, the revision "
            f"of this code is {HEAD}. Install the newer version, or name another database with HARVEST_DATABASE_URL."
        )
        raise DatabaseNewerThanCode(message)
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
