"""How the schema comes to be: Alembic's revisions, run by themselves when a database is opened.

A database that has this code's revision costs one query, and Alembic is not imported. `make migration
NAME=what` writes a new revision from what changed in `storage.tables`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine, inspect, text

from harvest_dagster.errors import DatabaseNewerThanCode

if TYPE_CHECKING:
    from alembic.config import Config

# The newest revision in versions/; a test holds the two together.
HEAD = "0005"

FOLDER = Path(__file__).parent

# Any number that no other program on the same server takes an advisory lock by.
_LOCK = 7_220_412_618_530_915


def ensure(engine: Engine, place: str) -> None:
    """Brings the schema to `HEAD`. Safe when several processes begin at once: one migrates, the others wait.

    Raises:
        DatabaseNewerThanCode: the database has a revision that this code does not know; nothing was touched.
    """
    with engine.connect() as connection:
        present = _revision(connection)
    if present != HEAD:
        _migrate(engine, place)


def configuration(folder: Path = FOLDER) -> Config:
    """Alembic's configuration; there is no alembic.ini."""
    from alembic.config import Config  # noqa: PLC0415 - a tenth of a second, for nothing on most starts

    config = Config()
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    config.set_main_option("file_template", "%%(rev)s_%%(slug)s")
    config.set_main_option("path_separator", "os")
    return config


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _migrate(engine: Engine, place: str) -> None:
    with engine.connect().execution_options(sqlite_begin="BEGIN EXCLUSIVE") as connection:
        if engine.dialect.name == "sqlite":
            # Alembic changes a table by making it anew; cascades would empty those that refer to it. Within a
            # transaction this pragma does nothing: https://www.sqlite.org/foreignkeys.html#fk_enable
            connection.connection.cursor().execute("PRAGMA foreign_keys = OFF").close()
        try:
            with connection.begin():
                _upgrade(connection, place)
        finally:
            # The next user gets a new connection, with the pragma as it should be.
            connection.invalidate()


def _upgrade(connection: Connection, place: str) -> None:
    from alembic import command  # noqa: PLC0415 - see `configuration`
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    config = configuration()
    # Read again under the lock: another process may have been here.
    present = _revision(connection)
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if present is not None and present not in known:
        message = (
            f"{place} was migrated by a newer version of harvest_dagster (its revision is {present}, this "
            f"code's {HEAD}). Install the newer version, or name another database with HARVEST_DATABASE_URL."
        )
        raise DatabaseNewerThanCode(message)
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
