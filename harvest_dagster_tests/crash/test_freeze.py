"""A holder that is frozen past the end of its lease, and wakes when another run has done the work."""

from __future__ import annotations

import signal
from datetime import datetime, timezone

import pytest
from sqlalchemy import update

from harvest_dagster.simulator import Hold, nth
from harvest_dagster.storage.engine import Database
from harvest_dagster.storage.tables import lease
from harvest_dagster_tests.crash.conftest import FIRST, LAST, Deploy
from harvest_dagster_tests.crash.contents import assert_whole, lists, snapshot

LONG_AGO = datetime(2024, 1, 1, tzinfo=timezone.utc)


@pytest.mark.parametrize("where", [1, 3], ids=["before its first page", "after two pages"])
def test_lesson_11_a_frozen_holder_that_wakes_writes_nothing_more(deploy: Deploy, where: int) -> None:
    """Lesson 11: a second worker had taken the lock, and the first kept writing."""
    hold = Hold(nth(where, "ListRecords"))
    deployment = deploy(hold)
    frozen = deployment.materialize(FIRST, LAST)
    frozen.wait_for(hold)
    frozen.signal(signal.SIGSTOP)
    with Database.open(deployment.database_url) as database:
        with database.begin() as connection:
            # As if a minute had passed.
            connection.execute(update(lease).values(expires=LONG_AGO))
        second = deployment.materialize(FIRST, LAST).succeed()
        assert f"was left STARTED by run {frozen.run_id}: its lease ran out" in second.said
        assert_whole(database, deployment.source)
        before = snapshot(database)
        asked = len(lists(deployment.source.requests))
        hold.release()
        frozen.signal(signal.SIGCONT)
        frozen.fail()
        assert snapshot(database) == before
    assert [path for path in deployment.spool.rglob("*") if path.is_file()] == []
    with deployment.instance() as instance:
        run = instance.get_run_by_id(frozen.run_id)
        assert run is not None
        assert run.is_failure
        events = "".join(map(str, instance.all_logs(frozen.run_id)))
    reason = f"run {frozen.run_id} lost its lease (token 1): run {second.run_id} took over"
    assert reason in events
    assert reason in frozen.said
    # It does not even ask the source for more.
    assert len(lists(deployment.source.requests)) == asked


def test_lesson_11_a_frozen_holder_that_wakes_spoils_no_page_of_the_run_at_work(deploy: Deploy) -> None:
    """It would write its own answer over the body of a page, and the other run would find the page damaged."""
    frozen_at, at_work_at = Hold(nth(3, "ListRecords")), Hold(nth(6, "ListRecords"))
    deployment = deploy(frozen_at, at_work_at)
    frozen = deployment.materialize(FIRST, LAST)
    frozen.wait_for(frozen_at)
    frozen.signal(signal.SIGSTOP)
    with Database.open(deployment.database_url) as database:
        with database.begin() as connection:
            connection.execute(update(lease).values(expires=LONG_AGO))
        second = deployment.materialize(FIRST, LAST)
        second.wait_for(at_work_at)
        frozen_at.release()
        frozen.signal(signal.SIGCONT)
        frozen.fail()
        at_work_at.release()
        second.succeed()
        assert_whole(database, deployment.source)
