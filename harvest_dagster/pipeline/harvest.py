"""What the steps of one harvest share: the config, the places it writes to, who runs it, and the clock."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from pydantic import BaseModel

from harvest_dagster import plugins
from harvest_dagster.catalog import contacts, secrets
from harvest_dagster.catalog.arguments import make_arguments
from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.errors import BadParameters
from harvest_dagster.masking import masker
from harvest_dagster.processes import Process
from harvest_dagster.spool import AttemptSpool, Spool
from harvest_dagster.storage.engine import Database
from harvest_dagster.storage.harvest_logs import HarvestLog, Series
from harvest_dagster.windows import Window


@dataclass(frozen=True)
class Parameters:
    """What a run may ask for; DESIGN.md, section 4, and the run config say what each means."""

    limit: int | None = None
    superfluous: bool = False
    transform: bool = True
    ignore_disabled: bool = False
    force: bool = False
    no_split: bool = False
    optimize: bool = True


@dataclass(frozen=True)
class Fate:
    """How a run ended, as its own record has it.

    Attributes:
        status: `FAILED` or `CANCELLED` in the terms of a harvest log.
        reason: one sentence.
    """

    status: str
    reason: str


@dataclass(frozen=True)
class Runs:
    """What is on record of other runs.

    Attributes:
        fate: how a run ended; None while it goes on, or where it is not on record.
        last_word: what is known of a run that is gone without having ended, in one sentence.
    """

    fate: Callable[[str], Fate | None]
    last_word: Callable[[str], str]


@dataclass(frozen=True)
class Runner:
    """Who runs the harvest.

    Attributes:
        run_id: the run.
        process: the process of the step at work.
        runs: what is known of others.
    """

    run_id: str
    process: Process
    runs: Runs


@dataclass(frozen=True)
class Patience:
    """How long a harvest waits for a source, and where.

    Attributes:
        longest_wait: seconds that an op sleeps; a longer wait ends it, to be tried again when the time has come.
        longest_silence: without a page the window fails, however politely the source says "later".
    """

    longest_wait: float = 60.0
    longest_silence: timedelta = timedelta(days=1)


@dataclass(frozen=True)
class Harvest:
    """One IngestConfig being harvested by one run.

    Attributes:
        config: what to harvest.
        config_id: its row in the database.
        parameters: what the run asked for.
        database: where records go.
        spool: where pages wait.
        runner: who runs it.
        environ: where `${NAME}` is read from.
        clock: the time, aware, in UTC.
        tell: takes a line for people, to the run's log.
        catalogue: all configs: those that ask the same host share its budget.
        patience: with the source.
    """

    config: IngestConfig
    config_id: int
    parameters: Parameters
    database: Database
    spool: Spool
    runner: Runner
    environ: Mapping[str, str]
    clock: Callable[[], datetime]
    tell: Callable[[str], None]
    catalogue: tuple[IngestConfig, ...] = ()
    patience: Patience = Patience()

    def say(self, line: str) -> None:
        """A line for people, in the run's log; it may quote the source, and never holds a secret."""
        self.tell(self.redact(line))

    @cached_property
    def harvester_class(self) -> Any:
        """The class behind the config's harvester key."""
        return plugins.load(plugins.HARVESTERS, self.config.harvester)

    @cached_property
    def _made_arguments(self) -> tuple[BaseModel, frozenset[str]]:
        return make_arguments(self.config, plugins.HARVESTERS, self.environ)

    @property
    def harvester_arguments(self) -> BaseModel:
        """The harvester's arguments with every `${NAME}` read.

        Raises:
            MissingSecret: the environment lacks one.
            UnknownPlugin: the harvester cannot be loaded.
            CatalogError: the harvester refuses them; the message holds no value.
        """
        return self._made_arguments[0]

    @property
    def contact(self) -> str:
        """Where the operators of the source reach us; empty where neither config nor environment says it.

        Raises:
            BadInput: HARVEST_CONTACT is no address.
        """
        return self.config.contact or contacts.of_environment(self.environ)

    @cached_property
    def secrets(self) -> tuple[str, ...]:
        """The values of the config's secrets."""
        return secrets.values(self.config.harvester_kwargs, self.environ)

    @cached_property
    def redact(self) -> Callable[[str], str]:
        """Masks the config's secrets in a text."""
        return masker(self.secrets)

    @property
    def series(self) -> Series:
        """The harvest logs that count for this config: those of the present harvester version."""
        return Series(self.config_id, self.harvester_class.VERSION)

    @property
    def transformer_version(self) -> int:
        """Of the config's transformer; 0 where it names none."""
        if self.config.transformer is None:
            return 0
        return int(plugins.load(plugins.TRANSFORMERS, self.config.transformer).VERSION)

    def attempt(self, log: HarvestLog) -> AttemptSpool:
        """The spool of the present attempt at a log's window."""
        # With the time it began: a new database numbers its attempts anew, and may find an old one's spool.
        began = f"{log.attempt_began:%Y%m%dT%H%M%S%f}" if log.attempt_began else "never"
        return self.spool.attempt(*self.spool_of(log.window), f"{self._asked}-{log.attempt}-{began}")

    def spool_of(self, window: Window) -> tuple[str, str]:
        """The directory of a window's attempts."""
        return self.config.label, f"{window.start:%Y%m%dT%H%M%S.%f}--{window.end:%Y%m%dT%H%M%S.%f}"

    @cached_property
    def _asked(self) -> str:
        """What was asked of which harvester: pages fetched for other arguments are not gone on with."""
        kwargs = json.dumps(self.config.harvester_kwargs, sort_keys=True, default=str)
        asked = f"{self.config.harvester} {self.harvester_class.VERSION} {kwargs}"
        return hashlib.sha256(asked.encode()).hexdigest()[:12]


def narrow(chosen: Window, start: datetime | None, end: datetime | None) -> Window:
    """The part of the partitions chosen that `start_date` and `end_date` leave.

    Raises:
        BadParameters: they reach beyond the partitions, or leave nothing.
    """
    first, last = start or chosen.start, end or chosen.end
    if first < chosen.start or last > chosen.end:
        message = (
            f"start_date and end_date may only narrow the partitions chosen, {chosen}. "
            "Choose other partitions, or use the job `harvest` for any two instants."
        )
        raise BadParameters(message)
    if last <= first:
        message = f"end_date must be after start_date, not {last} after {first}. Swap them or leave one out."
        raise BadParameters(message)
    return Window(first, last)
