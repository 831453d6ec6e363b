"""A deployment for one test: catalog, database, spool and Dagster instance, and functions that read the results."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, cast

import dagster as dg
import yaml
from sqlalchemy import Connection, Select, select

from harvest_dagster.catalog.loader import load_catalog
from harvest_dagster.orchestration.build import build_defs
from harvest_dagster.orchestration.resources import Stores
from harvest_dagster.storage.database import Database
from harvest_dagster.storage.tables import (
    harvest_log,
    ingest_config,
    ingest_log,
    normalized_datum,
    raw_datum,
    source_unique_identifier,
)

# Dagster's tags for a range of partitions in one run.
RANGE = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")


@dataclass(frozen=True)
class StoredDatum:
    """A raw datum in the database."""

    identifier: str
    datestamp: datetime
    deleted: bool
    blob: str
    hash: str


@dataclass(frozen=True)
class Deployment:
    """A deployment. Everything except the database is below one folder."""

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
            # The server is local, and these tests do not test the rate limit.
            "rate_limit": {"calls": 10_000, "period": 1},
            "settle": "0s",
            "lookback": "0s",
            **more,
        }
        self._sources.mkdir(exist_ok=True)
        self._sources.joinpath(f"{label}.yaml").write_text(
            yaml.safe_dump(config, sort_keys=False), encoding="utf-8"
        )

    def materialize(
        self,
        label: str,
        first: str,
        last: str,
        *,
        kinds: Sequence[str] = ("raw", "transformed"),
        **config: Any,
    ) -> dg.ExecuteInProcessResult:
        """Materialize raw and transformed for a range of days in one run, in this process."""
        with self._instance() as instance:
            return dg.materialize(
                cast("list[dg.AssetsDefinition]", self._defs.assets),
                selection=[dg.AssetKey([kind, label]) for kind in kinds],
                resources=self._defs.resources,
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
        """Run Dagster's command line in another process. Assert that it succeeds and return its output."""
        return self.run(sys.executable, "-m", "dagster", *arguments, **environment)

    def run(self, *command: str, **environment: str) -> str:
        """Run a command in another process. Assert that it succeeds and return its output."""
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
        """The environment variables of this deployment, instead of those of the test process."""
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith(("HARVEST_", "PYTEST_"))
        }
        home = self.folder / "dagster"
        home.mkdir(exist_ok=True)
        home.joinpath("dagster.yaml").write_text(self.settings)
        return inherited | {
            "HARVEST_SOURCES": str(self._sources),
            "HARVEST_DATABASE_URL": self.database_url,
            "HARVEST_SPOOL": str(self.folder / "spool"),
            "DAGSTER_HOME": str(home),
            "PYTHONWARNINGS": "ignore::FutureWarning",
            "no_proxy": "127.0.0.1",
        }

    def data(self, label: str) -> list[StoredDatum]:
        """Return every raw datum of a source."""
        columns = (raw_datum.c.datestamp, raw_datum.c.deleted, raw_datum.c.datum, raw_datum.c.hash)
        query = (
            select(source_unique_identifier.c.identifier, *columns)
            .join_from(raw_datum, source_unique_identifier)
            .join(ingest_config, ingest_config.c.id == source_unique_identifier.c.ingest_config_id)
            .where(ingest_config.c.label == label)
        )
        return [
            StoredDatum(identifier, datestamp, deleted, blob, content_hash.hex())
            for identifier, datestamp, deleted, blob, content_hash in self._rows(query)
        ]

    def documents(self, label: str) -> dict[str, dict[str, Any] | None]:
        """Return the normalized documents of a source by identifier. A deleted record has None."""
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
        """Return the harvest logs of a source, in the order of their windows. A range comes before its windows."""
        query = select(harvest_log).join(ingest_config).where(ingest_config.c.label == label)
        return self._rows(query.order_by(harvest_log.c.start_date, harvest_log.c.end_date.desc()))

    def ingest_logs(self, label: str) -> list[Any]:
        """Return the ingest logs of a source, with the identifier and the datestamp of their data."""
        query = (
            select(ingest_log, source_unique_identifier.c.identifier, raw_datum.c.datestamp)
            .join_from(ingest_log, raw_datum)
            .join(source_unique_identifier)
            .join(ingest_config, ingest_config.c.id == ingest_log.c.ingest_config_id)
            .where(ingest_config.c.label == label)
        )
        return self._rows(query)

    def spooled(self) -> list[Path]:
        """Return the files in the spool."""
        return [path for path in (self.folder / "spool").rglob("*") if path.is_file()]

    @property
    def _sources(self) -> Path:
        return self.folder / "sources"

    @property
    def _defs(self) -> dg.Definitions:
        catalog = load_catalog(str(self._sources))
        catalog.raise_if_invalid()
        return build_defs(catalog, resources={"harvest_stores": self._stores})

    @property
    def _stores(self) -> Stores:
        return Stores(database_url=self.database_url, spool_url=str(self.folder / "spool"))

    @contextmanager
    def _instance(self) -> Iterator[dg.DagsterInstance]:
        with dg.DagsterInstance.ephemeral() as instance:
            yield instance

    def _rows(self, query: Select[Any]) -> list[Any]:
        with Database.open(self.database_url) as database, database.read() as connection:
            return list(_all(connection, query))


def _all(connection: Connection, query: Select[Any]) -> Iterator[Any]:
    yield from connection.execute(query)
