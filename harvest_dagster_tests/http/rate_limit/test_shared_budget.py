"""Runs, processes and configs share the budget of a host. The arrivals at a simulated source prove it."""

from __future__ import annotations

import multiprocessing

import pytest
from sqlalchemy import select

from harvest_dagster.rate_limits import Limit, host_of
from harvest_dagster.storage.database import Database
from harvest_dagster.storage.rate_limit.database_budget import DatabaseBudget
from harvest_dagster.storage.tables import request_departure
from harvest_dagster.testing.simulator import Repository, Server
from harvest_dagster_tests.http.rate_limit.test_budget import most_in_any
from harvest_dagster_tests.http.request_process import send_requests
from harvest_dagster_tests.http.server import response

STRICT, LAX = Limit(10, 4), Limit(30, 4)
# Seconds that a request may take to arrive on a busy machine. The budget controls departures, not arrivals.
MAX_DELAY = 2.0
LONG = Limit(40, 20)

_forks = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload(["harvest_dagster_tests.http.request_process"])


def test_runs_processes_and_configs_together_stay_within_the_limit(database_url: str) -> None:
    """The source would ban the address, and all harvests with it (docs/failures.md#budget-per-process)."""
    with Server(Repository(days=1, records_per_day=1)) as server:
        url = f"{server.url}?verb=Identify"
        send_requests(url, database_url, STRICT, 4)  # a finished run counts, too
        started = [_start(url, database_url, limit) for limit in (STRICT, LAX) * 5]
        for process in started:
            process.join()
        send_requests(url, database_url, LAX, 1)
    arrivals = [request.monotonic for request in server.requests]
    assert [process.exitcode for process in started] == [0] * 10
    assert len(arrivals) == 15
    assert most_in_any(arrivals, STRICT.period - MAX_DELAY) <= STRICT.calls
    assert most_in_any(_departures(database_url), STRICT.period) <= STRICT.calls


@pytest.mark.slow
def test_ten_processes_together_use_nearly_all_of_a_budget(database_url: str) -> None:
    """A process that wakes up late, or waits although a request may leave, lengthens every harvest."""
    with Server(Repository(days=1, records_per_day=1)) as server:
        url = f"{server.url}?verb=Identify"
        started = [_start(url, database_url, LONG, 9) for _ in range(10)]
        for process in started:
            process.join()
    arrivals = [request.monotonic for request in server.requests]
    rounds = (len(arrivals) - 1) // LONG.calls
    assert rounds == 2
    assert rounds * LONG.period / (arrivals[rounds * LONG.calls] - arrivals[0]) >= 0.95
    assert most_in_any(_departures(database_url), LONG.period) <= LONG.calls


def _departures(database_url: str) -> list[float]:
    with Database.open(database_url) as database, database.read() as connection:
        return list(connection.scalars(select(request_departure.c.departed)))


def _start(url: str, database_url: str, limit: Limit, times: int = 1) -> multiprocessing.process.BaseProcess:
    process = _forks.Process(target=send_requests, args=(url, database_url, limit, times))
    process.start()
    return process


def test_redirects_and_retries_count_against_the_budget(
    serve, open_session, clock, database: Database
) -> None:
    """Uncounted requests overloaded a source that was failing already (docs/failures.md#limiter-miscounts)."""
    redirect, busy = response(status=302, Location="/elsewhere"), response(status=503)
    server = serve(redirect, busy, response())
    session = open_session(Limit(1, 10), budget=DatabaseBudget(database, clock=clock))
    assert session.get(server.url).body == b"<ok/>"
    with database.read() as connection:
        departures = connection.scalars(select(request_departure.c.departed)).all()
    assert len(departures) == len(server.requests)
    assert most_in_any(list(departures), 10) == 1


def test_the_reason_of_a_wait_names_the_host_and_the_shared_limit(
    serve, open_session, waits, clock, database: Database
) -> None:
    """A run that waits without a log line looks dead."""
    server = serve(response())
    DatabaseBudget(database, clock=clock).reserve(host_of(server.url), Limit(1, 10))
    open_session(Limit(1, 10), budget=DatabaseBudget(database, clock=clock)).get(server.url)
    (_, reason), *_ = waits
    assert host_of(server.url) in reason
    assert "1 request in 10 s, shared by all runs and configs" in reason


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_waiting_session_holds_no_database_connection(database: Database) -> None:
    """A hundred waiting sessions would use up the connections of the database server."""
    budget = DatabaseBudget(database)
    budget.reserve("source.example", Limit(1, 60))
    assert budget.reserve("source.example", Limit(1, 60)) > 0
    assert database.engine.pool.checkedout() == 0
