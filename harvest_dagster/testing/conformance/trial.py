"""A trial: one harvest of the simulator with a behaviour, into a new SQLite database, through the real pipeline.

Two things differ from a run: all waits are a hundred times shorter, and the request budget of the host is in the memory
of the process. `results` compares what was stored.

No result depends on the speed of the machine. The timeouts are long, except for a behaviour that never answers, whose
contract allows a failure. The deadline of a harvest is a number of short waits: on a busy machine, each lasts longer.
"""

from __future__ import annotations

import logging
import shutil
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import func, select

from harvest_dagster.errors import DeadlineExceeded
from harvest_dagster.http.rate_limit.budget import ProcessBudget
from harvest_dagster.http.rate_limit.deadline import Deadline
from harvest_dagster.http.rate_limit.retry import RetryPolicy
from harvest_dagster.http.session import HttpSession, Timeouts
from harvest_dagster.pipeline import lease_guard
from harvest_dagster.pipeline.context import CurrentRun, HarvestContext, Parameters, RunHistory
from harvest_dagster.pipeline.fetching.source_session import OpenSource
from harvest_dagster.pipeline.run_window import WindowRun, run_window
from harvest_dagster.pipeline.source_access import SourceAccess, WaitLimits
from harvest_dagster.processes import this_process
from harvest_dagster.rate_limits import Limit
from harvest_dagster.response_limits import ResponseLimits
from harvest_dagster.spool import Spool
from harvest_dagster.storage import ingest_configs
from harvest_dagster.storage.database import Database
from harvest_dagster.storage.harvest_log.queries import HarvestLog
from harvest_dagster.storage.tables import quarantine, raw_datum, source_unique_identifier
from harvest_dagster.testing.conformance.harvester_under_test import HarvesterUnderTest
from harvest_dagster.testing.simulator.behaviours.base import Behaviour
from harvest_dagster.testing.simulator.repository.repository import Repository
from harvest_dagster.testing.simulator.serving.messages import Request
from harvest_dagster.testing.simulator.serving.server import Server
from harvest_dagster.windows import Window, utc_now

REPOSITORY = Repository(first_day=date(2024, 3, 1), days=2, records_per_day=20, page_size=8)
WINDOW = Window(REPOSITORY.midnight, REPOSITORY.midnight + timedelta(days=REPOSITORY.days))
LIMIT = Limit(20, 1.0)

# Faults are expected, so the log of a harvest would only hide the report.
_SILENT_LOGGER = logging.getLogger(f"{__name__}.silent")
_SILENT_LOGGER.addHandler(logging.NullHandler())
_SILENT_LOGGER.propagate = False
TIMEOUTS = Timeouts(connect=60.0, read=60.0, response=120.0)
_SHORT_TIMEOUTS = Timeouts(connect=60.0, read=0.5, response=2.0)
_LIMITS = ResponseLimits(received_bytes=4 * 2**20, response_bytes=16 * 2**20)
RETRY = RetryPolicy(attempts=4, base=0.1, max_backoff=0.5, min_backoff=0.05, max_seconds=600.0)
_SHORT_RETRY = replace(RETRY, max_seconds=10.0)
_MAX_RETRY_AFTER = 5.0
_GRACE = 5.0  # seconds after the deadline in which a harvester that checks it can end
_SLICE = 0.05  # seconds of one wait for the end of a harvest


@dataclass(frozen=True)
class TrialResult:
    """The result of a trial.

    Attributes:
        ended: True if the harvest ended before its deadline.
        error: the exception with which it failed; None if it succeeded.
        completeness: the completeness that it reports, if it succeeded.
        stored: the hashes of the stored contents by identifier.
        quarantined: the number of quarantined records.
        requests: the requests that the source received, in order.
        seconds: the duration.
        requests_sent: the number of requests that the HTTP session sent.
    """

    ended: bool
    error: BaseException | None
    completeness: str | None
    stored: Mapping[str, frozenset[str]]
    quarantined: int
    requests: Sequence[Request]
    seconds: float
    requests_sent: int


class TrialRunner:
    """Runs trials. `trial_runner` creates it.

    Args:
        folder: the folder for databases and spools.
        deadline: the seconds that a harvest may take, in waits of `_SLICE`.
    """

    def __init__(self, folder: Path, deadline: float) -> None:
        self._folder = folder
        self._deadline = deadline
        self._template = folder / "template.db"
        Database.open(f"sqlite:///{self._template}").dispose()

    def run(
        self,
        harvester: HarvesterUnderTest,
        name: str,
        behaviours: Sequence[Behaviour] = (),
        *,
        never_answers: bool = False,
    ) -> TrialResult:
        """Harvest the repository from a source with these behaviours. The thread of a hanging harvest keeps running.

        Args:
            harvester: the harvester and its arguments.
            name: the name of the behaviour, which can be used once: it names the database.
            behaviours: the faults of the source.
            never_answers: True if the source leaves a request without an answer, so that short timeouts are used.
        """
        database = self._folder / f"{name}.db"
        shutil.copy(self._template, database)
        with serve(harvester, behaviours) as server:
            patience = (_SHORT_TIMEOUTS, _SHORT_RETRY) if never_answers else (TIMEOUTS, RETRY)
            harvest = _Harvest(harvester, name, server, database, patience)
            worker = threading.Thread(target=harvest, name=f"trial {name}", daemon=True)
            started = time.monotonic()
            worker.start()
            wait(worker, self._deadline)
            harvest.is_over.set()
            wait(worker, min(self._deadline, _GRACE))
            seconds, requests = time.monotonic() - started, server.requests
            stored, quarantined = _read(database, server.root)
        return TrialResult(
            ended=not worker.is_alive(),
            error=harvest.error,
            completeness=harvest.completeness,
            stored=stored,
            quarantined=quarantined,
            requests=requests,
            seconds=seconds,
            requests_sent=harvest.requests_sent,
        )


@contextmanager
def trial_runner(deadline: float) -> Iterator[TrialRunner]:
    """Yield a runner with a temporary folder."""
    with TemporaryDirectory(prefix="conformance-", ignore_cleanup_errors=True) as folder:
        yield TrialRunner(Path(folder), deadline)


def serve(
    harvester: HarvesterUnderTest, behaviours: Sequence[Behaviour] = ()
) -> AbstractContextManager[Server]:
    """Return the simulator with the repository, in the protocol of the harvester."""
    renderer = harvester.create_renderer()
    return Server(REPOSITORY, behaviours=behaviours, renderer=renderer, paging=harvester.paging)


def wait(worker: threading.Thread, seconds: float) -> None:
    """Wait until a thread ends, for a number of slices. On a busy machine, each slice lasts longer."""
    for _ in range(round(seconds / _SLICE)):
        if not worker.is_alive():
            return
        worker.join(_SLICE)


class _Harvest:
    """One harvest, which a thread executes, and its result."""

    def __init__(
        self,
        harvester: HarvesterUnderTest,
        behaviour: str,
        server: Server,
        database: Path,
        patience: tuple[Timeouts, RetryPolicy],
    ) -> None:
        self._harvester = harvester
        self._behaviour = behaviour
        self._server = server
        self._database = database
        self._timeouts, self._retry = patience
        self.is_over = threading.Event()
        self.error: BaseException | None = None
        self.completeness: str | None = None
        self.requests_sent = 0

    def __call__(self) -> None:
        try:
            with Database.open(f"sqlite:///{self._database}") as database:
                self.completeness = self._run_window(self._context(database)).completeness
        except BaseException as error:  # every exception of the harvester under test is part of the result
            self.error = error

    def _context(self, database: Database) -> HarvestContext:
        config = self._harvester.config(self._server, self._behaviour)
        with database.begin() as connection:
            config_id = ingest_configs.save_config(
                connection, config.model_dump(mode="json", by_alias=True), utc_now()
            )
        run = CurrentRun(
            id="trial",
            process=this_process(),
            history=RunHistory(lambda _: None, lambda _: ""),
            database=database,
            spool=Spool(str(self._database.with_suffix(".spool"))),
            clock=utc_now,
            logger=_SILENT_LOGGER,
        )
        source = SourceAccess(config, environ={}, wait_limits=WaitLimits(before_second_list=0))
        return HarvestContext(config, config_id, Parameters(), run, source)

    def _run_window(self, harvest: HarvestContext) -> HarvestLog:
        with lease_guard.hold_lease(harvest) as lease:

            def keep_going() -> None:
                lease.raise_if_lost()
                if self.is_over.is_set():
                    raise DeadlineExceeded("The deadline of the trial is over. Raise --deadline.")

            deadline = Deadline(keep_going=keep_going)
            run = WindowRun(
                harvest, lease, lambda *_: self._open_source(harvest, deadline), deadline.raise_if_over
            )
            log = run_window(run, WINDOW)
            assert log is not None  # noqa: S101 - it is None only if the parameter `limit` is set
            return log

    @contextmanager
    def _open_source(self, harvest: HarvestContext, deadline: Deadline) -> Iterator[OpenSource]:
        with open_session(deadline, self._timeouts, self._retry) as session:
            try:
                client = harvest.source.harvester.client(session)
                yield OpenSource(client, lambda: session.statistics, deadline.raise_if_over)
            finally:
                self.requests_sent = session.statistics.requests


def open_session(
    deadline: Deadline, timeouts: Timeouts = TIMEOUTS, retry: RetryPolicy = RETRY
) -> HttpSession:
    """Return a session for the simulator."""
    return HttpSession(
        LIMIT,
        timeouts=timeouts,
        response_limits=_LIMITS,
        retry=retry,
        budget=ProcessBudget(),
        deadline=deadline,
        max_retry_after=_MAX_RETRY_AFTER,
    )


def _read(path: Path, root: str) -> tuple[dict[str, frozenset[str]], int]:
    """Return the stored hashes by identifier, and the number of quarantined records.

    An identifier that is a URL of the simulator has another port in each trial. It is returned without `root`.
    """
    rows = select(source_unique_identifier.c.identifier, raw_datum.c.hash).join_from(
        raw_datum, source_unique_identifier
    )
    stored: dict[str, set[str]] = {}
    with Database.open(f"sqlite:///{path}") as database, database.read() as connection:
        for identifier, digest in connection.execute(rows):
            stored.setdefault(identifier.removeprefix(root), set()).add(digest.hex())
        quarantined = connection.execute(select(func.count()).select_from(quarantine)).scalar_one()
    return {identifier: frozenset(hashes) for identifier, hashes in stored.items()}, quarantined
