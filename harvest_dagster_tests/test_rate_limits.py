"""The slowdown of a host after refusals. The limits are tested with the budgets."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from harvest_dagster.rate_limits import GOOD_ANSWERS, SAME_REFUSAL, SLOWDOWN_LASTS, SLOWEST, Limit, Slowdown


def test_each_refusal_halves_the_rate_down_to_a_minimum() -> None:
    """An overloaded source needs relief at once, but must still get a request now and then."""
    slowdown, factors = Slowdown(), []
    for number in range(8):
        slowdown = slowdown.refused(number * SAME_REFUSAL)
        factors.append(slowdown.factor)
    assert factors == [2, 4, 8, 16, 32, SLOWEST, SLOWEST, SLOWEST]


def test_refusals_of_simultaneous_requests_count_once() -> None:
    """Ten workers that are refused at the same time would slow the host down a thousandfold."""
    slowdown = Slowdown().refused(0.0)
    assert slowdown.refused(SAME_REFUSAL / 2) == slowdown


def test_a_host_recovers_step_by_step() -> None:
    """At full speed after one good answer, the host would refuse requests again."""
    slowdown = Slowdown().refused(0.0).refused(10.0)
    factors = []
    for _ in range(2 * GOOD_ANSWERS):
        slowdown = slowdown.answered()
        factors.append(slowdown.factor)
    assert factors == [4] * (GOOD_ANSWERS - 1) + [2] * GOOD_ANSWERS + [1]
    assert slowdown.answered() == slowdown


def test_a_refusal_resets_the_count_of_good_answers() -> None:
    """A host that refuses every tenth request has not recovered."""
    slowdown = Slowdown().refused(0.0)
    for _ in range(GOOD_ANSWERS - 1):
        slowdown = slowdown.answered()
    assert slowdown.refused(100.0) == Slowdown(4, 100.0)


def test_a_slowdown_ends_a_day_after_the_last_refusal() -> None:
    """A source that was down for a night would be slow for the whole next week."""
    slowdown = Slowdown().refused(0.0)
    assert slowdown.at(SLOWDOWN_LASTS - 1) == slowdown
    assert slowdown.at(SLOWDOWN_LASTS) == Slowdown()


@given(st.integers(1, 1_000_000), st.floats(0.001, 31_536_000), st.sampled_from([2, 8, 64]))
def test_a_slowed_host_never_gets_more_requests_than_its_limit_allows(
    calls: int, period: float, factor: int
) -> None:
    """The longest interval of an hour must not relax a limit that is stricter."""
    limit = Limit(calls, period)
    assert Slowdown(factor, 0.0).interval([limit]) * calls >= limit.period
