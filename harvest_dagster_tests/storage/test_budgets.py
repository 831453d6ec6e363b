"""The promise of a rate limit over processes, in both databases, on a clock of its own."""

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

from harvest_dagster.http.budget import Budget
from harvest_dagster.limits import LONGEST_INTERVAL, Limit
from harvest_dagster.storage import budgets, request_hosts
from harvest_dagster.storage.budgets import DatabaseBudget
from harvest_dagster.storage.engine import Database
from harvest_dagster.storage.request_hosts import CHUNK
from harvest_dagster.storage.sights import MOST_LIMITS
from harvest_dagster.storage.tables import request_departure, request_host
from harvest_dagster_tests.conftest import DIALECTS
from harvest_dagster_tests.http.clock import Clock
from harvest_dagster_tests.http.test_budget import most_in_any

LIMITS = st.builds(Limit, st.integers(1, 8), st.sampled_from([0.1, 1.0, 3.0, 60.0]))
_hosts = (f"source{number}.example" for number in count())

on_a_new_host = settings(
    max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@pytest.fixture(scope="module", params=DIALECTS)
def database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """One for all tests, each of which has a host of its own: a new database on PostgreSQL takes 0.3 s."""
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
    """A budget as another process would have it: nothing in common but the database and the time."""
    return lambda **shared: DatabaseBudget(database, shared.get("shared"), clock)


def demand(budget: Budget, host: str, clock: Clock, limit: Limit, longest_nap: float = inf) -> float:
    """Ask as a session does, and wait as told: when it left."""
    while (seconds := budget.wait(host, limit) or budget.reserve(host, limit)) > 0:
        clock.sleep(min(seconds, longest_nap))
    return clock()


@contextmanager
def on_event(database: Database, name: str, act: Callable[[Any], object]) -> Iterator[None]:
    """Do this whenever a transaction begins or commits."""
    event.listen(database.engine, name, act)
    try:
        yield
    finally:
        event.remove(database.engine, name, act)


@on_a_new_host
@given(st.lists(LIMITS, min_size=1, max_size=3), st.data())
def test_no_interleaving_of_processes_breaks_any_of_their_limits(process, limits, data):
    """Lesson 18: N runs had N budgets, and 43 base URLs had two configs each."""
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
    """Lesson 19: an allowance of n gave n - 1; a harvest would take that much longer."""
    clock, host = Clock(), next(_hosts)
    several = [DatabaseBudget(process()._database, clock=clock) for _ in range(processes)]
    times = 4 * limit.calls + 1
    departures = [demand(several[turn % processes], host, clock, limit) for turn in range(times)]
    assert 4 * limit.period / (departures[-1] - departures[0]) >= 0.95
    assert most_in_any(departures, limit.period) <= limit.calls


def test_runs_one_after_the_other_share_a_budget(process, host):
    """Lesson 18: the limiter died with its process, and the next run began with all of it."""
    assert process().reserve(host, Limit(2, 60)) == 0
    assert process().reserve(host, Limit(2, 60)) == 0
    assert process().reserve(host, Limit(2, 60)) > 60


def test_threads_together_get_no_more_than_one_would(process, host):
    """Without the lock on the row two transactions see the same room, and both take it."""
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


def test_asking_how_long_takes_nothing(process, host):
    """Who waits and then does not go must not use up an allowance."""
    budget = process()
    assert [budget.wait(host, Limit(1, 3)) for _ in range(3)] == [0.0, 0.0, 0.0]
    assert budget.reserve(host, Limit(1, 3)) == 0.0
    assert budget.wait(host, Limit(1, 3)) > 3
    assert process().wait(host, Limit(1, 3)) > 3
    assert process().reserve("another.example", Limit(1, 3)) == 0.0


def test_a_stricter_limit_of_another_catalogue_holds_while_it_is_asked_for(process, host, clock):
    """Two code locations that know nothing of each other share a host: the laxer one must leave room."""
    strict, lax = Limit(1, 10), Limit(100, 10)
    assert process().wait(host, strict) == 0
    assert process().reserve(host, lax) == 0
    assert process().reserve(host, lax) == strict.spacing
    for _ in range(5):
        demand(process(), host, clock, lax)
    assert process().wait(host, strict) > 0  # its turn comes all the same


def test_a_limit_that_nobody_goes_by_any_more_binds_nobody(process, host, clock):
    """Whoever raises a rate_limit would else wait for the old one for ever."""
    assert process().reserve(host, Limit(1, 10)) == 0
    clock.sleep(60)
    assert [process().reserve(host, Limit(100, 10)) for _ in range(3)] == [0, 0, 0]


def test_a_limit_of_another_config_of_the_catalogue_holds_though_it_never_ran(process, host):
    """Configs of one host with different limits: the strictest holds."""
    shared = {host: {Limit(1, 10): ["strict"]}}
    assert process(shared=shared).reserve(host, Limit(100, 10)) == 0
    assert process(shared=shared).reserve(host, Limit(100, 10)) == Limit(1, 10).spacing


def test_a_pause_stops_every_process_and_a_shorter_one_does_not_end_it(process, host, clock):
    """A source that asks for quiet gets it from all, not from the worker that happened to be told."""
    process().pause(host, 30)
    process().pause(host, 0)
    assert process().wait(host, Limit(5, 1)) == 30
    assert process().reserve(host, Limit(5, 1)) == 30
    clock.sleep(30)
    assert process().reserve(host, Limit(5, 1)) == 0


def test_refusals_slow_a_host_down_and_good_answers_bring_it_back(process, host, clock):
    """A source that is at its end is asked half as often, and again half as often, by everybody."""
    limit = Limit(10, 10)
    even = limit.spacing / 10
    demand(process(), host, clock, limit)
    for factor in (2, 4):
        process().refused(host)
        process().refused(host)  # of a request that was under way together with the first
        assert process().wait(host, limit) == pytest.approx(factor * even)
        demand(process(), host, clock, limit)
    for _ in range(20):
        budget = process()
        demand(budget, host, clock, limit)
        budget.answered(host)
    clock.sleep(20)
    assert [process().reserve(host, limit) for _ in range(10)] == [0] * 10


def test_a_good_answer_costs_nothing_while_the_host_is_not_slowed_down(process, host, database):
    """It would double what a request costs."""
    budget = process()
    budget.reserve(host, Limit(5, 1))
    begun: list[Any] = []
    with on_event(database, "begin", begun.append):
        budget.answered(host)
    assert begun == []


def test_a_slowdown_is_forgotten_after_a_day_and_never_longer_than_an_hour_for_a_request(
    process, host, clock
):
    """A source that was down at night would be asked once an hour for ever."""
    budget, limit = process(), Limit(1, 600)
    demand(budget, host, clock, limit)
    for _ in range(8):
        budget.refused(host)
        clock.sleep(2)
    assert process().wait(host, limit) == pytest.approx(LONGEST_INTERVAL - 16)
    clock.sleep(86_400)
    demand(budget, host, clock, limit)
    assert process().wait(host, limit) == pytest.approx(limit.spacing)


def test_a_limit_that_the_source_tells_holds_for_everybody_for_a_while(process, host, clock):
    """The headers reach one worker; the others would overrun it."""
    stricter, limit = Limit(1, 100), Limit(10, 1)
    process().observed(host, stricter)
    assert process().reserve(host, limit) == 0
    assert process().reserve(host, limit) == stricter.spacing
    clock.sleep(stricter.observed_for)
    assert [process().reserve(host, limit) for _ in range(3)] == [0, 0, 0]


def test_a_source_that_tells_another_limit_each_time_fills_nothing_and_loosens_nothing(
    process, host, database
):
    """A hostile header must not push the config's own limit out."""
    budget, own = process(), Limit(1, 10)
    assert budget.reserve(host, own) == 0
    for calls in range(100, 200):
        budget.observed(host, Limit(calls, 1))
    assert process().reserve(host, own) == own.spacing
    with database.read() as connection:
        limits = connection.scalar(select(request_host.c.limits).order_by(request_host.c.id.desc()).limit(1))
    assert len(limits) <= MOST_LIMITS + 1


@pytest.mark.parametrize("back", [0.5, 30.0, 1e6])
def test_a_clock_that_is_set_back_blocks_for_no_longer_than_the_period(process, host, clock, back):
    """A machine that starts again, or a server whose clock is corrected, would stop a source for as long."""
    limit = Limit(2, 3)
    process().reserve(host, limit)
    process().reserve(host, limit)
    process().pause(host, 2)
    clock.now -= back
    began = clock()
    demand(process(), host, clock, limit, longest_nap=1.0)
    assert limit.period <= clock() - began <= limit.spacing + budgets.JUMP


def test_a_request_that_leaves_long_after_its_grant_is_dated_by_that(process, host, database, clock):
    """A commit that took half a second would let the next request follow on the heels of this one."""
    limit, budget = Limit(1, 3), process()
    assert budget.reserve(host, limit) == 0
    clock.sleep(0.5)
    budget.left(host)
    assert process().reserve(host, limit) == pytest.approx(limit.spacing)
    begun: list[Any] = []
    with on_event(database, "begin", begun.append):
        budget.left(host)
    assert begun == []


def test_a_request_that_lost_its_turn_while_its_process_was_frozen_waits_for_another(
    process, host, clock, monkeypatch
):
    """The others left by its date; with them it would be one too many, and dating it anew holds nobody back."""
    limit, frozen = Limit(2, 3), process()
    assert frozen.reserve(host, limit) == 0

    def freeze(*_: object) -> None:
        clock.sleep(10)
        assert [process().reserve(host, limit) for _ in range(2)] == [0, 0]

    monkeypatch.setattr(frozen, "_note", freeze)
    clock.sleep(10)
    assert frozen.reserve(host, limit) == pytest.approx(limit.spacing)


def test_a_request_that_left_after_it_had_lost_its_turn_counts_from_then_on(process, host, clock):
    """A process that froze with the request half sent: nobody can call it back, and the next must wait for it."""
    limit, frozen = Limit(2, 3), process()
    assert frozen.reserve(host, limit) == 0
    clock.sleep(10)
    assert process().reserve(host, limit) == 0
    frozen.left(host)
    assert process().reserve(host, limit) == pytest.approx(limit.spacing)


@pytest.mark.parametrize("calls", [1, 5])
def test_a_process_that_stalls_where_departures_are_deleted_forgets_none_that_counts(
    process, host, clock, monkeypatch, calls
):
    """Without the newest one numbering began anew, and the limit was off for the next 64 requests."""
    limit, budget = Limit(calls, 1), process()
    departures = [demand(budget, host, clock, limit) for _ in range(2 * CHUNK - 1)]
    with monkeypatch.context() as patched:
        lock = request_hosts.lock
        patched.setattr(request_hosts, "lock", lambda *which: (clock.sleep(100), lock(*which)))
        departures.append(demand(budget, host, clock, limit))
    departures += [demand(process(), host, clock, limit) for _ in range(3 * limit.calls)]
    assert most_in_any(departures[2 * CHUNK :], limit.period) <= limit.calls


def test_old_departures_are_deleted_a_few_at_a_time(process, host, database, clock):
    """A harvest of a year's pages must not keep a row for each, nor stop to sweep them all."""
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
    """A transaction that is under way for one host must hold up no other's requests."""
    if database.dialect == "sqlite":
        pytest.skip("SQLite has one writer; a transaction of the budget takes a fraction of a millisecond")
    budget, limit = process(), Limit(5, 1)
    budget.reserve("one.example", limit)
    with budget._locked("one.example"):
        assert process().reserve("two.example", limit) == 0


def test_a_name_out_of_the_environment_does_not_stand_in_the_database(process, host, database):
    """DESIGN.md, section 3: a value of `${NAME}` never reaches it, and a host's name may be one."""
    process().reserve("internal.example", Limit(1, 1))
    with database.read() as connection:
        assert "internal" not in str(connection.execute(select(request_host)).all())


def _departures(database: Database) -> int:
    """Of the host that came last."""
    newest = select(func.max(request_host.c.id)).scalar_subquery()
    query = select(func.count()).where(request_departure.c.host_id == newest)
    with database.read() as connection:
        return connection.scalar(query) or 0
