"""The client of a source for one op. Its HTTP session applies the request budget of the host and `timeout.harvest`."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from harvest_dagster.catalog.hosts import limits_by_host
from harvest_dagster.errors import HarvestError
from harvest_dagster.harvesters.interface import Client, Session
from harvest_dagster.http.models import Statistics
from harvest_dagster.http.rate_limit.deadline import Deadline
from harvest_dagster.http.session import HttpSession
from harvest_dagster.pipeline.context import HarvestContext
from harvest_dagster.pipeline.fetching.deferral import last_progress, max_budget_wait
from harvest_dagster.pipeline.lease_guard import LeaseHandle
from harvest_dagster.pipeline.source_access import build_session
from harvest_dagster.pipeline.write_guard import WriteGuard
from harvest_dagster.storage.counts import Counts
from harvest_dagster.storage.harvest_log import counters
from harvest_dagster.storage.harvest_log.queries import HarvestLog
from harvest_dagster.storage.rate_limit.database_budget import DatabaseBudget

_SHORTEST_REPORTED_WAIT = 1.0  # seconds
# The rate limit of a source makes most of its requests wait. Only a longer wait for it is worth a warning.
_LONGEST_ROUTINE_TURN = 30.0  # seconds


@dataclass(frozen=True)
class OpenSource:
    """The open client of a source, for one op.

    Attributes:
        client: requests pages from the source.
        statistics: returns what the client's requests have cost so far.
        keep_going: raises if the lease is lost, or `timeout.harvest` has expired. Its time starts with `open_source`.
    """

    client: Client
    statistics: Callable[[], Statistics]
    keep_going: Callable[[], None]


@contextmanager
def open_source(harvest: HarvestContext, lease: LeaseHandle, log: HarvestLog) -> Iterator[OpenSource]:
    """Open a client and its session for a window. At the end, add the cost of the requests to the window's log.

    Raises: see `open_client`.
    """

    def add_cost(connection: Connection, spent: Statistics) -> None:
        counts = Counts(requests=spent.requests, bytes=spent.bytes, seconds_waited=spent.seconds_waited)
        counters.add_counts(connection, log.id, counts)

    client = harvest.source.harvester.client
    with open_client(harvest, lease, client, last_progress(harvest, log), add_cost) as source:
        yield source


@contextmanager
def open_client(
    harvest: HarvestContext,
    guard: WriteGuard,
    create_client: Callable[[Session], Client],
    progress: datetime,
    add_cost: Callable[[Connection, Statistics], None],
) -> Iterator[OpenSource]:
    """Open a client and its session. At the end, record the cost of the requests.

    `timeout.harvest` is the time that one op may work on the window. If an op ends to wait for the source, that wait
    does not count. The retry of the op has the full time again.

    Args:
        harvest: the harvest.
        guard: the right to write.
        create_client: returns the client for a session.
        progress: when the last page arrived, or when the run began.
        add_cost: writes the cost in a transaction of the guard.

    Raises:
        MissingSecret: the environment lacks a `${NAME}`.
        UnknownPlugin: the harvester cannot be loaded.
        CatalogError: an argument is invalid after its `${NAME}` is replaced.
        BadInput: HARVEST_CONTACT is not an address.
        LeaseLost: another run took the lease; the cost of the requests is not recorded.
    """
    deadline = harvest_deadline(harvest, guard)
    with _session(harvest, deadline, max_budget_wait(harvest, progress)) as session:
        client = create_client(session)
        try:
            yield OpenSource(client, lambda: session.statistics, deadline.raise_if_over)
        except Exception:
            with suppress(HarvestError):  # the first error matters more
                _record_cost(session, guard, add_cost)
            raise
        _record_cost(session, guard, add_cost)


def _session(harvest: HarvestContext, deadline: Deadline, max_budget_wait: float) -> HttpSession:
    limits = limits_by_host(harvest.source.catalog, harvest.source.environ)
    return build_session(
        harvest.source,
        DatabaseBudget(harvest.run.database, limits),
        deadline,
        now=harvest.run.clock,
        max_budget_wait=max_budget_wait,
    )


def harvest_deadline(harvest: HarvestContext, guard: WriteGuard) -> Deadline:
    """Return the deadline of one op: `timeout.harvest` from now on, or the loss of the lease."""
    length = harvest.config.timeout.harvest.total_seconds()
    return Deadline(
        ends_at=time.monotonic() + length,
        length=length,
        keep_going=guard.raise_if_lost,
        on_wait=lambda seconds, reason, is_turn: _log_wait(harvest, seconds, reason, is_turn=is_turn),
        before_sleep=harvest.run.monitor.raise_if_stopped,
    )


def _log_wait(harvest: HarvestContext, seconds: float, reason: str, *, is_turn: bool) -> None:
    harvest.run.monitor.wait(seconds, reason)
    is_routine = is_turn and seconds <= max(_LONGEST_ROUTINE_TURN, 2 * harvest.config.rate_limit.period)
    if seconds >= _SHORTEST_REPORTED_WAIT:
        level = logging.DEBUG if is_routine else logging.WARNING
        harvest.logger.log(level, f"waiting {seconds:.0f} s: {reason}")


def _record_cost(
    session: HttpSession, guard: WriteGuard, add_cost: Callable[[Connection, Statistics], None]
) -> None:
    if session.statistics.requests:
        with guard.begin() as connection:
            add_cost(connection, session.statistics)
