"""Requests for runs that harvest several sources. A large catalog, or HARVEST_SOURCES_PER_RUN, allows them.

The start of a run costs several times as much processor time as a day of a small source (docs/decisions/0088).
"""

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

import dagster as dg

from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.coverage.due_days import DueDays
from harvest_dagster.coverage.shared_runs import RunGroups
from harvest_dagster.orchestration.asset_keys import AssetKeys
from harvest_dagster.orchestration.on_demand import RepositoryOnDemand
from harvest_dagster.orchestration.sensors import run_requests

SIZE_VARIABLE = "HARVEST_SOURCES_PER_RUN"
FLEET = 200  # sources with a schedule; a run for each of them would use two cores for 20 minutes
SIZE_IN_FLEET = 10


@dataclass(frozen=True)
class DueHarvest:
    """The days of a source for one run.

    Attributes:
        config: the source.
        due: the days.
        time: the scheduled time that the run serves.
    """

    config: IngestConfig
    due: DueDays
    time: datetime


@dataclass(frozen=True)
class DueRuns:
    """The runs that a tick requests.

    Attributes:
        single: the runs of one source.
        shared: the runs that may have several.
    """

    single: list[DueHarvest]
    shared: RunGroups[DueHarvest]

    @classmethod
    def of(cls, size: int) -> "DueRuns":
        """Return an empty collection. A run may have so many sources."""
        return cls([], RunGroups(size))

    @property
    def are_shared(self) -> bool:
        """Whether a run may have several sources."""
        return self.shared.size > 1

    def add(
        self, config: IngestConfig, due: Sequence[DueDays], time: datetime, *, may_share: bool
    ) -> Sequence[DueDays]:
        """Add the days of a source, as many as the tick may request. Return them.

        Args:
            config: the source.
            due: ranges of days.
            time: the scheduled time that they serve.
            may_share: whether the source may share a run. It then has one range of days.
        """
        number = len(self.single) + len(self.shared.groups)
        has_place = may_share and self.shared.has_place(due[0])
        requested = due if has_place else due[: run_requests.remaining_runs(number)]
        harvests = [DueHarvest(config, days, time) for days in requested]
        if may_share:
            for harvest in harvests:
                self.shared.add(harvest.due, harvest)
        else:
            self.single.extend(harvests)
        return requested

    def requests(self, keys: AssetKeys) -> list[dg.RunRequest]:
        """Return the requests for these runs."""
        groups = [*((harvest,) for harvest in self.single), *self.shared.groups]
        return [request_of(harvests, keys) for harvests in groups]


def sources_per_run(log: logging.Logger, repository: dg.RepositoryDefinition | None, scheduled: int) -> int:
    """Return how many sources a run may harvest.

    1 if the variable is not valid, and in a code location that has merged the definitions with others: Dagster builds
    the job of a run there, and it accepts only assets with the same first partition.

    Args:
        log: of the tick.
        repository: of the code location.
        scheduled: how many sources have a schedule. It decides if the variable is not set.
    """
    value = os.environ.get(SIZE_VARIABLE, "").strip()
    if not isinstance(repository, RepositoryOnDemand):
        return 1
    if not value:
        return SIZE_IN_FLEET if scheduled >= FLEET else 1
    if not value.isdecimal() or int(value) < 1:
        log.warning(f"{SIZE_VARIABLE} must be a number from 1, not {value!r}. Each run harvests one source.")
        return 1
    return int(value)


def request_of(harvests: Sequence[DueHarvest], keys: AssetKeys) -> dg.RunRequest:
    """Return the request for the run of one source, or of several that have the same days to harvest."""
    first = harvests[0]
    days = first.due.days
    # The parameter `superfluous` would also transform unchanged data again; `optimize: false` does not.
    parameters = {"optimize": False} if first.due.superfluous else None
    if len(harvests) == 1:
        return run_requests.harvest_request(
            first.config,
            days,
            keys=keys,
            run_key=f"{first.config.label} {days} due {_minute(first.time)}",
            priority=run_requests.SCHEDULE,
            parameters=parameters,
        )
    members = " ".join(f"{one.config.label} {_minute(one.time)}" for one in harvests)
    return run_requests.shared_request(
        [one.config for one in harvests],
        days,
        keys=keys,
        run_key=f"{len(harvests)} sources {days} {sha256(members.encode()).hexdigest()[:16]}",
        priority=run_requests.SCHEDULE,
        parameters=parameters,
    )


def _minute(time: datetime) -> str:
    return f"{time:%Y-%m-%dT%H:%MZ}"
