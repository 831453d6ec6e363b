"""The values that all steps of one harvest share.

HarvestContext holds the config, the parameters of the run, the current run (its database, its spool, its clock) and
the access to the source (`source_access`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

from harvest_dagster.catalog.arguments import digest_of
from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.coverage import scopes
from harvest_dagster.errors import BadParameters
from harvest_dagster.log_format import SOURCE_ATTRIBUTE
from harvest_dagster.pipeline.monitor import NO_MONITOR, Monitor
from harvest_dagster.pipeline.source_access import SourceAccess
from harvest_dagster.processes import Process
from harvest_dagster.response_limits import ResponseLimits
from harvest_dagster.spool import AttemptSpool, Spool
from harvest_dagster.storage.database import Database
from harvest_dagster.storage.harvest_log.queries import HarvestLog, LogScope
from harvest_dagster.storage.transform_queue.versions import find_version
from harvest_dagster.texts import cut_middle, escape_controls
from harvest_dagster.windows import Window

if TYPE_CHECKING:
    _Adapter = logging.LoggerAdapter[logging.Logger]
else:
    _Adapter = logging.LoggerAdapter  # not generic before Python 3.11


@dataclass(frozen=True)
class Parameters:
    """The parameters of a run. `orchestration.config` describes each of them for users."""

    limit: int | None = None
    superfluous: bool = False
    transform: bool = True
    ignore_disabled: bool = False
    force: bool = False
    no_split: bool = False
    optimize: bool = True


@dataclass(frozen=True)
class RunOutcome:
    """How a run ended, according to the run history.

    Attributes:
        status: `FAILED` or `CANCELLED`, as in a harvest log.
        reason: one sentence.
    """

    status: str
    reason: str


@dataclass(frozen=True)
class RunHistory:
    """How other runs ended, as Dagster recorded it.

    Attributes:
        outcome: returns how a run ended; None if it is active or unknown.
        last_known_state: returns one sentence about a run whose end was not recorded.
    """

    outcome: Callable[[str], RunOutcome | None]
    last_known_state: Callable[[str], str]


@dataclass(frozen=True)
class CurrentRun:
    """The run that executes: its identity, its database and spool, and its clock.

    Attributes:
        id: the run id.
        process: the process of the current step.
        history: how other runs ended.
        database: the harvest database.
        spool: where fetched pages are kept.
        clock: returns the time, aware, in UTC. The clock of the database decides when leases expire.
        logger: the log of the run. Steps of a harvest use `HarvestContext.logger`, which masks secrets.
        earlier_ids: the runs that this run executes again from a failure, the newest first.
        monitor: follows the harvest and may stop it.
        single_process: whether all ops of the run share one process, so that the end of the process ends the run.
        longest_start: how long the next op may take to start; the run keeps its leases for so long between two ops.
    """

    id: str
    process: Process
    history: RunHistory
    database: Database
    spool: Spool
    clock: Callable[[], datetime]
    logger: logging.Logger
    earlier_ids: tuple[str, ...] = ()
    monitor: Monitor = NO_MONITOR
    single_process: bool = True
    longest_start: timedelta = timedelta(minutes=15)

    @property
    def all_ids(self) -> tuple[str, ...]:
        """This run and the runs that it executes again."""
        return (self.id, *self.earlier_ids)


@dataclass(frozen=True)
class HarvestContext:
    """One IngestConfig that one run harvests.

    Attributes:
        config: what to harvest.
        config_id: its row in the database.
        parameters: the parameters of the run.
        run: the run, its database and spool, and its clock.
        source: access to the source.
    """

    config: IngestConfig
    config_id: int
    parameters: Parameters
    run: CurrentRun
    source: SourceAccess

    @cached_property
    def logger(self) -> _Adapter:
        """The log of the run. A line may quote the source: secrets are masked, and a long line is cut."""
        return _SourceLogger(
            self.run.logger,
            {
                "redact": self.source.redact,
                "limits": self.source.response_limits,
                SOURCE_ATTRIBUTE: self.config.label,
            },
        )

    @cached_property
    def scope(self) -> LogScope:
        """The harvest logs that count for this config: those of the current harvester version and arguments."""
        digest = digest_of(self.source.deciding_arguments)
        return LogScope(self.config_id, self.source.harvester_class.VERSION, digest)

    @cached_property
    def transformer_version(self) -> int:
        """The version under which the data are transformed; 0 if the config names no transformer."""
        if self.config.transformer is None:
            return 0
        declared = scopes.declared_transformer(self.config)
        with self.run.database.read() as connection:
            return find_version(connection, self.config_id, declared)

    def attempt(self, log: HarvestLog) -> AttemptSpool:
        """Return the spool of the current fetch attempt for a log's window."""
        # A new database counts its attempts from 1 again. The time makes their names differ from those of an old one.
        began = f"{log.attempt_began:%Y%m%dT%H%M%S%f}" if log.attempt_began else "never"
        name = f"{self.source.request_digest}-{log.attempt}-{began}"
        return self.run.spool.attempt(*self.spool_path(log.window), name)

    def spool_path(self, window: Window) -> tuple[str, str]:
        """Return the label and the folder name of a window's fetch attempts in the spool."""
        return self.config.label, f"{window.start:%Y%m%dT%H%M%S.%f}--{window.end:%Y%m%dT%H%M%S.%f}"


class _SourceLogger(_Adapter):
    """A logger that masks the secrets of a source in each message, escapes control characters, and cuts long lines.

    Each record names the source, for logs in JSON.
    """

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        extra = cast("Mapping[str, Any]", self.extra)
        limits: ResponseLimits = extra["limits"]
        # Secrets are masked first, because a part of a secret is not recognized.
        line = escape_controls(extra["redact"](str(msg)))
        named = {**kwargs.get("extra", {}), SOURCE_ATTRIBUTE: extra[SOURCE_ATTRIBUTE]}
        return cut_middle(line, limits.log_line, limits.describe("log_line")), {**kwargs, "extra": named}


def narrow(chosen: Window, start: datetime | None, end: datetime | None) -> Window:
    """Return the part of the selected partitions between `start_date` and `end_date`.

    Raises:
        BadParameters: a date is outside the selected partitions, or the end is not after the start.
    """
    first, last = start or chosen.start, end or chosen.end
    if first < chosen.start or last > chosen.end:
        message = (
            f"start_date and end_date may only narrow the selected partitions, {chosen}. "
            "Select other partitions, or use the job `harvest` for any two instants."
        )
        raise BadParameters(message)
    if last <= first:
        message = f"end_date must be after start_date, not {last} after {first}. Swap them or leave one out."
        raise BadParameters(message)
    return Window(first, last)
