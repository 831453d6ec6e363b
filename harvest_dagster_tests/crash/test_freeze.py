"""A run that is frozen until its lease has expired, and continues after another run took over."""

from __future__ import annotations

import re
import signal
from datetime import datetime, timezone

import pytest
from sqlalchemy import update

from harvest_dagster.storage.database import Database
from harvest_dagster.storage.tables import lease
from harvest_dagster.testing.simulator import RequestGate, nth
from harvest_dagster_tests.crash.conftest import FIRST, LAST, Deploy
from harvest_dagster_tests.crash.contents import assert_complete, lists, snapshot

LONG_AGO = datetime(2024, 1, 1, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    "where", [pytest.param(1, marks=pytest.mark.slow), 3], ids=["before its first page", "after two pages"]
)
def test_a_run_that_lost_its_lease_while_frozen_writes_nothing_more(deploy: Deploy, where: int) -> None:
    """A second worker had the lock, and the first kept writing: docs/failures.md#lost-lock-keeps-writing"""
    gate = RequestGate(nth(where, "ListRecords"))
    deployment = deploy(gate)
    frozen = deployment.materialize(FIRST, LAST)
    frozen.wait_for(gate)
    frozen.signal(signal.SIGSTOP)
    with Database.open(deployment.database_url) as database:
        with database.begin() as connection:
            # The lease expires as if a minute had passed.
            connection.execute(update(lease).values(expires=LONG_AGO))
        second = deployment.materialize(FIRST, LAST).succeed()
        assert re.search(rf"run {frozen.run_id} left log .* STARTED: its lease expired", second.printed)
        assert_complete(database, deployment.source)
        before = snapshot(database)
        requests = len(lists(deployment.source.requests))
        gate.release()
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
    assert reason in frozen.printed
    # It sends no further request to the source.
    assert len(lists(deployment.source.requests)) == requests


@pytest.mark.slow
def test_a_run_that_lost_its_lease_while_frozen_damages_no_page_of_the_next_run(deploy: Deploy) -> None:
    """It would write its own response over the body of a page, and the other run would find the page damaged."""
    first_gate, second_gate = RequestGate(nth(3, "ListRecords")), RequestGate(nth(6, "ListRecords"))
    deployment = deploy(first_gate, second_gate)
    frozen = deployment.materialize(FIRST, LAST)
    frozen.wait_for(first_gate)
    frozen.signal(signal.SIGSTOP)
    with Database.open(deployment.database_url) as database:
        with database.begin() as connection:
            connection.execute(update(lease).values(expires=LONG_AGO))
        second = deployment.materialize(FIRST, LAST)
        second.wait_for(second_gate)
        first_gate.release()
        frozen.signal(signal.SIGCONT)
        frozen.fail()
        second_gate.release()
        second.succeed()
        assert_complete(database, deployment.source)
