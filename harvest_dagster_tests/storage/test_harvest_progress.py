"""What a harvest counts while it is under way. On both databases."""

from __future__ import annotations

import pytest

from harvest_dagster.errors import LeaseLost
from harvest_dagster.storage import harvest_progress
from harvest_dagster.storage.engine import Database
from harvest_dagster_tests.storage.logs import SOME, STRAYS, Logs


@pytest.fixture
def logs(database: Database) -> Logs:
    return Logs(database)


def test_a_page_is_counted_once(logs: Logs) -> None:
    """Lesson 6: progress and data in one transaction; a page that is counted twice was stored twice."""
    log = logs.start()
    with logs.database.begin() as connection:
        harvest_progress.advance(connection, log.id, 0, SOME, STRAYS)
    for page in (0, 2):
        refused = pytest.raises(LeaseLost, match=f"page {page} of harvest log {log.id}")
        with refused, logs.database.begin() as connection:
            harvest_progress.advance(connection, log.id, page, SOME, STRAYS)
    with logs.database.begin() as connection:
        harvest_progress.advance(connection, log.id, 1, SOME, STRAYS)
    assert (logs.find().pages_stored, logs.find().counts) == (2, SOME + SOME)
    assert logs.find().strays == STRAYS + STRAYS


def test_costs_add_up_over_the_runs_that_worked_on_a_window(logs: Logs) -> None:
    """The source's operators count all of them."""
    log = logs.start()
    for _ in range(2):
        with logs.database.begin() as connection:
            harvest_progress.spend(connection, log.id, requests=3, size=3_000_000_000, seconds_waited=1.5)
    again = logs.start(run="run 2")
    assert (again.requests, again.bytes, again.seconds_waited) == (6, 6_000_000_000, 3.0)
