"""The resources of the code location: the harvest database and the spool.

They return objects of `storage` and `spool`, so that the pipeline does not import Dagster. A run reads the environment
when it opens a resource; building the definitions does not read it. The configuration is empty by default, so that the
UI shows no password.
"""

import os
from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import dagster as dg
from pydantic import ConfigDict, Field, PrivateAttr

from harvest_dagster import spool
from harvest_dagster.orchestration.runs.life_signs import LifeSigns
from harvest_dagster.pipeline.source_access import WaitLimits
from harvest_dagster.processes import this_process
from harvest_dagster.spool import Spool
from harvest_dagster.storage.database import Database, default_database_url


class RetrySettings(dg.Config):
    """How often and how long an op waits for a lease or for a source.

    For a lease that another run holds, the op retries with exponential backoff, full jitter and a cap. By default it
    retries for days, because a harvest may take hours. For a source that asks to wait (`Retry-After`), the op sleeps up
    to `longest_sleep`. For a longer wait, it ends and Dagster retries it later.
    """

    model_config = ConfigDict(extra="forbid")

    retries: int = Field(default=2000, ge=0, description="number of retries; then the op fails")
    first: float = Field(
        default=2.0, gt=0, description="seconds; upper limit of the first wait, which doubles with each retry"
    )
    longest: float = Field(default=300.0, gt=0, description="seconds; upper limit of each wait")

    longest_sleep: float = Field(
        default=60.0,
        gt=0,
        description="seconds that an op waits for a source; for a longer wait, Dagster retries the op later",
    )
    longest_silence: float = Field(
        default=86_400.0,
        ge=0,
        description="seconds without a page until a window fails, even if the source asks to wait longer; only the "
        "`hours` of the source count",
    )

    longest_start: float = Field(
        default=900.0,
        gt=0,
        description="seconds that the next op of a run may take to start, in a process, container or pod of its own; a "
        "run keeps its leases for so long between two ops",
    )

    @property
    def wait_limits(self) -> WaitLimits:
        """The limits for a source."""
        silence = timedelta(seconds=self.longest_silence)
        return WaitLimits(self.longest_sleep, silence, longest_closed=self.longest_sleep)

    def seconds(self, retry: int, draw: float) -> float:
        """Return the seconds to wait before a retry. Retries count from 0; `draw` is a random number in [0, 1)."""
        return max(self.first / 2, draw * min(self.first * float(2 ** min(retry, 32)), self.longest))


class Stores(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The harvest database and the spool. Each process opens the database at most once."""

    database_url: str = Field(
        default="", description="SQLAlchemy URL; if empty, HARVEST_DATABASE_URL or else SQLite"
    )
    spool_url: str = Field(
        default="",
        description="directory or fsspec URL; if empty, HARVEST_SPOOL or else a directory next to SQLite",
    )
    waiting: RetrySettings = Field(default=RetrySettings(), description="how ops wait for leases and sources")
    _database: Database | None = PrivateAttr(default=None)
    _life_signs: LifeSigns | None = PrivateAttr(default=None)

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Generator["Stores", None, None]:
        """Yield the resource for one step, or for a whole run if it has one process. Close the database afterwards."""
        del context
        try:
            yield self
        finally:
            if self._life_signs is not None:
                self._life_signs.stop()
                self._life_signs = None
            if self._database is not None:
                self._database.dispose()
                self._database = None

    def database(self) -> Database:
        """Return the harvest database. On first use, create or migrate its schema.

        Raises:
            BadInput: the URL is not valid.
            DatabaseError: the database cannot be reached, or it is newer than the code.
        """
        if self._database is None:
            self._database = Database.open(self.database_url or default_database_url(os.environ, Path.cwd()))
        return self._database

    def report_run(self, run_id: str) -> None:
        """Report that this run is alive, from now on until this resource closes.

        Raises:
            BadInput: the URL is not valid.
            DatabaseError: the database cannot be reached, or it is newer than the code.
        """
        if self._life_signs is None:
            self._life_signs = LifeSigns(self.database(), run_id, this_process())
            self._life_signs.start()

    def spool(self) -> Spool:
        """Return the spool for fetched pages.

        Raises:
            BadInput: fsspec cannot use the URL, or a file is in place of the directory.
        """
        found = Spool(self.spool_url or spool.default_url(os.environ, Path.cwd()))
        found.require_directory()
        return found
