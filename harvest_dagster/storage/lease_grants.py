"""Every acquisition of a lease that ever was: by it a run that lost one is refused it, and told who took over.

Not here: who holds a lease now (`leases`).
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, insert, select

from harvest_dagster.storage.tables import lease_grant


def add(connection: Connection, ingest_config_id: int, run_id: str, token: int, now: datetime) -> None:
    """Remember that this run acquired the lease, under this token."""
    connection.execute(
        insert(lease_grant).values(
            ingest_config_id=ingest_config_id, run_id=run_id, token=token, acquired=now
        )
    )


def held_before(connection: Connection, ingest_config_id: int, run_id: str) -> bool:
    """Whether this run ever held the lease."""
    token = select(lease_grant.c.token).where(
        lease_grant.c.ingest_config_id == ingest_config_id, lease_grant.c.run_id == run_id
    )
    return connection.scalar(token) is not None


def newest_run(connection: Connection, ingest_config_id: int) -> str | None:
    """The run that acquired the lease last, whether or not it holds it still."""
    return connection.scalar(
        select(lease_grant.c.run_id)
        .where(lease_grant.c.ingest_config_id == ingest_config_id)
        .order_by(lease_grant.c.token.desc())
        .limit(1)
    )
