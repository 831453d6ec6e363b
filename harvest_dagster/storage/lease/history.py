"""History of lease acquisitions.

A run that lost a lease cannot acquire it again. The error names the run that took over. `leases` has the present
holder of a lease.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, insert, select

from harvest_dagster.storage.tables import lease_grant


def record_acquisition(
    connection: Connection, ingest_config_id: int, run_id: str, token: int, now: datetime
) -> None:
    """Record that this run acquired the lease with this token."""
    connection.execute(
        insert(lease_grant).values(
            ingest_config_id=ingest_config_id, run_id=run_id, token=token, acquired=now
        )
    )


def has_held_lease(connection: Connection, ingest_config_id: int, run_id: str) -> bool:
    """Return whether this run has ever held the lease."""
    token = select(lease_grant.c.token).where(
        lease_grant.c.ingest_config_id == ingest_config_id, lease_grant.c.run_id == run_id
    )
    return connection.scalar(token) is not None


def find_newest_run(connection: Connection, ingest_config_id: int) -> str | None:
    """Return the run that acquired the lease last, even if it no longer holds it."""
    return connection.scalar(
        select(lease_grant.c.run_id)
        .where(lease_grant.c.ingest_config_id == ingest_config_id)
        .order_by(lease_grant.c.token.desc())
        .limit(1)
    )
