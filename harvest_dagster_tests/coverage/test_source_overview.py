"""Reading the state of many sources does not read all their logs."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import event, text

from harvest_dagster.coverage.source_overview import SourceOverview
from harvest_dagster.storage import sweep_overview
from harvest_dagster.storage.database import Database
from harvest_dagster.storage.harvest_log import coverage_changes, queries, run_attempts
from harvest_dagster.storage.harvest_log.queries import LogScope
from harvest_dagster_tests.storage.configs import NOW, new_config

# 50 sources with 400 logs each. A few have failed, have unlaunched data, or are open.
_LOGS = """
    INSERT INTO harvest_log (ingest_config_id, harvester_version, start_date, end_date, status, date_started,
                             attempt_began, covered_since, unlaunched_since, date_completed)
    SELECT source.id, 1, day, day + interval '1 day',
           CASE WHEN number = 9 OR (number = 400 AND source.id % 7 = 1) THEN 'FAILED'
                WHEN number = 400 AND source.id % 7 = 0 THEN 'STARTED'
                ELSE 'SUCCEEDED' END,
           day + interval '2 days', day + interval '2 days',
           CASE WHEN number <> 9 THEN day + interval '2 days' END,
           CASE WHEN number = 20 AND source.id % 7 = 0 THEN day + interval '3 days' END,
           day + interval '2 days'
    FROM ingest_config AS source, generate_series(1, 400) AS number,
         LATERAL (SELECT timestamptz '2020-01-01 00:00Z' + number * interval '1 day' AS day) AS days
"""
_ATTEMPTS = """
    INSERT INTO harvest_log_run (harvest_log_id, run_id, status, date_started, date_completed)
    SELECT id, 'run', CASE WHEN status = 'FAILED' THEN status ELSE 'SUCCEEDED' END, date_started, date_completed
    FROM harvest_log
"""


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.parametrize("statistics", [False, True])
def test_no_statement_of_a_tick_reads_all_logs(database: Database, statistics: bool) -> None:
    """With ten years of logs of a thousand sources, one such statement takes longer than the whole tick may take."""
    for _ in range(50):
        new_config(database)
    with database.begin() as connection:
        connection.execute(text(_LOGS))
        connection.execute(text(_ATTEMPTS))
        coverage_changes.compute_all(connection)
        if statistics:
            connection.execute(text("ANALYZE"))
    statements: list[tuple[str, Any]] = []
    with database.read() as connection:
        event.listen(connection, "before_cursor_execute", lambda *args: statements.append(args[2:4]))
        sources = SourceOverview.read(connection, NOW)
        assert len(queries.find_open(connection)) == 7
        scopes = [scope for scope, windows in sources.failed.items() if windows]
        assert len(run_attempts.find_failure_streaks(connection, scopes)) == 8
        snapshots = sweep_overview.find_last_snapshots(connection, dict.fromkeys(range(1, 51), NOW))
        assert len(snapshots) == 50
    assert len(sources.coverage) == len(sources.failed) == 50
    with database.read() as connection:
        plans = [
            "\n".join(connection.exec_driver_sql(f"EXPLAIN {statement}", parameters).scalars())
            for statement, parameters in statements
            if statement.startswith(("SELECT", "WITH"))
        ]
    assert len(plans) == 11
    assert [plan for plan in plans if "Seq Scan on harvest_log" in plan] == []


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_sqlite_finds_streaks_and_snapshots_in_indexes(database: Database) -> None:
    """A tick must not become slower with each day that is harvested."""
    scope = LogScope(new_config(database), 1)
    statements: list[tuple[str, Any]] = []
    with database.read() as connection:
        event.listen(connection, "before_cursor_execute", lambda *args: statements.append(args[2:4]))
        run_attempts.find_failure_streaks(connection, [scope])
        sweep_overview.find_last_snapshots(connection, {scope.ingest_config_id: NOW})
        plans = [
            "\n".join(
                row.detail for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
            )
            for statement, values in statements[:]
            if statement.startswith(("SELECT", "WITH"))
        ]
    assert len(plans) == 3
    assert [plan for plan in plans if "SCAN harvest_log" in plan] == []
    assert "date_completed>?" in plans[0]
