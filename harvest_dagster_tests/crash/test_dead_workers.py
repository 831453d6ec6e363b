"""Runs whose process is dead on another machine: they end within five minutes, and the next run continues."""

from __future__ import annotations

import signal
from datetime import timedelta

import pytest

from harvest_dagster.orchestration.runs import lost_runs
from harvest_dagster.storage.database import Database
from harvest_dagster.testing.simulator import RequestGate, nth
from harvest_dagster_tests.crash.conftest import FIRST, LAST, PAGES_OF_BOTH_WINDOWS, Deploy
from harvest_dagster_tests.crash.contents import assert_complete, lists
from harvest_dagster_tests.orchestration.runs.test_lost_runs import Daemon

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "frozen"])
def test_a_run_whose_process_is_dead_on_another_machine_ends_within_five_minutes(
    deploy: Deploy, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    """It kept its pool and its place in the queue for ten minutes: docs/failures.md#crashed-run-keeps-pool-slot

    The time of the daemon is simulated. On another machine, it does not see that the process is gone.
    """
    gate = RequestGate(nth(3, "ListRecords"))
    deployment = deploy(gate)
    dead = deployment.materialize(FIRST, LAST)
    dead.wait_for(gate)
    dead.signal(number)
    monkeypatch.setattr(lost_runs, "is_gone", lambda _: False)
    with deployment.instance() as instance, Database.open(deployment.database_url) as database:
        ended = Daemon(instance, database).watch(timedelta(minutes=10))
        assert ended is not None
        assert ended < timedelta(minutes=5)
        run = instance.get_run_by_id(dead.run_id)
        assert run is not None
        assert run.is_failure
        deployment.materialize(FIRST, LAST).succeed()
        assert len(lists(deployment.source.requests)) == PAGES_OF_BOTH_WINDOWS + 1
        assert_complete(database, deployment.source)
        gate.release()
        if number == signal.SIGSTOP:
            dead.signal(signal.SIGCONT)
            dead.fail()
            assert_complete(database, deployment.source)
