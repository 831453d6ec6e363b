"""Sweeps: each comparison of all identifiers of a source with the stored ones, and the run that owns it.

A sweep lists identifiers without the lease of the source. So its row is a lease of its own: it names the run that works
on it, with an expiry and a process. Every function that writes verifies in the same transaction that the row still has
this run. Another run takes over the sweep of a dead run (`take_over`), and the dead run can then write nothing more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, bindparam, insert, select, update

from harvest_dagster.errors import LeaseHeld, LeaseLost
from harvest_dagster.processes import Process
from harvest_dagster.storage.clock import database_now
from harvest_dagster.storage.tables import ingest_config
from harvest_dagster.storage.tables import sweep as sweep_table
from harvest_dagster.windows import Window, format_bounds, parse_instant

TTL = timedelta(seconds=60)
UNFINISHED = ("STARTED", "FAILED", "CANCELLED")

# Built once, because they are executed for each page of a sweep.
_IS_SWEEP = sweep_table.c.id == bindparam("sweep_id")
_BY_ID = select(sweep_table).where(_IS_SWEEP)
_OWNER = select(sweep_table.c.run_id, sweep_table.c.status).where(_IS_SWEEP).with_for_update()


@dataclass(frozen=True)
class Findings:
    """What a sweep found and did. Each count is a number of identifiers.

    Attributes:
        listed: different live identifiers in the lists.
        known: live records that were stored.
        missing: listed as live, and not stored as live.
        changed: listed with a newer datestamp than the stored one.
        gone: stored as live, and not listed as live.
        duplicates: listed more than once.
        sets_differ: listed with other sets than the stored ones.
        repaired: missing or changed ones that a harvest of this sweep corrected.
        quarantined: missing or changed as well, but invalid: in the quarantine, or with an identifier that cannot be
            stored. They do not count as missing or changed.
        deleted: records that were deleted, because they are gone.
        held: deletions that wait for an approval.
        reconciled_days: days whose live identifiers agree, and that have no newer datestamp in the lists.
        examples: a few identifiers of each difference, by its name, such as `missing`.
    """

    listed: int = 0
    known: int = 0
    missing: int = 0
    changed: int = 0
    gone: int = 0
    duplicates: int = 0
    sets_differ: int = 0
    repaired: int = 0
    quarantined: int = 0
    deleted: int = 0
    held: int = 0
    reconciled_days: int = 0
    examples: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Sweep:
    """One row of the table sweep.

    Attributes:
        run_id: the last run that worked on it.
        run_began: when this run began or continued it.
        expires: until when this run owns the sweep without a renewal.
        process: the process of the op that works now; None between two ops that have a process each.
        status: one of `tables.SWEEP_STATUSES`.
        date_started: when its first list began.
        arguments_digest: of the arguments with which the source is asked.
        windows: the windows that are listed, in order; empty until they are planned.
        completeness: `complete` if all its lists are proven, otherwise `unverified`; None until all are fetched.
        evidence: the weakest evidence of its lists; None until all are fetched.
        doubt: why one of its lists may be wrong, as a clause; None if there is no doubt.
        lists_everything: whether its lists have all records of the source. If not, they cannot show what is gone.
        is_compared: whether the lists were compared, so that `findings` has numbers.
        findings: the counts of the comparison.
    """

    id: int
    ingest_config_id: int
    run_id: str
    run_began: datetime
    expires: datetime | None
    process: Process | None
    status: str
    date_started: datetime
    date_completed: datetime | None
    error: str | None
    arguments_digest: str | None
    windows: tuple[Window, ...]
    completeness: str | None
    evidence: str | None
    doubt: str | None
    lists_everything: bool
    pages: int
    requests: int
    bytes: int
    seconds_waited: float
    is_compared: bool
    findings: Findings

    @property
    def is_complete(self) -> bool:
        """Whether all lists of the sweep are proven complete."""
        return self.completeness == "complete"

    @property
    def has_all_stored(self) -> bool:
        """Whether its lists contain each stored live record, and there is no doubt about them.

        A list without a total proves no more than that. A list that was cut would lack stored records.
        """
        return self.lists_everything and self.doubt is None and self.is_compared and not self.findings.gone


def get_sweep(connection: Connection, sweep_id: int) -> Sweep:
    """Return the sweep with this primary key."""
    return sweep_of(connection.execute(_BY_ID, {"sweep_id": sweep_id}).one())


def find_recent(connection: Connection, ingest_config_id: int, count: int) -> list[Sweep]:
    """Return the newest sweeps of a config, the newest first."""
    rows = connection.execute(
        select(sweep_table)
        .where(sweep_table.c.ingest_config_id == ingest_config_id)
        .order_by(sweep_table.c.date_started.desc(), sweep_table.c.id.desc())
        .limit(count)
    )
    return [sweep_of(row) for row in rows]


def has_expired(connection: Connection, sweep_id: int) -> bool:
    """Return whether nobody has renewed a sweep in time, by the clock of the database."""
    is_live = sweep_table.c.expires > database_now(connection)
    return connection.scalar(select(sweep_table.c.id).where(sweep_table.c.id == sweep_id, is_live)) is None


def find_last(connection: Connection, ingest_config_id: int) -> Sweep | None:
    """Return the newest sweep of a config, whether it has ended or not."""
    return next(iter(find_recent(connection, ingest_config_id, 1)), None)


def begin(
    connection: Connection,
    ingest_config_id: int,
    *,
    run_id: str,
    process: Process | None,
    now: datetime,
    arguments_digest: str,
    last: Sweep | None = None,
) -> Sweep:
    """Create a sweep of this run.

    Args:
        connection: a write transaction.
        ingest_config_id: the config.
        run_id: this run.
        process: the process of this op.
        now: the time. The first list begins later.
        arguments_digest: of the arguments with which the source will be asked.
        last: the newest sweep, as the caller has read it. Its run has ended, or is dead.

    Raises:
        LeaseHeld: another run has begun a sweep, or has taken over the last one, since `last` was read.
    """
    _raise_if_other(connection, ingest_config_id, last)
    if last is not None and last.status == "STARTED":
        error = f"run {last.run_id} left this sweep, and run {run_id} began a new one"
        connection.execute(
            update(sweep_table)
            .where(sweep_table.c.id == last.id)
            .values(status="FAILED", date_completed=now, error=error, expires=None, **_process_columns(None))
        )
    sweep_id = connection.execute(
        insert(sweep_table)
        .values(
            ingest_config_id=ingest_config_id,
            run_id=run_id,
            status="STARTED",
            date_started=now,
            run_began=now,
            expires=database_now(connection, TTL),
            arguments_digest=arguments_digest,
            **_process_columns(process),
        )
        .returning(sweep_table.c.id)
    ).scalar_one()
    return get_sweep(connection, sweep_id)


def take_over(
    connection: Connection, last: Sweep, *, run_id: str, process: Process | None, now: datetime
) -> Sweep:
    """Give a sweep to this run, which continues it. The caller knows that its run has ended or is dead, or owns it.

    Args:
        connection: a write transaction.
        last: the sweep, as the caller has read it.
        run_id: this run.
        process: the process of this op.
        now: the time.

    Raises:
        LeaseHeld: another run has begun a sweep, or has taken over this one, since `last` was read.
    """
    _raise_if_other(connection, last.ingest_config_id, last)
    connection.execute(
        update(sweep_table)
        .where(sweep_table.c.id == last.id)
        .values(
            run_id=run_id,
            run_began=last.run_began if last.run_id == run_id else now,
            status="STARTED",
            date_completed=None,
            error=None,
            expires=database_now(connection, TTL),
            **_process_columns(process),
        )
    )
    return get_sweep(connection, last.id)


def verify_owner(connection: Connection, sweep_id: int, run_id: str) -> None:
    """Verify that this run still owns the sweep, and keep it so until this transaction ends.

    Raises:
        LeaseLost: another run has taken it over, or it has ended.
    """
    row = connection.execute(_OWNER, {"sweep_id": sweep_id}).one()
    if row.run_id == run_id and row.status == "STARTED":
        return
    message = (
        f"run {run_id} lost sweep {sweep_id}: {_describe_loss(connection, sweep_id, run_id)}. This run writes nothing "
        "more. Start a new run: it continues where the sweep stopped."
    )
    raise LeaseLost(message)


def _describe_loss(connection: Connection, sweep_id: int, run_id: str) -> str:
    """Name the run that took the sweep over or began a new one, or say that none did."""
    sweep = get_sweep(connection, sweep_id)
    if sweep.run_id != run_id:
        return f"run {sweep.run_id} took it over"
    newest = find_last(connection, sweep.ingest_config_id)
    if newest is not None and newest.id != sweep_id:
        return f"run {newest.run_id} began a new one"
    return f"no other run has taken it. It has ended with the status {sweep.status}"


def renew(
    connection: Connection,
    sweep_id: int,
    run_id: str,
    *,
    process: Process | None,
    pause: timedelta = timedelta(),
) -> None:
    """Extend the ownership of a sweep.

    Args:
        connection: a write transaction.
        sweep_id: the sweep.
        run_id: this run.
        process: the process of the op that works; None if the next op has a process of its own.
        pause: the time for which nobody will renew it.

    Raises:
        LeaseLost: another run has taken it over, or it has ended.
    """
    expires = database_now(connection, pause + TTL)
    _update(connection, sweep_id, run_id, expires=expires, **_process_columns(process))


def set_windows(connection: Connection, sweep_id: int, run_id: str, windows: Sequence[Window]) -> None:
    """Record the windows that the sweep lists.

    Raises:
        LeaseLost: another run has taken it over, or it has ended.
    """
    _update(connection, sweep_id, run_id, windows=[format_bounds(window) for window in windows])


def add_costs(
    connection: Connection, sweep_id: int, run_id: str, *, requests: int, size: int, seconds_waited: float
) -> None:
    """Add what requests cost.

    Args:
        connection: a write transaction.
        sweep_id: the sweep.
        run_id: this run.
        requests: number of requests.
        size: bytes of their responses.
        seconds_waited: seconds of waiting for the rate limit.

    Raises:
        LeaseLost: another run has taken it over, or it has ended.
    """
    columns = sweep_table.c
    _update(
        connection,
        sweep_id,
        run_id,
        requests=columns.requests + requests,
        bytes=columns.bytes + size,
        seconds_waited=columns.seconds_waited + seconds_waited,
    )


def record_lists(
    connection: Connection,
    sweep_id: int,
    run_id: str,
    *,
    pages: int,
    completeness: str,
    evidence: str,
    doubt: str | None = None,
    lists_everything: bool = True,
) -> None:
    """Record that all lists are fetched, and what they prove.

    Args:
        connection: a write transaction.
        sweep_id: the sweep.
        run_id: this run.
        pages: number of pages of all lists.
        completeness: `complete` or `unverified`.
        evidence: one of `tables.EVIDENCE`.
        doubt: why one of them may be wrong.
        lists_everything: whether the lists have all records of the source.

    Raises:
        LeaseLost: another run has taken it over, or it has ended.
    """
    proof = {"completeness": completeness, "evidence": evidence, "doubt": doubt}
    _update(connection, sweep_id, run_id, pages=pages, lists_everything=lists_everything, **proof)


def add_deleted(connection: Connection, sweep_id: int, run_id: str, count: int) -> None:
    """Add to the number of deleted records, in the transaction that deletes them.

    Raises:
        LeaseLost: another run has taken it over, or it has ended.
    """
    _update(connection, sweep_id, run_id, deleted=sweep_table.c.deleted + count)


def record_findings(connection: Connection, sweep_id: int, run_id: str, findings: Findings) -> None:
    """Record what the comparison found, and what was done.

    Raises:
        LeaseLost: another run has taken it over, or it has ended.
    """
    _update(connection, sweep_id, run_id, **asdict(findings))


def end(
    connection: Connection,
    sweep_id: int,
    run_id: str,
    status: str,
    *,
    now: datetime,
    error: str | None = None,
) -> Sweep:
    """End a sweep: SUCCEEDED, FAILED or CANCELLED.

    Raises:
        LeaseLost: another run has taken it over, or it has ended.
    """
    ended = {"status": status, "date_completed": now, "error": error, "expires": None}
    _update(connection, sweep_id, run_id, **ended, **_process_columns(None))
    return get_sweep(connection, sweep_id)


def _update(connection: Connection, sweep_id: int, run_id: str, **values: Any) -> None:
    verify_owner(connection, sweep_id, run_id)
    connection.execute(update(sweep_table).where(sweep_table.c.id == sweep_id).values(**values))


def _raise_if_other(connection: Connection, ingest_config_id: int, last: Sweep | None) -> None:
    """Raise LeaseHeld if the newest sweep is not `last`, or another run owns it. Lock the config until the end.

    The lock does not block rows that refer to the config.

    Raises:
        LeaseHeld: two runs begin at the same time, and the other one was faster.
    """
    of_config = ingest_config.c.id == ingest_config_id
    connection.execute(select(ingest_config.c.id).where(of_config).with_for_update(key_share=True)).one()
    newest = find_last(connection, ingest_config_id)
    if _identity(newest) != _identity(last):
        message = f"run {newest.run_id if newest else None} has begun to compare this source at this moment."
        raise LeaseHeld(message)


def _identity(found: Sweep | None) -> tuple[object, ...] | None:
    return None if found is None else (found.id, found.run_id, found.status)


def sweep_of(row: Row[Any]) -> Sweep:
    """Return the sweep of a row that has all columns of the table."""
    values = row._mapping  # SQLAlchemy's public name for it
    joined = ("process", "windows", "is_compared", "findings")
    plain = {one.name: values[one.name] for one in fields(Sweep) if one.name not in joined}
    counts = {one.name: values[one.name] for one in fields(Findings) if one.name != "examples"}
    return Sweep(
        **plain,
        process=Process(row.host, row.process_id, row.process_started) if row.process_id else None,
        windows=tuple(Window(*map(parse_instant, bounds)) for bounds in values["windows"] or ()),
        is_compared=values["examples"] is not None,
        findings=Findings(**counts, examples=values["examples"] or {}),
    )


def _process_columns(process: Process | None) -> dict[str, object]:
    if process is None:
        return {"host": None, "process_id": None, "process_started": None}
    return {"host": process.host, "process_id": process.id, "process_started": process.started}
