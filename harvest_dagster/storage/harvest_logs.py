"""The HarvestLog: one row for each window of an IngestConfig under one harvester version.

Here: the values, and what is asked of them. How a row changes is `harvest_states`, which runs worked at it
`harvest_tries`, what they cover `coverings`.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, case, exists, func, or_, select

from harvest_dagster.storage.tables import COUNTS, harvest_log, harvest_log_run
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
class Strays:
    """Records of a window that were stored although they do not seem to belong to it.

    Attributes:
        outside_window: their datestamp lies outside of it.
        undated: they have no datestamp.
    """

    outside_window: int = 0
    undated: int = 0

    def __add__(self, other: Strays) -> Strays:
        return Strays(self.outside_window + other.outside_window, self.undated + other.undated)


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
    strays: Strays
    expected: int | None
    identifiers: int | None
    recoveries: int
    covered_since: datetime | None
    unlaunched_since: datetime | None
    record_limit: int | None
    attempt: int
    attempt_began: datetime | None
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


_JOINED = ("window", "counts", "strays")  # attributes that are made of several columns
_FINISHED = ("SUCCEEDED", "FAILED")


def get(connection: Connection, log_id: int) -> HarvestLog:
    """The log with this primary key."""
    return _log(connection.execute(select(harvest_log).where(harvest_log.c.id == log_id)).one())


def find(connection: Connection, series: Series, window: Window) -> HarvestLog | None:
    """The log of exactly this window."""
    row = connection.execute(select(harvest_log).where(series.clause, is_window(window))).first()
    return None if row is None else _log(row)


def overlapping(connection: Connection, series: Series, window: Window) -> list[HarvestLog]:
    """The logs of windows that share something with `window`, by their start.

    Of whole ranges (SPLIT) only those that were harvested as one window before.
    """
    rows = connection.execute(
        select(harvest_log)
        .where(
            series.clause,
            or_(
                harvest_log.c.status != "SPLIT",
                harvest_log.c.covered_since.is_not(None),
                harvest_log.c.unlaunched_since.is_not(None),
            ),
            harvest_log.c.start_date < window.end,
            harvest_log.c.end_date > window.start,
        )
        .order_by(harvest_log.c.start_date, harvest_log.c.end_date)
    )
    return [_log(row) for row in rows]


def last_finished(connection: Connection, series: Series, count: int) -> list[HarvestLog]:
    """The newest logs that SUCCEEDED or FAILED, newest first: neither refused, cancelled nor rescheduled ones.

    Nor those that FAILED since their run was killed: the source has not failed.
    """
    was_killed = exists().where(
        harvest_log_run.c.harvest_log_id == harvest_log.c.id,
        harvest_log_run.c.run_id == harvest_log.c.run_id,
        harvest_log_run.c.broken_off,
    )
    rows = connection.execute(
        select(harvest_log)
        .where(series.clause, harvest_log.c.status.in_(_FINISHED), ~was_killed)
        .order_by(harvest_log.c.date_completed.desc(), harvest_log.c.id.desc())
        .limit(count)
    )
    return [_log(row) for row in rows]


def overtaken(
    connection: Connection,
    log: HarvestLog,
    but_by: Collection[str | None] = (),
    settle: timedelta = timedelta(),
) -> bool:
    """Whether another window was stored from a list that was begun later than this log's.

    What this log's pages say of a record may then be older than what is stored: storing them would turn it back.

    Args:
        connection: to read with.
        log: of an attempt that is not done, and was begun.
        but_by: runs whose windows count only where they may hold what changed since this log's list was begun.
        settle: for so long after a window's end the source may still put changes into it.
    """
    assert log.attempt_began is not None  # noqa: S101  # the caller has looked
    later = select(harvest_log.c.id).where(
        harvest_log.c.ingest_config_id == log.ingest_config_id,
        harvest_log.c.id != log.id,
        harvest_log.c.attempt_began > log.attempt_began,
        harvest_log.c.pages_stored > 0,
        or_(harvest_log.c.run_id.not_in(list(but_by)), harvest_log.c.end_date > log.attempt_began - settle),
    )
    return connection.scalar(later.limit(1)) is not None


def unsettled(connection: Connection, ingest_config_id: int | None = None) -> list[HarvestLog]:
    """The logs that say STARTED or RESCHEDULED, of one config or of all."""
    statement = select(harvest_log).where(harvest_log.c.status.in_(("STARTED", "RESCHEDULED")))
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


def failures_of_run(connection: Connection, run_id: str) -> int:
    """How many windows FAILED when this run was the last to work at them."""
    failed = select(func.count()).where(harvest_log.c.run_id == run_id, harvest_log.c.status == "FAILED")
    return connection.execute(failed).scalar_one()


def is_window(window: Window) -> ColumnElement[bool]:
    """A row's window is exactly this, as a condition."""
    return and_(harvest_log.c.start_date == window.start, harvest_log.c.end_date == window.end)


def _log(row: Row[Any]) -> HarvestLog:
    values = row._mapping  # SQLAlchemy's public name for it
    plain = {f.name: values[f.name] for f in fields(HarvestLog) if f.name not in _JOINED}
    return HarvestLog(
        **plain,
        window=Window(values["start_date"], values["end_date"]),
        counts=Counts(*(values[name] for name in COUNTS)),
        strays=Strays(*(values[field.name] for field in fields(Strays))),
    )
