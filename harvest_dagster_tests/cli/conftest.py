"""Sources in a directory, a database that has their logs, and the environment in which the commands run."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import pytest
import yaml

from harvest_dagster.catalog.loader import load_catalog
from harvest_dagster.catalog.plaintext_secrets import masked_definition
from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.coverage.day_range import DayRange
from harvest_dagster.coverage.scopes import log_scope
from harvest_dagster.storage import ingest_configs
from harvest_dagster.storage.database import Database
from harvest_dagster.storage.harvest_log import transitions
from harvest_dagster.storage.harvest_log.queries import HarvestLog
from harvest_dagster.windows import Window, utc_now
from harvest_dagster_tests.end_to_end.deployment import Deployment
from harvest_dagster_tests.storage.configs import NOW
from harvest_dagster_tests.storage.logs import Logs


class SourceLogs(Logs):
    """The logs of one source of the catalog."""

    def __init__(self, database: Database, config: IngestConfig) -> None:
        self.database = database
        self.config = config
        self.now = NOW
        with database.begin() as connection:
            self.config_id = ingest_configs.save_config(connection, masked_definition(config), NOW)
        self.scope = log_scope(config, self.config_id)

    def harvest(
        self, first: str, last: str | None = None, run: str = "run 1", completeness: str = "complete"
    ) -> HarvestLog:
        """Record a harvest of these days that succeeded."""
        log = self.start(self.window(first, last), run)
        evidence = "total" if completeness == "complete" else "none"
        with self.database.begin() as connection:
            transitions.begin_attempt(connection, log.id, utc_now())
            return transitions.mark_succeeded(
                connection, log.id, now=self._tick(), completeness=completeness, evidence=evidence
            )

    def fail(
        self, first: str, last: str | None = None, run: str = "run 1", error: str = "no luck"
    ) -> HarvestLog:
        """Record a harvest of these days that failed."""
        return self.end(self.start(self.window(first, last), run), error=error)

    @staticmethod
    def window(first: str, last: str | None = None) -> Window:
        return DayRange(date.fromisoformat(first), date.fromisoformat(last or first)).window


@dataclass
class Sources:
    """Sources of a deployment.

    Attributes:
        folder: the directory of their files.
        url: the database.
    """

    folder: Path
    url: str
    _open: list[Database] = field(default_factory=list)

    def write(self, label: str, **keys: object) -> IngestConfig:
        """Write the file of a source."""
        kwargs = {"base_url": f"https://{label}.example.org/oai", "metadata_prefix": "oai_dc"}
        values = {
            "label": label,
            "harvester": "oai",
            "harvester_kwargs": kwargs,
            "earliest_date": "2024-01-01",
        }
        (self.folder / f"{label}.yaml").write_text(yaml.safe_dump({**values, **keys}))
        return load_catalog(str(self.folder)).get(label)

    def database(self) -> Database:
        """Return the database, open until the test ends. It is created on first use."""
        if not self._open:
            self._open.append(Database.open(self.url))
        return self._open[0]

    def logs(self, label: str, **keys: object) -> SourceLogs:
        """Write the file of a source, and return its logs."""
        return SourceLogs(self.database(), self.write(label, **keys))

    def close(self) -> None:
        for database in self._open:
            database.dispose()


def _sources(folder: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sources]:
    (folder / "sources").mkdir()
    monkeypatch.setenv("HARVEST_SOURCES", str(folder / "sources"))
    monkeypatch.setenv("HARVEST_DATABASE_URL", url)
    monkeypatch.setenv("HARVEST_SPOOL", str(folder / "spool"))
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    found = Sources(folder / "sources", url)
    yield found
    found.close()


@pytest.fixture
def sources(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sources]:
    """Sources over a migrated database, on SQLite and on PostgreSQL."""
    yield from _sources(tmp_path, database_url, monkeypatch)


@pytest.fixture
def small_sources(
    migrated_sqlite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Sources]:
    """Sources on SQLite only, where the database does not matter."""
    url = f"sqlite:///{shutil.copy(migrated_sqlite, tmp_path / 'small.db')}"
    yield from _sources(tmp_path, url, monkeypatch)


@pytest.fixture
def new_sources(
    empty_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Sources]:
    """Sources that were never harvested: the database has no tables."""
    yield from _sources(tmp_path, empty_database_url, monkeypatch)


@pytest.fixture
def deployment(tmp_path: Path, migrated_sqlite: Path, monkeypatch: pytest.MonkeyPatch) -> Deployment:
    """A deployment on SQLite. The environment of this process is its environment."""
    database = tmp_path / "harvest.db"
    database.write_bytes(migrated_sqlite.read_bytes())
    deployment = Deployment(tmp_path, f"sqlite:///{database}")
    for name in [name for name in os.environ if name.startswith("HARVEST_")]:
        monkeypatch.delenv(name)
    for name, value in deployment.environment.items():
        if name.startswith(("HARVEST_", "DAGSTER_")) or name == "no_proxy":
            monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    # Dagster imports it in this process. An earlier test may have imported it with other sources.
    monkeypatch.delitem(sys.modules, "harvest_dagster.definitions", raising=False)
    return deployment
