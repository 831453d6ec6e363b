"""Runs that this process executes: the same runs as those of the UI, with the same record, partitions and tags.

`harvest run` uses them. Whole days materialize the assets of a source. Any other range runs the job `harvest`.
`harvest reconcile` runs the job `reconcile` (`local_sweeps`). The run
executes in a thread, so that the main thread can show its progress and receive signals: Dagster replaces the handlers
of signals only in the main thread, and would interrupt a page.
"""

import json
import logging
import os
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from importlib import resources
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Protocol

import dagster as dg

from harvest_dagster import private_files
from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.coverage.day_range import DayRange, days_of, newest_settled_day
from harvest_dagster.errors import BadInput, BadParameters
from harvest_dagster.orchestration.asset_keys import KINDS
from harvest_dagster.orchestration.runs.code_location import CodeLocation
from harvest_dagster.orchestration.runs.monitoring import use_monitor
from harvest_dagster.pipeline.monitor import Monitor
from harvest_dagster.spool import PageManifest
from harvest_dagster.texts import one_line
from harvest_dagster.windows import Window

HOME_VARIABLE = "DAGSTER_HOME"


class RunRequest(Protocol):
    """A run to execute."""

    @property
    def label(self) -> str:
        """The source."""

    def command(self) -> AbstractContextManager[list[str]]:
        """Yield the arguments of the command `dagster` that executes this run."""


@contextmanager
def job_command(module: str, job: str, run_config: Mapping[str, Any]) -> Generator[list[str], None, None]:
    """Yield the arguments of the command `dagster` that executes a job of a module with this run config."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "run.yaml")
        file.write_text(json.dumps(run_config), encoding="utf-8")
        yield [*("job", "execute", "-m", module), "--job", job, "--config", str(file)]


@dataclass(frozen=True)
class LocalRun:
    """A run to execute.

    Attributes:
        location: the code location that has the source.
        label: the source.
        window: what to harvest.
        days: the same as partitions; None if the window does not consist of whole days.
        parameters: the parameters of the harvest that differ from their defaults.
        transforms: whether to materialize the transform asset, too.
    """

    location: CodeLocation
    label: str
    window: Window
    days: DayRange | None
    parameters: Mapping[str, Any]
    transforms: bool

    def leaves_pending(self, config: IngestConfig) -> bool:
        """Return whether the run collects data for a transform that it does not do itself."""
        return self.days is None and config.transformer is not None and self.parameters.get("transform", True)

    @contextmanager
    def command(self) -> Generator[list[str], None, None]:
        """Yield the arguments of the command `dagster` that executes this run."""
        if self.days is not None:
            yield [*("asset", "materialize", "-m", self.location.module), *self._assets(self.days)]
            return
        bounds = {"start_date": self.window.start.isoformat(), "end_date": self.window.end.isoformat()}
        run_config = {"ingest_config": self.label, **bounds, **self.parameters}
        with job_command(self.location.module, "harvest", run_config) as arguments:
            yield arguments

    def _assets(self, days: DayRange) -> list[str]:
        arguments = ["--select", " or ".join(f'key:"{key.to_user_string()}"' for key in self._keys())]
        if days.first == days.last:
            arguments += ["--partition", str(days.first)]
        else:
            arguments += ["--partition-range", f"{days.first}...{days.last}"]
        if self.parameters:
            config = {"ops": {f"raw__{self.label}": {"config": dict(self.parameters)}}}
            arguments += ["--config-json", json.dumps(config)]
        return arguments

    def _keys(self) -> list[dg.AssetKey]:
        kinds = KINDS if self.transforms else KINDS[:1]
        return [self.location.keys.key_of(kind, self.label) for kind in kinds]


def build_run(
    location: CodeLocation,
    config: IngestConfig,
    window: Window,
    parameters: Mapping[str, Any],
    *,
    now: datetime,
) -> LocalRun:
    """Return the run that harvests a window of a source.

    Raises:
        BadParameters: the window consists of whole days, and some of them are not partitions.
    """
    days = _whole_days(window)
    if days is not None:
        _raise_if_not_partitions(config, days, now)
    transforms = config.transformer is not None and bool(parameters.get("transform", True))
    return LocalRun(location, config.label, window, days, parameters, transforms)


def _whole_days(window: Window) -> DayRange | None:
    days = days_of(window)
    return days if days.window == window else None


def _raise_if_not_partitions(config: IngestConfig, days: DayRange, now: datetime) -> None:
    first, last = partition_days(config, now)
    if days.first < first or days.last > last:
        message = (
            f"the days {days} are not all partitions of raw/{config.label}: these are the days from {first} "
            f"(earliest_date) to {last} (yesterday). Choose --from and --until within them, change earliest_date, or "
            "give --until as an instant inside a day."
        )
        raise BadParameters(message)


def partition_days(config: IngestConfig, now: datetime) -> tuple[date, date]:
    """Return the first and the last partition of a source, as `partitions.daily`; before any, the last is earlier."""
    return config.earliest_date, newest_settled_day(now, timedelta())


@dataclass(frozen=True)
class Progress:
    """How far a run is.

    Attributes:
        windows: number of planned windows.
        windows_ended: number of windows that have ended.
        share_ended: their part of the time that all windows have, from 0 to 1.
        share_of_window: the same part of the current window.
        pages: fetched pages, those of earlier runs included.
        records: records on these pages.
        resumed_records: those of them that earlier runs fetched.
        expected: the source's own total of the current window; None if it gives none.
        records_of_window: records of the current window.
        seconds_waited: the sum of the waits for the source and for its rate limit.
        waiting_until: an instant of `time.monotonic` until which the run waits now, and the reason.
    """

    windows: int = 0
    windows_ended: int = 0
    share_ended: float = 0.0
    share_of_window: float = 0.0
    pages: int = 0
    records: int = 0
    resumed_records: int = 0
    expected: int | None = None
    records_of_window: int = 0
    seconds_waited: float = 0.0
    waiting_until: tuple[float, str] = (0.0, "")

    @property
    def fetched_records(self) -> int:
        """The records that this run has fetched."""
        return self.records - self.resumed_records

    @property
    def share(self) -> float | None:
        """The part that is done, from 0 to 1; None if it is not known."""
        if not self.windows:
            return None
        part = min(1.0, self.records_of_window / self.expected) if self.expected else 0.0
        if self.windows == 1 and not self.expected:
            return 1.0 if self.windows_ended else None
        return min(1.0, self.share_ended + part * self.share_of_window)


class RunMonitor(Monitor):
    """Counts what a run does, for the main thread, and stops the run after a page."""

    def __init__(self) -> None:
        self.run_id: str | None = None
        self.stop_requested = threading.Event()
        self.deferred_until = 0.0
        self._progress = Progress()
        self._totals: dict[tuple[int, int], int | None] = {}
        self._window: Window | None = None
        self._planned = timedelta()

    @property
    def progress(self) -> Progress:
        """How far the run is."""
        return self._progress

    @property
    def is_deferred(self) -> bool:
        """Whether no op works now, because the next attempt of an op is only due later."""
        return self.deferred_until > time.monotonic()

    def begin_run(self, run_id: str) -> None:
        """See Monitor."""
        self.run_id, self.deferred_until = run_id, 0.0

    def plan(self, windows: Sequence[Window]) -> None:
        """See Monitor."""
        self._planned = sum((window.length for window in windows), start=timedelta())
        # A sweep plans again if Dagster retries its op.
        self._update(windows=len(windows), windows_ended=0, share_ended=0.0)

    def add_page(self, window: Window, page: PageManifest, *, is_resumed: bool = False) -> None:
        """See Monitor."""
        if window != self._window:
            self._window, self._totals = window, {}
            self._update(expected=None, records_of_window=0, share_of_window=self._share(window))
        self._totals[page.sub_window.number, page.page.cursor.list_number] = page.page.total
        totals, now = self._totals.values(), self._progress
        self._update(
            pages=now.pages + 1,
            records=now.records + page.page.count,
            resumed_records=now.resumed_records + (page.page.count if is_resumed else 0),
            records_of_window=now.records_of_window + page.page.count,
            expected=None if None in totals else sum(filter(None, totals)),
        )

    def end_window(self, window: Window) -> None:
        """See Monitor."""
        self._window, self._totals = None, {}
        ended = self._progress.windows_ended + 1
        self._update(
            windows=max(ended, self._progress.windows),
            windows_ended=ended,
            share_ended=self._progress.share_ended + self._share(window),
            expected=None,
            records_of_window=0,
        )

    def wait(self, seconds: float, reason: str) -> None:
        """See Monitor."""
        waited = self._progress.seconds_waited + seconds
        self._update(seconds_waited=waited, waiting_until=(time.monotonic() + seconds, reason))

    def defer(self, seconds: float) -> None:
        """See Monitor."""
        self.deferred_until = time.monotonic() + seconds
        self._update(waiting_until=(self.deferred_until, ""))

    def raise_if_stopped(self) -> None:
        """See Monitor. Dagster cancels a run in which an op raises this exception.

        Raises:
            DagsterExecutionInterruptedError: the main thread has stopped the run.
        """
        if self.stop_requested.is_set():
            raise dg.DagsterExecutionInterruptedError

    def _share(self, window: Window) -> float:
        """Return the part of the planned time that a window has. The last window is often a short one."""
        return window.length / self._planned if self._planned else 0.0

    def _update(self, **changes: Any) -> None:
        self._progress = Progress(**{**vars(self._progress), **changes})


@dataclass
class RunningRun:
    """A run that a thread of this process executes.

    Attributes:
        request: what the run harvests.
        instance: the instance that records it.
        monitor: its progress.
    """

    request: RunRequest
    instance: dg.DagsterInstance
    monitor: RunMonitor = field(default_factory=RunMonitor)
    _error: BaseException | None = None
    _cursor: str | None = None

    def __post_init__(self) -> None:
        self._thread = threading.Thread(target=self._execute, name="harvest run", daemon=True)

    def start(self) -> None:
        """Start the run."""
        self._thread.start()

    def wait(self, seconds: float) -> bool:
        """Wait for the end of the run, for some seconds at most. Return whether it has ended.

        Raises:
            Exception: Dagster could not execute the run.
        """
        self._thread.join(seconds)
        if self._thread.is_alive():
            return False
        if self._error is not None:
            raise self._error
        return True

    def _execute(self) -> None:
        try:
            with use_monitor(self.monitor), self.request.command() as arguments:
                _run_dagster(arguments)
        except BaseException as error:  # `wait` raises it in the main thread
            self._error = error

    def stop(self) -> None:
        """Stop the run after its current page. Before its first op, this does nothing; call it again then.

        Dagster reports an interrupted run as failed, unless its record says before that it is being cancelled.
        """
        if self.monitor.stop_requested.is_set() or (run := self.run) is None:
            return
        self.instance.report_run_canceling(run, message="Stopped from the command line.")
        self.monitor.stop_requested.set()

    def abandon(self) -> None:
        """Record the run as cancelled while its op waits for another attempt. Its thread ends with the process."""
        run = self.run
        if run is not None and not run.is_finished:
            self.instance.report_run_canceled(run, message="Stopped from the command line while it waited.")

    @property
    def run(self) -> dg.DagsterRun | None:
        """Dagster's record of the run; None before its first op."""
        return self.instance.get_run_by_id(self.monitor.run_id) if self.monitor.run_id else None

    def new_messages(self) -> Iterator[tuple[bool, str]]:
        """Yield the messages that our ops have logged since the last call, and whether each is a warning."""
        if self.monitor.run_id is None:
            return
        page = self.instance.get_records_for_run(self.monitor.run_id, cursor=self._cursor)
        self._cursor = page.cursor or self._cursor
        for record in page.records:
            entry = record.event_log_entry
            if not entry.is_dagster_event and int(entry.level) >= logging.INFO:
                yield int(entry.level) >= logging.WARNING, entry.user_message

    def failures(self) -> list[str]:
        """Return the errors of the steps that failed, each in one line."""
        if self.monitor.run_id is None:
            return []
        logs = self.instance.all_logs(self.monitor.run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
        return list(dict.fromkeys(filter(None, map(_step_error, logs))))


def _run_dagster(arguments: Sequence[str]) -> None:
    """Run the command `dagster` in this process, because ops report their progress only within it.

    A job made for `dagster.execute_job` cannot have the reserved name of the job that materializes assets, and
    `execute_in_process` keeps the outputs of ops in memory, so that its runs cannot be executed again from a failure.
    """
    script, *_ = entry_points(group="console_scripts", name="dagster")
    former, sys.argv = sys.argv, ["dagster", *arguments]
    try:
        with warnings.catch_warnings():
            # The command says that `dg launch` supersedes it. Both execute the same code, but dg is not a dependency.
            warnings.simplefilter("ignore", dg.SupersessionWarning)
            script.load()()
    except (SystemExit, KeyboardInterrupt, dg.DagsterExecutionInterruptedError):
        pass  # the record of the run says how it ended
    finally:
        sys.argv = former


def _step_error(entry: dg.EventLogEntry) -> str:
    event = entry.dagster_event
    error = event.step_failure_data.error if event is not None else None
    while error is not None and error.cause is not None:
        error = error.cause
    if error is not None and error.cls_name == dg.DagsterExecutionInterruptedError.__name__:
        return ""
    if error is None:
        return one_line(entry.user_message)
    return one_line(error.message).removeprefix("harvest_dagster.HarvestFailed: ")


def open_instance(folder: Path) -> tuple[dg.DagsterInstance, str]:
    """Open the instance of DAGSTER_HOME. Return it, and a message if the variable is not set.

    Without the variable, the instance is `.dagster` in `folder`, where the harvest database is by default. It gets the
    settings that the package ships.

    Raises:
        BadInput: DAGSTER_HOME names no directory, or the instance cannot be opened.
    """
    message = ""
    if not os.environ.get(HOME_VARIABLE):
        home = _default_home(folder)
        os.environ[HOME_VARIABLE] = str(home)  # the ops and their processes must use the same one
        message = f"{HOME_VARIABLE} is not set: the runs of this command are in {home}"
    home = Path(os.environ[HOME_VARIABLE])
    if not home.is_absolute() or not home.is_dir():
        raise BadInput(
            f"{HOME_VARIABLE} is {home}, which is not the absolute path of a directory. Create it."
        )
    try:
        return dg.DagsterInstance.get(), message
    except Exception as error:
        reason = one_line(str(error))
        raise BadInput(f"The Dagster instance in {home} cannot be opened: {reason}. Correct it.") from error


def _default_home(folder: Path) -> Path:
    home = (folder / ".dagster").absolute()
    try:
        private_files.make_directory(home)
        settings = (
            resources.files("harvest_dagster.demo").joinpath("dagster.yaml").read_text(encoding="utf-8")
        )
        with suppress(FileExistsError), (home / "dagster.yaml").open("x", encoding="utf-8") as file:
            file.write(settings)
    except OSError as error:
        message = f"{home} cannot be written ({error.strerror}). Set {HOME_VARIABLE} to another directory."
        raise BadInput(message) from error
    return home
