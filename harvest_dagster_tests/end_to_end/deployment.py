"""A catalogue, a database, a spool and a Dagster instance of a test's own, and what they hold after a harvest."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import dagster as dg
import yaml
from sqlalchemy import Connection, Select, select

from harvest_dagster.catalog.loader import load_catalog
from harvest_dagster.orchestration.build import build_defs
from harvest_dagster.orchestration.resources import Stores
from harvest_dagster.storage.engine import Database
from harvest_dagster.storage.tables import (
    harvest_log,
    ingest_config,
    ingest_log,
    normalized_datum,
    raw_datum,
    source_unique_identifier,
)

# Dagster's own tags for a range of partitions in one run.
RANGE = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")


@dataclass(frozen=True)
class Stored:
    """A raw datum, as the database has it."""

    identifier: str
    datestamp: datetime
    deleted: bool
    blob: str
    hash: str


@dataclass(frozen=True)
class Deployment:
    """Everything that a harvest needs, below one folder but for the database."""

    folder: Path
    database_url: str
    settings: str = "telemetry: {enabled: false}\n"  # the text of its dagster.yaml

    def source(self, label: str, base_url: str = "", **more: Any) -> None:
        """Write the YAML of a source."""
        config: dict[str, Any] = {
            "label": label,
            "harvester": "oai",
            "harvester_kwargs": {"base_url": base_url, **more.pop("arguments", {})},
            "transformer": "oai_dc",
            # The server is ours; its budget is not what these tests are about.
            "rate_limit": {"calls": 10_000, "period": 1},
            **more,
        }
        self._sources.mkdir(exist_ok=True)
        self._sources.joinpath(f"{label}.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")

    def materialize(self, label: str, first: str, last: str, **config: Any) -> dg.ExecuteInProcessResult:
        """Materialize raw and transformed for a range of days in one run, in this process."""
        with self._instance() as instance:
            return dg.materialize(
                self._defs.assets,
                selection=[dg.AssetKey(["raw", label]), dg.AssetKey(["transformed", label])],
                resources=self._resources,
                tags=dict(zip(RANGE, (first, last), strict=True)),
                run_config={"ops": {f"raw__{label}": {"config": config}}},
                instance=instance,
            )

    def harvest(self, label: str, start: str, end: str, **config: Any) -> dg.ExecuteInProcessResult:
        """Run the job `harvest`, in this process."""
        with self._instance() as instance:
            return self._defs.resolve_job_def("harvest").execute_in_process(
                run_config={"ingest_config": label, "start_date": start, "end_date": end, **config},
                instance=instance,
            )

    def dagster(self, *arguments: str, **environment: str) -> str:
        """Run Dagster's command line in a process of its own; its output, once it has succeeded."""
        return self.run(sys.executable, "-m", "dagster", *arguments, **environment)

    def run(self, *command: str, **environment: str) -> str:
        """Run any other command in the same way."""
        done = subprocess.run(
            command,
            env=self.environment | environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    @property
    def environment(self) -> dict[str, str]:
        """The variables that name this deployment, in place of the caller's own."""
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("HARVEST_", "PYTEST_"))
        }
        home = self.folder / "dagster"
        home.mkdir(exist_ok=True)
        home.joinpath("dagster.yaml").write_text(self.settings)
        return kept | {
            "HARVEST_SOURCES": str(self._sources),
            "HARVEST_DATABASE_URL": self.database_url,
            "HARVEST_SPOOL": str(self.folder / "spool"),
            "DAGSTER_HOME": str(home),
            "PYTHONWARNINGS": "ignore::FutureWarning",
            "no_proxy": "127.0.0.1",
        }

    def data(self, label: str) -> list[Stored]:
        """Every raw datum of a source."""
        columns = (raw_datum.c.datestamp, raw_datum.c.deleted, raw_datum.c.datum, raw_datum.c.hash)
        query = (
            select(source_unique_identifier.c.identifier, *columns)
            .join_from(raw_datum, source_unique_identifier)
            .join(ingest_config)
            .where(ingest_config.c.label == label)
        )
        return [Stored(*row) for row in self._rows(query)]

    def documents(self, label: str) -> dict[str, dict[str, Any] | None]:
        """The normalized documents of a source by identifier; None for one that is deleted."""
        query = (
            select(
                source_unique_identifier.c.identifier, normalized_datum.c.document, normalized_datum.c.deleted
            )
            .join_from(normalized_datum, source_unique_identifier)
            .join(ingest_config, ingest_config.c.id == normalized_datum.c.ingest_config_id)
            .where(ingest_config.c.label == label)
        )
        rows = self._rows(query)
        assert all(row.deleted == (row.document is None) for row in rows)
        return {row.identifier: row.document for row in rows}

    def harvest_logs(self, label: str) -> list[Any]:
        """The harvest logs of a source, in the order of their windows, a range before its parts."""
        query = select(harvest_log).join(ingest_config).where(ingest_config.c.label == label)
        return self._rows(query.order_by(harvest_log.c.start_date, harvest_log.c.end_date.desc()))

    def ingest_logs(self, label: str) -> list[Any]:
        """The ingest logs of a source, with the identifier and the datestamp of their data."""
        query = (
            select(ingest_log, source_unique_identifier.c.identifier, raw_datum.c.datestamp)
            .join_from(ingest_log, raw_datum)
            .join(source_unique_identifier)
            .join(ingest_config, ingest_config.c.id == ingest_log.c.ingest_config_id)
            .where(ingest_config.c.label == label)
        )
        return self._rows(query)

    def spooled(self) -> list[Path]:
        """The files that wait in the spool."""
        return [path for path in (self.folder / "spool").rglob("*") if path.is_file()]

    @property
    def _sources(self) -> Path:
        return self.folder / "sources"

    @property
    def _defs(self) -> dg.Definitions:
        catalog = load_catalog(str(self._sources))
        catalog.check()
        return build_defs(catalog, resources={"stores": self._stores})

    @property
    def _stores(self) -> Stores:
        return Stores(database_url=self.database_url, spool_url=str(self.folder / "spool"))

    @property
    def _resources(self) -> Mapping[str, Any]:
        return {"stores": self._stores, "catalog": load_catalog(str(self._sources))}

    @contextmanager
    def _instance(self) -> Iterator[dg.DagsterInstance]:
        with dg.DagsterInstance.ephemeral() as instance:
            yield instance

    def _rows(self, query: Select[Any]) -> list[Any]:
        with Database.open(self.database_url) as database, database.read() as connection:
            return list(_all(connection, query))


def _all(connection: Connection, query: Select[Any]) -> Iterator[Any]:
    yield from connection.execute(query)
