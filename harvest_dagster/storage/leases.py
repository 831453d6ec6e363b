"""Leases: one writer for each IngestConfig, in the database, without any session state.

A lease is a row: who holds it, until when, and a fencing token that grows with every acquisition. Every
transaction that writes for a harvest calls `check` inside itself, so that a holder that lost its lease writes
nothing more (Lesson 11). On PostgreSQL the check locks the row FOR KEY SHARE: renewing goes on meanwhile,
taking over does not. On SQLite the one writer at a time does the same.

Not here: who is dead, for `acquire` is told which token it may take over; and who held it before (`lease_grants`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, case, literal, or_, select, true, update
from sqlalchemy.exc import OperationalError

from harvest_dagster.errors import LeaseHeld, LeaseLost
from harvest_dagster.processes import Process
from harvest_dagster.storage import lease_grants
from harvest_dagster.storage.statements import insert_or_ignore
from harvest_dagster.storage.tables import Instant, lease

TTL = timedelta(seconds=60)


@dataclass(frozen=True)
class Holder:
    """Who holds a lease.

    Attributes:
        run_id: the run; all its ops share the lease.
        process: where it is at work; None between the ops of a run that has a process for each.
    """

    run_id: str
    process: Process | None


@dataclass(frozen=True)
class Lease:
    """The right to write for an IngestConfig, as long as `token` is the newest."""

    ingest_config_id: int
    run_id: str
    token: int


@dataclass(frozen=True)
class Held:
    """A lease as it stands in the database."""

    token: int
    holder: Holder
    acquired: datetime
    expires: datetime


def find(connection: Connection, ingest_config_id: int) -> Held | None:
    """Who holds the lease, dead or alive; None where it is free."""
    row = connection.execute(
        select(lease).where(lease.c.ingest_config_id == ingest_config_id, lease.c.owner.is_not(None))
    ).first()
    return None if row is None else _held(row)


def find_all(connection: Connection, ingest_config_ids: Iterable[int]) -> dict[int, Held]:
    """Who holds the leases of these configs; those that are free are left out."""
    rows = connection.execute(
        select(lease).where(lease.c.ingest_config_id.in_(list(ingest_config_ids)), lease.c.owner.is_not(None))
    )
    return {row.ingest_config_id: _held(row) for row in rows}


def acquire(
    connection: Connection,
    ingest_config_id: int,
    holder: Holder,
    now: datetime,
    dead_token: int | None = None,
) -> Lease:
    """Take a lease that is free, has expired, or is held under `dead_token`. Never waits.

    A run gets the lease of a config once: what it lost, it does not take back.

    Raises:
        LeaseHeld: a living run holds it.
        LeaseLost: this run held it before.
    """
    _lock_row(connection, ingest_config_id)
    _refuse_second(connection, ingest_config_id, holder.run_id)
    taken = connection.execute(
        update(lease)
        .where(
            lease.c.ingest_config_id == ingest_config_id,
            or_(lease.c.owner.is_(None), lease.c.expires <= now, lease.c.token == dead_token),
        )
        .values(
            token=lease.c.token + 1,
            owner=holder.run_id,
            acquired=now,
            expires=now + TTL,
            **_presence(holder.process),
        )
        .returning(lease.c.token)
    ).scalar()
    if taken is None:
        raise LeaseHeld(_who_holds(find(connection, ingest_config_id)))
    lease_grants.add(connection, ingest_config_id, holder.run_id, taken, now)
    return Lease(ingest_config_id, holder.run_id, taken)


def adopt(connection: Connection, ingest_config_id: int, holder: Holder, now: datetime) -> Lease | None:
    """Go on with the lease that this run holds already, perhaps in another process; None where it holds none."""
    token = connection.execute(
        update(lease)
        .where(lease.c.ingest_config_id == ingest_config_id, lease.c.owner == holder.run_id)
        .values(expires=_not_before(now + TTL), **_presence(holder.process))
        .returning(lease.c.token)
    ).scalar()
    return None if token is None else Lease(ingest_config_id, holder.run_id, token)


def renew(connection: Connection, held: Lease, now: datetime, *, pause: timedelta = timedelta()) -> None:
    """Put the expiry off, beyond a pause in which nobody will renew it; it never comes nearer.

    Raises:
        LeaseLost: another run took over.
    """
    expires = _not_before(now + pause + TTL)
    renewed = connection.execute(update(lease).where(_is(held)).values(expires=expires))
    if renewed.rowcount == 0:
        raise LeaseLost(_who_took(connection, held))


def check(connection: Connection, held: Lease) -> None:
    """See to it that this transaction commits only under the newest token.

    Raises:
        LeaseLost: another run took over, or the lease was released.
    """
    valid = connection.scalar(
        select(lease.c.token).where(_is(held)).with_for_update(read=True, key_share=True)
    )
    if valid is None:
        raise LeaseLost(_who_took(connection, held))


def revoke(connection: Connection, ingest_config_id: int, held: Held, now: datetime, *, over: bool) -> bool:
    """Take the lease from a holder that is dead, so that it writes nothing more should it wake.

    Args:
        connection: a write transaction.
        ingest_config_id: whose lease it is.
        held: as it was found.
        now: the time.
        over: whether its run is over or its process gone; otherwise only an expiry counts.

    Returns:
        whether it was taken; not where the holder has renewed it since.
    """
    _lock_row(connection, ingest_config_id)
    the_same = _is(Lease(ingest_config_id, held.holder.run_id, held.token))
    dead = true() if over else lease.c.expires <= now
    revoked = connection.execute(
        update(lease).where(the_same, dead).values(owner=None, expires=None, **_presence(None))
    )
    return bool(revoked.rowcount)


def release(connection: Connection, held: Lease) -> bool:
    """Give it back; False where it was lost before."""
    released = connection.execute(
        update(lease).where(_is(held)).values(owner=None, expires=None, **_presence(None))
    )
    return bool(released.rowcount)


def _lock_row(connection: Connection, ingest_config_id: int) -> None:
    """Lock the config's row, made where it is missing, or raise LeaseHeld: a holder is writing just now."""
    statement = select(lease.c.token).where(lease.c.ingest_config_id == ingest_config_id)
    try:
        row = connection.execute(statement.with_for_update(nowait=True)).first()
    except OperationalError as error:
        if getattr(error.orig, "sqlstate", None) != _LOCK_NOT_AVAILABLE:
            raise
        message = "another run is writing for this source at this moment."
        raise LeaseHeld(message) from None
    if row is None:
        insert_or_ignore(connection, lease, {"ingest_config_id": ingest_config_id, "token": 0})


_LOCK_NOT_AVAILABLE = "55P03"  # PostgreSQL, appendix A: lock_not_available


def _refuse_second(connection: Connection, ingest_config_id: int, run_id: str) -> None:
    if lease_grants.held_before(connection, ingest_config_id, run_id):
        message = (
            f"run {run_id} lost its lease to another run and writes nothing more. "
            "Start a new run: it goes on where the harvest stands."
        )
        raise LeaseLost(message)


def _is(held: Lease) -> ColumnElement[bool]:
    return and_(
        lease.c.ingest_config_id == held.ingest_config_id,
        lease.c.token == held.token,
        lease.c.owner == held.run_id,
    )


def _not_before(instant: datetime) -> ColumnElement[datetime]:
    """An expiry: this, or a later one that stands there, since another window of the run is put off until then."""
    later = literal(instant, Instant())
    return case((lease.c.expires > later, lease.c.expires), else_=later)


def _presence(process: Process | None) -> dict[str, object]:
    if process is None:
        return {"host": None, "process_id": None, "process_started": None}
    return {"host": process.host, "process_id": process.id, "process_started": process.started}


def _held(row: Row[Any]) -> Held:
    process = Process(row.host, row.process_id, row.process_started) if row.process_id else None
    return Held(row.token, Holder(row.owner, process), row.acquired, row.expires)


def _who_holds(held: Held | None) -> str:
    if held is None:
        return "another run took the lease of this source at this moment."
    process = held.holder.process
    at = f" (host {process.host.split()[0]}, process {process.id})" if process else ""
    return (
        f"run {held.holder.run_id}{at} is harvesting this source since {held.acquired:%Y-%m-%d %H:%M:%S} UTC."
    )


def _who_took(connection: Connection, lost: Lease) -> str:
    newest_run = lease_grants.newest_run(connection, lost.ingest_config_id)
    by = "it was taken away" if newest_run == lost.run_id else f"run {newest_run} took over"
    return (
        f"run {lost.run_id} lost its lease (token {lost.token}): {by}, since it was silent for more than "
        f"{TTL.total_seconds():.0f} s or seemed dead. It writes nothing more. "
        "Start a new run: it goes on where the harvest stands."
    )
