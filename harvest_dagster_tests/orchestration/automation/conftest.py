"""A catalogue of several sources over one database, and ticks of the sensors as the daemon makes them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timezone
from typing import Any

import dagster as dg
import pytest
from sqlalchemy import insert

from harvest_dagster.catalog.loader import Catalog
from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.orchestration.automation import gaps, schedule, standing, transforms
from harvest_dagster.orchestration.build import build_defs
from harvest_dagster.orchestration.resources import Stores
from harvest_dagster.storage import harvest_states, ingest_configs
from harvest_dagster.storage.engine import Database
from harvest_dagster.storage.harvest_logs import Series
from harvest_dagster.storage.tables import ingest_log, raw_datum, source_unique_identifier
from harvest_dagster.windows import Window
from harvest_dagster_tests.pipeline.fakes import Clock

NOON = datetime(2024, 5, 15, 12, tzinfo=timezone.utc)
RANGE = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")


def config(label: str, **changes: Any) -> IngestConfig:
    given = {
        "harvester": "oai",
        "harvester_kwargs": {"base_url": f"http://{label}/"},
        "transformer": "oai_dc",
    }
    given |= {"earliest_date": "2024-05-01", "schedule": "0 3 * * *"}
    return IngestConfig.model_validate({"label": label, **given, **changes})


def asked(result: dg.SensorResult) -> list[tuple[str, str, str]]:
    """Label, first and last day of each run that is asked for."""
    return [
        (run.tags["harvest/label"], *(run.tags[name][-5:] for name in RANGE))
        for run in result.run_requests or ()
    ]


@dataclass
class World:
    """Sources, their logs, and sensors that remember their cursors."""

    database: Database
    instance: dg.DagsterInstance
    clock: Clock
    catalog: Catalog = field(default_factory=Catalog)
    cursors: dict[str, str | None] = field(default_factory=dict)

    def sources(self, *configs: IngestConfig) -> None:
        self.catalog = Catalog(configs)

    def tick(self, name: str) -> dg.SensorResult:
        """One tick; its cursor is where the next begins."""
        stores = Stores(database_url=self.database.engine.url.render_as_string(hide_password=False))
        repository = build_defs(self.catalog, resources={"stores": stores}).get_repository_def()
        with dg.build_sensor_context(
            instance=self.instance,
            cursor=self.cursors.get(name),
            repository_def=repository,
            resources={"stores": stores, "catalog": self.catalog},
        ) as context:
            evaluated = repository.get_sensor_def(name).evaluate_tick(context)
        self.cursors[name] = evaluated.cursor
        return evaluated

    def series(self, label: str) -> Series:
        (found,) = [one for one in self.catalog.configs if one.label == label]
        with self.database.begin() as connection:
            return Series(ingest_configs.mirror(connection, found.model_dump(mode="json"), self.clock()), 1)

    def harvested(self, label: str, first: int, last: int) -> None:
        """These days of May are done."""
        series, window = self.series(label), _may(first, last)
        with self.database.begin() as connection:
            log = harvest_states.start(connection, series, window, run_id="past", now=self.clock())
            harvest_states.restart(connection, log.id, window.end)
            harvest_states.succeed(connection, log.id, now=self.clock(), completeness="complete")

    def failed(self, label: str, first: int, last: int, run: str = "failed") -> None:
        """A run failed at these days, just now."""
        series, window = self.series(label), _may(first, last)
        with self.database.begin() as connection:
            log = harvest_states.start(connection, series, window, run_id=run, now=self.clock())
            harvest_states.end(connection, log, "FAILED", now=self.clock(), error="no")

    def pending(self, label: str, *days: int) -> None:
        """A datum of each of these days of May waits since now."""
        key, now = self.series(label).ingest_config_id, self.clock()
        with self.database.begin() as connection:
            for day in days:
                identifier = {"ingest_config_id": key, "identifier": f"{day} {now}"}
                suid = connection.execute(
                    insert(source_unique_identifier).values(**identifier)
                ).inserted_primary_key[0]
                datum = {"suid_id": suid, "hash": "0", "datum": "", "deleted": False, "date_created": now}
                raw = connection.execute(insert(raw_datum).values(**datum)).inserted_primary_key[0]
                log = {"raw_id": raw, "ingest_config_id": key, "transformer_version": 1, "status": "PENDING"}
                log |= {"partition_date": date(2024, 5, day), "date_created": now, "date_modified": now}
                connection.execute(insert(ingest_log).values(**log))

    def run(
        self, label: str, first: int, last: int, kind: str = "raw", status: str = "STARTED", **tags: str
    ) -> None:
        """Dagster has a run of these days on record."""
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
    """On both databases; it is noon, until somebody sets the clock."""
    clock = Clock(NOON)
    for module in (schedule, gaps, transforms, standing):
        monkeypatch.setattr(module, "utc_now", clock)
    return World(database, instance, clock)
