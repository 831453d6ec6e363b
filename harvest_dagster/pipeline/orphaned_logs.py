"""Closes orphaned logs: logs that are STARTED or RESCHEDULED although their run has ended or no longer exists.

Preflight closes the orphaned logs of its own source, and a sensor closes those of all sources
(docs/failures.md#running-forever).
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from harvest_dagster.errors import LeaseHeld
from harvest_dagster.pipeline.context import RunHistory, RunOutcome
from harvest_dagster.pipeline.lease_guard import is_dead
from harvest_dagster.storage.database import Database
from harvest_dagster.storage.harvest_log import queries, transitions
from harvest_dagster.storage.harvest_log.queries import HarvestLog
from harvest_dagster.storage.lease import leases
from harvest_dagster.storage.lease.leases import LeaseRow


@dataclass(frozen=True)
class ClosedLog:
    """An orphaned log that was closed.

    Attributes:
        log: the log as it was before.
        outcome: how its run ended.
    """

    log: HarvestLog
    outcome: RunOutcome

    def __str__(self) -> str:
        log = self.log
        return f"run {log.run_id} left log {log.id} of {log.window} {log.status}: {self.outcome.reason}"


def close_logs_of_dead_runs(
    database: Database,
    runs: RunHistory,
    clock: Callable[[], datetime],
    *,
    config_id: int | None = None,
    spared: Collection[str] = (),
) -> list[ClosedLog]:
    """Close the STARTED and RESCHEDULED logs of runs that have ended or no longer exist. Return the closed logs.

    Args:
        database: where the logs are.
        runs: what is known about other runs.
        clock: returns the time, aware, in UTC.
        config_id: close only the logs of this config; None for all configs.
        spared: runs whose logs stay as they are.
    """
    with database.read() as connection:
        logs = queries.find_open(connection, config_id)
        held = leases.find_leases(connection, {log.ingest_config_id for log in logs})
    closed = []
    for log in logs:
        if log.run_id not in spared:
            outcome = _close_if_dead(database, log, held.get(log.ingest_config_id), runs, clock)
            if outcome is not None:
                closed.append(ClosedLog(log, outcome))
    return closed


def _close_if_dead(
    database: Database,
    log: HarvestLog,
    lease: LeaseRow | None,
    runs: RunHistory,
    clock: Callable[[], datetime],
) -> RunOutcome | None:
    if log.status == "RESCHEDULED":
        return _close_rescheduled(database, log, runs, clock)
    # A run that works at a log holds the lease. A run without it does not, whatever Dagster says about the run.
    if lease is not None and lease.holder.run_id == log.run_id:
        return _close_log_of_holder(database, log, lease, runs, clock)
    outcome = _outcome(log, runs, "it no longer holds the lease")
    with database.begin() as connection:
        _mark_ended(connection, log, outcome, clock())
    return outcome


def _close_rescheduled(
    database: Database, log: HarvestLog, runs: RunHistory, clock: Callable[[], datetime]
) -> RunOutcome | None:
    outcome = runs.outcome(log.run_id or "")
    if outcome is not None:
        with database.begin() as connection:
            transitions.close_rescheduled(
                connection, log, now=clock(), error=f"run {log.run_id} waited for the lease: {outcome.reason}"
            )
    return outcome


def _close_log_of_holder(
    database: Database, log: HarvestLog, lease: LeaseRow, runs: RunHistory, clock: Callable[[], datetime]
) -> RunOutcome | None:
    """Revoke the lease of a dead holder and close its log in one transaction.

    If the holder was only suspended, it can write nothing more.
    """
    over, now = is_dead(lease, runs), clock()
    if not over and not lease.is_expired:
        return None
    reason = runs.last_known_state(log.run_id or "") if over else "its lease expired without a renewal"
    outcome = _outcome(log, runs, reason)
    try:
        with database.begin() as connection:
            if not leases.revoke(connection, log.ingest_config_id, lease, over=over):
                return None
            _mark_ended(connection, log, outcome, now)
    except LeaseHeld:
        return None  # the holder is writing at this moment
    return outcome


def _outcome(log: HarvestLog, runs: RunHistory, otherwise: str) -> RunOutcome:
    return runs.outcome(log.run_id or "") or RunOutcome("FAILED", otherwise)


def _mark_ended(connection: Connection, log: HarvestLog, outcome: RunOutcome, now: datetime) -> None:
    error = f"run {log.run_id}: {outcome.reason}"
    transitions.mark_ended(connection, log, outcome.status, now=now, error=error, broken_off=True)
