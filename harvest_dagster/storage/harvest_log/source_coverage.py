"""Read the covered time of many sources, independently of the number of their logs.

Sensors use it, which evaluate a thousand sources every minute: such sources have millions of logs after ten years, and
a few thousand covered windows. `coverage_changes` writes these windows. Data that are stored and not launched are
looked up for each reading, because few windows have any. `coverage_rule` reads the logs that cover a window.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, or_, select, true

from harvest_dagster.storage.harvest_log.coverage_changes import find_changed_sources
from harvest_dagster.storage.harvest_log.coverage_rule import (
    LogCoverage,
    coverage_of_logs,
    covered_windows,
    merged_windows,
)
from harvest_dagster.storage.harvest_log.queries import (
    COVERAGE_COLUMNS,
    HarvestLog,
    LogScope,
    is_own_window,
    is_unlaunched,
    log_of,
)
from harvest_dagster.storage.tables import coverage_scope, covered_window, harvest_log
from harvest_dagster.windows import Window, merged, subtract

# The windows with unlaunched data that one statement looks up.
_WINDOWS_AT_A_TIME = 50


@dataclass(frozen=True)
class SourceCoverage:
    """The time that is covered in one scope.

    Attributes:
        windows: in order. No window touches the next one.
        last_began: start of the last list that covers anything.
    """

    windows: tuple[Window, ...]
    last_began: datetime


def find_source_coverage(
    connection: Connection, ids: Collection[int] | None = None
) -> dict[LogScope, SourceCoverage]:
    """Return the covered time of these configs or of all. Windows that overlap or touch are merged.

    Logs of different arguments have different scopes; `coverage_of` returns what counts for the arguments of today.
    The logs of a source are read only if another program has changed some of them.
    """
    # First, because another process may apply the changes between the two statements.
    changed = find_changed_sources(connection)
    found = _read_windows(connection, ids, changed)
    if by_logs := [key for key in changed if ids is None or key in ids]:
        logs = merged_windows(harvest_log.c.ingest_config_id.in_(by_logs))
        found |= _by_scope(connection.execute(logs))
    unlaunched_windows = _unlaunched_windows(connection, ids)
    covering = _find_covering(connection, unlaunched_windows)
    for scope, coverage in found.items():
        series = replace(scope, arguments_digest=None)
        if unlaunched := unlaunched_windows.get(series):
            of_arguments = [
                one for one in covering[series] if one.log.arguments_digest == scope.arguments_digest
            ]
            found[scope] = _correct_coverage(coverage, unlaunched, of_arguments)
    return found


def coverage_of(found: Mapping[LogScope, SourceCoverage], scope: LogScope) -> SourceCoverage | None:
    """Return what counts for a scope: the coverage of its arguments, and that of rows without arguments."""
    parts = [found[key] for key in {scope, replace(scope, arguments_digest=None)} if key in found]
    if not parts:
        return None
    windows = tuple(merged([window for part in parts for window in part.windows]))
    return SourceCoverage(windows, max(part.last_began for part in parts))


def _read_windows(
    connection: Connection, ids: Collection[int] | None, without: Collection[int]
) -> dict[LogScope, SourceCoverage]:
    """Return the rows of covered_window of these sources or of all, except for some sources."""
    source = coverage_scope.c.ingest_config_id
    rows = connection.execute(
        select(coverage_scope, covered_window.c.start_date, covered_window.c.end_date)
        .join(covered_window, covered_window.c.scope_id == coverage_scope.c.id)
        .where(_among(source, ids))
        .order_by(covered_window.c.scope_id, covered_window.c.start_date)
    )
    return _by_scope(row for row in rows if row.ingest_config_id not in without)


def _by_scope(rows: Iterable[Row[Any]]) -> dict[LogScope, SourceCoverage]:
    found = {}
    for scope, of_scope in groupby(rows, key=_scope_of):
        windows = list(of_scope)
        found[scope] = SourceCoverage(
            tuple(merged([Window(row.start_date, row.end_date) for row in windows])), windows[0].last_began
        )
    return found


def _scope_of(row: Row[Any]) -> LogScope:
    return LogScope(row.ingest_config_id, row.harvester_version, row.arguments_digest or None)


def _unlaunched_windows(connection: Connection, ids: Collection[int] | None) -> dict[LogScope, list[Window]]:
    """Return the windows with data that are stored and not launched."""
    rows = connection.execute(
        select(
            harvest_log.c.ingest_config_id,
            harvest_log.c.harvester_version,
            harvest_log.c.start_date,
            harvest_log.c.end_date,
        ).where(is_unlaunched(), _among(harvest_log.c.ingest_config_id, ids))
    )
    found: dict[LogScope, list[Window]] = {}
    for row in rows:
        scope = LogScope(row.ingest_config_id, row.harvester_version)
        found.setdefault(scope, []).append(Window(row.start_date, row.end_date))
    return found


def _find_covering(
    connection: Connection, unlaunched_windows: Mapping[LogScope, Sequence[Window]]
) -> dict[LogScope, list[LogCoverage]]:
    """Return the logs that cover a part of these windows: lists that began later do so."""
    wanted = [(scope, window) for scope, windows in unlaunched_windows.items() for window in windows]
    logs: dict[LogScope, dict[int, HarvestLog]] = {scope: {} for scope in unlaunched_windows}
    for start in range(0, len(wanted), _WINDOWS_AT_A_TIME):
        conditions = (
            and_(scope.clause, harvest_log.c.start_date < window.end, harvest_log.c.end_date > window.start)
            for scope, window in wanted[start : start + _WINDOWS_AT_A_TIME]
        )
        for row in connection.execute(select(*COVERAGE_COLUMNS).where(is_own_window(), or_(*conditions))):
            logs[LogScope(row.ingest_config_id, row.harvester_version)][row.id] = log_of(row)
    return {scope: coverage_of_logs(list(found.values())) for scope, found in logs.items()}


def _correct_coverage(
    coverage: SourceCoverage, unlaunched: Collection[Window], covering: Collection[LogCoverage]
) -> SourceCoverage:
    """Correct the coverage in the windows with unlaunched data, log by log."""
    windows = [
        *(rest for window in coverage.windows for rest in subtract(window, unlaunched)),
        *(
            shared
            for covered in covered_windows(covering)
            for window in unlaunched
            if (shared := covered.intersection(window)) is not None
        ),
    ]
    return replace(coverage, windows=tuple(merged(windows)))


def _among(column: ColumnElement[int], ids: Collection[int] | None) -> ColumnElement[bool]:
    return true() if ids is None else column.in_(list(ids))
