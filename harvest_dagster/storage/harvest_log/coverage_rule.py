"""Decide which time the harvest logs cover. Plans, days, asset checks and sensors all use this rule.

A log covers its window if a harvest of the window began at least `settle` after the end of what was asked, had no
`limit`, succeeded, and asked with the arguments of today and the values behind their `${NAME}`. If the result has a
doubt, a second harvest must have found the same. A later failure does not change that. There is one exception: if a
later harvest has stored data and not launched all of them, no log with an earlier list covers that time. The data have
no ingest log yet, and would never get one if the window were skipped.

`coverage_changes` keeps what the rule says in the table covered_window, without that exception. `source_coverage` reads
the table.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Label,
    Select,
    and_,
    func,
    literal_column,
    or_,
    select,
    true,
)

from harvest_dagster.storage.harvest_log import queries
from harvest_dagster.storage.harvest_log.queries import HarvestLog, LogScope
from harvest_dagster.storage.tables import Instant, harvest_log
from harvest_dagster.windows import Window, subtract


@dataclass(frozen=True)
class LogCoverage:
    """The time that a log covers.

    Attributes:
        log: the log.
        windows: its window without the windows that a later harvest has not launched, and without its end if the list
            of a snapshot began before that; in order, at least one.
    """

    log: HarvestLog
    windows: tuple[Window, ...]

    @property
    def covers_whole_window(self) -> bool:
        """Whether the log covers its whole window."""
        return self.windows == (self.log.window,)


def find_coverage(connection: Connection, scope: LogScope, window: Window) -> list[LogCoverage]:
    """Return the logs that cover at least a part of `window`, ordered by their start."""
    logs = queries.find_overlapping(connection, scope, window)
    found = coverage_of_logs(logs, scope.arguments_digest)
    return [covered for covered in found if any(window.intersection(part) for part in covered.windows)]


def find_listed_windows(
    connection: Connection, scope: LogScope, window: Window, *, before: datetime
) -> list[tuple[Window, datetime]]:
    """Return the parts of `window` that lists covered, and when each list began, if that was before an instant.

    Data that are stored and not launched do not matter here: the lists contained what the source had then.
    """
    rows = connection.execute(
        select(harvest_log.c.start_date, covered_end().label("end_date"), list_began().label("began")).where(
            scope.clause,
            covers_condition(scope.arguments_digest),
            list_began() < before,
            harvest_log.c.start_date < window.end,
            covered_end() > harvest_log.c.start_date,
            covered_end() > window.start,
        )
    )
    listed = ((window.intersection(Window(row.start_date, row.end_date)), row.began) for row in rows)
    return [(part, began) for part, began in listed if part is not None]


def find_other_arguments(connection: Connection, scope: LogScope, window: Window) -> list[HarvestLog]:
    """Return the logs that would cover a part of `window` if arguments and values had not changed, the newest last."""
    if scope.arguments_digest is None:
        return []
    is_other = or_(harvest_log.c.arguments_digest != scope.arguments_digest, harvest_log.c.has_other_values)
    logs = queries.find_overlapping(connection, scope, window, is_other)
    covering = (log for log in logs if covers_window(replace(log, has_other_values=False)))
    return sorted(covering, key=lambda log: log.covered_since or log.window.end)


def coverage_of_logs(logs: Sequence[HarvestLog], arguments_digest: str | None = None) -> list[LogCoverage]:
    """Return the coverage of those of these logs that cover anything.

    Args:
        logs: logs of one scope.
        arguments_digest: see `LogScope`.
    """
    unlaunched = [log for log in logs if log.unlaunched_since is not None]
    found = ((log, tuple(_covered(log, unlaunched))) for log in logs if covers_window(log, arguments_digest))
    return [LogCoverage(log, windows) for log, windows in found if windows]


def covered_windows(coverage: Collection[LogCoverage]) -> list[Window]:
    """Return the windows that are covered. They may overlap."""
    return [window for covered in coverage for window in covered.windows]


def covers_window(log: HarvestLog, arguments_digest: str | None = None) -> bool:
    """Return whether a harvest of the log's window began after its end, had no `limit` and succeeded.

    `transitions.mark_succeeded` applies the config's `settle` when it sets `covered_since`. A row without a digest is
    from before the upgrade, or of another program: it counts for any arguments.
    """
    if log.has_other_values:
        return False
    if arguments_digest is not None and log.arguments_digest not in (None, arguments_digest):
        return False
    if log.covered_since is not None:
        return True
    # Another program has written a row without `attempt_began`: this program always sets it.
    is_foreign = log.attempt_began is None and log.record_limit is None
    began_after = log.date_started is not None and log.date_started >= log.window.end
    return is_foreign and log.status == "SUCCEEDED" and began_after


def covers_condition(arguments_digest: str | None = None) -> ColumnElement[bool]:
    """Return the condition that `covers_window` holds for a row."""
    digest = harvest_log.c.arguments_digest
    is_of_arguments = (
        true() if arguments_digest is None else or_(digest.is_(None), digest == arguments_digest)
    )
    is_covered = or_(
        harvest_log.c.covered_since.is_not(None),
        and_(
            harvest_log.c.attempt_began.is_(None),
            harvest_log.c.record_limit.is_(None),
            harvest_log.c.status == "SUCCEEDED",
            harvest_log.c.date_started >= harvest_log.c.end_date,
        ),
    )
    return and_(is_of_arguments, is_covered, ~harvest_log.c.has_other_values)


def list_began() -> ColumnElement[datetime]:
    """Return the start of the list by which a row covers its window."""
    return func.coalesce(harvest_log.c.covered_since, harvest_log.c.date_started)


def covered_end() -> ColumnElement[datetime]:
    """Return the end of what a row covers, if it covers anything."""
    return func.coalesce(harvest_log.c.covered_until, harvest_log.c.end_date)


def merged_windows(*conditions: ColumnElement[bool]) -> Select[Any]:
    """Select what the logs cover by `covers_condition`, merged: windows that overlap or touch are one row.

    The columns are those of the scope (`scope_columns`), start_date, end_date, and last_began: the start of the last
    list in the scope. The rows have the order of scopes and starts. Data that are not launched do not matter here.

    Args:
        conditions: which logs to consider.
    """
    scope, start, end = scope_columns(), harvest_log.c.start_date, covered_end()
    before = func.max(end).over(partition_by=scope, order_by=(start, end), rows=(None, -1))
    logs = (
        select(
            *scope,
            start,
            before.label("before"),
            func.max(end).over(partition_by=scope).label("last"),
            func.max(list_began()).over(partition_by=scope).label("last_began"),
        )
        .where(covers_condition(), end > start, *conditions)
        .subquery()
    )
    # A merged window begins at each log that starts after the ends of all logs before it.
    of_scope = [logs.c[column.name] for column in scope]
    following = func.lead(logs.c.before, type_=Instant())
    begins = (
        select(logs, following.over(partition_by=of_scope, order_by=logs.c.start_date).label("next_before"))
        .where(or_(logs.c.before.is_(None), logs.c.start_date > logs.c.before))
        .subquery()
    )
    columns = [begins.c[column.name] for column in scope]
    merged_end = func.coalesce(begins.c.next_before, begins.c.last).label("end_date")
    return select(*columns, begins.c.start_date, merged_end, begins.c.last_began).order_by(
        *columns, begins.c.start_date
    )


def scope_columns() -> tuple[Label[Any], ...]:
    """Return the columns of coverage_scope that a log belongs to. Without arguments, the digest is an empty text."""
    digest = func.coalesce(harvest_log.c.arguments_digest, literal_column("''"))
    return (
        harvest_log.c.ingest_config_id.label("ingest_config_id"),
        harvest_log.c.harvester_version.label("harvester_version"),
        digest.label("arguments_digest"),
    )


def _covered(log: HarvestLog, unlaunched: Sequence[HarvestLog]) -> list[Window]:
    began = log.covered_since or log.date_started
    later = (other.window for other in unlaunched if _is_later(other.unlaunched_since, began))
    return list(subtract(Window(log.window.start, log.covered_until or log.window.end), later))


def _is_later(unlaunched_since: datetime | None, began: datetime | None) -> bool:
    """Return whether the unlaunched data are of a list that began at the same time or later."""
    return unlaunched_since is not None and began is not None and unlaunched_since >= began
