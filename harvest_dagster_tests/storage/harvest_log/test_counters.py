"""The counts of a harvest log, on both databases."""

from __future__ import annotations

import pytest

from harvest_dagster.errors import LeaseLost
from harvest_dagster.storage.counts import Counts
from harvest_dagster.storage.database import Database
from harvest_dagster.storage.harvest_log import counters
from harvest_dagster_tests.storage.logs import SOME, Logs


@pytest.fixture
def logs(database: Database) -> Logs:
    return Logs(database)


def test_a_page_is_counted_once(logs: Logs) -> None:
    """A page that is stored twice, or out of order, must not be counted (docs/failures.md#cursor-before-data)."""
    log = logs.start()
    with logs.database.begin() as connection:
        counters.count_page(connection, log.id, 0, SOME)
    for page in (0, 2):
        refused = pytest.raises(LeaseLost, match=f"page {page} of harvest log {log.id}")
        with refused, logs.database.begin() as connection:
            counters.count_page(connection, log.id, page, SOME)
    with logs.database.begin() as connection:
        counters.count_page(connection, log.id, 1, SOME)
    assert (logs.find().pages_stored, logs.find().counts) == (2, SOME + SOME)


def test_the_counts_of_all_runs_at_a_window_add_up(logs: Logs) -> None:
    """The operators of the source count the requests of all runs."""
    log = logs.start()
    for _ in range(2):
        with logs.database.begin() as connection:
            counters.add_counts(
                connection, log.id, Counts(requests=3, bytes=3_000_000_000, seconds_waited=1.5)
            )
    again = logs.start(run="run 2")
    assert again.counts == Counts(requests=6, bytes=6_000_000_000, seconds_waited=3.0)
