"""A world whose source has a history: it is harvested by schedule and by sweeps, and compared with the truth.

The clock stands still while a run works, unless the story has a pause: it then advances with each answer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from typing import Any, NamedTuple

from lxml import etree
from sqlalchemy import select

from harvest_dagster.coverage.due_days import due_days
from harvest_dagster.coverage.source_overview import SourceOverview
from harvest_dagster.errors import HarvestError
from harvest_dagster.pipeline import lease_guard
from harvest_dagster.pipeline.context import HarvestContext, RunOutcome
from harvest_dagster.pipeline.deletions.decisions import approve_held
from harvest_dagster.pipeline.lease_guard import LeaseHandle
from harvest_dagster.pipeline.reconciling.sweep import finish_sweep, list_headers, reconcile
from harvest_dagster.pipeline.reconciling.sweep_guard import begin_sweep, hold_sweep
from harvest_dagster.pipeline.run_window import WindowRun
from harvest_dagster.storage.tables import absent_record, deletion, raw_datum, source_unique_identifier
from harvest_dagster.testing.simulator import (
    REGISTRY,
    Behaviour,
    History,
    Outage,
    RecordContent,
    Repository,
    Request,
    Response,
    Server,
    every_request,
)
from harvest_dagster.testing.simulator.behaviours.base import Handler
from harvest_dagster.testing.simulator.behaviours.conditions import Condition
from harvest_dagster.testing.simulator.repository.history import Status
from harvest_dagster.windows import ALL_TIME, SECOND, Window
from harvest_dagster_tests.pipeline.fakes import Clock
from harvest_dagster_tests.pipeline.world import World, nothing
from harvest_dagster_tests.testing.simulator.source_client import Answers, oai_list

_numbers = count(1)


@dataclass(frozen=True)
class Phase:
    """A time in which a source shows a behaviour.

    Attributes:
        behaviour: the name of the behaviour.
        time: when the source shows it.
        settings: the settings of the behaviour.
        verb: the only requests that show it; None for all.
    """

    behaviour: str
    time: Window
    settings: dict[str, Any] = field(default_factory=dict)
    verb: str | None = None

    @property
    def hides_records(self) -> bool:
        """Whether the source does not show records that it has shown before."""
        return self.behaviour in {"empty-for-an-hour", "set-lost", "half-missing"}


class SlowAnswers(Behaviour):
    """Advances the clock before each answer."""

    when = staticmethod(every_request)

    def __init__(self, clock: Clock, pause: timedelta) -> None:
        self._clock, self._pause = clock, pause

    def apply(self, request: Request, handler: Handler) -> Response:
        self._clock.now += self._pause
        return handler(request)


class Step(NamedTuple):
    """Something that is done with the source at an instant: `harvest` or `sweep`."""

    at: datetime
    kind: str


@dataclass(frozen=True)
class SourceStory:
    """A source, what happens to it, and how it is harvested.

    Attributes:
        history: what happens to its records.
        phases: the behaviours that it shows for a while.
        steps: how it is harvested meanwhile.
        set: the set that is harvested; None for all records.
        pause: how long the source takes for each answer. Events may then happen within a list.
        options: keys of the IngestConfig.
    """

    history: History
    phases: tuple[Phase, ...] = ()
    steps: tuple[Step, ...] = ()
    set: str | None = None
    pause: timedelta = timedelta()
    options: dict[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        """Return the story as text, for the example of a failure."""
        lines = [
            _repository_text(self.history.repository),
            *(f"{phase.behaviour} {phase.settings} in {phase.time}" for phase in self.phases),
            f"set={self.set} pause={self.pause} {self.options}",
            *sorted(
                f"{_at(event.at)} {type(event).__name__} {getattr(event, 'identifier', '')[-2:]} "
                f"{_at(getattr(event, 'appears', None) or getattr(event, 'until', None))}"
                for event in self.history.events
            ),
            *(f"{_at(step.at)} {step.kind}" for step in self.steps),
        ]
        return "\n".join(lines)

    @property
    def is_selective(self) -> bool:
        """Whether the source is asked by date."""
        return bool(self.options.get("selective", True))

    def is_broken(self, now: datetime) -> bool:
        """Return whether the source does not show records that it has."""
        return self.history.has_outage_at(now) or any(
            phase.hides_records and now in phase.time for phase in self.phases
        )


def _repository_text(repository: Repository) -> str:
    names = ("page_size", "granularity", "deleted", "totals", "seed")
    return " ".join(f"{name}={getattr(repository, name)}" for name in names)


def _titles(datum: str) -> tuple[str, ...]:
    """Return the titles of a record in canonical XML."""
    return tuple(element.text or "" for element in etree.fromstring(datum).iter("{*}title"))


def _at(instant: datetime | None) -> str:
    return f"{instant:%m-%dT%H:%M:%S}" if instant else ""


@dataclass(frozen=True)
class StoredRecord:
    """The current content of an identifier in the database."""

    datestamp: datetime | None
    deleted: bool
    datum: str


@dataclass(repr=False)
class HistoryWorld(World):
    """A world whose source is the simulator with a history.

    Attributes:
        errors: the errors of the runs of this story.
        inferred: the identifiers that were deleted without a tombstone in this story.
        tally: what happened in all stories: the lists of the whole source by its health, and the deletions.
    """

    errors: list[str] = field(default_factory=list)
    inferred: set[str] = field(default_factory=set)
    tally: Counter[str] = field(default_factory=Counter)

    @contextmanager
    def serving(self, story: SourceStory, start: datetime) -> Iterator[Server]:
        """Serve the source under a new label, from an instant on."""
        self.clock.now, self.story = start, story
        self.errors.clear()
        self.inferred.clear()
        self.log_lines.clear()
        self._deleted: set[str] = set()
        self._saved = ("", 0)
        behaviours = [
            REGISTRY[phase.behaviour](when=self._during(phase), **phase.settings) for phase in story.phases
        ]
        behaviours.append(SlowAnswers(self.clock, story.pause))
        with Server(history=story.history, behaviours=behaviours, clock=self.clock) as self.server:
            arguments = {"base_url": self.server.url, **({"set": story.set} if story.set else {})}
            self.change(
                label=f"source_{next(_numbers)}",
                harvester="oai",
                harvester_kwargs=arguments,
                rate_limit={"calls": 100_000, "period": 1},
                failure_threshold=1000,
                schedule="0 3 * * *",
                earliest_date=story.history.repository.first_day,
                **story.options,
            )
            yield self.server

    def _during(self, phase: Phase) -> Condition:
        def is_selected(request: Request) -> bool:
            return self.clock() in phase.time and phase.verb in (None, request.verb)

        return Condition(is_selected)

    def harvest_due_days(self) -> None:
        """Harvest what the schedule requests now. A run may fail."""
        with self.database.read() as connection:
            overview = SourceOverview.read_coverage(connection, self.clock(), [self.config.label])
        for due in reversed(due_days(self.config, overview.covered_windows(self.config), self.clock())):
            self.attempt(self._run_days(due.days.window, optimize=not due.superfluous))

    def _run_days(self, window: Window, *, optimize: bool) -> Callable[[], object]:
        return lambda: self.run(f"run {next(_numbers)}", window, optimize=optimize)

    def do(self, step: Step) -> None:
        """Advance the clock to a step, and do it. Leave out a list of the whole source that may hide few records.

        A slow source may hide all records when a list begins, and a few of them when it answers. No bound recognizes
        such a source as broken. `test_a_source_that_hides_few_records_seems_to_have_removed_them` shows
        what happens then.
        """
        self.clock.now = max(step.at, self.clock.now)
        if step.kind == "sweep" or not self.story.is_selective:
            is_broken = self.story.is_broken(self.clock())
            if is_broken and (self.story.pause or self._seems_healthy()):
                self.tally["lists left out"] += 1
                return
            self.tally["lists of a broken source" if is_broken else "lists of a healthy source"] += 1
        if step.kind == "sweep":
            self.sweep()
        else:
            self.harvest_due_days()

    def sweep(self, *, approve: bool = False) -> None:
        """Compare all identifiers of the source with ours. It may fail."""
        run = f"sweep {next(_numbers)}"
        self.attempt(lambda: self._sweep(run, approve=approve))

    def _sweep(self, run: str, *, approve: bool) -> None:
        harvest = self.harvest(run)
        try:
            sweep = begin_sweep(harvest, single_process=True)
            with hold_sweep(harvest, sweep.id) as guard:
                list_headers(harvest, guard)
                lease_guard.acquire(harvest, ALL_TIME, single_process=True)
                with lease_guard.hold_lease(harvest) as lease:
                    reconcile(self.window_run(harvest, lease), guard, approve=approve)
                    finish_sweep(harvest, guard, lease)
        except Exception:
            self.outcomes[run] = RunOutcome("FAILED", "its run failed")
            raise

    def approve_held_deletions(self) -> None:
        """Do what `harvest deletions approve` does, if something is held."""
        held = select(absent_record.c.suid_id).where(
            absent_record.c.ingest_config_id == self._config_id(), absent_record.c.held
        )
        with self.database.read() as connection:
            if connection.scalar(held.limit(1)) is None:
                return

        def approve() -> None:
            harvest = self.harvest(f"approval {next(_numbers)}")
            with lease_guard.hold_lease(harvest) as lease:
                approve_held(harvest, lease)
                lease_guard.release(harvest, lease)

        self.attempt(approve)

    def has_proof(self) -> bool:
        """Return whether the list of the source now proves that it is complete.

        An empty list proves nothing, nor does a single page as long as a page of the source: it may be the first one of
        more.
        """
        return len(self._listed()) not in (0, self.story.history.repository.page_size)

    def _listed(self) -> Answers:
        arguments = {"set": self.story.set} if self.story.set else {}
        return oai_list(self.server, "ListIdentifiers", **arguments)

    def _seems_healthy(self) -> bool:
        """Return whether the source lists something now, and the records that it lacks are within the bounds."""
        listed = self._listed()
        ours = {name for name, record in self.current().items() if not record.deleted}
        absent = ours - listed.keys()
        return bool(listed) and len(absent) <= self.config.deletions.most.share * len(ours)

    def attempt(self, work: Callable[[], object]) -> None:
        """Do something that may fail because of the source, and check what it has deleted."""
        began = self.clock()
        try:
            work()
        except HarvestError as error:
            self.errors.append(f"{self.clock()}: {type(error).__name__}: {error}")
        self.check_deletions(Window(began, self.clock() + SECOND))

    def check_deletions(self, work: Window) -> None:
        """Check the records that became deleted while something was done.

        Each of them was removed in truth at an instant of this time, and none is deleted without a tombstone while the
        source is broken.
        """
        deleted = {identifier for identifier, record in self.current().items() if record.deleted}
        new, self._deleted = deleted - self._deleted, deleted
        if not new:
            return
        instants = self._instants(work)
        live = sorted(name for name in new if all(self._is_live(name, instant) for instant in instants))
        assert not live, f"{live} deleted at {self.clock()}, but live"
        inferred = new & self.inferred_identifiers()
        is_broken = all(map(self.story.is_broken, instants))
        assert not (inferred and is_broken), f"{sorted(inferred)} deleted at {self.clock()}, in an outage"
        self.inferred |= inferred
        self.tally["deletions"] += len(inferred)

    def _instants(self, work: Window) -> list[datetime]:
        """Return the start of this time and each instant of it at which something happened to the source."""
        events = self.story.history.events
        changes = [event.at for event in events]
        changes += [event.until for event in events if isinstance(event, Outage)]
        changes += [at for phase in self.story.phases for at in (phase.time.start, phase.time.end)]
        return [work.start, *(at for at in changes if at in work)]

    def _is_live(self, identifier: str, now: datetime) -> bool:
        return self.story.history.state_at(identifier, now).status is Status.LIVE

    def live(self) -> dict[str, RecordContent]:
        """Return the live records of the harvested set that the source really has now."""
        wanted = self.story.set
        return {
            identifier: record
            for identifier, record in self.server.truth.live.items()
            if wanted is None or wanted in record.sets
        }

    def differences(self) -> list[str]:
        """Return what differs between the database and the truth, one line for each record."""
        stored, live = self.current(), self.live()
        found = [
            f"{name}: live here only"
            for name, each in stored.items()
            if not each.deleted and name not in live
        ]
        for name, record in live.items():
            ours = stored.get(name)
            if ours is None or ours.deleted:
                found.append(f"{name}: live there only ({'unknown' if ours is None else 'deleted'} here)")
            elif _titles(ours.datum) != record.metadata["title"]:
                found.append(f"{name}: has another title there")
        return sorted(found)

    def current(self) -> dict[str, StoredRecord]:
        """Return the current content of each identifier of the source."""
        suid = source_unique_identifier
        rows = (
            select(suid.c.identifier, suid.c.current_datestamp, raw_datum.c.deleted, raw_datum.c.datum)
            .join_from(suid, raw_datum, raw_datum.c.id == suid.c.raw_id)
            .where(suid.c.ingest_config_id == self._config_id())
        )
        with self.database.read() as connection:
            return {row[0]: StoredRecord(*row[1:]) for row in connection.execute(rows)}

    def inferred_identifiers(self) -> set[str]:
        """Return the identifiers that are deleted now without a tombstone of the source."""
        suid = source_unique_identifier
        rows = (
            select(suid.c.identifier)
            .join_from(deletion, suid, deletion.c.raw_id == suid.c.raw_id)
            .where(suid.c.ingest_config_id == self._config_id(), deletion.c.decision_id.is_not(None))
        )
        with self.database.read() as connection:
            return set(connection.execute(rows).scalars())

    def _config_id(self) -> int:
        if self._saved[0] != self.config.label:
            self._saved = (self.config.label, self.harvest("reader").config_id)
        return self._saved[1]

    def window_run(
        self, harvest: HarvestContext, lease: LeaseHandle, keep_going: Callable[[], None] = nothing
    ) -> WindowRun:
        """Return the steps of a window. They use the real harvester and HTTP."""
        return WindowRun(harvest, lease, keep_going=None if keep_going is nothing else keep_going)
