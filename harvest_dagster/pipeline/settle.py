"""Logs that say STARTED though nobody works at them any more: ended, with what is known of their run (Lesson 13).

The preflight does it for its own source, a sensor for all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from harvest_dagster.pipeline.harvest import Fate, Runs
from harvest_dagster.pipeline.lock import is_dead
from harvest_dagster.storage import harvest_logs, harvest_states, leases
from harvest_dagster.storage.engine import Database
from harvest_dagster.storage.harvest_logs import HarvestLog


@dataclass(frozen=True)
class Settled:
    """A log that was ended for its run."""

    log: HarvestLog
    fate: Fate

    def __str__(self) -> str:
        return f"log {self.log.id} of {self.log.window} was left STARTED by run {self.log.run_id}: {self.fate.reason}"


def settle(
    database: Database,
    runs: Runs,
    clock: Callable[[], datetime],
    *,
    config_id: int | None = None,
    own_run: str | None = None,
) -> list[Settled]:
    """End the STARTED logs of runs that are over or gone.

    Args:
        database: where the logs are.
        runs: what is known of other runs.
        clock: the time, aware, in UTC.
        config_id: only this config's logs; None for all.
        own_run: the run that asks; its logs are left alone.
    """
    with database.read() as connection:
        logs = harvest_logs.started(connection, config_id)
        held = leases.find_all(connection, {log.ingest_config_id for log in logs})
    settled = []
    for log in logs:
        holder = held.get(log.ingest_config_id)
        # Who works at a log holds the lease. Whoever does not, works at none, whatever Dagster still says.
        at_work = holder is not None and holder.holder.run_id == log.run_id
        if log.run_id == own_run or (holder and at_work and not is_dead(holder, runs, clock())):
            continue
        fate = runs.fate(log.run_id or "") or Fate("FAILED", runs.last_word(log.run_id or ""))
        with database.begin() as connection:
            harvest_states.settle(
                connection, log, fate.status, now=clock(), error=f"run {log.run_id}: {fate.reason}"
            )
        settled.append(Settled(log, fate))
    return settled
