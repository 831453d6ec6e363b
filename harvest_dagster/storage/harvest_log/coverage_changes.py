"""Keep the table covered_window equal to what the logs cover, by the rule in `coverage_rule`.

Triggers of harvest_log record each change that may matter in coverage_change, also a change by another program. The
functions of `transitions` then call `apply_changes` in the same transaction: it computes the coverage of the changed
windows from the logs. A change without such a call makes nothing wrong: `source_coverage` does not use the table for a
source that has unapplied changes.

On PostgreSQL the row of a scope is locked while its windows change. What a transaction computes after it has the lock
contains the logs of all transactions that had the lock before.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, delete, func, insert, select, text, update

from harvest_dagster.storage.database import Database
from harvest_dagster.storage.harvest_log.coverage_rule import (
    covered_end,
    covers_condition,
    list_began,
    merged_windows,
    scope_columns,
)
from harvest_dagster.storage.tables import coverage_change, coverage_scope, covered_window, harvest_log
from harvest_dagster.storage.upsert import insert_or_ignore
from harvest_dagster.windows import Window, merged, subtract

# Of harvest_log. Migrations create them; a migration that creates the table again must create them again.
TRIGGERS = frozenset(f"harvest_log_coverage_{event}" for event in ("insert", "update", "delete"))
_CHANGES_AT_A_TIME = 500
# More separate windows than this are computed as one range: one statement reads all its logs.
_MOST_SEPARATE_WINDOWS = 20


@dataclass(frozen=True, order=True)
class CoverageScope:
    """A row of coverage_scope without its values. `arguments_digest` is empty for logs without a digest."""

    ingest_config_id: int
    harvester_version: int
    arguments_digest: str

    @property
    def condition(self) -> ColumnElement[bool]:
        """The condition that a log belongs to the scope."""
        digest = self.arguments_digest or None
        return and_(
            harvest_log.c.ingest_config_id == self.ingest_config_id,
            harvest_log.c.harvester_version == self.harvester_version,
            harvest_log.c.arguments_digest.is_not_distinct_from(digest),
        )


def apply_changes(connection: Connection, ingest_config_id: int) -> None:
    """Apply the recorded changes of a source to its covered windows.

    Args:
        connection: the transaction that has changed the logs.
        ingest_config_id: the source.
    """
    of_source = coverage_change.c.ingest_config_id == ingest_config_id
    changes = select(coverage_change).where(of_source).order_by(coverage_change.c.id)
    while rows := connection.execute(changes.limit(_CHANGES_AT_A_TIME)).all():
        for scope, its_rows in groupby(sorted(rows, key=_scope_of), key=_scope_of):
            _update_scope(connection, scope, list(its_rows))
        # By their keys: another transaction may have committed a change since they were read.
        connection.execute(delete(coverage_change).where(coverage_change.c.id.in_([row.id for row in rows])))


def apply_changes_of_others(database: Database) -> int:
    """Apply the changes that other programs have made to logs. Return the number of sources that had some.

    Each source has a transaction of its own.
    """
    with database.read() as connection:
        ids = find_changed_sources(connection)
    for ingest_config_id in sorted(ids):
        with database.begin() as connection:
            apply_changes(connection, ingest_config_id)
    return len(ids)


def find_changed_sources(connection: Connection) -> frozenset[int]:
    """Return the primary keys of the sources with committed changes that are not applied."""
    return frozenset(connection.scalars(select(coverage_change.c.ingest_config_id).distinct()))


def find_missing_triggers(connection: Connection) -> list[str]:
    """Return the names of the triggers that do not exist, or that are disabled."""
    if connection.dialect.name == "postgresql":
        query = "SELECT tgname FROM pg_trigger WHERE tgrelid = 'harvest_log'::regclass AND tgenabled <> 'D'"
    else:
        query = "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'harvest_log'"
    return sorted(TRIGGERS - set(connection.scalars(text(query))))


def compute_all(connection: Connection) -> None:
    """Compute the covered windows of all sources from the logs."""
    for table in (coverage_change, covered_window, coverage_scope):
        connection.execute(delete(table))
    columns = [covered_window.c[name] for name in ("scope_id", "start_date", "end_date")]
    of_scope = scope_columns()
    names = [*(column.name for column in of_scope), "last_began"]
    scopes = (
        select(*of_scope, func.max(list_began()))
        .where(covers_condition(), covered_end() > harvest_log.c.start_date)
        .group_by(*of_scope)
        .order_by(*of_scope)
    )
    connection.execute(insert(coverage_scope).from_select(names, scopes))
    found = merged_windows().subquery()
    is_same = and_(*(coverage_scope.c[name] == found.c[name] for name in names[:-1]))
    windows = select(coverage_scope.c.id, found.c.start_date, found.c.end_date).join(found, is_same)
    connection.execute(insert(covered_window).from_select(columns, windows))


def find_differences(connection: Connection) -> Iterator[CoverageScope]:
    """Yield the scopes whose rows differ from what all logs say. Sources with unapplied changes are left out."""
    changed = find_changed_sources(connection)
    by_logs = _by_scope(connection.execute(merged_windows()))
    by_table = _by_scope(
        connection.execute(
            select(coverage_scope, covered_window.c.start_date, covered_window.c.end_date).join(
                covered_window, covered_window.c.scope_id == coverage_scope.c.id
            )
        )
    )
    for scope in sorted(by_logs.keys() | by_table.keys()):
        is_same = by_logs.get(scope) == by_table.get(scope)
        if not is_same and scope.ingest_config_id not in changed:
            yield scope


def _by_scope(rows: Iterable[Row[Any]]) -> dict[CoverageScope, tuple[datetime | None, list[Window]]]:
    found: dict[CoverageScope, tuple[datetime | None, list[Window]]] = {}
    for row in rows:
        _, windows = found.setdefault(_scope_of(row), (row.last_began, []))
        windows.append(Window(row.start_date, row.end_date))
    return {scope: (began, list(merged(windows))) for scope, (began, windows) in found.items()}


def _scope_of(row: Row[Any]) -> CoverageScope:
    return CoverageScope(row.ingest_config_id, row.harvester_version, row.arguments_digest)


def _update_scope(connection: Connection, scope: CoverageScope, changes: Sequence[Row[Any]]) -> None:
    """Compute the coverage of the changed windows from the logs, and correct the rows of the scope."""
    row = _lock(connection, scope)
    began: list[datetime] = []
    for window in _changed_windows(changes):
        began += _compute_window(connection, row.id, scope, window)
    newest_change = max((change.began for change in changes if change.began is not None), default=None)
    if row.last_began is not None and (newest_change is None or newest_change < row.last_began):
        return  # none of the changed logs had the last list, and none has a later one
    newest = max(began, default=None)
    if newest is None or (row.last_began is not None and newest < row.last_began):
        covers = select(func.max(list_began())).where(
            scope.condition, covers_condition(), covered_end() > harvest_log.c.start_date
        )
        newest = connection.scalar(covers)
    if newest != row.last_began:
        connection.execute(
            update(coverage_scope).where(coverage_scope.c.id == row.id).values(last_began=newest)
        )


def _lock(connection: Connection, scope: CoverageScope) -> Row[Any]:
    """Return the row of a scope, and lock it until the transaction ends. Create it if it is missing."""
    of_scope = and_(
        coverage_scope.c.ingest_config_id == scope.ingest_config_id,
        coverage_scope.c.harvester_version == scope.harvester_version,
        coverage_scope.c.arguments_digest == scope.arguments_digest,
    )
    # No key is changed, so that rows of covered_window may refer to it meanwhile.
    locked = select(coverage_scope).where(of_scope).with_for_update(key_share=True)
    if (row := connection.execute(locked).first()) is not None:
        return row
    values = {
        "ingest_config_id": scope.ingest_config_id,
        "harvester_version": scope.harvester_version,
        "arguments_digest": scope.arguments_digest,
    }
    insert_or_ignore(connection, coverage_scope, values)
    return connection.execute(locked).one()


def _changed_windows(changes: Sequence[Row[Any]]) -> list[Window]:
    # Another program may have written a window that is empty. Such a log covers nothing.
    changed = [Window(row.start_date, row.end_date) for row in changes if row.start_date < row.end_date]
    windows = list(merged(changed))
    if len(windows) > _MOST_SEPARATE_WINDOWS:
        return [Window(windows[0].start, windows[-1].end)]
    return windows


def _compute_window(
    connection: Connection, scope_id: int, scope: CoverageScope, window: Window
) -> list[datetime]:
    """Write the coverage of a window as the logs say. Return the starts of the last lists in it."""
    found = connection.execute(
        merged_windows(
            scope.condition,
            harvest_log.c.start_date < window.end,
            harvest_log.c.end_date > window.start,
            covered_end() > window.start,
        )
    ).all()
    covered = [Window(row.start_date, row.end_date).intersection(window) for row in found]
    before = _touching(connection, scope_id, window)
    # The coverage outside of the changed window stays as it is.
    kept = [rest for one in before for rest in subtract(one, [window])]
    after = list(merged([*kept, *filter(None, covered)]))
    _write(connection, scope_id, before, after)
    return [row.last_began for row in found if row.last_began is not None]


def _touching(connection: Connection, scope_id: int, window: Window) -> list[Window]:
    """Return the covered windows that overlap with a window or touch it. At most one of them begins before it."""
    start, end = covered_window.c.start_date, covered_window.c.end_date
    of_scope = covered_window.c.scope_id == scope_id
    last_before = select(func.max(start)).where(of_scope, start < window.start).scalar_subquery()
    rows = connection.execute(
        select(start, end).where(
            of_scope,
            start <= window.end,
            start >= func.coalesce(last_before, window.start, type_=start.type),
            end >= window.start,
        )
    )
    return [Window(*row) for row in rows]


def _write(connection: Connection, scope_id: int, before: Sequence[Window], after: Sequence[Window]) -> None:
    old, new = ({window.start: window.end for window in windows} for windows in (before, after))
    of_scope = covered_window.c.scope_id == scope_id
    if gone := sorted(old.keys() - new.keys()):
        connection.execute(delete(covered_window).where(of_scope, covered_window.c.start_date.in_(gone)))
    for start in sorted(old.keys() & new.keys()):
        if old[start] != new[start]:
            changed = update(covered_window).where(of_scope, covered_window.c.start_date == start)
            connection.execute(changed.values(end_date=new[start]))
    if added := sorted(new.keys() - old.keys()):
        rows = [{"scope_id": scope_id, "start_date": start, "end_date": new[start]} for start in added]
        connection.execute(insert(covered_window), rows)
