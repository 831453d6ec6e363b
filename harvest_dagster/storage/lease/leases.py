"""Leases: one writer for each IngestConfig, in the database, without any session state.

A lease is a row with a holder, an expiry, and a fencing token that increases with every acquisition. Every
transaction that writes for a harvest calls `verify_token`. A holder that lost its lease therefore writes nothing more
(docs/failures.md#lost-lock-keeps-writing). On PostgreSQL `verify_token` locks the row FOR KEY SHARE, which permits a
renewal and blocks an acquisition until the transaction ends. SQLite has only one writer at a time.

The clock of the database decides when a lease expires (`storage.clock`). Callers decide whether a holder is dead for
another reason, and pass its token to `acquire`. Earlier holders are in `history`.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Interval,
    Row,
    Select,
    Text,
    and_,
    bindparam,
    case,
    cast,
    column,
    func,
    literal,
    or_,
    select,
    table,
    true,
    update,
)
from sqlalchemy.exc import OperationalError

from harvest_dagster.errors import LeaseHeld, LeaseLost
from harvest_dagster.processes import Process
from harvest_dagster.storage.clock import database_now
from harvest_dagster.storage.lease import history
from harvest_dagster.storage.tables import Instant, lease
from harvest_dagster.storage.upsert import insert_or_ignore

# How long a lease lasts without a renewal while an op works.
TTL = timedelta(seconds=60)
# A dead holder's transaction that is older than this is ended. A page takes well under a second.
LONGEST_WRITE = timedelta(seconds=60)
# The beginning of the application_name of sessions that write. PostgreSQL cuts names after 63 bytes.
_WRITER = "harvest_dagster, writer of source "
_LOCK_NOT_AVAILABLE = "55P03"  # PostgreSQL documentation, appendix A: lock_not_available


def _select_valid(*columns: ColumnElement[Any]) -> Select[Any]:
    """Return the query for a lease that is still held. It locks the row on PostgreSQL."""
    is_held = and_(
        lease.c.ingest_config_id == bindparam("config"),
        lease.c.token == bindparam("held_token"),
        lease.c.owner == bindparam("run"),
    )
    query: Select[Any] = select(lease.c.token, *columns).where(is_held)
    return query.with_for_update(read=True, key_share=True, of=lease)


# Built once. Each transaction that writes executes one of them; to build it took longer than to execute it.
_VALID = _select_valid()
_VALID_AND_NAMED = _select_valid(func.set_config("application_name", bindparam("session", type_=Text), True))


@dataclass(frozen=True)
class LeaseOwner:
    """The holder of a lease.

    Attributes:
        run_id: the run. All its ops share the lease.
        process: the process of the op that works now; None between two ops that have a process each.
    """

    run_id: str
    process: Process | None


@dataclass(frozen=True)
class Lease:
    """The right to write for an IngestConfig. It is valid while `token` is the newest."""

    ingest_config_id: int
    run_id: str
    token: int


@dataclass(frozen=True)
class LeaseRow:
    """A lease as the database has it.

    Attributes:
        read: when it was read, by the clock of the database.
    """

    token: int
    holder: LeaseOwner
    acquired: datetime
    expires: datetime
    read: datetime

    @property
    def is_expired(self) -> bool:
        """Whether it had expired when it was read."""
        return self.expires <= self.read


def find_lease(connection: Connection, ingest_config_id: int) -> LeaseRow | None:
    """Return the lease with its holder, dead or alive; None if it is free."""
    row = connection.execute(_leases(connection, lease.c.ingest_config_id == ingest_config_id)).first()
    return None if row is None else _lease_row(row)


def find_leases(connection: Connection, ingest_config_ids: Iterable[int]) -> dict[int, LeaseRow]:
    """Return the leases of these configs that have a holder, by the config's key."""
    rows = connection.execute(_leases(connection, lease.c.ingest_config_id.in_(list(ingest_config_ids))))
    return {row.ingest_config_id: _lease_row(row) for row in rows}


def find_leases_of_runs(connection: Connection, run_ids: Iterable[str]) -> dict[str, list[LeaseRow]]:
    """Return the leases that these runs hold, dead or alive, by run. A run may hold those of several configs."""
    rows = connection.execute(_leases(connection, lease.c.owner.in_(list(run_ids))))
    found: dict[str, list[LeaseRow]] = {}
    for row in rows:
        found.setdefault(row.owner, []).append(_lease_row(row))
    return found


def acquire(
    connection: Connection,
    ingest_config_id: int,
    holder: LeaseOwner,
    dead_token: int | None = None,
    *,
    duration: timedelta = TTL,
) -> Lease:
    """Acquire a lease that is free, has expired, or has the token `dead_token`. Never wait.

    A run acquires the lease of a config at most once. It cannot acquire a lease again that it lost.

    Args:
        connection: a write transaction.
        ingest_config_id: the config.
        holder: the run.
        dead_token: the token of a holder that is dead.
        duration: until the lease expires without a renewal.

    Raises:
        LeaseHeld: a live run holds it.
        LeaseLost: this run held it before.
    """
    now = database_now(connection)
    is_dead = or_(lease.c.expires <= now, lease.c.token == dead_token)
    _lock_row(connection, ingest_config_id, is_dead)
    _raise_if_held_before(connection, ingest_config_id, holder.run_id)
    token = connection.execute(
        update(lease)
        .where(lease.c.ingest_config_id == ingest_config_id, or_(lease.c.owner.is_(None), is_dead))
        .values(
            token=lease.c.token + 1,
            owner=holder.run_id,
            acquired=now,
            expires=database_now(connection, duration),
            **_process_columns(holder.process),
        )
        .returning(lease.c.token)
    ).scalar()
    if token is None:
        raise LeaseHeld(_describe_holder(find_lease(connection, ingest_config_id)))
    history.record_acquisition(connection, ingest_config_id, holder.run_id, token)
    return Lease(ingest_config_id, holder.run_id, token)


def adopt(
    connection: Connection, ingest_config_id: int, holder: LeaseOwner, found: LeaseRow | None = None
) -> Lease | None:
    """Return the lease that this run already holds, perhaps from another process; None if it holds none.

    Args:
        connection: a write transaction.
        ingest_config_id: the config.
        holder: the run, with the process of the op that works from now on.
        found: the lease as it was read before. It then expires `TTL` from now, unless it was extended since.
    """
    working = _at_least(database_now(connection, TTL), None if found is None else found.expires)
    token = connection.execute(
        update(lease)
        .where(lease.c.ingest_config_id == ingest_config_id, lease.c.owner == holder.run_id)
        .values(expires=working, **_process_columns(holder.process))
        .returning(lease.c.token)
    ).scalar()
    return None if token is None else Lease(ingest_config_id, holder.run_id, token)


def leave(
    connection: Connection,
    held: Lease,
    process: Process | None,
    duration: timedelta,
    found: LeaseRow | None = None,
) -> None:
    """Keep the lease until the next op of the run works. A lost lease stays as it is.

    Args:
        connection: a write transaction.
        held: the lease.
        process: the process whose end will be the end of the run; None if each op has a process of its own.
        duration: until the lease expires without a renewal.
        found: the lease as it was read before this op. It does not expire before it would have expired then: another
            window of the run may be deferred until a later time.
    """
    expires = _at_least(database_now(connection, duration))
    if found is not None:
        before = literal(found.expires, Instant())
        expires = case((expires > before, expires), else_=before)
    values = {"expires": expires, **_process_columns(process)}
    connection.execute(update(lease).where(_matches(held)).values(values))


def renew(connection: Connection, held: Lease, *, pause: timedelta = timedelta()) -> None:
    """Extend the lease. This never shortens it.

    Args:
        connection: a write transaction.
        held: the lease.
        pause: the time for which nobody will renew the lease; it is added to the usual extension.

    Raises:
        LeaseLost: another run took over.
    """
    expires = _at_least(database_now(connection, pause + TTL))
    renewed = connection.execute(update(lease).where(_matches(held)).values(expires=expires))
    if renewed.rowcount == 0:
        raise LeaseLost(_describe_loss(connection, held))


def verify_token(connection: Connection, held: Lease) -> None:
    """Verify that the lease has the newest token, and keep it so until this transaction ends.

    On PostgreSQL, the name of the session shows the token until then, so that `_end_writers` finds the transaction.

    Raises:
        LeaseLost: another run took over, or the lease was released.
    """
    values = {"config": held.ingest_config_id, "held_token": held.token, "run": held.run_id}
    valid = _VALID
    if connection.dialect.name == "postgresql":
        valid = _VALID_AND_NAMED
        values["session"] = _session_name(held.ingest_config_id, held.token)
    if connection.execute(valid, values).first() is None:
        raise LeaseLost(_describe_loss(connection, held))


def revoke(connection: Connection, ingest_config_id: int, found: LeaseRow, *, over: bool) -> bool:
    """Take the lease away from a dead holder. If the holder resumes, it cannot write anything more.

    Args:
        connection: a write transaction.
        ingest_config_id: the config of the lease.
        found: the lease as it was read before.
        over: whether the holder's run has ended or its process is gone. Otherwise the lease must have expired.

    Returns:
        Whether the lease was taken away. It was not if the holder has renewed it since.
    """
    unchanged = _matches(Lease(ingest_config_id, found.holder.run_id, found.token))
    dead = true() if over else lease.c.expires <= database_now(connection)
    _lock_row(connection, ingest_config_id, and_(unchanged, dead))
    revoked = connection.execute(
        update(lease).where(unchanged, dead).values(owner=None, expires=None, **_process_columns(None))
    )
    return bool(revoked.rowcount)


def release(connection: Connection, held: Lease) -> bool:
    """Give the lease back. Return False if it was lost before."""
    released = connection.execute(
        update(lease).where(_matches(held)).values(owner=None, expires=None, **_process_columns(None))
    )
    return bool(released.rowcount)


def _lock_row(connection: Connection, ingest_config_id: int, is_dead: ColumnElement[bool]) -> None:
    """Lock the row of the config, and create it if it is missing.

    If a transaction of a dead holder has locked the row, end that transaction. The next attempt then succeeds.

    Args:
        connection: a write transaction.
        ingest_config_id: the config.
        is_dead: the condition that the holder is dead.

    Raises:
        LeaseHeld: a transaction of the holder has locked it.
    """
    of_config = lease.c.ingest_config_id == ingest_config_id
    try:
        with _savepoint(connection):
            row = connection.execute(
                select(lease.c.token).where(of_config).with_for_update(nowait=True)
            ).first()
    except OperationalError as error:
        if getattr(error.orig, "sqlstate", None) != _LOCK_NOT_AVAILABLE:
            raise
        ended = _end_writers(connection, and_(of_config, is_dead))
        message = (
            "a dead run was writing for this source; its transaction is ended."
            if ended
            else "another run is writing for this source at this moment."
        )
        raise LeaseHeld(message) from None
    if row is None:
        insert_or_ignore(connection, lease, {"ingest_config_id": ingest_config_id, "token": 0})


def _savepoint(connection: Connection) -> AbstractContextManager[object]:
    """Return a savepoint. On PostgreSQL, a transaction needs one to continue after an error. SQLite locks no row."""
    return connection.begin_nested() if connection.dialect.name == "postgresql" else nullcontext()


def _end_writers(connection: Connection, is_dead: ColumnElement[bool]) -> int:
    """End the sessions in which dead holders write for too long. PostgreSQL rolls their transactions back.

    A process that is frozen while it sends data with COPY holds its locks forever: PostgreSQL waits for the data, and
    neither `statement_timeout` nor `idle_in_transaction_session_timeout` ends this wait.

    Returns:
        The number of these sessions.
    """
    names = ("pid", "application_name", "datname", "xact_start")
    activity = table("pg_stat_activity", *map(column, names))
    name = _session_name(cast(lease.c.ingest_config_id, Text), cast(lease.c.token, Text))
    ended = connection.execute(
        select(func.pg_terminate_backend(activity.c.pid))
        .select_from(activity.join(lease, activity.c.application_name == name))
        .where(
            is_dead,
            activity.c.datname == func.current_database(),
            activity.c.pid != func.pg_backend_pid(),
            activity.c.xact_start <= func.now() - literal(LONGEST_WRITE, Interval()),
        )
    )
    return len(ended.all())


def _session_name(ingest_config_id: Any, token: Any) -> Any:
    """Return the name of the sessions that write with a token, for values or for SQL expressions."""
    if isinstance(token, int):
        return f"{_WRITER}{ingest_config_id}, token {token}"
    return literal(_WRITER) + ingest_config_id + literal(", token ") + token


def _raise_if_held_before(connection: Connection, ingest_config_id: int, run_id: str) -> None:
    token = history.find_token(connection, ingest_config_id, run_id)
    if token is not None:
        raise LeaseLost(_describe_loss(connection, Lease(ingest_config_id, run_id, token)))


def _matches(held: Lease) -> ColumnElement[bool]:
    return and_(
        lease.c.ingest_config_id == held.ingest_config_id,
        lease.c.token == held.token,
        lease.c.owner == held.run_id,
    )


def _at_least(instant: ColumnElement[datetime], replaced: datetime | None = None) -> ColumnElement[datetime]:
    """Return the later of this instant and the row's expiry, which another window of the run may have extended.

    The expiry `replaced` does not count.
    """
    is_later = lease.c.expires > instant
    if replaced is not None:
        is_later = and_(is_later, lease.c.expires != replaced)
    return case((is_later, lease.c.expires), else_=instant)


def _leases(connection: Connection, condition: ColumnElement[bool]) -> Select[Any]:
    """Return the statement that reads the leases with a holder for which the condition holds."""
    return select(lease, database_now(connection).label("read")).where(condition, lease.c.owner.is_not(None))


def _process_columns(process: Process | None) -> dict[str, object]:
    if process is None:
        return {"host": None, "process_id": None, "process_started": None}
    return {"host": process.host, "process_id": process.id, "process_started": process.started}


def _lease_row(row: Row[Any]) -> LeaseRow:
    process = Process(row.host, row.process_id, row.process_started) if row.process_id else None
    return LeaseRow(row.token, LeaseOwner(row.owner, process), row.acquired, row.expires, row.read)


def _describe_holder(found: LeaseRow | None) -> str:
    if found is None:
        return "another run is acquiring the lease of this source at this moment."
    process = found.holder.process
    at = f" (host {process.host.split()[0]}, process {process.id})" if process else ""
    since = f"{found.acquired:%Y-%m-%d %H:%M:%S} UTC"
    return f"run {found.holder.run_id}{at} has been harvesting this source since {since}."


def _describe_loss(connection: Connection, lost: Lease) -> str:
    """Name the run that took the lease, or say that none did."""
    successor = history.find_successor(connection, lost.ingest_config_id, lost.token)
    if successor is None:
        cause = (
            "no other run has taken it. It was taken away or released, because this run had ended in Dagster, or its "
            "process had, or nothing had renewed the lease in time"
        )
    else:
        at = f"{successor.acquired:%Y-%m-%d %H:%M:%S} UTC"
        cause = f"run {successor.run_id} took over at {at}, because nothing had renewed it or this run seemed dead"
    return (
        f"run {lost.run_id} lost its lease (token {lost.token}): {cause}. It writes nothing more. "
        "Start a new run: it continues where the harvest stopped."
    )
