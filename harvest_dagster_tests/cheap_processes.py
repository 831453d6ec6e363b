"""Make the processes of the tests cheaper: collect garbage rarely, and read the migration scripts of Dagster once."""

from __future__ import annotations

import gc

from alembic.config import Config
from alembic.script import ScriptDirectory


def make_collections_rare() -> None:
    """Exclude all present objects from garbage collection, and make it rare.

    Each full collection otherwise visits the modules of Dagster, a million objects that stay until the end. This took
    7 to 8 % of the processor time of tests that execute runs. A full collection still follows after two million
    objects.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 10, 10)


def keep_migration_scripts() -> None:
    """Let Alembic read the migration scripts of Dagster only once in this process.

    Each new instance of Dagster, and each new run in a SQLite file, otherwise imports 90 scripts: nine tenths of the
    processor time of `DagsterInstance.ephemeral()`. Our own scripts are always read, because tests add some.
    """
    read = ScriptDirectory.from_config
    kept: dict[str, ScriptDirectory] = {}

    def from_config(config: Config) -> ScriptDirectory:
        location = str(config.get_main_option("script_location"))
        if not location.startswith("dagster"):
            return read(config)
        if location not in kept:
            kept[location] = read(config)
        return kept[location]

    setattr(ScriptDirectory, "from_config", staticmethod(from_config))  # noqa: B010
