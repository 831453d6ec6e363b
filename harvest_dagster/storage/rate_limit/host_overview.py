"""Read the request budgets of many hosts in one statement, for people. `rows` reads that of one host for a request."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from harvest_dagster.rate_limits import Limit
from harvest_dagster.storage.rate_limit.rows import database_time, host_of_row, key_of
from harvest_dagster.storage.tables import request_departure, request_host


@dataclass(frozen=True)
class HostBudget:
    """The request budget of a host.

    Attributes:
        requests: the number of requests since the database exists.
        pause: seconds for which no request is allowed; 0 if one is allowed now.
        slowdown: by which factor requests are slowed down after refusals, 1 if they are not.
        limits: the limits that are in force.
    """

    requests: int
    pause: float
    slowdown: int
    limits: tuple[Limit, ...]


def find_budgets(connection: Connection, hosts: Collection[str]) -> dict[str, HostBudget]:
    """Return the budgets of these hosts. A host that was never asked is missing."""
    names = {key_of(host): host for host in hosts}
    newest = (
        select(func.max(request_departure.c.number))
        .where(request_departure.c.host_id == request_host.c.id)
        .scalar_subquery()
    )
    rows = connection.execute(
        select(request_host, newest.label("newest")).where(request_host.c.host.in_(list(names)))
    ).all()
    now = database_time(connection) if connection.dialect.name == "postgresql" else time.monotonic()
    found = {}
    for row in rows:
        throttle = host_of_row(row).throttle
        found[names[row.host]] = HostBudget(
            requests=row.newest or 0,
            pause=max(0.0, throttle.paused_until - now),
            slowdown=throttle.slowdown.at(now).factor,
            limits=tuple(limit for limit, until in throttle.limits.items() if until > now),
        )
    return found
