"""Logs that say STARTED or RESCHEDULED though their run is over or gone: ended, with what is known of it (Lesson 13).

The preflight does it for its own source, a sensor for all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from harvest_dagster.errors import LeaseHeld
from harvest_dagster.pipeline.harvest import Fate, Runs
from harvest_dagster.pipeline.lock import is_over
from harvest_dagster.storage import harvest_logs, harvest_states, leases
from harvest_dagster.storage.engine import Database
from harvest_dagster.storage.harvest_logs import HarvestLog
from harvest_dagster.storage.leases import Held


@dataclass(frozen=True)
class Settled:
    """A log that was ended for its run."""

    log: HarvestLog
    fate: Fate

    def __str__(self) -> str:
        left = f"log {self.log.id} of {self.log.window} was left {self.log.status} by run {self.log.run_id}"
        return f"{left}: {self.fate.reason}"


def settle(
    database: Database,
    runs: Runs,
    clock: Callable[[], datetime],
    *,
    config_id: int | None = None,
    own_run: str | None = None,
) -> list[Settled]:
    """End the STARTED and RESCHEDULED logs of runs that are over or gone.

    Args:
        database: where the logs are.
        runs: what is known of other runs.
        clock: the time, aware, in UTC.
        config_id: only this config's logs; None for all.
        own_run: the run that asks; its logs are left alone.
    """
    with database.read() as connection:
        logs = harvest_logs.unsettled(connection, config_id)
        held = leases.find_all(connection, {log.ingest_config_id for log in logs})
    others = [log for log in logs if log.run_id != own_run]
    ended = ((log, _settle(database, log, held.get(log.ingest_config_id), runs, clock)) for log in others)
    return [Settled(log, fate) for log, fate in ended if fate is not None]


def _settle(
    database: Database, log: HarvestLog, holder: Held | None, runs: Runs, clock: Callable[[], datetime]
) -> Fate | None:
    if log.status == "RESCHEDULED":
        return _end_waiting(database, log, runs, clock)
    # Who works at a log holds the lease. Whoever does not, works at none, whatever Dagster still says.
    if holder is not None and holder.holder.run_id == log.run_id:
        return _end_holder(database, log, holder, runs, clock)
    return _end(database, log, _fate(log, runs, "it holds no lease any more"), clock)


def _end_waiting(
    database: Database, log: HarvestLog, runs: Runs, clock: Callable[[], datetime]
) -> Fate | None:
    fate = runs.fate(log.run_id or "")
    if fate is not None:
        with database.begin() as connection:
            harvest_states.stop_waiting(
                connection, log, now=clock(), error=f"run {log.run_id} waited for its turn: {fate.reason}"
            )
    return fate


def _end_holder(
    database: Database, log: HarvestLog, held: Held, runs: Runs, clock: Callable[[], datetime]
) -> Fate | None:
    """Take a dead holder's lease away and end its log, at once: should it only have slept, it writes nothing more."""
    over, now = is_over(held, runs), clock()
    if not over and held.expires > now:
        return None
    fate = _fate(
        log, runs, runs.last_word(log.run_id or "") if over else "its lease ran out without a renewal"
    )
    try:
        with database.begin() as connection:
            if not leases.revoke(connection, log.ingest_config_id, held, now, over=over):
                return None
            harvest_states.end(
                connection, log, fate.status, now=now, error=_error(log, fate), broken_off=True
            )
    except LeaseHeld:
        return None  # it writes at this moment
    return fate


def _end(database: Database, log: HarvestLog, fate: Fate, clock: Callable[[], datetime]) -> Fate:
    with database.begin() as connection:
        harvest_states.end(
            connection, log, fate.status, now=clock(), error=_error(log, fate), broken_off=True
        )
    return fate


def _fate(log: HarvestLog, runs: Runs, otherwise: str) -> Fate:
    return runs.fate(log.run_id or "") or Fate("FAILED", otherwise)


def _error(log: HarvestLog, fate: Fate) -> str:
    return f"run {log.run_id}: {fate.reason}"
