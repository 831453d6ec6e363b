"""The environment of a harvest under test: its run, what is known about other runs, and helpers to run its steps."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from hypothesis.vendor.pretty import RepresentationPrinter
from sqlalchemy import Table, select

from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.harvesters.interface import Client
from harvest_dagster.http.models import Statistics
from harvest_dagster.pipeline import lease_guard
from harvest_dagster.pipeline.context import CurrentRun, HarvestContext, Parameters, RunHistory, RunOutcome
from harvest_dagster.pipeline.fetching.source_session import OpenSource
from harvest_dagster.pipeline.lease_guard import LeaseHandle
from harvest_dagster.pipeline.run_window import STEPS, WindowRun, run_window
from harvest_dagster.pipeline.source_access import SourceAccess, WaitLimits
from harvest_dagster.pipeline.steps import finish, plan, preflight
from harvest_dagster.processes import Process, this_process
from harvest_dagster.records import Record
from harvest_dagster.spool import Spool
from harvest_dagster.storage import ingest_configs
from harvest_dagster.storage.database import Database
from harvest_dagster.storage.harvest_log import queries
from harvest_dagster.storage.harvest_log.queries import HarvestLog
from harvest_dagster.storage.lease import leases
from harvest_dagster.storage.tables import harvest_log, raw_datum, source_unique_identifier
from harvest_dagster.windows import DAY, Window
from harvest_dagster_tests.pipeline.fakes import Clock, FakeHarvester, Source

MIDNIGHT = datetime(2024, 5, 1, tzinfo=timezone.utc)
WINDOW = Window(MIDNIGHT - DAY, MIDNIGHT)


def nothing() -> None:
    """Never stop the harvest."""


def records(count: int, content: str = "A", stamp: datetime | None = WINDOW.start) -> list[Record]:
    """Return so many records with the same datestamp."""
    return [Record(f"x{number}", stamp, False, f"{content}{number}") for number in range(count)]


def list_logger(lines: list[str]) -> logging.Logger:
    """Return a logger that appends each message to a list."""

    class Lines(logging.Handler):
        def emit(self, entry: logging.LogRecord) -> None:
            lines.append(entry.getMessage())

    logger = logging.Logger("world")  # noqa: LOG001  # logging.getLogger would keep it forever
    logger.addHandler(Lines())
    return logger


@dataclass(repr=False)
class World:
    """A database, a spool, a source, and a record of runs.

    Attributes:
        outcomes: how runs ended; the other runs are active.
        log_lines: the lines that the harvests have logged.
        environ: the environment variables of the next run.
        longest_start: as in `CurrentRun`; short, so that the lease of a killed run expires soon.
    """

    database: Database
    folder: Path
    config: IngestConfig = field(
        default_factory=lambda: IngestConfig(
            label="fake", harvester="fake", settle=timedelta(), lookback=timedelta()
        )
    )
    clock: Clock = field(default_factory=lambda: Clock(MIDNIGHT + timedelta(hours=12)))
    outcomes: dict[str, RunOutcome] = field(default_factory=dict)
    log_lines: list[str] = field(default_factory=list)
    environ: dict[str, str] = field(default_factory=dict)
    longest_start: timedelta = leases.TTL

    def __post_init__(self) -> None:
        self.database = self.database.with_clock(self.clock)
        self.source = Source(self.clock)
        self.logger = list_logger(self.log_lines)
        self.runs = RunHistory(self.outcomes.get, lambda run: f"{run} was never heard of again")

    def __repr__(self) -> str:
        """Return a short text: a world has thousands of log lines, and Hypothesis limits what it prints."""
        return f"<{type(self).__name__} on {self.database.dialect}>"

    def _repr_pretty_(self, printer: RepresentationPrinter, *_: bool) -> None:
        """Print the same text: Hypothesis otherwise prints every field of a dataclass."""
        printer.text(repr(self))

    def change(self, **values: Any) -> None:
        """Change the config, under the same label."""
        self.config = IngestConfig.model_validate({**self.config.model_dump(by_alias=True), **values})

    def harvest(
        self,
        run: str = "run 1",
        process: Process | None = None,
        *,
        single_process: bool = True,
        **parameters: Any,
    ) -> HarvestContext:
        with self.database.begin() as connection:
            key = ingest_configs.save_config(
                connection, self.config.model_dump(mode="json", by_alias=True), self.clock()
            )
        current = CurrentRun(
            id=run,
            process=process or this_process(),
            history=self.runs,
            database=self.database,
            spool=Spool(str(self.folder)),
            clock=self.clock,
            logger=self.logger,
            single_process=single_process,
            longest_start=self.longest_start,
        )
        source = SourceAccess(
            self.config, environ=dict(self.environ), wait_limits=WaitLimits(before_second_list=0)
        )
        return HarvestContext(self.config, key, Parameters(**parameters), current, source)

    def client(self) -> Client:
        """A client of the source in memory."""
        return FakeHarvester(None).client(self.source)

    @contextmanager
    def open_source(self, *_: object) -> Iterator[OpenSource]:
        """Yield the client of the source in memory, in place of one with an HTTP session."""
        yield OpenSource(self.client(), Statistics, nothing)

    def window_run(
        self, harvest: HarvestContext, lease: LeaseHandle, keep_going: Callable[[], None] = nothing
    ) -> WindowRun:
        return WindowRun(harvest, lease, self.open_source, keep_going)

    def window(
        self,
        harvest: HarvestContext,
        lease: LeaseHandle,
        window: Window = WINDOW,
        *,
        until: str = "finish",
        keep_going: Callable[[], None] = nothing,
        parent_id: int | None = None,
    ) -> HarvestLog:
        """Run one window from fetch up to the step `until`."""
        steps = STEPS[: STEPS.index(until) + 1]
        log = run_window(
            self.window_run(harvest, lease, keep_going), window, parent_id=parent_id, steps=steps
        )
        assert log is not None
        return log

    def step(
        self,
        step: str,
        harvest: HarvestContext,
        log_id: int,
        lease: LeaseHandle,
        keep_going: Callable[[], None] = nothing,
    ) -> Any:
        """Run one step of a window."""
        return getattr(self.window_run(harvest, lease, keep_going), step)(self.log(log_id))

    def run(self, run: str, wanted: Window = WINDOW, **parameters: Any) -> list[HarvestLog]:
        """Run a whole range. If it raises, the run is on record as failed."""
        harvest = self.harvest(run, **parameters)
        preflight.validate_preconditions(harvest)
        lease_guard.acquire(harvest, wanted, single_process=True)
        try:
            with lease_guard.hold_lease(harvest) as lease:
                return self._harvest(harvest, wanted, lease)
        except Exception:
            self.outcomes[run] = RunOutcome("FAILED", "its run failed")
            raise

    def _harvest(self, harvest: HarvestContext, wanted: Window, lease: LeaseHandle) -> list[HarvestLog]:
        planned = plan.plan_windows(harvest, wanted, lease)
        logs = [
            self.window(harvest, lease, window, parent_id=planned.parent_id) for window in planned.windows
        ]
        finish.finish_run(harvest, [log.id for log in logs], lease)
        return logs

    def log(self, log_id: int) -> HarvestLog:
        with self.database.read() as connection:
            return queries.get_log(connection, log_id)

    def logs(self) -> dict[Window, HarvestLog]:
        """Return all logs by their windows."""
        return {log.window: log for log in (self.log(key) for (key,) in self.rows(harvest_log, "id"))}

    def stored(self) -> list[tuple[str, str]]:
        """Return identifier and content of all stored data, ordered by content."""
        with self.database.read() as connection:
            rows = connection.execute(
                select(source_unique_identifier.c.identifier, raw_datum.c.datum)
                .join_from(raw_datum, source_unique_identifier)
                .order_by(raw_datum.c.datum)
            )
            return [(identifier, datum) for identifier, datum in rows]

    def rows(self, table: Table, *columns: str) -> list[tuple[Any, ...]]:
        """Return these columns of all rows, ordered by primary key."""
        with self.database.read() as connection:
            found = connection.execute(select(*(table.c[name] for name in columns)).order_by(table.c.id))
            return [tuple(row) for row in found]
