"""The table of covered windows is what the logs say, after each change of a log. On both databases."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, event, insert, select, text, update

from harvest_dagster.storage.database import Database
from harvest_dagster.storage.harvest_log import (
    coverage_changes,
    coverage_rule,
    queries,
    source_coverage,
    transitions,
    value_digests,
)
from harvest_dagster.storage.harvest_log.queries import HarvestLog
from harvest_dagster.storage.tables import (
    HARVEST_STATUSES,
    coverage_change,
    coverage_scope,
    covered_window,
    harvest_log,
    harvest_log_run,
)
from harvest_dagster.windows import DAY, Window, merged
from harvest_dagster_tests.storage.configs import NOW
from harvest_dagster_tests.storage.logs import MIDNIGHT, Logs, day

HOUR = timedelta(hours=1)

Coverage = dict[str | None, tuple[list[Window], datetime | None]]


@pytest.fixture
def logs(database: Database) -> Logs:
    return Logs(database)


def all_logs(logs: Logs) -> list[HarvestLog]:
    with logs.database.read() as connection:
        return [
            queries.log_of(row) for row in connection.execute(select(harvest_log).where(logs.scope.clause))
        ]


def by_rule(found: list[HarvestLog], digest: str | None) -> list[Window]:
    """Return what logs of these arguments cover, without unlaunched data, by the rule for logs that were read."""
    covered = [one for one in coverage_rule.coverage_of_logs(found) if one.log.arguments_digest == digest]
    return list(merged(coverage_rule.covered_windows(covered)))


def expected_rows(found: list[HarvestLog]) -> Coverage:
    """Return what the table must have: unlaunched data do not matter."""
    rows: Coverage = {}
    covering = [replace(log, unlaunched_since=None) for log in found if coverage_rule.covers_window(log)]
    for digest in {log.arguments_digest for log in covering}:
        of_digest = [log for log in covering if log.arguments_digest == digest]
        began = [log.covered_since or log.date_started for log in of_digest]
        rows[digest] = (by_rule(of_digest, digest), max(one for one in began if one is not None))
    return rows


def table_rows(logs: Logs) -> Coverage:
    with logs.database.read() as connection:
        found = connection.execute(
            select(coverage_scope, covered_window.c.start_date, covered_window.c.end_date)
            .join(covered_window)
            .where(coverage_scope.c.ingest_config_id == logs.scope.ingest_config_id)
            .order_by(covered_window.c.start_date)
        ).all()
    rows: Coverage = {}
    for row in found:
        windows, _ = rows.setdefault(row.arguments_digest or None, ([], row.last_began))
        windows.append(Window(row.start_date, row.end_date))
    return rows


def read(logs: Logs) -> dict[str | None, list[Window]]:
    with logs.database.read() as connection:
        found = source_coverage.find_source_coverage(connection, [logs.scope.ingest_config_id])
    return {scope.arguments_digest: list(one.windows) for scope, one in found.items() if one.windows}


def has_changes(logs: Logs) -> bool:
    with logs.database.read() as connection:
        return logs.scope.ingest_config_id in coverage_changes.find_changed_sources(connection)


def assert_is_right(logs: Logs) -> None:
    found = all_logs(logs)
    digests = {log.arguments_digest for log in found}
    windows = {digest: by_rule(found, digest) for digest in digests}
    assert read(logs) == {digest: one for digest, one in windows.items() if one}
    if not has_changes(logs):
        assert table_rows(logs) == expected_rows(found)


windows = st.tuples(st.integers(0, 6), st.integers(1, 3)).map(
    lambda pair: Window(MIDNIGHT - 9 * DAY + pair[0] * DAY, MIDNIGHT - 9 * DAY + sum(pair) * DAY)
)
instants = st.integers(-6, 12).map(lambda number: NOW + number * 12 * HOUR)
OPERATIONS = (
    "succeed",
    "succeed",
    "succeed",
    "limited",
    "doubtful",
    "snapshot",
    "fail",
    "half",
    "doubt",
    "reconcile",
    "split",
    "resume",
    "reschedule",
    "close",
    "restore",
    "values",
    "foreign insert",
    "foreign update",
    "foreign delete",
)
# Another program applies no change, and these change no log if there is none of that kind.
MAY_LEAVE_CHANGES = (*OPERATIONS[-3:], "doubt", "reconcile", "resume", "close", "restore", "values")
steps = st.tuples(
    st.sampled_from(OPERATIONS),
    windows,
    instants,
    st.sampled_from(["a", "a", "a", "b", None]),
    st.integers(0, 7),
)


class History:
    """Carries out random changes of the logs of one scope, as runs and as other programs do them."""

    def __init__(self, logs: Logs) -> None:
        self.logs, self.run = logs, 0

    def carry_out(self, step: tuple[str, Window, datetime, str | None, int]) -> None:
        name, window, instant, digest, number = step
        self.run += 1
        self.logs.scope = replace(self.logs.scope, arguments_digest=digest)
        operation: Callable[..., None] = getattr(self, f"_{name.replace(' ', '_')}")
        operation(window, instant, number)

    def _start(self, window: Window, **more: Any) -> HarvestLog:
        return self.logs.start(window, f"run {self.run}", **more)

    def _succeed(self, window: Window, instant: datetime, number: int) -> None:
        self.logs.succeed(self._start(window), since=instant, settle=number % 2 * 6 * HOUR)

    def _limited(self, window: Window, instant: datetime, number: int) -> None:
        self.logs.succeed(self._start(window, record_limit=number + 1), since=instant)

    def _doubtful(self, window: Window, instant: datetime, _number: int) -> None:
        self.logs.succeed(self._start(window), since=instant, doubt="empty")

    def _snapshot(self, window: Window, instant: datetime, _number: int) -> None:
        self.logs.succeed(self._start(window), since=instant, source_time=instant, is_snapshot=True)

    def _fail(self, window: Window, _instant: datetime, number: int) -> None:
        self.logs.end(self._start(window), ("FAILED", "CANCELLED")[number % 2])

    def _half(self, window: Window, instant: datetime, number: int) -> None:
        limit = number if number > 5 else None
        self.logs.store_without_launch(window, f"run {self.run}", at=instant, record_limit=limit)

    def _each(self, number: int, change: Callable[[Any, HarvestLog], object]) -> None:
        found = all_logs(self.logs)
        for log in found[number % 3 :: 3]:
            with self.logs.database.begin() as connection:
                change(connection, log)

    def _doubt(self, _window: Window, _instant: datetime, number: int) -> None:
        self._each(number, lambda connection, log: transitions.mark_doubtful(connection, log.id, "full"))

    def _reconcile(self, _window: Window, _instant: datetime, number: int) -> None:
        self._each(number, lambda connection, log: transitions.mark_reconciled(connection, log.id))

    def _split(self, window: Window, instant: datetime, _number: int) -> None:
        with self.logs.database.begin() as connection:
            transitions.mark_split(connection, self.logs.scope, window, run_id=f"run {self.run}", now=instant)

    def _resume(self, _window: Window, instant: datetime, number: int) -> None:
        run = f"run {self.run}"
        self._each(number, lambda c, log: transitions.mark_resumed(c, log.id, run_id=run, now=instant))

    def _reschedule(self, window: Window, _instant: datetime, _number: int) -> None:
        self.logs.reschedule(window, f"run {self.run}")

    def _close(self, _window: Window, instant: datetime, number: int) -> None:
        self._each(number, lambda c, log: transitions.close_rescheduled(c, log, now=instant, error="over"))

    def _restore(self, _window: Window, instant: datetime, number: int) -> None:
        self._each(number, lambda c, log: transitions.restore_succeeded(c, log.id, now=instant))

    def _values(self, _window: Window, _instant: datetime, number: int) -> None:
        with self.logs.database.begin() as connection:
            value_digests.mark_logs_of_other_values(connection, self.logs.scope, {"NAME": str(number % 2)})

    def _foreign_insert(self, window: Window, instant: datetime, number: int) -> None:
        with self.logs.database.begin() as connection:
            of_window = harvest_log.c.start_date == window.start, harvest_log.c.end_date == window.end
            if connection.execute(select(harvest_log).where(self.logs.scope.clause, *of_window)).first():
                return
            row = {
                "ingest_config_id": self.logs.scope.ingest_config_id,
                "harvester_version": 1,
                "start_date": window.start,
                "end_date": window.end,
                "date_started": instant,
                "status": HARVEST_STATUSES[number % len(HARVEST_STATUSES)],
            }
            connection.execute(insert(harvest_log).values(row))

    def _foreign_update(self, _window: Window, instant: datetime, number: int) -> None:
        values: dict[str, Any] = (
            {"status": "SUCCEEDED"},
            {"covered_since": instant},
            {"covered_since": None},
            {"arguments_digest": "a"},
            {"arguments_digest": None, "date_started": instant},
            {"has_other_values": True},
            {"attempt_began": None, "record_limit": None},
            {"date_started": instant, "status": "FAILED"},
        )[number]
        keys = [log.id for log in all_logs(self.logs)[::3]]
        with self.logs.database.begin() as connection:
            connection.execute(update(harvest_log).where(harvest_log.c.id.in_(keys)).values(values))

    def _foreign_delete(self, _window: Window, _instant: datetime, number: int) -> None:
        keys = [log.id for log in all_logs(self.logs)[number::4]]
        with self.logs.database.begin() as connection:
            connection.execute(delete(harvest_log_run).where(harvest_log_run.c.harvest_log_id.in_(keys)))
            connection.execute(delete(harvest_log).where(harvest_log.c.id.in_(keys)))


def carry_out_all(database: Database, history: list[Any]) -> None:
    logs = Logs(database)
    changes = History(logs)
    for step in history:
        changes.carry_out(step)
        assert_is_right(logs)
        assert step[0] in MAY_LEAVE_CHANGES or not has_changes(logs)
    with logs.database.begin() as connection:
        coverage_changes.apply_changes(connection, logs.scope.ingest_config_id)
    assert_is_right(logs)


random_histories = settings(
    deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@settings(random_histories, max_examples=10)
@given(st.lists(steps, max_size=12))
def test_the_table_is_what_the_logs_cover_after_any_change(database: Database, history: list[Any]) -> None:
    """A day that the table covers and no log does is never harvested; the other way round, it is harvested forever."""
    carry_out_all(database, history)


@pytest.mark.slow
@settings(random_histories, max_examples=200)
@given(st.lists(steps, min_size=8, max_size=30))
def test_the_table_is_what_the_logs_cover_after_many_changes(database: Database, history: list[Any]) -> None:
    """See above. Rare orders of changes need more examples."""
    carry_out_all(database, history)


def test_windows_that_touch_are_one_row(logs: Logs) -> None:
    """The rows would otherwise grow with the logs."""
    for number in (5, 1, 3, 2, 4):
        logs.succeed(logs.start(day(number)))
    assert table_rows(logs)[None][0] == [Window(day(5).start, day(1).end)]
    with logs.database.begin() as connection:
        transitions.mark_doubtful(connection, logs.find(day(3)).id, "its neighbours are full")
    assert table_rows(logs)[None][0] == [
        Window(day(5).start, day(4).end),
        Window(day(2).start, day(1).end),
    ]


def test_a_split_window_of_the_table_keeps_the_start_of_the_last_list(logs: Logs) -> None:
    """People want to know how old the data are, also after the newest window was doubted."""
    for number in (4, 3, 2, 1):
        logs.succeed(logs.start(day(number)), since=NOW - number * HOUR)
    for number, last in ((2, 1), (1, 3)):
        with logs.database.begin() as connection:
            transitions.mark_doubtful(connection, logs.find(day(number)).id, "its neighbours are full")
        assert table_rows(logs)[None][1] == NOW - last * HOUR
    assert table_rows(logs)[None][0] == [Window(day(4).start, day(3).end)]
    with logs.database.begin() as connection:  # the start of its list stays in the row
        changed = update(harvest_log).where(harvest_log.c.id == logs.find(day(3)).id)
        connection.execute(changed.values(has_other_values=True))
        coverage_changes.apply_changes(connection, logs.scope.ingest_config_id)
    assert table_rows(logs)[None] == ([day(4)], NOW - 4 * HOUR)


def test_many_changes_at_once_are_applied(logs: Logs, monkeypatch: pytest.MonkeyPatch) -> None:
    """The value behind a placeholder changes, so that all logs of a source stop to cover their windows."""
    monkeypatch.setattr(coverage_changes, "_CHANGES_AT_A_TIME", 3)
    monkeypatch.setattr(coverage_changes, "_MOST_SEPARATE_WINDOWS", 2)
    for number in range(0, 20, 2):
        logs.succeed(logs.start(day(number), values_digest="NAME=1"))
    with logs.database.begin() as connection:
        value_digests.mark_logs_of_other_values(connection, logs.scope, {"NAME": "changed"})
    assert table_rows(logs) == {}
    with logs.database.begin() as connection:
        connection.execute(update(harvest_log).values(has_other_values=False))
        assert connection.scalars(select(coverage_change.c.id)).all()
        coverage_changes.apply_changes(connection, logs.scope.ingest_config_id)
        assert connection.scalars(select(coverage_change.c.id)).all() == []
    assert len(table_rows(logs)[None][0]) == 10
    assert_is_right(logs)


def test_a_change_by_another_program_counts_at_once_and_is_applied_later(logs: Logs) -> None:
    """A program that takes a success back would otherwise leave the day covered in the table."""
    logs.succeed(logs.start(day(1)))
    logs.succeed(logs.start(day(0)))
    with logs.database.begin() as connection:
        connection.execute(text("UPDATE harvest_log SET covered_since = NULL, status = 'FAILED'"))
    assert read(logs) == {}
    assert coverage_changes.apply_changes_of_others(logs.database) == 1
    assert (read(logs), table_rows(logs)) == ({}, {})
    assert coverage_changes.apply_changes_of_others(logs.database) == 0


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_two_transactions_that_change_one_scope_wait_for_each_other(logs: Logs) -> None:
    """Otherwise each of them would write a window without the day of the other."""
    logs.succeed(logs.start(day(3)))
    first, second = logs.start(day(2)), logs.start(day(1))
    with logs.database.begin() as connection:
        transitions.begin_attempt(connection, first.id, NOW)
        transitions.mark_succeeded(connection, first.id, now=NOW, completeness="complete")
        thread = threading.Thread(target=logs.succeed, args=(second,))
        thread.start()
        _wait_for_lock(logs.database)
    thread.join()
    assert table_rows(logs)[None][0] == [Window(day(3).start, day(1).end)]


def _wait_for_lock(database: Database) -> None:
    waiting = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        while not connection.scalar(waiting):
            pass


def test_the_coverage_of_many_logs_is_read_without_them(logs: Logs) -> None:
    """A thousand sources have millions of logs after ten years. The sensors read their coverage every minute."""
    for number in range(5):
        logs.succeed(logs.start(day(number)))
    statements: list[str] = []
    with logs.database.read() as connection:
        connection.execute(text("SELECT 1"))
        event.listen(connection, "before_cursor_execute", lambda *args: statements.append(args[2]))
        found = source_coverage.find_source_coverage(connection)
    assert list(found[logs.scope].windows) == [Window(day(4).start, day(0).end)]
    assert len(statements) == 3
    assert [one for one in statements if "harvest_log" in one and "unlaunched_since >=" not in one] == []


def test_the_triggers_compare_the_columns_of_the_rule(database: Database) -> None:
    """A column that the rule uses and no trigger compares would leave a change of coverage out of the table."""
    query = {
        "sqlite": "SELECT sql FROM sqlite_master WHERE name = 'harvest_log_coverage_update'",
        "postgresql": "SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE tgname = 'harvest_log_coverage_update'",
    }[database.dialect]
    with database.read() as connection:
        definition = str(connection.scalar(text(query))).lower()
    rule = str(coverage_rule.merged_windows())
    used = [
        column.name for column in harvest_log.columns if re.search(rf"harvest_log\.{column.name}\b", rule)
    ]
    assert len(used) == 12
    compared = r"old\.{0}\)?(::\w+)? is (not|distinct from) \(?new\.{0}\b"
    assert [name for name in used if not re.search(compared.format(name), definition)] == []
