"""Everything around a harvest that is not under test: who runs it, what is known of others, and the whole way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from sqlalchemy import Table, select

from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.errors import LeaseLost
from harvest_dagster.pipeline import fetch, finish, launch, lock, plan, preflight, split, store
from harvest_dagster.pipeline.harvest import Fate, Harvest, Parameters, Runner, Runs
from harvest_dagster.pipeline.lock import Grip
from harvest_dagster.processes import Process, this_process
from harvest_dagster.records import Record
from harvest_dagster.spool import Spool
from harvest_dagster.storage import harvest_logs, ingest_configs
from harvest_dagster.storage.engine import Database
from harvest_dagster.storage.harvest_logs import HarvestLog
from harvest_dagster.storage.tables import harvest_log, raw_datum, source_unique_identifier
from harvest_dagster.windows import DAY, Window
from harvest_dagster_tests.pipeline.fakes import Clock, FakeHarvester, Source

MIDNIGHT = datetime(2024, 5, 1, tzinfo=timezone.utc)
WINDOW = Window(MIDNIGHT - DAY, MIDNIGHT)
STEPS = ("fetch", "split", "store", "launch", "finish")


def nothing() -> None:
    """No check."""


def records(count: int, content: str = "A", stamp: datetime | None = WINDOW.start) -> list[Record]:
    """So many records, all with one content."""
    return [Record(f"x{number}", stamp, False, f"{content}{number}") for number in range(count)]


@dataclass
class World:
    """A database, a spool, a source, and runs that are on record by their fate.

    Attributes:
        fates: how runs ended; those that are not in it go on.
        said: what the harvests said.
    """

    database: Database
    folder: Path
    config: IngestConfig = field(default_factory=lambda: IngestConfig(label="fake", harvester="fake"))
    clock: Clock = field(default_factory=lambda: Clock(MIDNIGHT + timedelta(hours=12)))
    fates: dict[str, Fate] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.source = Source(self.clock)
        self.runs = Runs(self.fates.get, lambda run: f"{run} was never heard of again")

    def change(self, **values: Any) -> None:
        """Another config under the same label."""
        self.config = IngestConfig.model_validate({**self.config.model_dump(), **values})

    def harvest(self, run: str = "run 1", process: Process | None = None, **parameters: Any) -> Harvest:
        with self.database.begin() as connection:
            key = ingest_configs.mirror(connection, self.config.model_dump(mode="json"), self.clock())
        return Harvest(
            config=self.config,
            config_id=key,
            parameters=Parameters(**parameters),
            database=self.database,
            spool=Spool(str(self.folder)),
            runner=Runner(run, process or this_process(), self.runs),
            environ={},
            clock=self.clock,
            tell=self.said.append,
        )

    def harvester(self) -> FakeHarvester:
        return FakeHarvester(FakeHarvester.Arguments(), self.source)

    def window(
        self,
        harvest: Harvest,
        grip: Grip,
        window: Window = WINDOW,
        *,
        until: str = "finish",
        check: Callable[[], None] = nothing,
        **begin: Any,
    ) -> HarvestLog:
        """One window from fetch through the step `until`; an exception ends its log, as the ops do it."""
        begin = {"parent_id": None, "limit": fetch.limit_left(harvest, window), **begin}
        log = fetch.begin(harvest, window, grip, **begin)
        try:
            for step in STEPS[: STEPS.index(until) + 1]:
                self.step(step, harvest, log.id, grip, check)
        except LeaseLost:
            raise
        except Exception as error:
            finish.end_window(harvest, log.id, grip, "FAILED", f"{type(error).__name__}: {error}")
            raise
        return self.log(log.id)

    def step(
        self, step: str, harvest: Harvest, log_id: int, grip: Grip, check: Callable[[], None] = nothing
    ) -> Any:
        """One step of a window."""
        log = self.log(log_id)
        if step == "fetch":
            return fetch.fetch(harvest, self.harvester(), log, grip, check)
        if step == "split":
            return split.split(harvest, self.harvester(), log, check)
        if step == "store":
            return store.store(harvest, log, grip, check)
        if step == "launch":
            return launch.launch(harvest, log, grip, check)
        return finish.finish_window(harvest, log, grip)

    def run(self, run: str, wanted: Window = WINDOW, **parameters: Any) -> list[HarvestLog]:
        """A whole run; where it raises, it is on record as failed."""
        harvest = self.harvest(run, **parameters)
        preflight.check(harvest)
        lock.acquire(harvest, wanted, single_process=True)
        try:
            with lock.holding(harvest) as grip:
                return self._harvest(harvest, wanted, grip)
        except Exception:
            self.fates[run] = Fate("FAILED", "its run failed")
            raise

    def _harvest(self, harvest: Harvest, wanted: Window, grip: Grip) -> list[HarvestLog]:
        planned = plan.plan(harvest, wanted, grip)
        logs = [self.window(harvest, grip, window, parent_id=planned.parent_id) for window in planned.windows]
        finish.finish_run(harvest, [log.id for log in logs], grip)
        return logs

    def log(self, log_id: int) -> HarvestLog:
        with self.database.read() as connection:
            return harvest_logs.get(connection, log_id)

    def logs(self) -> dict[Window, HarvestLog]:
        """All logs by their windows."""
        return {log.window: log for log in (self.log(key) for (key,) in self.rows(harvest_log, "id"))}

    def stored(self) -> list[tuple[str, str]]:
        """Identifier and content of everything stored, in the order of the contents."""
        with self.database.read() as connection:
            rows = connection.execute(
                select(source_unique_identifier.c.identifier, raw_datum.c.datum)
                .join_from(raw_datum, source_unique_identifier)
                .order_by(raw_datum.c.datum)
            )
            return [(identifier, datum) for identifier, datum in rows]

    def rows(self, table: Table, *columns: str) -> list[tuple[Any, ...]]:
        """These columns of all rows, in the order of their keys."""
        with self.database.read() as connection:
            found = connection.execute(select(*(table.c[name] for name in columns)).order_by(table.c.id))
            return [tuple(row) for row in found]
