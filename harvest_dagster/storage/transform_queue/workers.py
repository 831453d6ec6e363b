"""The runs that work: the process of each run, and when it last reported."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Connection, delete, select

from harvest_dagster.processes import Process
from harvest_dagster.storage.clock import database_now
from harvest_dagster.storage.tables import transform_run
from harvest_dagster.storage.upsert import dialect_insert


@dataclass(frozen=True)
class Worker:
    """A run that works, as it last reported.

    Attributes:
        silence: the time since the report, by the clock of the database.
    """

    process: Process
    silence: timedelta


def find_worker(connection: Connection, run_id: str) -> Worker | None:
    """Return the last report of a run, or None if it never reported or has ended normally."""
    now = database_now(connection).label("now")
    row = connection.execute(select(transform_run, now).where(transform_run.c.run_id == run_id)).first()
    if row is None:
        return None
    return Worker(Process(row.host, row.process_id, row.process_started), row.now - row.last_seen)


def record_worker(connection: Connection, run_id: str, process: Process) -> None:
    """Record that a run works in this process."""
    values = {
        "host": process.host,
        "process_id": process.id,
        "process_started": process.started,
        "last_seen": database_now(connection),
    }
    added = dialect_insert(connection, transform_run).values(run_id=run_id, **values)
    connection.execute(added.on_conflict_do_update(index_elements=["run_id"], set_=values))


def remove_worker(connection: Connection, run_id: str) -> None:
    """Record that a run has ended normally."""
    connection.execute(delete(transform_run).where(transform_run.c.run_id == run_id))


def remove_process(connection: Connection, run_id: str, process: Process) -> None:
    """Record that this process no longer works for a run. Another process of the run may do so."""
    is_process = (
        transform_run.c.host == process.host,
        transform_run.c.process_id == process.id,
        transform_run.c.process_started == process.started,
    )
    connection.execute(delete(transform_run).where(transform_run.c.run_id == run_id, *is_process))
