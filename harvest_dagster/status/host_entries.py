"""The hosts of sources, and how much of their request budgets is used: for the report and the metrics."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from harvest_dagster.catalog.hosts import main_host, rate_limit_of
from harvest_dagster.rate_limits import Limit
from harvest_dagster.status.source_state import SourceState

_SECONDS_A_DAY = 86_400


@dataclass(frozen=True)
class HostEntry:
    """One host, and how much of its request budget was used on the last day.

    Attributes:
        host: its name.
        labels: its sources.
        limit: the strictest limit of its sources.
        requests: the number of requests of windows that began in the last 24 hours.
        pause: seconds for which no request is allowed; 0 if one is allowed now.
        slowdown: by which factor requests are slowed down after refusals, 1 if they are not.
        total: the number of requests since the database exists.
    """

    host: str
    labels: tuple[str, ...]
    limit: Limit
    requests: int
    pause: float
    slowdown: int
    total: int = 0

    @property
    def allowed(self) -> float:
        """The number of requests that the limit allows on a day."""
        return self.limit.rate * _SECONDS_A_DAY

    @property
    def use(self) -> float:
        """The share of the requests that the limit allows on a day, from 0 to 1."""
        return self.requests / self.allowed


def host_entries(states: Iterable[SourceState]) -> Iterator[HostEntry]:
    """Yield the hosts of these sources, ordered by name. Hosts whose names come from the environment are left out."""
    by_host: dict[str, list[SourceState]] = {}
    for state in states:
        if host := main_host(state.config):
            by_host.setdefault(host, []).append(state)
    for host, found in sorted(by_host.items()):
        budget = found[0].budget
        limits = [rate_limit_of(state.config) for state in found]
        yield HostEntry(
            host=host,
            labels=tuple(state.config.label for state in found),
            limit=min(limits, key=lambda limit: limit.rate),
            requests=sum(state.last_day.requests for state in found),
            pause=budget.pause if budget else 0.0,
            slowdown=budget.slowdown if budget else 1,
            total=budget.requests if budget else 0,
        )
