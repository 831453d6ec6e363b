"""The values that all steps of one harvest share.

HarvestContext holds the config, the parameters of the run, the current run (its database, its spool, its clock) and
the access to the source.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

from harvest_dagster import plugins
from harvest_dagster.catalog import secrets
from harvest_dagster.catalog.arguments import (
    arguments_without_secrets,
    deciding_arguments,
    deciding_values,
    digest_of,
    has_open_end,
    resolve_arguments,
)
from harvest_dagster.catalog.contacts import contact_from_environment
from harvest_dagster.catalog.plaintext_secrets import auth_values
from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.coverage import scopes
from harvest_dagster.errors import BadParameters
from harvest_dagster.harvesters.interface import Harvester, Parser
from harvest_dagster.masking import build_masker
from harvest_dagster.pipeline.monitor import NO_MONITOR, Monitor
from harvest_dagster.processes import Process
from harvest_dagster.response_limits import ResponseLimits
from harvest_dagster.spool import AttemptSpool, Spool
from harvest_dagster.storage.database import Database
from harvest_dagster.storage.harvest_log.queries import HarvestLog, LogScope
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
        clock: returns the time, aware, in UTC.
        logger: the log of the run. Steps of a harvest use `HarvestContext.logger`, which masks secrets.
        earlier_ids: the runs that this run executes again from a failure, the newest first.
        monitor: follows the harvest and may stop it.
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

    @property
    def all_ids(self) -> tuple[str, ...]:
        """This run and the runs that it executes again."""
        return (self.id, *self.earlier_ids)


@dataclass(frozen=True)
class WaitLimits:
    """How long a harvest waits for a source.

    Attributes:
        longest_wait: seconds that an op sleeps. If a wait is longer, the op ends and is retried when the wait is over.
        before_second_list: seconds before a source is asked again because its empty answer is doubtful.
        longest_silence: a window fails after this time without a page, even if the source asks us to wait.
    """

    longest_wait: float = 60.0
    longest_silence: timedelta = timedelta(days=1)
    before_second_list: float = 5.0


@dataclass(frozen=True)
class SourceAccess:
    """All that is needed to send requests to one source: its harvester, its secrets and its limits.

    Attributes:
        config: the IngestConfig of the source.
        environ: the environment variables, which have the values of `${NAME}`.
        catalog: all IngestConfigs. Those with the same host share its request budget.
        wait_limits: how long a harvest waits for the source.
    """

    config: IngestConfig
    environ: Mapping[str, str]
    catalog: tuple[IngestConfig, ...] = ()
    wait_limits: WaitLimits = WaitLimits()

    @cached_property
    def harvester_class(self) -> type[Harvester]:
        """The class that the config's harvester key names.

        Raises:
            UnknownPlugin: the harvester cannot be loaded.
        """
        return cast("type[Harvester]", plugins.load(plugins.HARVESTERS, self.config.harvester))

    @cached_property
    def harvester(self) -> Harvester:
        """The harvester with its secrets. Only its client needs them.

        Raises:
            MissingSecret: the environment lacks a `${NAME}`.
            UnknownPlugin: the harvester cannot be loaded.
            CatalogError: the harvester rejects its arguments. The message contains no value.
        """
        arguments = resolve_arguments(self.config, plugins.HARVESTERS, self.environ)
        return self.harvester_class(arguments).with_limits(self.response_limits)

    @cached_property
    def parser(self) -> Parser:
        """The parser of the source's pages. It needs no secret.

        Raises:
            UnknownPlugin: the harvester cannot be loaded.
            CatalogError: the harvester rejects its arguments. The message contains no value.
        """
        arguments = arguments_without_secrets(self.config, self.environ)
        parser = self.harvester_class(arguments).with_limits(self.response_limits).parser()
        parser.keep_original = self.config.keep_original
        return parser

    @cached_property
    def response_limits(self) -> ResponseLimits:
        """What a response of the source may cost."""
        return ResponseLimits(**dict(self.config.limits))

    @cached_property
    def has_open_end(self) -> bool:
        """Whether the source can only be asked from an instant on."""
        return has_open_end(self.config, self.environ)

    @property
    def contact(self) -> str:
        """The address for the operators of the source; empty if neither the config nor the environment has one.

        Raises:
            BadInput: HARVEST_CONTACT is not an address.
        """
        return self.config.contact or contact_from_environment(self.environ)

    @cached_property
    def secrets(self) -> tuple[str, ...]:
        """The values of the config's secrets."""
        return (
            *secrets.secret_values(self.config.harvester_kwargs, self.environ),
            *secrets.credential_values(self.config, self.environ),
        )

    @cached_property
    def redact(self) -> Callable[[str], str]:
        """A function that masks the config's secrets in a text."""
        return build_masker(self.secrets)

    @cached_property
    def deciding_arguments(self) -> dict[str, Any]:
        """The arguments that decide what the source is asked. Coverage holds only for them."""
        return deciding_arguments(self.config)

    @cached_property
    def deciding_values(self) -> dict[str, str]:
        """The values behind the `${NAME}` of these arguments. Coverage holds only for them."""
        return deciding_values(self.config, self.environ)

    @cached_property
    def request_digest(self) -> str:
        """A digest of all that determines the requests: the harvester, its version, its arguments and `auth`.

        `auth` counts because marks in the spool number the secrets of the config (`http.transport.secret_echoes`).
        """
        kwargs = json.dumps(self.config.harvester_kwargs, sort_keys=True, default=str)
        text = f"{self.config.harvester} {self.harvester_class.VERSION} {kwargs}"
        if self.config.auth is not None:
            text = f"{text} {json.dumps(auth_values(self.config), sort_keys=True)}"
        return hashlib.sha256(text.encode()).hexdigest()[:12]


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
            self.run.logger, {"redact": self.source.redact, "limits": self.source.response_limits}
        )

    @cached_property
    def scope(self) -> LogScope:
        """The harvest logs that count for this config: those of the current harvester version and arguments."""
        digest = digest_of(self.source.deciding_arguments)
        return LogScope(self.config_id, self.source.harvester_class.VERSION, digest)

    @property
    def transformer_version(self) -> int:
        """See `scopes.transformer_version`."""
        return scopes.transformer_version(self.config)

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
    """A logger that masks the secrets of a source in each message, escapes control characters, and cuts long lines."""

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        extra = cast("Mapping[str, Any]", self.extra)
        limits: ResponseLimits = extra["limits"]
        # Secrets are masked first, because a part of a secret is not recognized.
        line = escape_controls(extra["redact"](str(msg)))
        return cut_middle(line, limits.log_line, limits.describe("log_line")), kwargs


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
