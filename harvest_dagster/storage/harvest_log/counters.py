"""Add to the counts of a harvest log while the harvest is under way.

Every function belongs into a transaction that verifies the fencing token. The list of the counts is in
`storage.counts`; `transitions` sets them back to zero when a new fetch attempt begins.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, case, func, update

from harvest_dagster.errors import LeaseLost
from harvest_dagster.storage.counts import COUNT_NAMES, Counts
from harvest_dagster.storage.tables import harvest_log


def count_page(connection: Connection, log_id: int, page: int, counts: Counts) -> None:
    """Add the counts of a page that this transaction stores, and note that the page is stored.

    Args:
        connection: a transaction under the lease.
        log_id: the log of the window.
        page: number of the page, from 0.
        counts: what the page adds.

    Raises:
        LeaseLost: another process of this run has stored the page already.
    """
    updated = connection.execute(
        update(harvest_log)
        .where(harvest_log.c.id == log_id, harvest_log.c.pages_stored == page)
        .values(pages_stored=page + 1, unlaunched_since=_unlaunched_since(), **_increments(counts))
    )
    if updated.rowcount == 0:
        message = (
            f"another process of this run has stored page {page} of harvest log {log_id}; this process stops"
        )
        raise LeaseLost(message)


def add_counts(connection: Connection, log_id: int, counts: Counts) -> None:
    """Add what the fetch step counts: requests, bytes, seconds of waiting, recovery steps."""
    connection.execute(update(harvest_log).where(harvest_log.c.id == log_id).values(**_increments(counts)))


def correct_quarantined(connection: Connection, log_id: int, quarantined: int) -> None:
    """Set the number of invalid records. While pages are stored, a record that came in several lists counts in each."""
    connection.execute(update(harvest_log).where(harvest_log.c.id == log_id).values(quarantined=quarantined))


def set_expected(
    connection: Connection, log_id: int, expected: int | None, identifiers: int | None = None
) -> None:
    """Set the source's own total, and the number of different identifiers that were received."""
    connection.execute(
        update(harvest_log)
        .where(harvest_log.c.id == log_id)
        .values(expected=expected, identifiers=identifiers)
    )


def _increments(counts: Counts) -> dict[str, ColumnElement[Any]]:
    return {name: harvest_log.c[name] + getattr(counts, name) for name in COUNT_NAMES}


def _unlaunched_since() -> ColumnElement[datetime]:
    """Return the start of the oldest list whose stored data may not be launched yet.

    A complete list brings everything that an earlier one left unlaunched. A list with a `limit` may not, so that
    the instant of the earlier list stays.
    """
    began = func.coalesce(harvest_log.c.attempt_began, harvest_log.c.date_started)
    return case(
        (harvest_log.c.record_limit.is_(None), began),
        else_=func.coalesce(harvest_log.c.unlaunched_since, began),
    )
