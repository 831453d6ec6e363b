"""One harvest of one hostile source: the simulator, a fresh SQLite database, and the pipeline as it is.

Everything is as in a run but for its patience, which is a hundredth, and for the host's budget, which is kept in
the process. What was stored is compared by `verdicts`.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import func, select

from harvest_dagster.conformance.subject import Subject
from harvest_dagster.harvesters.interface import Harvester
from harvest_dagster.http.budget import ProcessBudget
from harvest_dagster.http.retry import RetryPolicy
from harvest_dagster.http.session import HttpSession, Sizes, Timeouts
from harvest_dagster.http.waiting import Watch
from harvest_dagster.limits import Limit
from harvest_dagster.pipeline import fetch, finish, lock, split, store
from harvest_dagster.pipeline.harvest import Harvest, Parameters, Runner, Runs
from harvest_dagster.processes import this_process
from harvest_dagster.simulator.behaviours.base import Behaviour
from harvest_dagster.simulator.exchange import Request
from harvest_dagster.simulator.repository import Repository
from harvest_dagster.simulator.server import Server
from harvest_dagster.spool import Spool
from harvest_dagster.storage import harvest_logs, ingest_configs
from harvest_dagster.storage.engine import Database
from harvest_dagster.storage.harvest_logs import HarvestLog
from harvest_dagster.storage.tables import quarantine, raw_datum, source_unique_identifier
from harvest_dagster.windows import Window

REPOSITORY = Repository(first_day=date(2024, 3, 1), days=2, records_per_day=20, page_size=8)
WINDOW = Window(REPOSITORY.midnight, REPOSITORY.midnight + timedelta(days=REPOSITORY.days))
LIMIT = Limit(20, 1.0)

_TIMEOUTS = Timeouts(connect=2.0, read=0.5, response=2.0)
_SIZES = Sizes(received=4 * 2**20, decoded=16 * 2**20)
_RETRY = RetryPolicy(attempts=4, base=0.1, ceiling=0.5, shortest=0.05, total=10.0)
_LONGEST_WAIT = 5.0
_GRACE = 5.0  # seconds after the deadline in which a harvester that looks at the clock notices it


@dataclass(frozen=True)
class Outcome:
    """How a harvest ended, and what it left.

    Attributes:
        ended: whether it ended at all before its deadline.
        error: what it failed with, None where it succeeded.
        completeness: what it claims, where it succeeded.
        stored: the contents of each identifier, by their hashes.
        set_aside: how many records are in the quarantine.
        requests: all that arrived at the source, in order.
        seconds: how long it took.
        sent: how many requests its session sent.
    """

    ended: bool
    error: BaseException | None
    completeness: str | None
    stored: Mapping[str, frozenset[str]]
    set_aside: int
    requests: Sequence[Request]
    seconds: float
    sent: int


class Bench:
    """Where trials run; made by `bench`.

    Args:
        folder: for the databases and spools.
        deadline: seconds that a harvest may take.
    """

    def __init__(self, folder: Path, deadline: float) -> None:
        self._folder = folder
        self._deadline = deadline
        self._template = folder / "template.db"
        Database.open(f"sqlite:///{self._template}").dispose()

    def run(self, subject: Subject, name: str, behaviours: Sequence[Behaviour] = ()) -> Outcome:
        """Harvest the repository through some behaviours; a harvest that hangs is left behind.

        Args:
            subject: what harvests.
            name: of the behaviour; each may run once.
            behaviours: what the source does.
        """
        database = self._folder / f"{name}.db"
        shutil.copy(self._template, database)
        with Server(REPOSITORY, behaviours=behaviours) as server:
            attempt = _Attempt(subject, name, server, database, self._deadline)
            worker = threading.Thread(target=attempt, name=f"trial {name}", daemon=True)
            began = time.monotonic()
            worker.start()
            worker.join(self._deadline + min(self._deadline, _GRACE))
            seconds, requests = time.monotonic() - began, server.requests
        stored, set_aside = _read(database)
        return Outcome(
            ended=not worker.is_alive(),
            error=attempt.error,
            completeness=attempt.completeness,
            stored=stored,
            set_aside=set_aside,
            requests=requests,
            seconds=seconds,
            sent=attempt.sent,
        )


@contextmanager
def bench(deadline: float) -> Iterator[Bench]:
    """A bench in a temporary folder."""
    with TemporaryDirectory(prefix="conformance-", ignore_cleanup_errors=True) as folder:
        yield Bench(Path(folder), deadline)


class _Attempt:
    """The work of the thread, and what came of it."""

    def __init__(self, subject: Subject, name: str, server: Server, database: Path, deadline: float) -> None:
        self._subject = subject
        self._name = name
        self._server = server
        self._database = database
        self._deadline = deadline
        self.error: BaseException | None = None
        self.completeness: str | None = None
        self.sent = 0

    def __call__(self) -> None:
        try:
            with Database.open(f"sqlite:///{self._database}") as database:
                self.completeness = self._window(self._harvest(database)).completeness
        except BaseException as error:  # whatever a harvester of others does is its verdict
            self.error = error

    def _harvest(self, database: Database) -> Harvest:
        config, now = self._subject.config(self._server, self._name), datetime.now(timezone.utc)
        with database.begin() as connection:
            key = ingest_configs.mirror(connection, config.model_dump(mode="json"), now)
        return Harvest(
            config=config,
            config_id=key,
            parameters=Parameters(),
            database=database,
            spool=Spool(str(self._database.with_suffix(".spool"))),
            runner=Runner("trial", this_process(), Runs(lambda _: None, lambda _: "")),
            environ={},
            clock=lambda: datetime.now(timezone.utc),
            tell=lambda _: None,
        )

    def _window(self, harvest: Harvest) -> HarvestLog:
        with lock.holding(harvest) as grip:
            log = fetch.begin(harvest, WINDOW, grip, parent_id=None, limit=None)
            watch = Watch(deadline=time.monotonic() + self._deadline, check=grip.check)
            with _session(watch) as session:
                try:
                    harvester: Harvester = harvest.harvester_class(harvest.harvester_arguments, session)
                    fetch.fetch(harvest, harvester, log, grip, watch.look)
                    split.split(harvest, harvester, _again(harvest, log), watch.look)
                finally:
                    self.sent = session.statistics.requests
            store.store(harvest, _again(harvest, log), grip, watch.look)
            return finish.finish_window(harvest, _again(harvest, log), grip)


def _session(watch: Watch) -> HttpSession:
    return HttpSession(
        LIMIT,
        timeouts=_TIMEOUTS,
        sizes=_SIZES,
        retry=_RETRY,
        budget=ProcessBudget(),
        watch=watch,
        longest_wait=_LONGEST_WAIT,
    )


def _again(harvest: Harvest, log: HarvestLog) -> HarvestLog:
    with harvest.database.read() as connection:
        return harvest_logs.get(connection, log.id)


def _read(path: Path) -> tuple[dict[str, frozenset[str]], int]:
    """What is stored, and how much is set aside."""
    rows = select(source_unique_identifier.c.identifier, raw_datum.c.hash).join_from(
        raw_datum, source_unique_identifier
    )
    stored: dict[str, set[str]] = {}
    with Database.open(f"sqlite:///{path}") as database, database.read() as connection:
        for identifier, digest in connection.execute(rows):
            stored.setdefault(identifier, set()).add(digest)
        set_aside = connection.execute(select(func.count()).select_from(quarantine)).scalar_one()
    return {identifier: frozenset(found) for identifier, found in stored.items()}, set_aside
