"""What is known about a day whose harvest succeeded although something speaks against its list."""

from __future__ import annotations

from datetime import timedelta

from harvest_dagster.coverage.day_status import DayStatus, day_statuses
from harvest_dagster.storage.database import Database
from harvest_dagster.storage.harvest_log import transitions
from harvest_dagster_tests.storage.configs import NOW
from harvest_dagster_tests.storage.logs import WINDOW, Logs

DOUBT = "the window had 5 records before"


def succeed_with_doubt(logs: Logs, run: str, since: timedelta) -> DayStatus:
    log = logs.start(run=run)
    with logs.database.begin() as connection:
        transitions.begin_attempt(connection, log.id, NOW + since)
        transitions.mark_succeeded(
            connection, log.id, now=NOW + since, completeness="unverified", evidence="none", doubt=DOUBT
        )
    with logs.database.read() as connection:
        (status,) = day_statuses(connection, logs.scope, WINDOW)
    return status


def test_a_doubtful_day_is_not_harvested_before_a_second_harvest_and_says_why(database: Database) -> None:
    """The day would be green after one transient empty answer, or red without a reason."""
    logs = Logs(database)
    status = succeed_with_doubt(logs, "run 1", timedelta())
    assert (status.is_harvested, status.doubts) == (False, (DOUBT,))
    status = succeed_with_doubt(logs, "run 2", timedelta(hours=1))
    assert (status.is_harvested, status.is_uncontradicted, status.doubts) == (True, False, (DOUBT,))


def test_a_doubt_ends_with_a_list_without_a_doubt(database: Database) -> None:
    """An hour after a list with records, one empty answer must not be believed at once."""
    logs = Logs(database)
    succeed_with_doubt(logs, "run 1", timedelta())
    logs.succeed(logs.start(run="run 2"), since=NOW + timedelta(minutes=30))
    assert logs.find().doubted_since is None
    status = succeed_with_doubt(logs, "run 3", timedelta(hours=2))
    assert logs.find().doubted_since == NOW + timedelta(hours=2)
    assert status.is_harvested  # by the list of run 2
