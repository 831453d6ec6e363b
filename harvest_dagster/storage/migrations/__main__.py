"""`python -m harvest_dagster.storage.migrations NAME` writes a revision from the changes in `tables`."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from alembic import command
from alembic.operations import MigrationScript
from alembic.runtime.migration import MigrationContext
from alembic.script import Script

from harvest_dagster.storage import connections, migrations
from harvest_dagster.storage.database import parse


def main(arguments: list[str]) -> int:
    """Write the revision and print the remaining steps."""
    name = "_".join(" ".join(arguments).split())
    if not name:
        print("A migration needs a name: make migration NAME=what_changes")
        return 2
    path = write(name)
    if path is None:
        print("The migrations already create the tables of storage/tables.py: there is nothing to migrate.")
        return 1
    revision = path.name.partition("_")[0]
    print(f"{path}: read it, format it, then set HEAD in storage/migrations/__init__.py to {revision!r}.")
    return 0


def write(name: str, folder: Path = migrations.FOLDER) -> Path | None:
    """Write a revision from the difference between the tables and a scratch database with all migrations.

    Args:
        name: the name of the change, for the file name.
        folder: the folder of the migrations.

    Returns:
        The new file, or None if nothing has changed.
    """
    config = migrations.configuration(folder)
    with tempfile.TemporaryDirectory() as scratch:
        engine = connections.create(parse(f"sqlite:///{scratch}/scratch.db"))
        with engine.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            script = command.revision(
                config,
                name.replace("_", " ").capitalize() + ".",
                autogenerate=True,
                rev_id=_next(folder),
                process_revision_directives=_drop_empty,
            )
        engine.dispose()
    return Path(script.path) if isinstance(script, Script) else None


def _next(folder: Path) -> str:
    """Return the next number. Revisions are numbered so that a listing shows their order."""
    numbers = [int(path.name.partition("_")[0]) for path in (folder / "versions").glob("[0-9]*.py")]
    return f"{max(numbers, default=0) + 1:04}"


def _drop_empty(_context: MigrationContext, _revision: object, scripts: list[MigrationScript]) -> None:
    operations = scripts[0].upgrade_ops
    if operations is not None and operations.is_empty():
        scripts.clear()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
