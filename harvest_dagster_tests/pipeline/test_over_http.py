"""Whole windows with the real harvester over HTTP, compared with the request log of the source."""

from __future__ import annotations

from datetime import date

import pytest

from harvest_dagster.errors import SourceError
from harvest_dagster.pipeline.context import RunOutcome
from harvest_dagster.testing.simulator import Repository, TruncatedBody
from harvest_dagster.testing.simulator.behaviours.conditions import from_nth
from harvest_dagster.windows import whole_day
from harvest_dagster_tests.pipeline.fakes import Clock
from harvest_dagster_tests.pipeline.served import harvest_window, lists, serving
from harvest_dagster_tests.pipeline.world import World

REPOSITORY = Repository(first_day=date(2024, 4, 30), days=1, records_per_day=95, page_size=20)
DAY = whole_day(date(2024, 4, 30))


def cut(world: World) -> TruncatedBody:
    """Cut off all pages of the first run, from the third on."""
    from_the_third = from_nth(3, "ListRecords") & (lambda _: "run 1" not in world.outcomes)
    return TruncatedBody(3000, announced=False, when=from_the_third)


def fail(world: World) -> None:
    """Let the first run fail."""
    with pytest.raises(SourceError):
        harvest_window(world, "run 1", DAY)
    world.outcomes["run 1"] = RunOutcome("FAILED", "its run failed")


def test_after_a_truncated_page_no_complete_page_is_requested_twice(world: World) -> None:
    """Half of a page is a failure, and the next run continues with that page (docs/failures.md#no-resume)."""
    with serving(world, REPOSITORY, cut(world)) as server:
        fail(world)
        before = lists(server)
        world.clock.forward(minutes=2)
        log = harvest_window(world, "run 2", DAY)
    after = lists(server)[len(before) :]
    assert after[0] == before[2]
    assert len(set(before[:2] + after)) == len(before[:2] + after) == 5
    assert (log.status, log.counts.records, log.completeness) == ("SUCCEEDED", 95, "complete")
    assert {identifier for identifier, _ in world.stored()} == {REPOSITORY.identifier(n) for n in range(95)}
    assert log.counts.requests == len(server.requests)


@pytest.mark.parametrize("has_expiration", [True, False])
def test_a_token_that_expired_between_two_runs_costs_a_new_list_of_the_rest_only(
    small_world: World, has_expiration: bool
) -> None:
    """Another harvester started from zero after 678,000 of 1.5 million records. `expirationDate` saves a request."""
    clock = Clock(small_world.clock())
    with serving(small_world, REPOSITORY, cut(small_world), clock=clock) as server:
        fail(small_world)
        before = len(lists(server))
        clock.forward(hours=2)
        small_world.clock.forward(**({"hours": 2} if has_expiration else {"minutes": 2}))
        log = harvest_window(small_world, "run 2", DAY)
    tokens = lists(server)[before:]
    assert [token is None for token in tokens] == [*([] if has_expiration else [False]), True, False, False]
    assert (log.status, log.completeness, log.expected) == ("SUCCEEDED", "complete", 95)
    assert log.identifiers == len(small_world.stored()) == 95
    assert log.counts.records == 96
