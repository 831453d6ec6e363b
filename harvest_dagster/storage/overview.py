"""All sources at a glance, in one statement each: what is covered, what failed, what waits to be transformed.

For sensors, which look every minute at a thousand sources. What is asked of a single one is in `harvest_logs`
and `ingest_logs`.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import date, datetime
from itertools import groupby
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    and_,
    exists,
    func,
    literal_column,
    or_,
    select,
    true,
)

from harvest_dagster.storage import coverings
from harvest_dagster.storage.coverings import row_began, rows_cover
from harvest_dagster.storage.harvest_logs import Series
from harvest_dagster.storage.tables import harvest_log, harvest_log_run, ingest_config, ingest_log
from harvest_dagster.windows import Window, merged, subtract

_BROKE_OFF = ("FAILED", "CANCELLED")
# No parameter: with one, no database takes the partial index.
_PENDING: ColumnElement[str] = literal_column("'PENDING'")


@dataclass(frozen=True)
class Coverage:
    """What is done of one series.

    Attributes:
        windows: in order; none touches the next.
        asked: when the last harvest began that counts.
    """

    windows: tuple[Window, ...]
    asked: datetime


@dataclass(frozen=True)
class Broken:
    """A window that broke off and is not done.

    Attributes:
        window: which.
        tries: how many runs failed or were cancelled at it.
        last: when the last of them ended.
    """

    window: Window
    tries: int
    last: datetime


@dataclass(frozen=True)
class WaitingDay:
    """A day of which data are PENDING for a version of the transformer.

    Attributes:
        since: when the first of them became so.
        newest: when the last did.
    """

    ingest_config_id: int
    transformer_version: int
    day: date
    since: datetime
    newest: datetime


def config_ids(connection: Connection) -> dict[str, int]:
    """The primary keys of all sources that were ever harvested, by label."""
    rows = connection.execute(select(ingest_config.c.label, ingest_config.c.id))
    return {row.label: row.id for row in rows}


def coverage(connection: Connection, ids: Collection[int] | None = None) -> dict[Series, Coverage]:
    """What is covered, of these configs or of all: logs that overlap or touch are one window.

    The database merges them: a thousand sources harvested daily for years have a million logs, and a thousand
    windows.
    """
    starts = connection.execute(_starts(ids))
    found = {}
    for series, rows in groupby(starts, key=_series):
        windows = list(rows)
        ends = [*(row.before for row in windows[1:]), windows[0].last]
        found[series] = Coverage(
            tuple(Window(row.start_date, end) for row, end in zip(windows, ends, strict=True)),
            windows[0].asked,
        )
    for series, half_stored in _half_stored(connection, ids).items():
        if series in found:
            found[series] = _look_again(connection, series, found[series], half_stored)
    return found


def _starts(ids: Collection[int] | None) -> Select[Any]:
    """The logs that a window of `coverage` begins with, each with the end of what is covered before."""
    of_series = (harvest_log.c.ingest_config_id, harvest_log.c.harvester_version)
    end, start = harvest_log.c.end_date, harvest_log.c.start_date
    before = func.max(end).over(partition_by=of_series, order_by=(start, end), rows=(None, -1))
    logs = (
        select(
            *of_series,
            start,
            before.label("before"),
            func.max(end).over(partition_by=of_series).label("last"),
            func.max(row_began()).over(partition_by=of_series).label("asked"),
        )
        .where(rows_cover(), _among(harvest_log.c.ingest_config_id, ids))
        .subquery()
    )
    return (
        select(logs)
        .where(or_(logs.c.before.is_(None), logs.c.start_date > logs.c.before))
        .order_by(logs.c.ingest_config_id, logs.c.harvester_version, logs.c.start_date)
    )


def _half_stored(connection: Connection, ids: Collection[int] | None) -> dict[Series, list[Window]]:
    """The windows of which something is stored and not launched."""
    of_series = (harvest_log.c.ingest_config_id, harvest_log.c.harvester_version)
    rows = connection.execute(
        select(*of_series, harvest_log.c.start_date, harvest_log.c.end_date).where(
            harvest_log.c.unlaunched_since.is_not(None), _among(harvest_log.c.ingest_config_id, ids)
        )
    )
    found: dict[Series, list[Window]] = {}
    for row in rows:
        found.setdefault(_series(row), []).append(Window(row.start_date, row.end_date))
    return found


def _look_again(
    connection: Connection, series: Series, coverage: Coverage, half_stored: Collection[Window]
) -> Coverage:
    """What is covered where something is half stored, log by log: a list begun later covers it all the same."""
    windows = list(coverage.windows)
    for half in half_stored:
        there = coverings.windows_of(coverings.find(connection, series, half))
        windows = [
            *(rest for window in windows for rest in subtract(window, [half])),
            *(shared for window in there if (shared := window.intersection(half)) is not None),
        ]
    return replace(coverage, windows=tuple(merged(windows)))


def broken(connection: Connection, ids: Collection[int] | None = None) -> dict[Series, list[Broken]]:
    """The windows that broke off and are not done, or are not done any more: half stored by a later harvest.

    Trials with a `limit` are left out, but where they leave half stored what was done.
    """
    tries = func.count().label("tries")
    last = func.max(harvest_log_run.c.date_completed).label("last")
    rows = connection.execute(
        select(
            harvest_log.c.ingest_config_id,
            harvest_log.c.harvester_version,
            harvest_log.c.start_date,
            harvest_log.c.end_date,
            tries,
            last,
        )
        .join(harvest_log_run, harvest_log_run.c.harvest_log_id == harvest_log.c.id)
        .where(
            _is_broken(),
            harvest_log_run.c.status.in_(_BROKE_OFF),
            _among(harvest_log.c.ingest_config_id, ids),
        )
        .group_by(harvest_log.c.id)
        .order_by(harvest_log.c.start_date)
    )
    found: dict[Series, list[Broken]] = {}
    for row in rows:
        found.setdefault(_series(row), []).append(
            Broken(Window(row.start_date, row.end_date), row.tries, row.last)
        )
    return found


def _is_broken() -> ColumnElement[bool]:
    never_done = harvest_log.c.covered_since.is_(None)
    half_stored = harvest_log.c.unlaunched_since.is_not(None)
    return or_(
        and_(harvest_log.c.status.in_(_BROKE_OFF), never_done, harvest_log.c.record_limit.is_(None)),
        # SPLIT: cut into windows later, of which perhaps none was begun.
        and_(
            harvest_log.c.status.in_((*_BROKE_OFF, "SPLIT")),
            half_stored,
            or_(harvest_log.c.record_limit.is_(None), ~never_done),
        ),
    )


def waiting(connection: Connection, ids: Collection[int] | None = None) -> list[WaitingDay]:
    """The days of which data wait to be transformed, of these configs or of all.

    What an older version of a transformer left PENDING waits, too, unless a newer one has it already.
    """
    newer = ingest_log.alias("newer")
    has_newer = exists().where(
        newer.c.raw_id == ingest_log.c.raw_id,
        newer.c.ingest_config_id == ingest_log.c.ingest_config_id,
        newer.c.transformer_version > ingest_log.c.transformer_version,
    )
    by = (ingest_log.c.ingest_config_id, ingest_log.c.transformer_version, ingest_log.c.partition_date)
    changed = ingest_log.c.date_modified
    rows = connection.execute(
        select(*by, func.min(changed), func.max(changed))
        .where(
            ingest_log.c.status == _PENDING,
            _among(ingest_log.c.ingest_config_id, ids),
            ~has_newer,
        )
        .group_by(*by)
        .order_by(*by)
    )
    return [WaitingDay(*row) for row in rows]


def _series(row: Row[Any]) -> Series:
    return Series(row.ingest_config_id, row.harvester_version)


def _among(column: ColumnElement[int], ids: Collection[int] | None) -> ColumnElement[bool]:
    return true() if ids is None else column.in_(list(ids))
