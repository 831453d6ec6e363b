"""The tries of a harvest log: one row for each run that worked at it, also where another has taken it up since.

Here: the values, what is asked of them, and how a row changes. What they make of the log itself is
`harvest_states`.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, fields
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, func, or_, select, update

from harvest_dagster.storage.harvest_logs import HarvestLog, Series
from harvest_dagster.storage.statements import insert_or_ignore
from harvest_dagster.storage.tables import harvest_log, harvest_log_run


@dataclass(frozen=True)
class Try:
    """What one run did at one log.

    Attributes:
        status: as the log's own: STARTED, SUCCEEDED, FAILED or CANCELLED.
    """

    harvest_log_id: int
    run_id: str
    status: str
    date_started: datetime
    date_completed: datetime | None
    error: str | None


def note(connection: Connection, log_id: int, run_id: str, now: datetime) -> None:
    """A run works at a log, perhaps once more."""
    insert_or_ignore(
        connection,
        harvest_log_run,
        {"harvest_log_id": log_id, "run_id": run_id, "status": "STARTED", "date_started": now},
    )
    connection.execute(
        update(harvest_log_run)
        .where(harvest_log_run.c.harvest_log_id == log_id, harvest_log_run.c.run_id == run_id)
        .values(status="STARTED", date_completed=None, error=None)
    )


def end(
    connection: Connection,
    log_id: int,
    run_id: str | None,
    status: str,
    *,
    now: datetime,
    error: str | None,
    broken_off: bool = False,
) -> None:
    """A run is done with a log; `broken_off` says that it could not say so itself."""
    connection.execute(
        update(harvest_log_run)
        .where(
            harvest_log_run.c.harvest_log_id == log_id,
            harvest_log_run.c.run_id == run_id,
            harvest_log_run.c.status == "STARTED",
        )
        .values(status=status, date_completed=now, error=error, broken_off=broken_off)
    )


def failures_in_a_row(connection: Connection, series: Series, most: int = 1000) -> list[Try]:
    """What failed since the last success of any window, in order; of very many the newest.

    Runs that were killed are not among them: the source has not failed.
    """
    of_series = harvest_log_run.join(harvest_log, harvest_log.c.id == harvest_log_run.c.harvest_log_id)
    last_success = (
        select(func.max(harvest_log_run.c.date_completed))
        .select_from(of_series)
        .where(series.clause, harvest_log_run.c.status == "SUCCEEDED")
        .scalar_subquery()
    )
    rows = connection.execute(
        select(*(harvest_log_run.c[field.name] for field in fields(Try)))
        .select_from(of_series)
        .where(
            series.clause,
            harvest_log_run.c.status == "FAILED",
            ~harvest_log_run.c.broken_off,
            or_(last_success.is_(None), harvest_log_run.c.date_completed > last_success),
        )
        .order_by(harvest_log_run.c.date_completed.desc())
        .limit(most)
    )
    return [Try(*row) for row in rows][::-1]


def began(connection: Connection, log: HarvestLog, run_ids: Collection[str | None]) -> bool:
    """Whether one of these runs began the present attempt at a log: who took it up first tried after that."""
    tries = select(harvest_log_run.c.run_id).where(
        harvest_log_run.c.harvest_log_id == log.id,
        harvest_log_run.c.run_id.in_(list(run_ids)),
        harvest_log_run.c.date_started <= log.attempt_began,
    )
    return connection.scalar(tries.limit(1)) is not None


def of_log(connection: Connection, log_id: int) -> list[Try]:
    """The runs that worked at a log, in order."""
    return _tries(connection, harvest_log_run.c.harvest_log_id == log_id)


def of_run(connection: Connection, run_id: str) -> list[Try]:
    """The logs that a run worked at, in order, also those that another run has taken up since."""
    return _tries(connection, harvest_log_run.c.run_id == run_id)


def _tries(connection: Connection, which: ColumnElement[bool]) -> list[Try]:
    columns = [harvest_log_run.c[field.name] for field in fields(Try)]
    rows = connection.execute(
        select(*columns)
        .where(which)
        .order_by(harvest_log_run.c.date_started, harvest_log_run.c.harvest_log_id)
    )
    return [Try(*row) for row in rows]
