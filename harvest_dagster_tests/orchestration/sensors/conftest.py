"""A catalog of several sources over one database, and ticks of the sensors as the daemon evaluates them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone
from typing import Any

import dagster as dg
import pytest
from sqlalchemy import CursorResult, insert

from harvest_dagster.catalog.loader import Catalog
from harvest_dagster.catalog.plaintext_secrets import masked_definition
from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.harvesters.oai.harvester import OaiHarvester
from harvest_dagster.orchestration.build import build_defs
from harvest_dagster.orchestration.resources import Stores
from harvest_dagster.orchestration.sensors import (
    notify,
    reconcile,
    repair_gaps,
    schedule,
    source_status,
    transform_pending,
)
from harvest_dagster.storage import ingest_configs
from harvest_dagster.storage.database import Database
from harvest_dagster.storage.harvest_log import transitions
from harvest_dagster.storage.harvest_log.queries import LogScope
from harvest_dagster.storage.tables import ingest_log, raw_datum, source_unique_identifier
from harvest_dagster.windows import Window
from harvest_dagster_tests.pipeline.fakes import Clock

NOON = datetime(2024, 5, 15, 12, tzinfo=timezone.utc)
RANGE = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")


def inserted_key(result: CursorResult[Any]) -> int:
    """Return the primary key of an inserted row."""
    key = result.inserted_primary_key
    assert key is not None
    return int(key[0])


def config(label: str, **changes: Any) -> IngestConfig:
    values = {
        "harvester": "oai",
        "harvester_kwargs": {"base_url": f"http://{label}/"},
        "transformer": "oai_dc",
    }
    values |= {"earliest_date": "2024-05-01", "schedule": "0 3 * * *", "settle": "0s", "lookback": "0s"}
    return IngestConfig.model_validate({"label": label, **values, **changes})


def requested(result: dg.SensorResult) -> list[tuple[str, str, str]]:
    """Return label, first day and last day of each requested run."""
    first, last = RANGE
    return [
        (run.tags["harvest/label"], run.tags[first][-5:], run.tags[last][-5:])
        for run in result.run_requests or ()
    ]


@dataclass
class World:
    """Sources, their harvest logs, and sensors with their cursors."""

    database: Database
    instance: dg.DagsterInstance
    clock: Clock
    catalog: Catalog = field(default_factory=Catalog)
    cursors: dict[str, str | None] = field(default_factory=dict)
    jobs: list[Any] = field(default_factory=list)

    def sources(self, *configs: IngestConfig) -> None:
        self.catalog = Catalog(configs)

    def tick(self, name: str) -> Any:
        """Evaluate one tick of a sensor. The next tick gets its cursor."""
        stores = Stores(database_url=self.database.engine.url.render_as_string(hide_password=False))
        repository = self.repository(stores)
        with dg.build_sensor_context(
            instance=self.instance,
            cursor=self.cursors.get(name),
            repository_def=repository,
            resources={"harvest_stores": stores, "harvest_catalog": self.catalog},
        ) as context:
            result = repository.get_sensor_def(name).evaluate_tick(context)
        self.cursors[name] = result.cursor
        return result

    def repository(self, stores: Stores) -> dg.RepositoryDefinition:
        """Return the repository of the code location: the sources, and jobs of the user."""
        defs = build_defs(self.catalog, resources={"harvest_stores": stores})
        merged = dg.Definitions.merge(defs, dg.Definitions(jobs=self.jobs)) if self.jobs else defs
        return merged.get_repository_def()

    def run_job(self, name: str, first: int, last: int) -> None:
        """Create a run of a job of the user for these days, as the UI and a backfill do: without an asset selection."""
        days = {tag: f"2024-05-{day:02}" for tag, day in zip(RANGE, (first, last), strict=True)}
        self.instance.create_run_for_job(
            self.repository(Stores()).get_job(name), tags=days, status=dg.DagsterRunStatus.STARTED
        )

    def scope(self, label: str) -> LogScope:
        (source,) = [one for one in self.catalog.configs if one.label == label]
        with self.database.begin() as connection:
            key = ingest_configs.save_config(connection, masked_definition(source), self.clock())
            return LogScope(key, OaiHarvester.VERSION)

    def harvested(self, label: str, first: int, last: int, took: timedelta = timedelta()) -> None:
        """Record a successful harvest of these days of May that took so long."""
        scope, window = self.scope(label), _may(first, last)
        with self.database.begin() as connection:
            log = transitions.mark_started(connection, scope, window, run_id="past", now=self.clock() - took)
            transitions.begin_attempt(connection, log.id, window.end)
            transitions.mark_succeeded(connection, log.id, now=self.clock(), completeness="complete")

    def failed(self, label: str, first: int, last: int, run: str = "failed") -> None:
        """Record a failed harvest of these days, at the present time."""
        scope, window = self.scope(label), _may(first, last)
        with self.database.begin() as connection:
            log = transitions.mark_started(connection, scope, window, run_id=run, now=self.clock())
            transitions.mark_ended(connection, log, "FAILED", now=self.clock(), error="no")

    def pending(self, label: str, *days: int) -> None:
        """Add a pending datum for each of these days of May, at the present time."""
        key, now = self.scope(label).ingest_config_id, self.clock()
        with self.database.begin() as connection:
            for day in days:
                identifier = {"ingest_config_id": key, "identifier": f"{day} {now}"}
                suid = inserted_key(connection.execute(insert(source_unique_identifier).values(**identifier)))
                datum = {
                    "suid_id": suid,
                    "hash": bytes(32),
                    "datum": "",
                    "deleted": False,
                    "date_created": now,
                }
                raw = inserted_key(connection.execute(insert(raw_datum).values(**datum)))
                log = {"raw_id": raw, "ingest_config_id": key, "transformer_version": 1, "status": "PENDING"}
                log |= {"partition_date": date(2024, 5, day), "date_created": now, "date_modified": now}
                connection.execute(insert(ingest_log).values(**log))

    def run(
        self, label: str, first: int, last: int, kind: str = "raw", status: str = "STARTED", **tags: str
    ) -> None:
        """Create a run of these days in the Dagster instance."""
        days = {name: f"2024-05-{day:02}" for name, day in zip(RANGE, (first, last), strict=True)}
        repository = build_defs(self.catalog).get_repository_def()
        self.instance.create_run_for_job(
            repository.get_job("__ASSET_JOB"),
            tags={**days, **tags},
            asset_selection=frozenset([dg.AssetKey([kind, label])]),
            status=dg.DagsterRunStatus(status),
        )


def _may(first: int, last: int) -> Window:
    return Window(
        datetime(2024, 5, first, tzinfo=timezone.utc), datetime(2024, 5, last + 1, tzinfo=timezone.utc)
    )


@pytest.fixture
def world(database: Database, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch) -> World:
    """A world on each database. Its clock shows noon until a test changes it."""
    clock = Clock(NOON)
    for module in (schedule, reconcile, repair_gaps, transform_pending, source_status, notify):
        monkeypatch.setattr(module, "utc_now", clock)
    return World(database, instance, clock)
