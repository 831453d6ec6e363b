"""What a harvest counts while it is under way: its pages, what they brought, what was spent at the source.

Each of these is in a transaction that checks the fencing token. Not here: a log's status, and when counting
begins anew (`harvest_states`).
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, case, func, update

from harvest_dagster.errors import LeaseLost
from harvest_dagster.storage.harvest_logs import Counts, Strays
from harvest_dagster.storage.tables import harvest_log


def advance(connection: Connection, log_id: int, page: int, counts: Counts, strays: Strays) -> None:
    """Count a page that this transaction stores: `page` is its number, from 0.

    Raises:
        LeaseLost: another process of this run stored it before.
    """
    came = {**asdict(counts), **asdict(strays)}
    added = {name: harvest_log.c[name] + number for name, number in came.items()}
    advanced = connection.execute(
        update(harvest_log)
        .where(harvest_log.c.id == log_id, harvest_log.c.pages_stored == page)
        .values(pages_stored=page + 1, unlaunched_since=_stored_by(), **added)
    )
    if advanced.rowcount == 0:
        message = (
            f"page {page} of harvest log {log_id} was stored by another process of this run; this one stops"
        )
        raise LeaseLost(message)


def _stored_by() -> ColumnElement[datetime]:
    """The beginning of the list at work, or of an earlier one that this one, by its `limit`, may not make good."""
    began = func.coalesce(harvest_log.c.attempt_began, harvest_log.c.date_started)
    return case(
        (harvest_log.c.record_limit.is_(None), began),
        else_=func.coalesce(harvest_log.c.unlaunched_since, began),
    )


def spend(connection: Connection, log_id: int, *, requests: int, size: int, seconds_waited: float) -> None:
    """Add what was spent at the source: requests, bytes received, seconds waited for the rate limit."""
    connection.execute(
        update(harvest_log)
        .where(harvest_log.c.id == log_id)
        .values(
            requests=harvest_log.c.requests + requests,
            bytes=harvest_log.c.bytes + size,
            seconds_waited=harvest_log.c.seconds_waited + seconds_waited,
        )
    )


def expect(connection: Connection, log_id: int, expected: int | None, identifiers: int | None = None) -> None:
    """Note the source's own total, and how many different identifiers came."""
    connection.execute(
        update(harvest_log)
        .where(harvest_log.c.id == log_id)
        .values(expected=expected, identifiers=identifiers)
    )


def recover(connection: Connection, log_id: int) -> None:
    """Count a rung of the ladder: a list broke, and was gone on with in another way."""
    connection.execute(
        update(harvest_log).where(harvest_log.c.id == log_id).values(recoveries=harvest_log.c.recoveries + 1)
    )
