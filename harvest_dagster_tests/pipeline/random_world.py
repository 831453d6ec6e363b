"""A world whose source is a random repository, harvested by runs that are killed after some pages."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count

from sqlalchemy import select

from harvest_dagster.errors import HarvestError
from harvest_dagster.harvesters.interface import Client
from harvest_dagster.harvesters.oai.arguments import OaiArguments
from harvest_dagster.harvesters.oai.harvester import OaiHarvester
from harvest_dagster.http.models import Statistics
from harvest_dagster.pipeline.context import HarvestContext, RunOutcome
from harvest_dagster.pipeline.fetching.source_session import OpenSource
from harvest_dagster.pipeline.lease_guard import LeaseHandle
from harvest_dagster.pipeline.run_window import WindowRun
from harvest_dagster.storage.harvest_log import coverage_rule
from harvest_dagster.storage.tables import raw_datum, source_unique_identifier
from harvest_dagster.windows import DAY, Window, subtract, whole_day
from harvest_dagster_tests.pipeline.random_repository import URL, RandomRepository
from harvest_dagster_tests.pipeline.world import MIDNIGHT, World, nothing

DAYS = 3
RANGE = Window(MIDNIGHT, MIDNIGHT + DAYS * DAY)
_numbers = count(1)


class Killed(BaseException):
    """Stands for the end of the process."""


@dataclass(frozen=True)
class Story:
    """What happens.

    Attributes:
        hours: the hours between the runs.
        kills: the number of pages after which each run is killed.
        max_window: the `max_window` of the source.
        is_emptied: whether the first list of a run is answered with noRecordsMatch once all days before are full. If
            no day before is full, nothing speaks against such an answer.
    """

    hours: tuple[int, ...]
    kills: tuple[int, ...]
    max_window: timedelta
    is_emptied: bool


@dataclass(repr=False)
class RandomWorld(World):
    """A world whose source is a RandomRepository."""

    repository: RandomRepository | None = None
    pages_until_kill: int | None = None
    errors: list[str] = field(default_factory=list)

    def begin(self, repository: RandomRepository, story: Story) -> None:
        """Begin with a new source, under a label of its own."""
        self.repository = repository
        self.clock.now = MIDNIGHT
        self.errors.clear()
        self.log_lines.clear()
        self.label = f"source_{next(_numbers)}"
        self.change(
            label=self.label,
            harvester="oai",
            harvester_kwargs={"base_url": URL},
            max_window=story.max_window,
            failure_threshold=1000,
            settle=timedelta(0),
        )

    def harvest_range(self, kill: Sequence[int] = ()) -> None:
        """Harvest all whole days up to now. The run may fail or be killed."""
        end = min(RANGE.end, self.clock().replace(hour=0))
        if end <= RANGE.start:
            return
        self.pages_until_kill = kill[0] if kill else None
        run = f"run {next(_numbers)}"
        try:
            self.run(run, Window(RANGE.start, end))
        except Killed:
            self.outcomes[run] = RunOutcome("FAILED", "its run was killed")
        except HarvestError as error:
            self.errors.append(f"{type(error).__name__}: {error}")

    def keep_going(self) -> None:
        """Kill the run after some pages."""
        if self.pages_until_kill is not None:
            self.pages_until_kill -= 1
            if self.pages_until_kill < 0:
                raise Killed

    def covered(self) -> list[Window]:
        """Return what the logs cover."""
        with self.database.read() as connection:
            scope = self.harvest("reader").scope
            return coverage_rule.covered_windows(coverage_rule.find_coverage(connection, scope, RANGE))

    def missing(self) -> list[Window]:
        """Return what the logs do not cover."""
        return list(subtract(RANGE, self.covered()))

    def has_full_days(self) -> bool:
        """Return whether some time is covered, and each covered day has at least four records of the source."""
        assert self.repository is not None
        stamps = [version.stamp for version in self.repository.current().values()]
        days = [whole_day(day) for window in self.covered() for day in window.days]
        return bool(days) and all(sum(stamp in day for stamp in stamps) >= 4 for day in days)

    def check(self) -> None:
        """Check that the newest version of each record in the covered time is stored and current."""
        assert self.repository is not None
        covered, current = self.covered(), self.current()
        for version in self.repository.current().values():
            if any(version.stamp in window for window in covered):
                deleted, datum = current.get(version.identifier, (None, ""))
                assert deleted == version.deleted, f"{version} is missing, {covered} is covered"
                assert deleted or version.content in datum

    def current(self) -> dict[str, tuple[bool, str]]:
        """Return whether it is deleted and the current content, by identifier."""
        suid = source_unique_identifier
        rows = (
            select(suid.c.identifier, raw_datum.c.deleted, raw_datum.c.datum)
            .join_from(raw_datum, suid)
            .where(suid.c.ingest_config_id == self.harvest("reader").scope.ingest_config_id)
            .order_by(raw_datum.c.revision)
        )
        with self.database.read() as connection:
            return {identifier: (deleted, datum) for identifier, deleted, datum in connection.execute(rows)}

    def client(self) -> Client:
        """A client of the real OAI-PMH harvester."""
        assert self.repository is not None
        return OaiHarvester(OaiArguments(base_url=URL)).client(self.repository)

    @contextmanager
    def open_source(self, *_: object) -> Iterator[OpenSource]:
        """Yield it without an HTTP session."""
        yield OpenSource(self.client(), Statistics, lambda: None)

    def window_run(
        self, harvest: HarvestContext, lease: LeaseHandle, keep_going: Callable[[], None] = nothing
    ) -> WindowRun:
        """Return the steps of a window. They are killed after as many pages as the story says."""
        return super().window_run(harvest, lease, self.keep_going if keep_going is nothing else keep_going)
