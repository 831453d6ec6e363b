"""One budget for a host over runs, processes and configs: proven by the times of arrival at a source."""

from __future__ import annotations

import multiprocessing

import pytest
from sqlalchemy import select

from harvest_dagster.limits import Limit, host_of
from harvest_dagster.simulator import Repository, Server
from harvest_dagster.storage.budgets import DatabaseBudget
from harvest_dagster.storage.engine import Database
from harvest_dagster.storage.tables import request_departure
from harvest_dagster_tests.http.asking import ask
from harvest_dagster_tests.http.server import response
from harvest_dagster_tests.http.test_budget import most_in_any

STRICT, LAX = Limit(10, 4), Limit(30, 4)
# Seconds that a request may be on its way on a busy machine: not ours to promise, and not judged here.
LATE = 2.0
LONG = Limit(40, 20)

_forks = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload(["harvest_dagster_tests.http.asking"])


def test_runs_processes_and_configs_together_never_send_one_request_too_many(database_url: str) -> None:
    """Lesson 18: the source bans the address, and all harvests with it."""
    with Server(Repository(days=1, records_per_day=1)) as server:
        url = f"{server.url}?verb=Identify"
        ask(url, database_url, STRICT, 4)  # a run that is over counts, too
        begun = [_begin(url, database_url, limit) for limit in (STRICT, LAX) * 5]
        for process in begun:
            process.join()
        ask(url, database_url, LAX, 1)
    arrivals = [request.monotonic for request in server.requests]
    assert [process.exitcode for process in begun] == [0] * 10
    assert len(arrivals) == 15
    assert most_in_any(arrivals, STRICT.period - LATE) <= STRICT.calls
    assert most_in_any(_departures(database_url), STRICT.period) <= STRICT.calls


@pytest.mark.slow
def test_ten_processes_together_use_nearly_all_of_a_budget(database_url: str) -> None:
    """Who wakes late, or waits for a turn that is free, makes every harvest take that much longer."""
    with Server(Repository(days=1, records_per_day=1)) as server:
        url = f"{server.url}?verb=Identify"
        begun = [_begin(url, database_url, LONG, 9) for _ in range(10)]
        for process in begun:
            process.join()
    arrivals = [request.monotonic for request in server.requests]
    rounds = (len(arrivals) - 1) // LONG.calls
    assert rounds == 2
    assert rounds * LONG.period / (arrivals[rounds * LONG.calls] - arrivals[0]) >= 0.95
    assert most_in_any(_departures(database_url), LONG.period) <= LONG.calls


def _departures(database_url: str) -> list[float]:
    with Database.open(database_url) as database, database.read() as connection:
        return list(connection.scalars(select(request_departure.c.departed)))


def _begin(url: str, database_url: str, limit: Limit, times: int = 1) -> multiprocessing.process.BaseProcess:
    process = _forks.Process(target=ask, args=(url, database_url, limit, times))
    process.start()
    return process


def test_redirects_and_retries_count(serve, open_session, clock, database: Database) -> None:
    """Lesson 19: what did not count hammered a source that was failing already."""
    redirect, busy = response(status=302, Location="/elsewhere"), response(status=503)
    server = serve(redirect, busy, response())
    session = open_session(Limit(1, 10), budget=DatabaseBudget(database, clock=clock))
    assert session.get(server.url).body == b"<ok/>"
    with database.read() as connection:
        departures = connection.scalars(select(request_departure.c.departed)).all()
    assert len(departures) == len(server.requests)
    assert most_in_any(list(departures), 10) == 1


def test_the_wait_says_for_which_host_and_limit_and_that_others_share_it(
    serve, open_session, waits, clock, database: Database
) -> None:
    """A run that stands still without a word looks hung."""
    server = serve(response())
    DatabaseBudget(database, clock=clock).reserve(host_of(server.url), Limit(1, 10))
    open_session(Limit(1, 10), budget=DatabaseBudget(database, clock=clock)).get(server.url)
    (_, reason), *_ = waits
    assert host_of(server.url) in reason
    assert "1 request in 10 s, shared by all runs and configs" in reason


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_reservation_holds_no_connection_while_it_waits(database: Database) -> None:
    """A hundred waiting sessions would use up the connections of the server."""
    budget = DatabaseBudget(database)
    budget.reserve("source.example", Limit(1, 60))
    assert budget.reserve("source.example", Limit(1, 60)) > 0
    assert database.engine.pool.checkedout() == 0
