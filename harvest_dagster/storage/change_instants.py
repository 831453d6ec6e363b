"""The instants at which the rows of a source changed. They increase with each transaction that changes rows.

A reader that has read all changes up to an instant must not miss one that is committed later with an earlier instant.
So the transactions that write changes of a source follow each other, and each has a later instant than all before it,
whatever the clocks of their machines show (docs/decisions/0035).
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Column, Connection, select, text

_STEP = timedelta(microseconds=1)  # the resolution of both databases
# Two integers: a key space of its own, apart from the one number that locks the migrations.
_LOCK = text("SELECT pg_advisory_xact_lock(hashtext(:table), :ingest_config_id)")


def next_instant(
    connection: Connection, changed_at: Column[datetime], ingest_config_id: int, now: datetime
) -> datetime:
    """Return the instant for the changes of this transaction: `now`, or later if an earlier change is not before it.

    Until the transaction ends, other transactions wait here if they change rows of the same table and source. On
    SQLite a write transaction excludes all others anyway.

    Args:
        connection: a transaction that writes.
        changed_at: the column for the instant. Its table has the column ingest_config_id, and an index of the two.
        ingest_config_id: the source.
        now: the time.
    """
    table = changed_at.table
    if connection.dialect.name == "postgresql":
        # Its own statement, so that the next one sees what the transaction committed that held the lock before.
        connection.execute(_LOCK, {"table": table.fullname, "ingest_config_id": ingest_config_id})
    newest = connection.scalar(
        select(changed_at)
        .where(table.c.ingest_config_id == ingest_config_id, changed_at.is_not(None))
        .order_by(changed_at.desc())
        .limit(1)
    )
    return now if newest is None else max(now, newest + _STEP)
