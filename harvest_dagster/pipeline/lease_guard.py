"""The step lock: a lease in the database lets one run at a time write for an IngestConfig.

`acquire` acquires the lease, or raises at once if another run holds it. `hold_lease` holds it during one op, and a
thread renews it. Every write of a harvest uses the transactions of `LeaseHandle`, which verify the fencing token.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Connection

from harvest_dagster.errors import DatabaseError, LeaseHeld
from harvest_dagster.pipeline.context import HarvestContext, RunHistory
from harvest_dagster.pipeline.write_guard import WriteGuard, renewing
from harvest_dagster.processes import Process, is_gone
from harvest_dagster.storage import ingest_configs
from harvest_dagster.storage.database import Database
from harvest_dagster.storage.harvest_log import transitions
from harvest_dagster.storage.lease import leases
from harvest_dagster.storage.lease.leases import Lease, LeaseOwner, LeaseRow
from harvest_dagster.windows import Window


@dataclass(frozen=True)
class LeaseHandle(WriteGuard):
    """A lease that this process holds. `hold_lease` creates it.

    Attributes:
        lease: the lease with its fencing token.
    """

    lease: Lease

    def verify(self, connection: Connection) -> None:
        """Verify the fencing token, and keep the lease until this transaction ends.

        Raises:
            LeaseLost: the token is not the newest, or the lease was released.
        """
        leases.verify_token(connection, self.lease)

    def extend(self, pause: timedelta) -> None:
        """Extend the lease by a pause. No op works during the pause, so no thread renews the lease.

        Raises:
            LeaseLost: this run no longer holds the lease.
        """
        with self.database.begin() as connection:
            leases.renew(connection, self.lease, pause=pause)


def acquire(harvest: HarvestContext, window: Window, *, single_process: bool) -> Lease:
    """Acquire the lease if it is free, or has expired, or its holder is dead. It lasts until the next op works.

    Args:
        harvest: the harvest.
        window: the requested range. If another run holds the lease, the log of the range becomes RESCHEDULED.
        single_process: whether all ops of this run share one process. Then the end of the process ends the run.

    Raises:
        LeaseHeld: another run holds the lease.
        LeaseLost: this run has held the lease before and has lost it.
    """
    owner = LeaseOwner(harvest.run.id, harvest.run.process if single_process else None)
    try:
        return _adopt(harvest, owner) or _acquire(harvest, owner, harvest.run.longest_start)
    except LeaseHeld as error:
        with harvest.run.database.begin() as connection:
            held = leases.find_lease(connection, harvest.config_id)
            transitions.mark_rescheduled(
                connection,
                harvest.scope,
                window,
                run_id=harvest.run.id,
                holder=held.holder.run_id if held else None,
                error=str(error),
            )
        raise


@contextmanager
def hold_lease(harvest: HarvestContext) -> Iterator[LeaseHandle]:
    """Hold the run's lease during an op, and renew it. Acquire it if the run does not have it yet.

    A run that was re-executed from a failed op skips the op `lock`, so it acquires the lease here.

    Raises:
        LeaseHeld: another run holds the lease.
        LeaseLost: this run has held the lease before and has lost it.
    """
    before = _find_lease(harvest)
    owner = LeaseOwner(harvest.run.id, harvest.run.process)
    lease = LeaseHandle(harvest.run.database, _adopt(harvest, owner, before) or _acquire(harvest, owner))
    try:
        with renewing(harvest, lease):
            yield lease
    finally:
        with suppress(DatabaseError):  # it would hide the error of the op
            _leave(harvest, lease.lease, before)


def _leave(harvest: HarvestContext, lease: Lease, before: LeaseRow | None) -> None:
    """Keep the lease until the next op works.

    If that op has a process of its own, the end of this process does not mean that the run is dead, so the lease no
    longer names it.
    """
    own = before if before is not None and before.holder.run_id == harvest.run.id else None
    process = harvest.run.process if harvest.run.single_process else None
    with harvest.run.database.begin() as connection:
        leases.leave(connection, lease, process, harvest.run.longest_start, own)


def release(harvest: HarvestContext, lease: LeaseHandle) -> None:
    """Release the lease."""
    with harvest.run.database.begin() as connection:
        leases.release(connection, lease.lease)


def release_of_runs(database: Database, label: str, run_ids: Collection[str]) -> None:
    """Release the lease of a source if one of these runs holds it, because they have all ended.

    A run that was cancelled or failed early does not execute the op that releases the lease. If an op still works, it
    can write nothing more, as after a takeover.
    """
    with database.begin() as connection:
        config_id = ingest_configs.find_id(connection, label)
        held = None if config_id is None else leases.find_lease(connection, config_id)
        if config_id is not None and held is not None and held.holder.run_id in run_ids:
            leases.release(connection, Lease(config_id, held.holder.run_id, held.token))


def is_dead(held: LeaseRow, runs: RunHistory) -> bool:
    """Return whether the holder's run or process has ended. Such a holder never writes again."""
    process: Process | None = held.holder.process
    return runs.outcome(held.holder.run_id) is not None or (process is not None and is_gone(process))


def _find_lease(harvest: HarvestContext) -> LeaseRow | None:
    with harvest.run.database.read() as connection:
        return leases.find_lease(connection, harvest.config_id)


def _adopt(harvest: HarvestContext, owner: LeaseOwner, found: LeaseRow | None = None) -> Lease | None:
    """Return the lease that the run already holds, now with this owner's process; None if the run does not hold it."""
    with harvest.run.database.begin() as connection:
        return leases.adopt(connection, harvest.config_id, owner, found)


def _acquire(harvest: HarvestContext, owner: LeaseOwner, duration: timedelta = leases.TTL) -> Lease:
    held = _find_lease(harvest)
    # The SQL statement compares the expiry, because the holder may renew its lease at the same time.
    dead_token = held.token if held is not None and is_dead(held, harvest.run.history) else None
    with harvest.run.database.begin() as connection:
        lease = leases.acquire(connection, harvest.config_id, owner, dead_token, duration=duration)
    if held is not None:
        _log_takeover(harvest, held.holder.run_id)
    return lease


def _log_takeover(harvest: HarvestContext, run_id: str) -> None:
    """Log whose lease was taken over. A run that failed or was cancelled leaves its lease, so that is no warning."""
    if harvest.run.history.outcome(run_id) is None:
        harvest.logger.warning(f"took over the lease of run {run_id}, which is dead or did not renew it")
    else:
        harvest.logger.info(f"took over the lease of run {run_id}, which has ended")
