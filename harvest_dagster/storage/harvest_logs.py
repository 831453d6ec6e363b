"""The HarvestLog: one row for each window of an IngestConfig under one harvester version.

A row is got or created, and brought up to date by each harvest of its window. Only the holder of the lease
writes a row that is STARTED. `covers` tells what is done: a later failure leaves that alone.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, case, delete, func, or_, select, update

from harvest_dagster.errors import LeaseLost
from harvest_dagster.storage.statements import insert_or_ignore
from harvest_dagster.storage.tables import COUNTS, harvest_log, quarantine
from harvest_dagster.windows import Window


@dataclass(frozen=True)
class Counts:
    """What a harvest of a window brought, as far as it got."""

    pages: int = 0
    records: int = 0
    new_identifiers: int = 0
    new_data: int = 0
    deleted: int = 0
    quarantined: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(Counts)))


@dataclass(frozen=True)
class HarvestLog:
    """One row, as it stands in the database."""

    id: int
    ingest_config_id: int
    harvester_version: int
    window: Window
    status: str
    date_started: datetime | None
    date_completed: datetime | None
    error: str | None
    completions: int
    completeness: str | None
    run_id: str | None
    parent_id: int | None
    counts: Counts
    expected: int | None
    covered_since: datetime | None
    record_limit: int | None
    attempt: int
    pages_stored: int
    requests: int
    bytes: int
    seconds_waited: float


@dataclass(frozen=True)
class Series:
    """The logs of one IngestConfig under one harvester version."""

    ingest_config_id: int
    harvester_version: int

    @property
    def clause(self) -> ColumnElement[bool]:
        """As a condition."""
        return and_(
            harvest_log.c.ingest_config_id == self.ingest_config_id,
            harvest_log.c.harvester_version == self.harvester_version,
        )


_FINISHED = ("SUCCEEDED", "FAILED")


def get(connection: Connection, log_id: int) -> HarvestLog:
    """The log with this primary key."""
    return _log(connection.execute(select(harvest_log).where(harvest_log.c.id == log_id)).one())


def find(connection: Connection, series: Series, window: Window) -> HarvestLog | None:
    """The log of exactly this window."""
    row = connection.execute(select(harvest_log).where(series.clause, _is(window))).first()
    return None if row is None else _log(row)


def start(
    connection: Connection,
    series: Series,
    window: Window,
    *,
    run_id: str,
    now: datetime,
    parent_id: int | None = None,
    record_limit: int | None = None,
) -> HarvestLog:
    """Get or create the log of a window and mark it STARTED by this run. The caller holds the lease.

    What an unfinished harvest of the window had stored keeps its counts: the next one goes on from there.
    """
    log = _get_or_create(connection, series, window, "STARTED")
    values: dict[str, Any] = {
        "status": "STARTED",
        "run_id": run_id,
        "date_started": now,
        "date_completed": None,
        "error": None,
        "completeness": None,
        "record_limit": record_limit,
        "parent_id": parent_id if parent_id is not None else log.parent_id,
    }
    connection.execute(update(harvest_log).where(harvest_log.c.id == log.id).values(**values))
    return get(connection, log.id)


def restart(connection: Connection, log_id: int) -> HarvestLog:
    """Begin anew: what the spool holds of earlier attempts is not used, counting starts from zero."""
    connection.execute(delete(quarantine).where(quarantine.c.harvest_log_id == log_id))
    connection.execute(
        update(harvest_log)
        .where(harvest_log.c.id == log_id)
        .values(
            attempt=harvest_log.c.attempt + 1,
            expected=None,
            **dict.fromkeys((*COUNTS, "pages_stored", "requests", "bytes", "seconds_waited"), 0),
        )
    )
    return get(connection, log_id)


def split(
    connection: Connection, series: Series, window: Window, *, run_id: str, now: datetime
) -> HarvestLog:
    """Get or create the log of a range that is cut into several windows: status SPLIT, its windows follow."""
    log = _get_or_create(connection, series, window, "SPLIT")
    connection.execute(
        update(harvest_log)
        .where(harvest_log.c.id == log.id)
        .values(status="SPLIT", run_id=run_id, date_started=now, date_completed=now, error=None)
    )
    return get(connection, log.id)


def advance(connection: Connection, log_id: int, page: int, counts: Counts) -> None:
    """Count a page that this transaction stores: `page` is its number, from 0.

    Raises:
        LeaseLost: another process of this run stored it before.
    """
    added = {name: harvest_log.c[name] + getattr(counts, name) for name in COUNTS}
    advanced = connection.execute(
        update(harvest_log)
        .where(harvest_log.c.id == log_id, harvest_log.c.pages_stored == page)
        .values(pages_stored=page + 1, **added)
    )
    if advanced.rowcount == 0:
        message = (
            f"page {page} of harvest log {log_id} was stored by another process of this run; this one stops"
        )
        raise LeaseLost(message)


def spend(connection: Connection, log_id: int, *, requests: int, size: int, seconds_waited: float) -> None:
    """Add what was spent at the source: requests, bytes received, seconds waited for the rate limit."""
    connection.execute(
        update(harvest_log)
        .where(harvest_log.c.id == log_id)
        .values(
            requests=harvest_log.c.requests + requests,
            bytes=harvest_log.c.bytes + size,
            seconds_waited=harvest_log.c.seconds_waited + seconds_waited,
        )
    )


def expect(connection: Connection, log_id: int, expected: int | None) -> None:
    """Note the source's own total."""
    connection.execute(update(harvest_log).where(harvest_log.c.id == log_id).values(expected=expected))


def succeed(
    connection: Connection, log_id: int, *, now: datetime, completeness: str, since: datetime | None
) -> HarvestLog:
    """End a window well.

    Args:
        connection: a transaction under the lease.
        log_id: the window's log.
        now: when it ended.
        completeness: `complete` or `unverified`.
        since: when the list was begun that this harvest gives; it covers its window if that was after the
            window's end and no limit cut it.
    """
    log = get(connection, log_id)
    covers_now = since is not None and since >= log.window.end and log.record_limit is None
    connection.execute(
        update(harvest_log)
        .where(harvest_log.c.id == log_id)
        .values(
            status="SUCCEEDED",
            date_completed=now,
            error=None,
            completions=log.completions + 1,
            failures=0,
            completeness=completeness,
            covered_since=since if covers_now else log.covered_since,
        )
    )
    return get(connection, log_id)


def end(connection: Connection, log_id: int, status: str, *, now: datetime, error: str) -> None:
    """End a window as FAILED or CANCELLED; what it covered before, it covers still."""
    connection.execute(
        update(harvest_log).where(harvest_log.c.id == log_id).values(_ended(status, now, error))
    )


def covered_again(connection: Connection, log_id: int, *, now: datetime) -> int:
    """Give a log that waited its SUCCEEDED back: what it covered before, it covers still."""
    connection.execute(
        update(harvest_log)
        .where(harvest_log.c.id == log_id)
        .values(status="SUCCEEDED", date_completed=now, error=None)
    )
    return log_id


def settle(connection: Connection, log: HarvestLog, status: str, *, now: datetime, error: str) -> None:
    """End a log whose run is dead, unless another run has taken it up since."""
    connection.execute(
        update(harvest_log)
        .where(
            harvest_log.c.id == log.id, harvest_log.c.status == "STARTED", harvest_log.c.run_id == log.run_id
        )
        .values(_ended(status, now, error))
    )


def reschedule(connection: Connection, series: Series, window: Window, *, run_id: str, error: str) -> None:
    """Note that a run waits for its turn, unless the row is the running one's (Lesson 12)."""
    log = _get_or_create(connection, series, window, "RESCHEDULED")
    connection.execute(
        update(harvest_log)
        .where(harvest_log.c.id == log.id, harvest_log.c.status != "STARTED")
        .values(status="RESCHEDULED", run_id=run_id, error=error)
    )


def covering(connection: Connection, series: Series, window: Window) -> list[HarvestLog]:
    """The logs that cover some of `window`, by their start."""
    rows = connection.execute(
        select(harvest_log)
        .where(
            series.clause,
            covers(),
            harvest_log.c.start_date < window.end,
            harvest_log.c.end_date > window.start,
        )
        .order_by(harvest_log.c.start_date, harvest_log.c.end_date)
    )
    return [_log(row) for row in rows]


def covers() -> ColumnElement[bool]:
    """Whether a row's window is done: some harvest of it began after its end, was not cut short and succeeded."""
    return or_(
        harvest_log.c.covered_since.is_not(None),
        and_(
            harvest_log.c.status == "SUCCEEDED",
            harvest_log.c.date_started >= harvest_log.c.end_date,
            harvest_log.c.record_limit.is_(None),
        ),
    )


def last_finished(connection: Connection, series: Series, count: int) -> list[HarvestLog]:
    """The newest logs that SUCCEEDED or FAILED, newest first: neither refused, cancelled nor rescheduled ones."""
    rows = connection.execute(
        select(harvest_log)
        .where(series.clause, harvest_log.c.status.in_(_FINISHED))
        .order_by(harvest_log.c.date_completed.desc(), harvest_log.c.id.desc())
        .limit(count)
    )
    return [_log(row) for row in rows]


def failures_in_a_row(connection: Connection, series: Series) -> int:
    """How many harvests FAILED since the last that SUCCEEDED, the same window counted each time."""
    last_success = (
        select(func.max(harvest_log.c.date_completed))
        .where(series.clause, harvest_log.c.status == "SUCCEEDED")
        .scalar_subquery()
    )
    return (
        connection.scalar(
            select(func.sum(harvest_log.c.failures)).where(
                series.clause,
                harvest_log.c.status == "FAILED",
                or_(last_success.is_(None), harvest_log.c.date_completed > last_success),
            )
        )
        or 0
    )


def started(connection: Connection, ingest_config_id: int | None = None) -> list[HarvestLog]:
    """The logs that say STARTED, of one config or of all."""
    statement = select(harvest_log).where(harvest_log.c.status == "STARTED")
    if ingest_config_id is not None:
        statement = statement.where(harvest_log.c.ingest_config_id == ingest_config_id)
    return [_log(row) for row in connection.execute(statement)]


def of_run(connection: Connection, run_id: str) -> list[HarvestLog]:
    """The logs that this run wrote last, windows before the range they are cut from."""
    rows = connection.execute(
        select(harvest_log)
        .where(harvest_log.c.run_id == run_id)
        .order_by(case((harvest_log.c.status == "SPLIT", 1), else_=0), harvest_log.c.start_date)
    )
    return [_log(row) for row in rows]


def total(connection: Connection, log_ids: list[int]) -> Counts:
    """The counts of several logs together."""
    sums = [func.coalesce(func.sum(harvest_log.c[name]), 0) for name in COUNTS]
    row = connection.execute(select(*sums).where(harvest_log.c.id.in_(log_ids))).one()
    return Counts(*(int(value) for value in row))


def _ended(status: str, now: datetime, error: str) -> dict[str, Any]:
    failed = 1 if status == "FAILED" else 0
    return {
        "status": status,
        "date_completed": now,
        "error": error,
        "failures": harvest_log.c.failures + failed,
    }


def _get_or_create(connection: Connection, series: Series, window: Window, status: str) -> HarvestLog:
    insert_or_ignore(
        connection,
        harvest_log,
        {
            "ingest_config_id": series.ingest_config_id,
            "harvester_version": series.harvester_version,
            "start_date": window.start,
            "end_date": window.end,
            "status": status,
        },
    )
    return _log(connection.execute(select(harvest_log).where(series.clause, _is(window))).one())


def _is(window: Window) -> ColumnElement[bool]:
    return and_(harvest_log.c.start_date == window.start, harvest_log.c.end_date == window.end)


def _log(row: Row[Any]) -> HarvestLog:
    values = row._mapping  # SQLAlchemy's public name for it
    plain = {f.name: values[f.name] for f in fields(HarvestLog) if f.name not in ("window", "counts")}
    return HarvestLog(
        **plain,
        window=Window(values["start_date"], values["end_date"]),
        counts=Counts(*(values[name] for name in COUNTS)),
    )
