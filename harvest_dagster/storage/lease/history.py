"""History of lease acquisitions.

A run that lost a lease cannot acquire it again. The error names the run that took over. `leases` has the present
holder of a lease.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, insert, select

from harvest_dagster.storage.clock import database_now
from harvest_dagster.storage.tables import lease_grant


@dataclass(frozen=True)
class Acquisition:
    """The run that acquired a lease, and when."""

    run_id: str
    acquired: datetime


def record_acquisition(connection: Connection, ingest_config_id: int, run_id: str, token: int) -> None:
    """Record that this run acquired the lease with this token."""
    connection.execute(
        insert(lease_grant).values(
            ingest_config_id=ingest_config_id,
            run_id=run_id,
            token=token,
            acquired=database_now(connection),
        )
    )


def find_token(connection: Connection, ingest_config_id: int, run_id: str) -> int | None:
    """Return the token with which this run has held the lease; None if it never held it."""
    return connection.scalar(
        select(lease_grant.c.token).where(
            lease_grant.c.ingest_config_id == ingest_config_id, lease_grant.c.run_id == run_id
        )
    )


def find_successor(connection: Connection, ingest_config_id: int, token: int) -> Acquisition | None:
    """Return the run that acquired the lease after the holder with this token, even if it no longer holds it."""
    row = connection.execute(
        select(lease_grant.c.run_id, lease_grant.c.acquired)
        .where(lease_grant.c.ingest_config_id == ingest_config_id, lease_grant.c.token > token)
        .order_by(lease_grant.c.token)
        .limit(1)
    ).first()
    return None if row is None else Acquisition(row.run_id, row.acquired)
