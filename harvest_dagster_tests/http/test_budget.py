"""The promise of a rate limit, on a clock of its own."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvest_dagster.http.budget import ProcessBudget
from harvest_dagster.limits import Limit, host_of
from harvest_dagster_tests.http.clock import Clock

HOST = "source.example"
LIMITS = st.builds(Limit, st.integers(1, 20), st.sampled_from([0.1, 1.0, 3.0, 7.5, 60.0]))


def most_in_any(departures: list[float], period: float) -> int:
    """The most departures of any half-open stretch of time of this length; one that begins at a departure."""
    return max(sum(start <= other < start + period for other in departures) for start in departures)


def demand(budget: ProcessBudget, clock: Clock, limits: list[Limit], times: int) -> list[float]:
    """Ask without a pause, in turn for each of the limits, and wait exactly as told."""
    departures = []
    for turn in range(times):
        while (seconds := budget.reserve(HOST, limits[turn % len(limits)])) > 0:
            clock.sleep(seconds)
        departures.append(clock())
    return departures


@given(LIMITS, st.lists(st.floats(0, 30), min_size=1, max_size=80))
def test_no_stretch_of_a_period_ever_holds_more_than_the_calls_allowed(limit, idle):
    """Lesson 19: the fixed window of `ratelimit` lets twice the allowance through across its edge."""
    clock = Clock()
    budget = ProcessBudget(clock)
    departures = []
    for pause in idle:
        clock.sleep(pause)
        departures += demand(budget, clock, [limit], 1)
    assert most_in_any(departures, limit.period) <= limit.calls


@given(LIMITS)
def test_who_always_asks_gets_nearly_the_whole_budget(limit):
    """Lesson 19: an allowance of n gave n - 1; a harvest would take that much longer."""
    clock = Clock()
    departures = demand(ProcessBudget(clock), clock, [limit], 10 * limit.calls + 1)
    assert 10 * limit.period / (departures[-1] - departures[0]) >= 0.95
    assert most_in_any(departures, limit.spacing * 1.001) >= limit.calls


@given(st.lists(LIMITS, min_size=2, max_size=3, unique=True))
def test_of_several_limits_for_one_host_each_holds_for_all(limits):
    """Lesson 18: 43 base URLs had two configs each; the laxer one must not spend the other's budget."""
    clock = Clock()
    budget = ProcessBudget(clock)
    for limit in limits:
        budget.wait(HOST, limit)
    departures = demand(budget, clock, limits, 60)
    assert all(most_in_any(departures, limit.period) <= limit.calls for limit in limits)


def test_asking_how_long_takes_nothing():
    """Who waits and then does not go must not use up an allowance."""
    budget = ProcessBudget(Clock())
    assert [budget.wait(HOST, Limit(1, 3)) for _ in range(3)] == [0.0, 0.0, 0.0]
    assert budget.reserve(HOST, Limit(1, 3)) == 0.0
    assert budget.wait(HOST, Limit(1, 3)) > 3


def test_hosts_do_not_share_a_budget():
    """One slow source must not hold up the others."""
    budget = ProcessBudget(Clock())
    assert budget.reserve("one.example", Limit(1, 3)) == 0.0
    assert budget.reserve("two.example", Limit(1, 3)) == 0.0


def test_a_pause_stops_everybody_and_a_shorter_one_does_not_end_it():
    """A source that asks for quiet gets it from all sessions, not from the one that happened to be told."""
    clock = Clock()
    budget = ProcessBudget(clock)
    budget.pause(HOST, 30)
    budget.pause(HOST, 0)
    assert budget.reserve(HOST, Limit(5, 1)) == 30
    clock.sleep(30)
    assert budget.reserve(HOST, Limit(5, 1)) == 0


def test_refusals_slow_a_host_down_and_good_answers_bring_it_back():
    """A source that is at its end is asked half as often, and one by one."""
    clock, limit = Clock(), Limit(10, 10)
    budget = ProcessBudget(clock)
    demand(budget, clock, [limit], 1)
    budget.refused(HOST)
    assert budget.wait(HOST, limit) == pytest.approx(2 * limit.spacing / 10)
    for _ in range(10):
        demand(budget, clock, [limit], 1)
        budget.answered(HOST)
    clock.sleep(limit.spacing)
    assert [budget.reserve(HOST, limit) for _ in range(10)] == [0] * 10


def test_a_limit_that_the_source_tells_holds_until_it_was_not_told_for_a_while():
    """Its headers know better than a config of last year; but not for ever."""
    clock, told = Clock(), Limit(1, 100)
    budget = ProcessBudget(clock)
    budget.observed(HOST, told)
    assert budget.reserve(HOST, Limit(10, 1)) == 0
    assert budget.reserve(HOST, Limit(10, 1)) == told.spacing
    clock.sleep(told.observed_for)
    assert [budget.reserve(HOST, Limit(10, 1)) for _ in range(3)] == [0, 0, 0]


def test_threads_together_get_no_more_than_one_would():
    """Lesson 18: the limiter lived in one object, and N runs had N budgets."""
    budget = ProcessBudget(Clock())
    granted = []
    begin = threading.Barrier(8)

    def ask() -> None:
        begin.wait()
        granted.extend(seconds for _ in range(50) if (seconds := budget.reserve(HOST, Limit(100, 60))) == 0)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(granted) == 100


def test_old_departures_are_forgotten():
    """A harvest of a year's pages must not keep an instant for each."""
    clock = Clock()
    budget = ProcessBudget(clock)
    demand(budget, clock, [Limit(2, 1)], 500)
    assert len(budget._hosts[HOST].departures) <= 4


@pytest.mark.parametrize(
    ("calls", "period"), [(0, 1.0), (1, 0.0), (1, -1.0), (1, float("inf")), (1, float("nan"))]
)
def test_a_limit_that_nothing_could_keep_is_refused(calls, period):
    """A period of zero would mean no limit at all."""
    with pytest.raises(ValueError, match="rate limit"):
        Limit(calls, period)


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://Export.arXiv.org/oai2", "export.arxiv.org"),
        ("http://export.arxiv.org:80/", "export.arxiv.org"),
        ("https://export.arxiv.org.:443/", "export.arxiv.org"),
        ("http://export.arxiv.org:8080/", "export.arxiv.org:8080"),
        ("http://user:word@[::1]:9000/", "::1:9000"),
    ],
)
def test_one_host_has_one_key_however_its_url_is_written(url, host):
    """Two spellings with a budget each would give the host twice what it allows."""
    assert host_of(url) == host
