"""A process reports its run as long as it works for it, also between two ops and during waits."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from harvest_dagster.orchestration.runs import life_signs
from harvest_dagster.orchestration.runs.life_signs import LifeSigns
from harvest_dagster.processes import Process, this_process
from harvest_dagster.storage.database import Database
from harvest_dagster.storage.transform_queue import workers
from harvest_dagster.storage.transform_queue.workers import Worker
from harvest_dagster.testing.simulator import Server
from harvest_dagster_tests.orchestration.conftest import Deploy
from harvest_dagster_tests.orchestration.deployment import DAYS

OTHER = Process("another host", 1, "1")


def worker(database: Database, run_id: str = "run 1") -> Worker | None:
    with database.read() as connection:
        return workers.find_worker(connection, run_id)


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_run_is_reported_again_and_again_until_its_process_ends_its_work(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise the sensor would end a living run, or wait for the report of one that has ended."""
    monkeypatch.setattr(life_signs, "INTERVAL", 0.01)
    signs = LifeSigns(database, "run 1", this_process())
    signs.start()
    for _ in range(2):
        wait_for(lambda: worker(database) is not None)
        with database.begin() as connection:
            workers.remove_worker(connection, "run 1")
    signs.stop()
    assert worker(database) is None


def test_the_report_of_another_process_of_the_run_stays(database: Database) -> None:
    """Ops of a run may work at the same time on several machines."""
    signs = LifeSigns(database, "run 1", this_process())
    signs.start()
    wait_for(lambda: worker(database) is not None)
    with database.begin() as connection:
        workers.record_worker(connection, "run 1", OTHER)
    signs.stop()
    found = worker(database)
    assert found is not None
    assert found.process == OTHER


def test_a_run_in_one_process_reports_itself_from_its_first_op_to_its_end(
    source: Server, on_sqlite: Deploy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A report that ended with each op would leave a run that waits for hours without any."""
    begun: list[str] = []
    stopped: list[LifeSigns] = []
    start, stop = LifeSigns.start, LifeSigns.stop
    monkeypatch.setattr(LifeSigns, "start", lambda signs: (begun.append(signs._run_id), start(signs)))
    monkeypatch.setattr(LifeSigns, "stop", lambda signs: (stopped.append(signs), stop(signs)))
    deployment = on_sqlite(source.url)
    result = deployment.materialize(DAYS[0])
    assert result.success
    assert begun == [result.run_id]
    assert len(stopped) == 1
    with Database.open(deployment.database_url) as database:
        assert worker(database, result.run_id) is None
