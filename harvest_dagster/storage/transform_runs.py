"""The runs that transform: where each is at work, and when it was last seen there."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, select

from harvest_dagster.processes import Process
from harvest_dagster.storage.statements import dialect_insert
from harvest_dagster.storage.tables import transform_run


@dataclass(frozen=True)
class Seen:
    """A run that transforms, as it was seen last."""

    process: Process
    last_seen: datetime


def find(connection: Connection, run_id: str) -> Seen | None:
    """Where a run was seen last; None where it never was, or has ended in order."""
    row = connection.execute(select(transform_run).where(transform_run.c.run_id == run_id)).first()
    if row is None:
        return None
    return Seen(Process(row.host, row.process_id, row.process_started), row.last_seen)


def see(connection: Connection, run_id: str, process: Process, now: datetime) -> None:
    """Note that a run is at work in this process."""
    seen = {
        "host": process.host,
        "process_id": process.id,
        "process_started": process.started,
        "last_seen": now,
    }
    added = dialect_insert(connection, transform_run).values(run_id=run_id, **seen)
    connection.execute(added.on_conflict_do_update(index_elements=["run_id"], set_=seen))


def leave(connection: Connection, run_id: str) -> None:
    """Note that a run has ended in order."""
    connection.execute(delete(transform_run).where(transform_run.c.run_id == run_id))
