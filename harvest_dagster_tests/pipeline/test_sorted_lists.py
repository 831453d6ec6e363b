"""A REST source with sorted lists: a list that breaks or is cut continues from its last datestamp."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from harvest_dagster.errors import MisconfiguredSource
from harvest_dagster_tests.pipeline.changes_api import ChangesApi, serving
from harvest_dagster_tests.pipeline.test_open_end import changes, day, names, run_range, stored
from harvest_dagster_tests.pipeline.world import World

SORTED = {"sorted": "datestamp", "granularity": "second"}


@pytest.mark.parametrize("order", ["datestamp", None])
def test_only_a_sorted_list_without_a_total_continues_from_its_last_datestamp(
    small_world: World, order: str | None
) -> None:
    """Records that came in order so far prove nothing about the rest (docs/failures.md#order-taken-as-proof)."""
    api = changes(has_total=False, fails_at=21, failures=2)
    with serving(small_world, api, granularity="second", sorted=order):
        (log,) = run_range(small_world, "run 1")
    assert log is not None
    assert (log.status, log.completeness, log.doubt) == ("SUCCEEDED", "unverified", None)
    assert stored(small_world) == names(range(7))
    assert len(api.lists) == 2
    assert (api.lists[1] > api.lists[0]) == (order is not None)


@pytest.mark.parametrize("has_total", [True, False])
def test_a_list_whose_rest_is_refused_continues_until_its_end(small_world: World, has_total: bool) -> None:
    """Without an upper bound, there is no shorter list. Each next one begins at the last datestamp."""
    with serving(small_world, api := changes(range(7), has_total=has_total, cap=9), **SORTED):
        (log,) = run_range(small_world, "run 1")
    assert log is not None
    assert (log.status, log.doubt) == ("SUCCEEDED", None)
    assert stored(small_world) == names(range(7))
    assert api.lists == sorted(set(api.lists))


def cut_list(step: timedelta) -> ChangesApi:
    """Return an API that ends each list after 1,000 records, without a word."""
    items = [(f"x{number}", day(1).start + number * step) for number in range(1200)]
    return ChangesApi(items, page_size=500, has_total=False, cap=1000, is_silent=True)


def test_a_list_with_the_length_of_a_limit_is_continued(small_world: World) -> None:
    """A source that cuts each list at 1,000 records does not say so."""
    with serving(small_world, cut_list(timedelta(minutes=5)), **SORTED):
        (log,) = run_range(small_world, "run 1")
    assert log is not None
    assert (log.status, log.completeness, log.doubt) == ("SUCCEEDED", "unverified", None)
    assert len(stored(small_world)) == 1200


@pytest.mark.parametrize(
    ("step", "order", "remedy"),
    [
        (timedelta(minutes=5), None, "set sorted: datestamp in harvester_kwargs. Otherwise, harvest"),
        (timedelta(), "datestamp", "no shorter list. Otherwise, harvest a range that begins later"),
    ],
)
def test_a_list_with_the_length_of_a_limit_fails_if_nothing_continues_it(
    small_world: World, step: timedelta, order: str | None, remedy: str
) -> None:
    """It is the same list each time, so a second harvest with the same result would count as done."""
    with (
        serving(small_world, cut_list(step), granularity="second", sorted=order),
        pytest.raises(MisconfiguredSource, match=re.escape(remedy)),
    ):
        run_range(small_world, "run 1")
    assert stored(small_world) == set()


def test_a_list_in_another_order_fails_the_window_at_once(small_world: World) -> None:
    """The error names the key. No other request can help."""
    api = changes()
    api.items.reverse()
    with serving(small_world, api, **SORTED), pytest.raises(MisconfiguredSource, match="Remove `sorted`"):
        run_range(small_world, "run 1")
    assert len(api.requests) == 1
