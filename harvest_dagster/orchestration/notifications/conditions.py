"""The condition of each source: works, is incomplete, differs, fails or is refused; and which changes are news.

One statement for each table reads all sources. Not here: the text of a message (`message`), and what was reported
before (`storage.reported_states`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeVar

from sqlalchemy import Connection

from harvest_dagster.catalog.hosts import limits_by_host
from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.coverage.scopes import log_scope
from harvest_dagster.coverage.source_overview import SourceOverview
from harvest_dagster.coverage.sweep_overview import SweepOverview
from harvest_dagster.coverage.sweep_status import ERROR, describe_sweep
from harvest_dagster.errors import UnknownPlugin
from harvest_dagster.orchestration.checks.up_to_date import describe_status
from harvest_dagster.storage import ingest_configs
from harvest_dagster.storage.harvest_log import quarantine, queries, run_attempts
from harvest_dagster.storage.harvest_log.queries import LogScope
from harvest_dagster.storage.harvest_log.run_attempts import FailureStreak
from harvest_dagster.storage.ingest_configs import Refusal
from harvest_dagster.storage.reported_states import ReportedState
from harvest_dagster.texts import NO_ERROR, first_line, shorten

NONE, INCOMPLETE, DIFFERS, FAILS, REFUSED = "none", "incomplete", "differs", "fails", "refused"
_LONGEST_REASON = 1000  # characters

_T = TypeVar("_T")


@dataclass(frozen=True)
class SourceCondition:
    """The condition of a source at one instant.

    Attributes:
        config: the source.
        problem: one of `tables.PROBLEMS`: the most severe one.
        quarantined: number of its quarantined records; None if the version of its harvester is not known.
        is_active: whether a run harvests it now. The run may still harvest the missing days.
        since: when the problem began; None if there is none, or if that is not known.
        reason: why, in one sentence.
        unreachable_host: the host, if the source fails because its host cannot be reached; otherwise None.
    """

    config: IngestConfig
    problem: str = NONE
    quarantined: int | None = 0
    is_active: bool = False
    since: datetime | None = None
    reason: str = ""
    unreachable_host: str | None = None

    def state_after(self, reported: ReportedState) -> ReportedState:
        """Return the state that follows on the reported one. It is the same if nothing needs to be recorded."""
        problem = self.problem
        quarantined = reported.quarantined if self.quarantined is None else self.quarantined
        if self.is_active:
            quarantined = min(quarantined, reported.quarantined)
            if problem == INCOMPLETE:
                problem = reported.problem
        if problem == FAILS and reported.problem == REFUSED:
            problem = REFUSED  # the probe after the pause has failed: nothing has changed
        return ReportedState(problem, quarantined)


def is_news(before: ReportedState, after: ReportedState) -> bool:
    """Return whether people need to know of a change. That fewer records are quarantined is no news."""
    return before.problem != after.problem or after.quarantined > before.quarantined


@dataclass(frozen=True)
class ConditionReader:
    """What the database records of all sources at one instant.

    Attributes:
        overview: coverage and failed windows.
        sweeps: the last comparisons with the source, and held deletions.
        streaks: the failures of each log scope since its last success.
        refusals: the sources whose last run was refused, by label.
        quarantined: the number of quarantined records of each log scope.
        active: primary keys of the sources that a run harvests now.
    """

    overview: SourceOverview
    sweeps: SweepOverview
    streaks: Mapping[LogScope, FailureStreak]
    refusals: Mapping[str, Refusal]
    quarantined: Mapping[LogScope, int]
    active: frozenset[int]

    @classmethod
    def read(
        cls, connection: Connection, now: datetime, configs: Sequence[IngestConfig]
    ) -> "ConditionReader":
        """Read the condition of these sources."""
        overview = SourceOverview.read(connection, now)
        failed = [scope for scope, windows in overview.failed.items() if windows]
        return cls(
            overview=overview,
            sweeps=SweepOverview.read(connection, now, configs),
            streaks=run_attempts.find_failure_streaks(connection, failed),
            refusals=ingest_configs.find_refusals(connection),
            quarantined=quarantine.count_by_scope(connection),
            active=frozenset(log.ingest_config_id for log in queries.find_open(connection)),
        )

    def condition_of(self, config: IngestConfig) -> SourceCondition:
        """Return the condition of a source.

        Raises:
            UnknownPlugin: the harvester of the source cannot be loaded. A refused source needs none.
        """
        if refusal := self.refusals.get(config.label):
            return self._condition(config, REFUSED, refusal.since, refusal.reason)
        status = self.overview.status_of(config)
        streak = self._of_scope(config, self.streaks)
        if streak is not None and self.overview.failed_windows(config):
            condition = self._condition(
                config, FAILS, streak.since, first_line(streak.error or "") or NO_ERROR
            )
            return replace(condition, unreachable_host=_host(config) if streak.host_unreachable else None)
        sweep_status = self.sweeps.status_of(config)
        # Only a person can approve deletions, and missing days are usually harvested soon.
        if sweep_status.problem == ERROR:
            return self._condition(config, DIFFERS, sweep_status.last_time, describe_sweep(sweep_status))
        if status.missing or status.is_late:
            late = "" if status.missing else ", and its scheduled harvest is late"
            return self._condition(config, INCOMPLETE, status.complete_until, describe_status(status) + late)
        return self._condition(config, NONE, None, describe_status(status))

    def _condition(
        self, config: IngestConfig, problem: str, since: datetime | None, reason: str
    ) -> SourceCondition:
        try:
            quarantined = self._of_scope(config, self.quarantined) or 0
        except UnknownPlugin:  # the reason of the refusal
            quarantined = None
        is_active = self.overview.config_ids.get(config.label) in self.active
        return SourceCondition(
            config, problem, quarantined, is_active, since, shorten(reason, _LONGEST_REASON)
        )

    def _of_scope(self, config: IngestConfig, found: Mapping[LogScope, _T]) -> _T | None:
        config_id = self.overview.config_ids.get(config.label)
        if config_id is None:
            return None
        return found.get(replace(log_scope(config, config_id), arguments_digest=None))


def _host(config: IngestConfig) -> str | None:
    """Return the host of a source; None if it is not in the YAML, or if there are several."""
    hosts = list(limits_by_host([config]))
    return hosts[0] if len(hosts) == 1 else None
