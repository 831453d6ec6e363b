"""The rate limit of several processes, on both databases and with a clock of the tests."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import count, pairwise
from math import inf
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event, func, select

from harvest_dagster.http.rate_limit.budget import Budget
from harvest_dagster.rate_limits import LONGEST_INTERVAL, Limit
from harvest_dagster.storage.database import Database
from harvest_dagster.storage.rate_limit import database_budget, rows
from harvest_dagster.storage.rate_limit.database_budget import DatabaseBudget
from harvest_dagster.storage.rate_limit.host_state import MOST_LIMITS
from harvest_dagster.storage.rate_limit.rows import CHUNK
from harvest_dagster.storage.tables import request_departure, request_host
from harvest_dagster_tests.conftest import DIALECTS
from harvest_dagster_tests.http.clock import Clock
from harvest_dagster_tests.http.rate_limit.test_budget import most_in_any

LIMITS = st.builds(Limit, st.integers(1, 8), st.sampled_from([0.1, 1.0, 3.0, 60.0]))
_hosts = (f"source{number}.example" for number in count())

on_a_new_host = settings(
    max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@pytest.fixture(scope="module", params=DIALECTS)
def database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """One database for all tests, because a new one on PostgreSQL takes 0.3 s. Each test has its own host."""
    with ExitStack() as stack:
        if request.param == "sqlite":
            copy = tmp_path_factory.mktemp("budgets") / "harvest.db"
            url = f"sqlite:///{shutil.copy(request.getfixturevalue('migrated_sqlite'), copy)}"
        else:
            template = request.getfixturevalue("migrated_postgresql")
            url = stack.enter_context(request.getfixturevalue("postgresql").database(template))
        yield stack.enter_context(Database.open(url))


@pytest.fixture
def host() -> str:
    return next(_hosts)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def process(database: Database, clock: Clock) -> Callable[..., DatabaseBudget]:
    """Return a budget like that of another process: they share only the database and the time."""
    return lambda **shared: DatabaseBudget(database, shared.get("shared"), clock)


def demand(budget: Budget, host: str, clock: Clock, limit: Limit, longest_nap: float = inf) -> float:
    """Ask like a session, wait as long as the budget says, and return when the request left."""
    while (seconds := budget.seconds_to_wait(host, limit) or budget.reserve(host, limit)) > 0:
        clock.sleep(min(seconds, longest_nap))
    return clock()


@contextmanager
def on_event(database: Database, name: str, act: Callable[[Any], object]) -> Iterator[None]:
    """Call `act` whenever a transaction begins or commits."""
    event.listen(database.engine, name, act)
    try:
        yield
    finally:
        event.remove(database.engine, name, act)


@on_a_new_host
@given(st.lists(LIMITS, min_size=1, max_size=3), st.data())
def test_no_interleaving_of_processes_breaks_a_limit(process, limits, data):
    """In SHARE, each of N runs had its own budget (docs/failures.md#budget-per-process)."""
    clock, host = Clock(), next(_hosts)
    several = [(DatabaseBudget(process()._database, {host: limits}, clock), limit) for limit in limits * 2]
    departures = []
    for pause in data.draw(
        st.lists(st.sampled_from([0.0, 0.0, 0.01, 0.5, 4.0, 61.0]), min_size=1, max_size=25)
    ):
        clock.sleep(pause)
        budget, limit = data.draw(st.sampled_from(several))
        if budget.reserve(host, limit) == 0:
            departures.append(clock())
    assert departures
    assert all(most_in_any(departures, limit.period) <= limit.calls for limit in limits)


@on_a_new_host
@given(LIMITS, st.integers(1, 4))
def test_processes_that_always_ask_get_nearly_the_whole_budget(process, limit, processes):
    """The limiter of SHARE allowed n - 1 requests instead of n (docs/failures.md#limiter-miscounts)."""
    clock, host = Clock(), next(_hosts)
    several = [DatabaseBudget(process()._database, clock=clock) for _ in range(processes)]
    times = 4 * limit.calls + 1
    departures = [demand(several[turn % processes], host, clock, limit) for turn in range(times)]
    assert 4 * limit.period / (departures[-1] - departures[0]) >= 0.95
    assert most_in_any(departures, limit.period) <= limit.calls


def test_consecutive_runs_share_a_budget(process, host):
    """In SHARE, each new process started with the whole budget (docs/failures.md#budget-per-process)."""
    assert process().reserve(host, Limit(2, 60)) == 0
    assert process().reserve(host, Limit(2, 60)) == 0
    assert process().reserve(host, Limit(2, 60)) > 60


def test_threads_together_get_no_more_than_one_thread_would(process, host):
    """Otherwise two transactions see the same free place, and both use it."""
    granted = []
    begin = threading.Barrier(6)

    def ask() -> None:
        budget = process()
        begin.wait()
        granted.extend(seconds for _ in range(5) if (seconds := budget.reserve(host, Limit(20, 60))) == 0)

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(granted) == 20


def test_asking_how_long_to_wait_reserves_nothing(process, host):
    """A session that waits and then does not send a request must not use up the budget."""
    budget = process()
    assert [budget.seconds_to_wait(host, Limit(1, 3)) for _ in range(3)] == [0.0, 0.0, 0.0]
    assert budget.reserve(host, Limit(1, 3)) == 0.0
    assert budget.seconds_to_wait(host, Limit(1, 3)) > 3
    assert process().seconds_to_wait(host, Limit(1, 3)) > 3
    assert process().reserve("another.example", Limit(1, 3)) == 0.0


def test_a_stricter_limit_of_another_deployment_holds_while_it_is_used(process, host, clock):
    """Two code locations share a host. The one with the laxer limit must leave room."""
    strict, lax = Limit(1, 10), Limit(100, 10)
    assert process().seconds_to_wait(host, strict) == 0
    assert process().reserve(host, lax) == 0
    assert process().reserve(host, lax) == strict.spacing
    for _ in range(5):
        demand(process(), host, clock, lax)
    assert process().seconds_to_wait(host, strict) > 0  # it gets its turn nevertheless


def test_a_limit_that_no_session_uses_expires(process, host, clock):
    """After a rate_limit was raised, the old limit would hold forever."""
    assert process().reserve(host, Limit(1, 10)) == 0
    clock.sleep(60)
    assert [process().reserve(host, Limit(100, 10)) for _ in range(3)] == [0, 0, 0]


def test_the_limit_of_another_config_holds_even_if_it_never_ran(process, host):
    """If configs of one host have different limits, the strictest holds."""
    shared = {host: {Limit(1, 10): ["strict"]}}
    assert process(shared=shared).reserve(host, Limit(100, 10)) == 0
    assert process(shared=shared).reserve(host, Limit(100, 10)) == Limit(1, 10).spacing


def test_a_pause_stops_every_process_and_a_shorter_one_does_not_end_it(process, host, clock):
    """A source that asks for a pause gets it from all workers."""
    process().pause(host, 30)
    process().pause(host, 0)
    assert process().seconds_to_wait(host, Limit(5, 1)) == 30
    assert process().reserve(host, Limit(5, 1)) == 30
    clock.sleep(30)
    assert process().reserve(host, Limit(5, 1)) == 0


def test_refusals_slow_a_host_down_and_good_answers_speed_it_up(process, host, clock):
    """All processes ask an overloaded source half as often, and then a quarter as often."""
    limit = Limit(10, 10)
    even = limit.spacing / 10
    demand(process(), host, clock, limit)
    for factor in (2, 4):
        process().record_refusal(host)
        process().record_refusal(host)  # of a request that was under way at the same time
        assert process().seconds_to_wait(host, limit) == pytest.approx(factor * even)
        demand(process(), host, clock, limit)
    for _ in range(20):
        budget = process()
        demand(budget, host, clock, limit)
        budget.record_success(host)
    clock.sleep(20)
    assert [process().reserve(host, limit) for _ in range(10)] == [0] * 10


def test_a_good_answer_costs_nothing_while_the_host_is_not_slowed_down(process, host, database):
    """To record each good answer would double the cost of a request."""
    budget = process()
    budget.reserve(host, Limit(5, 1))
    transactions: list[Any] = []
    with on_event(database, "begin", transactions.append):
        budget.record_success(host)
    assert transactions == []


def test_a_slowdown_ends_after_a_day_and_no_request_waits_longer_than_an_hour(process, host, clock):
    """A source that was down for a night would get one request per hour forever."""
    budget, limit = process(), Limit(1, 600)
    demand(budget, host, clock, limit)
    for _ in range(8):
        budget.record_refusal(host)
        clock.sleep(2)
    assert process().seconds_to_wait(host, limit) == pytest.approx(LONGEST_INTERVAL - 16)
    clock.sleep(86_400)
    demand(budget, host, clock, limit)
    assert process().seconds_to_wait(host, limit) == pytest.approx(limit.spacing)


def test_a_limit_from_headers_binds_all_processes_for_a_while(process, host, clock):
    """One worker reads the headers; the others would exceed the limit."""
    stricter, limit = Limit(1, 100), Limit(10, 1)
    process().record_limit(host, stricter)
    assert process().reserve(host, limit) == 0
    assert process().reserve(host, limit) == stricter.spacing
    clock.sleep(stricter.observed_for)
    assert [process().reserve(host, limit) for _ in range(3)] == [0, 0, 0]


def test_changing_limits_in_headers_neither_fill_the_row_nor_remove_the_own_limit(process, host, database):
    """A hostile header must not displace the config's own limit."""
    budget, own = process(), Limit(1, 10)
    assert budget.reserve(host, own) == 0
    for calls in range(100, 200):
        budget.record_limit(host, Limit(calls, 1))
    assert process().reserve(host, own) == own.spacing
    with database.read() as connection:
        limits = connection.scalar(select(request_host.c.limits).order_by(request_host.c.id.desc()).limit(1))
    assert len(limits) <= MOST_LIMITS + 1


@pytest.mark.parametrize("back", [0.5, 30.0, 1e6])
def test_setting_the_clock_back_blocks_requests_for_one_period_at_most(process, host, clock, back):
    """A restarted machine or a corrected clock would block a source for as long as it was set back."""
    limit = Limit(2, 3)
    process().reserve(host, limit)
    process().reserve(host, limit)
    process().pause(host, 2)
    clock.now -= back
    began = clock()
    demand(process(), host, clock, limit, longest_nap=1.0)
    assert limit.period <= clock() - began <= limit.spacing + database_budget.LARGEST_SETBACK


def test_the_departure_of_a_late_request_is_recorded_again(process, host, database, clock):
    """After a commit of half a second, the next request would follow too soon."""
    limit, budget = Limit(1, 3), process()
    assert budget.reserve(host, limit) == 0
    clock.sleep(0.5)
    budget.record_departure(host)
    assert process().reserve(host, limit) == pytest.approx(limit.spacing)
    transactions: list[Any] = []
    with on_event(database, "begin", transactions.append):
        budget.record_departure(host)
    assert transactions == []


def test_a_frozen_process_that_lost_its_number_waits_for_another(process, host, clock, monkeypatch):
    """Others have left by its recorded time. Recording another time would hold nobody back."""
    limit, frozen = Limit(2, 3), process()
    assert frozen.reserve(host, limit) == 0

    def freeze(*_: object) -> None:
        clock.sleep(10)
        assert [process().reserve(host, limit) for _ in range(2)] == [0, 0]

    monkeypatch.setattr(frozen, "_after_reservation", freeze)
    clock.sleep(10)
    assert frozen.reserve(host, limit) == pytest.approx(limit.spacing)


def test_a_request_that_left_after_it_lost_its_number_counts_from_its_departure(process, host, clock):
    """A process froze while it sent the request. The next request must keep its distance."""
    limit, frozen = Limit(2, 3), process()
    assert frozen.reserve(host, limit) == 0
    clock.sleep(10)
    assert process().reserve(host, limit) == 0
    frozen.record_departure(host)
    assert process().reserve(host, limit) == pytest.approx(limit.spacing)


@pytest.mark.parametrize("calls", [1, 5])
def test_a_delay_during_the_deletion_of_departures_deletes_none_that_counts(
    process, host, clock, monkeypatch, calls
):
    """Without the newest one, numbers began again, and the limit was off for the next 64 requests."""
    limit, budget = Limit(calls, 1), process()
    departures = [demand(budget, host, clock, limit) for _ in range(2 * CHUNK - 1)]
    with monkeypatch.context() as patched:
        lock = rows.lock_host
        patched.setattr(rows, "lock_host", lambda *which: (clock.sleep(100), lock(*which)))
        departures.append(demand(budget, host, clock, limit))
    departures += [demand(process(), host, clock, limit) for _ in range(3 * limit.calls)]
    assert most_in_any(departures[2 * CHUNK :], limit.period) <= limit.calls


def test_old_departures_are_deleted_a_few_at_a_time(process, host, database, clock):
    """A harvest of a year must not keep a row for each page, nor delete all of them at once."""
    budget = process()
    for _ in range(4 * CHUNK):
        assert budget.reserve(host, Limit(1000, 1)) == 0
    clock.sleep(100)
    kept = []
    for _ in range(5 * CHUNK):
        demand(budget, host, clock, Limit(2, 1))
        kept.append(_departures(database))
    assert max(before - after for before, after in pairwise(kept)) <= 2 * CHUNK
    assert kept[-1] <= 3 * CHUNK


def test_no_host_waits_for_another(process, host, database, request):
    """A transaction for one host must not delay the requests to another."""
    if database.dialect == "sqlite":
        pytest.skip("SQLite has one writer; a transaction of the budget takes a fraction of a millisecond")
    budget, limit = process(), Limit(5, 1)
    budget.reserve("one.example", limit)
    with budget._locked("one.example"):
        assert process().reserve("two.example", limit) == 0


def test_a_host_name_from_the_environment_is_not_stored(process, host, database):
    """Values of `${NAME}` must never reach the database (docs/failures.md#secret-in-log)."""
    process().reserve("internal.example", Limit(1, 1))
    with database.read() as connection:
        assert "internal" not in str(connection.execute(select(request_host)).all())


def _departures(database: Database) -> int:
    """Return the number of departures of the newest host."""
    newest = select(func.max(request_host.c.id)).scalar_subquery()
    query = select(func.count()).where(request_departure.c.host_id == newest)
    with database.read() as connection:
        return connection.scalar(query) or 0
