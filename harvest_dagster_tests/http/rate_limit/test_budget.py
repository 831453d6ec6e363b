"""The budget of a process keeps every rate limit. The tests use a clock of their own."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvest_dagster.http.rate_limit.budget import ProcessBudget
from harvest_dagster.rate_limits import Limit, host_of
from harvest_dagster_tests.http.clock import Clock

HOST = "source.example"
LIMITS = st.builds(Limit, st.integers(1, 20), st.sampled_from([0.1, 1.0, 3.0, 7.5, 60.0]))


def most_in_any(departures: list[float], period: float) -> int:
    """Return the largest number of departures in any half-open interval of this length. It begins at a departure."""
    return max(sum(start <= other < start + period for other in departures) for start in departures)


def send_requests(budget: ProcessBudget, clock: Clock, limits: list[Limit], times: int) -> list[float]:
    """Send requests without a pause, under each limit in turn, and wait exactly as the budget says."""
    departures = []
    for turn in range(times):
        while (seconds := budget.reserve(HOST, limits[turn % len(limits)])) > 0:
            clock.sleep(seconds)
        departures.append(clock())
    return departures


@given(LIMITS, st.lists(st.floats(0, 30), min_size=1, max_size=80))
def test_no_interval_of_a_period_has_more_requests_than_allowed(limit, idle):
    """A fixed window allows twice the requests across its edge (docs/failures.md#limiter-miscounts)."""
    clock = Clock()
    budget = ProcessBudget(clock)
    departures = []
    for pause in idle:
        clock.sleep(pause)
        departures += send_requests(budget, clock, [limit], 1)
    assert most_in_any(departures, limit.period) <= limit.calls


@given(LIMITS)
def test_a_session_that_always_sends_uses_nearly_the_whole_budget(limit):
    """A limiter allowed only n - 1 requests in place of n (docs/failures.md#limiter-miscounts)."""
    clock = Clock()
    departures = send_requests(ProcessBudget(clock), clock, [limit], 10 * limit.calls + 1)
    assert 10 * limit.period / (departures[-1] - departures[0]) >= 0.95
    assert most_in_any(departures, limit.spacing * 1.001) >= limit.calls


@given(st.lists(LIMITS, min_size=2, max_size=3, unique=True))
def test_each_of_several_limits_of_a_host_holds_for_all_requests(limits):
    """43 base URLs had two configs each (docs/failures.md#same-source-twice)."""
    clock = Clock()
    budget = ProcessBudget(clock)
    for limit in limits:
        budget.seconds_to_wait(HOST, limit)
    departures = send_requests(budget, clock, limits, 60)
    assert all(most_in_any(departures, limit.period) <= limit.calls for limit in limits)


def test_asking_how_long_to_wait_reserves_nothing():
    """A session that waits and then sends nothing must not use up a request."""
    budget = ProcessBudget(Clock())
    assert [budget.seconds_to_wait(HOST, Limit(1, 3)) for _ in range(3)] == [0.0, 0.0, 0.0]
    assert budget.reserve(HOST, Limit(1, 3)) == 0.0
    assert budget.seconds_to_wait(HOST, Limit(1, 3)) > 3


def test_hosts_do_not_share_a_budget():
    """A slow source would delay all others."""
    budget = ProcessBudget(Clock())
    assert budget.reserve("one.example", Limit(1, 3)) == 0.0
    assert budget.reserve("two.example", Limit(1, 3)) == 0.0


def test_a_pause_stops_all_sessions_and_a_shorter_pause_does_not_end_it():
    """A source that asks for a pause means all sessions, not only the one that received the response."""
    clock = Clock()
    budget = ProcessBudget(clock)
    budget.pause(HOST, 30)
    budget.pause(HOST, 0)
    assert budget.reserve(HOST, Limit(5, 1)) == 30
    clock.sleep(30)
    assert budget.reserve(HOST, Limit(5, 1)) == 0


def test_refusals_slow_a_host_down_and_successes_speed_it_up():
    """An overloaded source receives half as many requests, evenly spaced."""
    clock, limit = Clock(), Limit(10, 10)
    budget = ProcessBudget(clock)
    send_requests(budget, clock, [limit], 1)
    budget.record_refusal(HOST)
    assert budget.seconds_to_wait(HOST, limit) == pytest.approx(2 * limit.spacing / 10)
    for _ in range(10):
        send_requests(budget, clock, [limit], 1)
        budget.record_success(HOST)
    clock.sleep(limit.spacing)
    assert [budget.reserve(HOST, limit) for _ in range(10)] == [0] * 10


def test_a_limit_of_the_source_expires_if_it_is_not_repeated():
    """The headers are newer than the config, but they may change, too."""
    clock, stated = Clock(), Limit(1, 100)
    budget = ProcessBudget(clock)
    budget.record_limit(HOST, stated)
    assert budget.reserve(HOST, Limit(10, 1)) == 0
    assert budget.reserve(HOST, Limit(10, 1)) == stated.spacing
    clock.sleep(stated.observed_for)
    assert [budget.reserve(HOST, Limit(10, 1)) for _ in range(3)] == [0, 0, 0]


def test_threads_share_one_budget():
    """A limiter per object gave N runs N budgets (docs/failures.md#budget-per-process)."""
    budget = ProcessBudget(Clock())
    granted = []
    begin = threading.Barrier(8)

    def reserve() -> None:
        begin.wait()
        granted.extend(seconds for _ in range(50) if (seconds := budget.reserve(HOST, Limit(100, 60))) == 0)

    threads = [threading.Thread(target=reserve) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(granted) == 100


def test_old_departures_are_forgotten():
    """A harvest of many pages must not keep an instant for each."""
    clock = Clock()
    budget = ProcessBudget(clock)
    send_requests(budget, clock, [Limit(2, 1)], 500)
    assert len(budget._hosts[HOST].departures) <= 4


@pytest.mark.parametrize(
    ("calls", "period"), [(0, 1.0), (1, 0.0), (1, -1.0), (1, float("inf")), (1, float("nan"))]
)
def test_an_impossible_limit_is_rejected(calls, period):
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
def test_one_host_has_one_key_for_every_spelling_of_its_url(url, host):
    """Two keys would have two budgets: twice the requests that the host allows."""
    assert host_of(url) == host
