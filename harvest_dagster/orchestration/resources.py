"""The resources of the code location: thin, they return the domain's own objects.

The environment is read when a run opens them, never while the definitions are built. Their configuration
stays empty by default, so that no password stands in the UI.
"""

import os
from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import dagster as dg
from pydantic import ConfigDict, Field, PrivateAttr

from harvest_dagster import spool
from harvest_dagster.pipeline.harvest import Patience
from harvest_dagster.spool import Spool
from harvest_dagster.storage.engine import Database, default_database_url


class Waiting(dg.Config):
    """How an op waits: for what another run holds exponentially longer, with full jitter, up to a cap.

    By default for days, since a harvest may take hours. For a source that wants to be left alone it sleeps for a
    minute; for a longer wait it ends, and is tried again then.
    """

    model_config = ConfigDict(extra="forbid")

    retries: int = Field(default=2000, ge=0, description="so many times it asks again, then it fails")
    first: float = Field(
        default=2.0, gt=0, description="seconds; the first wait is shorter, each next may be twice"
    )
    longest: float = Field(default=300.0, gt=0, description="seconds; no wait is longer")

    longest_sleep: float = Field(
        default=60.0, gt=0, description="seconds; a longer wait for a source frees the worker"
    )
    longest_silence: float = Field(
        default=86_400.0, ge=0, description="seconds without a page; then a source that only says later fails"
    )

    @property
    def patience(self) -> Patience:
        """With a source."""
        return Patience(self.longest_sleep, timedelta(seconds=self.longest_silence))

    def seconds(self, retry: int, draw: float) -> float:
        """How long to wait before the retry of this number, from 0; `draw` is from [0, 1)."""
        return max(self.first / 2, draw * min(self.first * float(2 ** min(retry, 32)), self.longest))


class Stores(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Where a harvest keeps things: its database and its spool, each opened at most once per process."""

    database_url: str = Field(
        default="", description="SQLAlchemy URL; empty: HARVEST_DATABASE_URL, else SQLite"
    )
    spool_url: str = Field(
        default="", description="directory or fsspec URL; empty: HARVEST_SPOOL, else beside SQLite"
    )
    waiting: Waiting = Field(default=Waiting(), description="for a lease that another run holds")
    _database: Database | None = PrivateAttr(default=None)

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Generator["Stores", None, None]:
        """For the length of a step, or of a run in one process."""
        del context
        try:
            yield self
        finally:
            if self._database is not None:
                self._database.dispose()
                self._database = None

    def database(self) -> Database:
        """The harvest database, its schema made or migrated where that is due.

        Raises:
            BadInput: an unusable URL.
            DatabaseError: it cannot be reached, or is newer than the code.
        """
        if self._database is None:
            self._database = Database.open(self.database_url or default_database_url(os.environ, Path.cwd()))
        return self._database

    def spool(self) -> Spool:
        """Where fetched pages wait."""
        return Spool(self.spool_url or spool.default_url(os.environ, Path.cwd()))
