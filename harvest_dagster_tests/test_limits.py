"""How far refusals slow a host down; limits themselves are tested with the budgets that hold to them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from harvest_dagster.limits import FORGOTTEN, GOOD_ANSWERS, SAME_REFUSAL, SLOWEST, Limit, Slowdown


def test_each_refusal_halves_the_rate_down_to_a_bound() -> None:
    """A source that is at its end gets room at once, and is still asked now and then."""
    slowdown, factors = Slowdown(), []
    for number in range(8):
        slowdown = slowdown.refused(number * SAME_REFUSAL)
        factors.append(slowdown.factor)
    assert factors == [2, 4, 8, 16, 32, SLOWEST, SLOWEST, SLOWEST]


def test_refusals_of_requests_that_were_under_way_together_count_once() -> None:
    """Ten workers that are refused in one breath would slow the host down a thousandfold."""
    slowdown = Slowdown().refused(0.0)
    assert slowdown.refused(SAME_REFUSAL / 2) == slowdown


def test_a_host_recovers_step_by_step() -> None:
    """Full speed after one good answer would have it refuse again."""
    slowdown = Slowdown().refused(0.0).refused(10.0)
    factors = []
    for _ in range(2 * GOOD_ANSWERS):
        slowdown = slowdown.answered()
        factors.append(slowdown.factor)
    assert factors == [4] * (GOOD_ANSWERS - 1) + [2] * GOOD_ANSWERS + [1]
    assert slowdown.answered() == slowdown


def test_a_refusal_in_between_begins_the_count_of_good_answers_anew() -> None:
    """Nine good answers and a refusal, for ever: such a host is not well."""
    slowdown = Slowdown().refused(0.0)
    for _ in range(GOOD_ANSWERS - 1):
        slowdown = slowdown.answered()
    assert slowdown.refused(100.0) == Slowdown(4, 100.0)


def test_a_day_later_it_is_forgotten() -> None:
    """A source that was down at night would be asked at a crawl all of the next week."""
    slowdown = Slowdown().refused(0.0)
    assert slowdown.at(FORGOTTEN - 1) == slowdown
    assert slowdown.at(FORGOTTEN) == Slowdown()


@given(st.integers(1, 1_000_000), st.floats(0.001, 31_536_000), st.sampled_from([2, 8, 64]))
def test_slowed_down_a_host_is_never_asked_faster_than_its_limit_allows(
    calls: int, period: float, factor: int
) -> None:
    """The bound of an hour must not loosen a limit that is stricter than that."""
    limit = Limit(calls, period)
    assert Slowdown(factor, 0.0).interval([limit]) * calls >= limit.period
