"""Re-execution from failure: the run continues with the failed op, and harvests the windows that were never tried."""

from __future__ import annotations

from datetime import date

import dagster as dg
import pytest
from sqlalchemy import text

from harvest_dagster.storage.database import Database
from harvest_dagster.testing.simulator import Repository
from harvest_dagster_tests.crash import asset_job
from harvest_dagster_tests.crash.asset_job import job_of, reexecute
from harvest_dagster_tests.crash.child import Moment
from harvest_dagster_tests.crash.commands import Command, Deployment
from harvest_dagster_tests.crash.conftest import FIRST, LAST, PAGES_OF_BOTH_WINDOWS, Deploy
from harvest_dagster_tests.crash.contents import assert_complete, lists

RANGE = {
    "dagster/asset_partition_range_start": str(FIRST),
    "dagster/asset_partition_range_end": str(LAST),
}


@pytest.fixture
def deployment(deploy: Deploy, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Deployment:
    """A deployment whose environment this process has, because the test runs the job in this process."""
    has_three_windows = "phase" in request.fixturenames
    deployment = deploy(repository=THREE_WINDOWS, max_window="1d") if has_three_windows else deploy()
    for name, value in deployment.environment.items():
        monkeypatch.setenv(name, value)
    return deployment


@pytest.mark.parametrize(
    ("table", "database_url"),
    [("raw_datum", "postgresql"), ("ingest_log", "sqlite")],
    indirect=["database_url"],
    ids=["store", "launch"],
)
def test_a_reexecution_continues_with_the_failed_op_without_a_request(
    deployment: Deployment, table: str
) -> None:
    """Otherwise one failed bulk write costs all the pages that were fetched for it."""
    job = job_of(deployment)
    with Database.open(deployment.database_url) as database, deployment.instance() as instance:
        with database.begin() as connection:
            connection.execute(text(f"ALTER TABLE {table} RENAME TO hidden"))
        failed = dg.execute_job(job, instance, tags=RANGE)
        assert not failed.success
        assert len(lists(deployment.source.requests)) == PAGES_OF_BOTH_WINDOWS
        with database.begin() as connection:
            connection.execute(text(f"ALTER TABLE hidden RENAME TO {table}"))
        requests = len(deployment.source.requests)
        again = reexecute(deployment, instance, failed.run_id)
        assert again.success
        assert len(deployment.source.requests) == requests
        assert_complete(database, deployment.source)
    steps = {event.step_key for event in again.get_step_success_events()}
    assert not any(".fetch" in key or ".split" in key for key in steps)


# Three windows of one day, two pages each. The second page has room for the record at the midnight after the window.
THREE_WINDOWS = Repository(first_day=FIRST, days=3, records_per_day=40, page_size=25)
LAST_OF_THREE = date(2024, 3, 3)
_SPOOL = {window: f"--2024030{window + 1}" for window in (1, 2, 3)}
# The number of pages of a window. It is also how often each statement runs in one window.
_PER_WINDOW = 2

KILLED = {
    "preflight": Moment("INSERT INTO ingest_config"),
    "lock": Moment("INSERT INTO lease_grant"),
    "plan, before the range is SPLIT": Moment(
        "UPDATE harvest_log SET status=.*SPLIT|INSERT INTO harvest_log "
    ),
    **{
        f"{phase} of window {window}": moment
        for window in (1, 2, 3)
        for phase, moment in {
            "begin": Moment("INSERT INTO harvest_log_run", window),
            "fetch": Moment(rf"os.rename .*{_SPOOL[window]}.*/pages/000001\.zst\.part"),
            "end of fetch": Moment(rf"os.rename .*{_SPOOL[window]}.*/end\.json\.part"),
            "split": Moment(rf"os.rename .*{_SPOOL[window]}.*/records/000001\.zst\.part"),
            "store": Moment("UPDATE harvest_log SET .*pages_stored", _PER_WINDOW * window),
            "launch": Moment(rf"open .*{_SPOOL[window]}.*/queued\.zst\.part"),
        }.items()
    },
    "finish": Moment("UPDATE lease SET owner"),
}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    "phase",
    [
        phase
        if phase in ("fetch of window 1", "store of window 2")
        else pytest.param(phase, marks=pytest.mark.slow)
        for phase in KILLED
    ],
)
def test_a_reexecution_harvests_every_window_that_a_killed_run_did_not_finish(
    deployment: Deployment, phase: str
) -> None:
    """Killed in window 2 of 3 and executed again, a run ended as SUCCESS and never asked for window 3."""
    killed = start(deployment, KILLED[phase])
    assert killed.wait() == -9, killed.printed
    with Database.open(deployment.database_url) as database, deployment.instance() as instance:
        again = reexecute(deployment, instance, report_killed(instance))
        assert again.success
        assert_complete(database, deployment.source)
    assert len(lists(deployment.source.requests)) <= _PER_WINDOW * THREE_WINDOWS.days + 1


def start(deployment: Deployment, killed_at: Moment) -> Command:
    """Start the job for three days in a process of its own."""
    return deployment.start(str(FIRST), str(LAST_OF_THREE), execute=asset_job.execute, killed_at=killed_at)


def report_killed(instance: dg.DagsterInstance) -> str:
    """Report the newest run as failed, as Dagster does if its process was killed. Return its id."""
    run = instance.get_runs(limit=1)[0]
    instance.report_run_failed(run, "its process was killed")
    return run.run_id
